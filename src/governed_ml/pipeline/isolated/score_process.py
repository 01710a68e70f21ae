"""The process in which a model that carries code predicts. It gets features and nothing else."""

from __future__ import annotations

import io
from typing import Any

from governed_ml.core import model_file
from governed_ml.pipeline.isolated.channel import GOES_ON
from governed_ml.pipeline.isolated.child_process import Inside, Reply, failure, run
from governed_ml.pipeline.quick.last_step import last_step

METHODS = ("predict", "predict_proba", "decision_function", "transform")
ONE_THREAD = "use one thread"


def main(inside: Inside) -> None:
    """Load the model with its own source, and answer until the parent has finished."""
    inside.shut_in()
    import pyarrow as pa
    from threadpoolctl import threadpool_limits

    inside.named = model_file.code(io.BytesIO(inside.parts[0])).name
    model: Any = model_file.load_carrying(inside.parts[0])
    inside.answer(described(model))

    def reply(head: dict[str, Any], parts: list[bytes]) -> Reply:
        if head["methods"] == [ONE_THREAD]:
            threadpool_limits(limits=1)
            return {}, []
        rows = pa.ipc.open_stream(parts[0]).read_all().to_pandas()
        methods = head["methods"]
        try:
            asked, rows = last_step(model, rows) if len(methods) > 1 else (model, rows)
            return {}, [_saved(getattr(asked, method)(rows)) for method in methods]
        except Exception as error:  # noqa: BLE001 - other rows may be answered
            return failure(error, inside) | {GOES_ON: True}, []

    inside.serve(reply)


def _saved(found: Any) -> bytes:
    """Return an array in NumPy's format."""
    import numpy as np

    found = np.asarray(found.toarray() if hasattr(found, "toarray") else found)
    buffer = io.BytesIO()
    np.save(buffer, found, allow_pickle=False)
    return buffer.getvalue()


def described(model: Any) -> dict[str, Any]:
    """Return what the parent's proxy must know about the model."""
    classes = getattr(model, "classes_", None)
    names = getattr(model, "feature_names_in_", None)
    return {
        "methods": [name for name in METHODS if hasattr(model, name)],
        "classes": None if classes is None else [int(one) for one in classes],
        "features": None if names is None else [str(name) for name in names],
        "type": type(model).__name__,
    }


if __name__ == "__main__":
    run(main)
