"""Have the team's code fit the configured estimator; save the model, log the run to MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import model_file, tables, team
from governed_ml.core.config import read
from governed_ml.core.config.closed_model import Task
from governed_ml.core.config.model import Model
from governed_ml.core.config.params import Params
from governed_ml.core.evidence import load, path_of
from governed_ml.core.evidence_bodies import TrainBody
from governed_ml.core.files import file_digest
from governed_ml.core.mlflow_store import answering, connect
from governed_ml.core.problem import Problem, first_line
from governed_ml.pipeline import mitigation
from governed_ml.pipeline.named_classes import named_class
from governed_ml.pipeline.stage import record
from governed_ml.pipeline.tracking import begin, finish, flat

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline

SECTIONS = ("seed", "experiment", "data.name", "data.task", "model")


def main() -> str:
    """Fit preprocessing and estimator, write the model, log everything that made it."""
    params = read(*SECTIONS)
    store = begin(params.experiment)
    split = load("split").body
    frame = tables.read(tables.TRAIN)
    features = split.numeric + split.categorical
    pipeline = build(params.model, params.data.task, params.seed, split.numeric, split.categorical)
    names = mitigation.attributes(params.model, split.sensitive)
    groups = mitigation.groups(names, frame) if names else None
    plain, done = None, None
    finish(store)  # a store that does not answer says so before hours of training
    try:
        if groups is None:
            pipeline = fitted(pipeline, frame[features], frame[tables.TARGET])
        else:
            pipeline, plain, done = mitigation.fit(
                pipeline, frame[features], frame[tables.TARGET], groups
            )
    except Exception as error:  # an estimator may raise anything
        raise Problem(
            f"conf/model: {params.model.name} cannot be fitted: {first_line(error)}; "
            "correct its settings, or choose another model in conf/config.yaml"
        ) from error
    model_file.save(pipeline)
    digest = model_file.digest()
    run_id = log(params, pipeline, frame[features], digest)
    settings = {
        key: value if isinstance(value, str | int | float | bool | None) else repr(value)
        for key, value in flat(params.model.estimator).items()
    }
    body = TrainBody(
        model=params.model.name,
        estimator=str(params.model.estimator["_target_"]),
        parameters=settings,
        rows=len(frame),
        features=len(features),
        numeric=split.numeric,
        categorical=split.categorical,
        mitigation=done,
    )
    record(
        "train",
        SECTIONS,
        [tables.TRAIN, path_of("split"), *([tables.SENSITIVE_TRAIN, tables.TEST] if done else [])],
        body,
        {} if plain is None else mitigation.cost(plain, features),
        tools=("scikit-learn", "skops", "mlflow", *(["fairlearn"] if done else [])),
        model=digest,
        notes={"mlflow_run_id": run_id},
    )
    return (
        f"{params.model.name} on {len(frame):,} rows × {len(features)} features, "
        f"model {digest[:18]}…"
    )


def build(
    model: Model, task: Task, seed: int, numeric: list[str], categorical: list[str]
) -> Pipeline:
    """Return the unfitted pipeline: the team's features, then the configured estimator."""
    from sklearn.pipeline import Pipeline

    transformer = team.function(team.FEATURES, "preprocessing")(numeric, categorical)
    return Pipeline([("features", transformer), ("estimator", estimator(model, task, seed))])


def fitted(pipeline: Pipeline, features: pd.DataFrame, target: pd.Series) -> Pipeline:
    """Call the team's `fit(pipeline, features, target)`; `Problem` if it returns no model."""
    found = team.function(team.TRAINING, "fit")(pipeline, features, target)
    if not hasattr(found, "predict"):
        raise Problem(
            f"src/{team.name()}/training.py: fit returned {type(found).__name__}: return a fitted "
            "scikit-learn estimator"
        )
    return found


def estimator(model: Model, task: Task, seed: int) -> BaseEstimator:
    """Instantiate `conf/model`: an estimator from an allowed package, and of the task."""
    from hydra.utils import instantiate
    from sklearn.base import BaseEstimator, is_classifier, is_regressor

    for name in model.targets():
        named_class(name)
    target = model.targets()[0]
    try:
        made: Any = instantiate(model.estimator, _convert_="all")
    except Exception as error:  # an estimator's constructor may raise anything
        cause = error.__cause__ or error  # Hydra wraps it
        raise Problem(
            f"conf/model: {target} cannot be made: {first_line(cause)}; correct its settings"
        ) from error
    fits = is_classifier if task == "classification" else is_regressor
    plain = mitigation.inner(model, made, task) if mitigation.asked(model) else made
    if not isinstance(plain, BaseEstimator) or not fits(plain):
        raise Problem(
            f"conf/model: {target} is no estimator for {task}: choose another in conf/config.yaml"
        )
    if "random_state" in plain.get_params() and plain.get_params()["random_state"] is None:
        plain.set_params(random_state=seed)
    return made


def log(params: Params, pipeline: Pipeline, features: pd.DataFrame, digest: str) -> str:
    """Log one MLflow run: configuration, data digests, environment, model with signature."""
    import mlflow
    from mlflow.models import infer_signature
    from mlflow.sklearn import log_model

    experiment = connect(params.experiment)
    sample = features.head(100)
    with (
        answering(),
        mlflow.start_run(experiment_id=experiment, run_name=params.model.name) as active,
    ):
        settings = flat(
            {
                name: getattr(params, name).model_dump(mode="json")
                if hasattr(getattr(params, name), "model_dump")
                else getattr(params, name)
                for name in ("seed", "model")
            }
        )
        mlflow.log_params({key: str(value)[:500] for key, value in settings.items()})
        mlflow.set_tags({"model_digest": digest, "data": params.data.name})
        mlflow.log_input(dataset(tables.TRAIN), context="training")
        mlflow.log_input(dataset(tables.TEST), context="test")
        mlflow.log_artifact("params.yaml")
        log_model(
            pipeline,
            name="model",
            signature=infer_signature(sample, pipeline.predict(sample)),
            serialization_format="skops",
            skops_trusted_types=model_file.types(),
            pip_requirements=["scikit-learn", "skops", "pandas"],
        )
    return str(active.info.run_id)


def dataset(path: Path) -> Any:
    """Describe a table to MLflow by path and digest, without its rows."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    digest = file_digest(path)
    source = CodeDatasetSource(tags={"path": path.as_posix(), "digest": digest})
    return MetaDataset(source, name=path.stem, digest=digest.removeprefix("sha256:")[:36])
