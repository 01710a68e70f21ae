"""Fit the configured estimator with the team's code, save the model, log the run to MLflow."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import model_file, tables
from governed_ml.core.bodies import trained
from governed_ml.core.config import read
from governed_ml.core.config.params import Params
from governed_ml.core.evidence import load, path_of
from governed_ml.core.evidence_bodies import SplitBody, TrainBody
from governed_ml.core.files import COMPOSED, file_digest
from governed_ml.core.installation import extras
from governed_ml.core.mlflow_store import answering
from governed_ml.core.problem import Problem
from governed_ml.core.terminal import PROGRESS
from governed_ml.pipeline import mitigation, mlflow_model, models
from governed_ml.pipeline.boosters import storage
from governed_ml.pipeline.folds import fold_training
from governed_ml.pipeline.isolated.isolated_model import IsolatedModel
from governed_ml.pipeline.isolated.team_logging import hand_over
from governed_ml.pipeline.probabilities import folds
from governed_ml.pipeline.stage_runner import record
from governed_ml.pipeline.tracking import flat, names, open_run
from governed_ml.pipeline.training import Trained, Training

if TYPE_CHECKING:
    import pandas as pd

PROBABILITIES, THRESHOLD = "probabilities", "threshold"  # a tag and a metric in MLflow
SECTIONS = ("seed", "experiment", "data.name", "data.task", "model")


def main() -> str:
    """Train, write the model, and log everything that it was made from."""
    params = read(*SECTIONS)
    split = load("split").body
    # With folds, the process that gets all rows starts after the others have ended.
    training = None if split.folds else Training(params, split)
    # If the store does not answer, fail before hours of training.
    run = {"id": open_run(params.experiment, params.model.name), "name": params.model.name}
    of_run = run | {"experiment": params.experiment}
    try:
        by_fold = fold_training.trained(params, split, of_run)
        training = training or Training(params, split)
        PROGRESS.step("fitting the model")
        training.fit(of_run)
        mlflow_model.prepare()  # takes as long as a small fit
        found = training.finish()
        fold_training.without_folds()
        PROGRESS.step("storing the model and the run")
        features = tables.read(tables.TRAIN)[split.numeric + split.categorical]
        digest = model_file.digest()
        body = _body(params, split, len(features), found)
        notes = log(params, features, digest, run["id"], found.logged, body, split.classes)
    except BaseException as error:
        if training is not None:
            training.close()
        _fail(run["id"], error)
        raise
    done = found.mitigation
    without = [one.unmitigated for one in by_fold or [found] if one.unmitigated is not None]
    inputs = [tables.TRAIN, path_of("split")]
    inputs += [tables.SENSITIVE_TRAIN, tables.TEST] if done else []
    inputs += [tables.FOLDS] if by_fold else []
    libraries = [extras.distribution(one) for one in extras.named(params.model.targets())]
    inputs += folds.needs(split) if found.folds else []
    record(
        "train",
        SECTIONS,
        inputs,
        body,
        mitigation.cost(without) if without else {},
        tools=("scikit-learn", "skops", "mlflow", *(["fairlearn"] if done else []), *libraries),
        model=digest,
        notes=notes | {"mlflow_run_id": run["id"], "isolation": found.isolation},
    )
    and_folds = f" and one model for each of {len(by_fold)} folds" if by_fold else ""
    return (
        f"{params.model.name} on {len(features):,} rows × {features.shape[1]} features, "
        f"model {digest[:18]}…{and_folds}"
    )


def _body(params: Params, split: SplitBody, rows: int, found: Trained) -> TrainBody:
    settings = {
        key: value if isinstance(value, str | int | float | bool | None) else repr(value)
        for key, value in flat(params.model.estimator).items()
    }
    return TrainBody(
        model=params.model.name,
        estimator=str(params.model.estimator["_target_"]),
        parameters=settings,
        rows=rows,
        features=len(split.numeric) + len(split.categorical),
        numeric=split.numeric,
        categorical=split.categorical,
        mitigation=found.mitigation,
        calibration=params.model.calibration,
        threshold=found.threshold,
        folds=found.folds,
        fold_models=fold_training.digests(),
    )


def _fail(run_id: str, error: BaseException) -> None:
    """Mark a failed training's MLflow run; errors here must not hide the original one."""
    from mlflow.tracking import MlflowClient

    try:
        with answering():
            MlflowClient().set_terminated(run_id, "FAILED")
    except Problem as problem:
        error.add_note(f"the run in MLflow was not marked as failed: {problem}")


def log(
    params: Params,
    features: pd.DataFrame,
    digest: str,
    run_id: str,
    logged: bytes,
    body: TrainBody,
    classes: list[str] | None,
) -> dict[str, str]:
    """Log configuration, data digests, environment, model with signature, and the team's entries.

    `classes` are the names of three or more classes, of which the model predicts positions. Return
    a note if some of the team's entries were left out.
    """
    import mlflow
    from mlflow.models import infer_signature
    from mlflow.sklearn import log_model

    sample, left_out = features.head(100), ""
    settings = flat({"seed": params.seed, "model": params.model.model_dump(mode="json")})
    known_as = names(settings)
    with answering(), models.opened() as model, mlflow.start_run(run_id=run_id):
        if logged:
            left_out = hand_over(logged, run_id, own=known_as.values())
        mlflow.log_params({known_as[key]: str(value)[:500] for key, value in settings.items()})
        mlflow.set_tags({"model_digest": digest, "data": params.data.name})
        if about := trained.about(body):
            mlflow.set_tag(PROBABILITIES, ". ".join(about))
        if body.threshold is not None:
            mlflow.log_metric(THRESHOLD, body.threshold.value)
        if classes is not None:
            mlflow.log_dict({"classes": classes}, model_file.CLASSES)
        mlflow.log_input(dataset(tables.TRAIN), context="training")
        mlflow.log_input(dataset(tables.TEST), context="test")
        for name in COMPOSED:
            mlflow.log_artifact(name)
        signature = infer_signature(sample, model.predict(sample))
        if isinstance(model, IsolatedModel):
            with tempfile.TemporaryDirectory() as scratch:
                mlflow_model.write(model_file.PATH, Path(scratch, "model"), signature)
                mlflow.log_artifacts(str(Path(scratch, "model")), "model")
        else:
            types = model_file.types()
            storage.teach_skops()
            log_model(
                model,
                name="model",
                signature=signature,
                serialization_format="skops",
                skops_trusted_types=types,
                pip_requirements=mlflow_model.requirements(types),
            )
    return {"mlflow": left_out} if left_out else {}


def dataset(path: Path) -> Any:
    """Describe a table to MLflow by path and digest, without its rows."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    digest = file_digest(path)
    source = CodeDatasetSource(tags={"path": path.as_posix(), "digest": digest})
    return MetaDataset(source, name=path.stem, digest=digest.removeprefix("sha256:")[:36])
