"""What a team writes in an hour: FastAPI, typed rows, `model.predict`; no checks and no log.

`python bare_service.py MODEL EVIDENCE PORT` serves a model file; EVIDENCE is that of `train`.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import create_model

from governed_ml.core import model_file
from governed_ml.core.files import read_json


def application(model: Any, numeric: list[str], categorical: list[str]) -> FastAPI:
    """Return an application with a route for predictions, and one for SHAP values beside them."""
    import shap

    app = FastAPI()
    fields: dict[str, Any] = dict.fromkeys(numeric, (float | None, None))
    fields |= dict.fromkeys(categorical, (str | None, None))
    row = create_model("BareRow", **fields)
    explainer = shap.TreeExplainer(model[-1])

    def frame(rows: list[Any]) -> pd.DataFrame:
        made = pd.DataFrame([one.model_dump() for one in rows])
        return made.astype(dict.fromkeys(numeric, "float64") | dict.fromkeys(categorical, "str"))

    @app.post("/predict")
    def predict(rows: list[row]) -> list[int]:  # pyright: ignore[reportInvalidTypeForm]
        return model.predict(frame(rows)).tolist()

    @app.post("/explain")
    def explain(rows: list[row]) -> dict[str, Any]:  # pyright: ignore[reportInvalidTypeForm]
        given = frame(rows)
        values = explainer.shap_values(model[:-1].transform(given))
        return {"predictions": model.predict(given).tolist(), "values": values.tolist()}

    return app


def main(model: str, evidence: str, port: str) -> None:
    """Serve until the process ends."""
    loaded = model_file.load(Path(model).read_bytes())
    trained = read_json(Path(evidence))["body"]
    app = application(loaded, trained["numeric"], trained["categorical"])
    uvicorn.run(app, port=int(port), log_level="error")


if __name__ == "__main__":
    main(*sys.argv[1:])
