"""The process in which the team's features and training run. It gets only the training rows.

Jobs: `fit` returns the fitted model, with calibration and threshold if these are asked for.
`encode` returns the fitted features and the encoded rows, for a mitigation that the engine runs.
`assemble` combines such features and an estimator into one model.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core.code import team
from governed_ml.core.problem import Problem
from governed_ml.pipeline.boosters import storage
from governed_ml.pipeline.isolated import contract, team_logging
from governed_ml.pipeline.isolated.child_process import Inside, run

if TYPE_CHECKING:
    import pandas as pd


def main(inside: Inside) -> None:
    """Run the job that the parent sent."""
    inside.shut_in()
    from importlib import import_module

    import_module("skops.io")  # before code of the team can change what it imports
    {"fit": fit, "encode": encode, "assemble": assemble, "refit": refit}[inside.job["do"]](inside)


def fit(inside: Inside) -> None:
    """Send the fitted model in skops format, and what the team logged.

    For calibration and threshold, the team's `fit` is also called with the rows of each fold. What
    it logs to MLflow there is not kept.
    """
    from sklearn.base import clone
    from sklearn.pipeline import Pipeline

    from governed_ml.core.config.model import Model
    from governed_ml.core.tables import TARGET
    from governed_ml.pipeline import estimators
    from governed_ml.pipeline.probabilities.finished_model import finished
    from governed_ml.pipeline.probabilities.folds import unpacked

    job = inside.job
    model = Model.model_validate(job["model"])
    estimator = estimators.estimator(model, job["task"], job["seed"])
    frame, package = _rows(inside), inside.package()
    run_of_engine = inside.receive()
    scratch = Path(job["scratch"])
    team_logging.open_store(scratch, run_of_engine)
    team.install(package)
    features = frame[job["numeric"] + job["categorical"]]
    steps = contract.encoding(package.name, features, job["numeric"], job["categorical"])
    pipeline = Pipeline([*steps, ("estimator", estimator)])
    asked = model.calibration is not None or model.threshold is not None
    unfitted: Any = clone(pipeline) if asked else None
    target = frame[TARGET]
    found = contract.trained(package.name, model.name, pipeline, features, target, job["classes"])
    log = team_logging.packed(scratch, run_of_engine)
    head: dict[str, Any] = {"columns": len(steps) > 1}
    if asked:

        def again(rows: pd.DataFrame, known: pd.Series, fold: int) -> Any:
            team_logging.open_store(scratch / f"fold{fold}", run_of_engine)
            one = clone(unfitted)
            return contract.trained(package.name, model.name, one, rows, known, job["classes"])

        folds = unpacked(inside.parts[1]) if model.cross_validates else []
        found, chosen = finished(found, model, again, features, target, folds)
        head |= {"threshold": chosen._asdict() if chosen else None}
    inside.answer(head, storage.dumps(found), log)


def encode(inside: Inside) -> None:
    """Send the fitted features in skops format, and the encoded rows."""
    import numpy as np
    from sklearn.pipeline import Pipeline

    job = inside.job
    frame, package = _rows(inside), inside.package()
    team.install(package)
    features = frame[job["numeric"] + job["categorical"]]
    pipeline = Pipeline(
        contract.encoding(package.name, features, job["numeric"], job["categorical"])
    )
    found: Any = pipeline.fit_transform(features)
    matrix = np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype="float64")
    buffer = io.BytesIO()
    np.save(buffer, matrix, allow_pickle=False)
    inside.answer({}, storage.dumps(pipeline), buffer.getbuffer())


def assemble(inside: Inside) -> None:
    """Send one model, combined from the fitted features and the fitted estimator that were sent."""
    from sklearn.pipeline import Pipeline

    from governed_ml.core import model_file

    encoder, estimator = (model_file.load_carrying(part) for part in inside.parts)
    steps: list[tuple[str, Any]] = [*getattr(encoder, "steps"), ("estimator", estimator)]  # noqa: B009
    inside.answer({}, storage.dumps(Pipeline(steps)))


def refit(inside: Inside) -> None:
    """Send the pipeline of the model that was sent, fitted anew on the rows that were sent."""
    from governed_ml.core import model_file
    from governed_ml.core.tables import TARGET

    frame = _rows(inside)
    model = anew(model_file.load_carrying(inside.parts[1]))
    model.fit(frame[inside.job["wanted"]], frame[TARGET])
    inside.answer({}, storage.dumps(model))


def anew(fitted: Any) -> Any:
    """Return an unfitted copy of a model; raise `Problem` if a part of it would stay fitted."""
    from sklearn.base import clone
    from sklearn.frozen import FrozenEstimator

    found: Any = clone(fitted)
    if any(isinstance(one, FrozenEstimator) for one in found.get_params().values()):
        raise Problem("a part of the champion is frozen, so its pipeline cannot be fitted anew")
    return found


def _rows(inside: Inside) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(io.BytesIO(inside.parts[0]))


if __name__ == "__main__":
    run(main)
