"""Every stage that computes, called in this process on one table, with no store and no evidence."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pandas as pd
import served
import team_projects
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline

from governed_ml.core import model_file, tables
from governed_ml.core.code import team
from governed_ml.core.config import Split
from governed_ml.core.config.policy_schema import Perturbation
from governed_ml.core.evidence import Metric
from governed_ml.pipeline import predict_version
from governed_ml.pipeline.folds import fold_models, fold_tables
from governed_ml.pipeline.stages import drift, evaluate, explain, fairness, ingest, split

POLICY = SimpleNamespace(confidence=0.95, perturbation=Perturbation(size=0.05, tolerance=0.25))


class Pipe:
    """What the stages recorded: body and metrics of each."""

    def __init__(self) -> None:
        """Nothing is recorded yet."""
        self.bodies: dict[str, Any] = {}
        self.metrics: dict[str, dict[str, Metric]] = {}

    def record(self, stage: str, _: Any, __: Any, body: Any, metrics: Any, **more: Any) -> None:
        """Keep what a stage would write, after reading it as a release does."""
        self.bodies[stage] = type(body).model_validate_json(body.model_dump_json())
        self.metrics[stage] = metrics

    def load(self, gate: str, *_: Any) -> Any:
        """Return what an earlier stage recorded."""
        notes = SimpleNamespace(notes={})
        return SimpleNamespace(body=self.bodies[gate], metrics=self.metrics[gate], volatile=notes)


RANDOM = Split(kind="random", test_share=0.4)


def run(frame: pd.DataFrame, divided: Split = RANDOM, **conf: Any) -> Pipe:
    """Run ingest, split, evaluate, drift, fairness and explain on a table, in the working folder.

    The model is fitted here, with the features of the template; with folds, one for each, too.
    """
    data, _ = served.ingested(served.write(frame, Path("table.parquet")), **conf)
    params = SimpleNamespace(data=data, seed=1, experiment="x", policy=POLICY)
    params.split = divided
    pipe = Pipe()
    with stages_of(pipe, params):
        ingest.main()
        split.main()
        pipe.bodies["train"], pipe.metrics["train"] = fitted(pipe.bodies["split"], data.task), {}
        evaluate.main()
        drift.main()
        fairness.main()
        explain.main()
    return pipe


@contextmanager
def stages_of(pipe: Pipe, params: Any) -> Generator[None]:
    """Let the stages read this configuration, and record here."""
    with ExitStack() as stack:
        for stage in (ingest, split, evaluate, drift, fairness, explain):
            stack.enter_context(mock.patch.object(stage, "read", return_value=params))
            stack.enter_context(mock.patch.object(stage, "record", pipe.record))
            if hasattr(stage, "load"):
                stack.enter_context(mock.patch.object(stage, "load", pipe.load))
        stack.enter_context(mock.patch.object(evaluate, "begin"))
        stack.enter_context(mock.patch.object(evaluate, "finish", return_value={}))
        yield


def fitted(body: Any, task: str) -> Any:
    """Fit linear models on the training rows of the split and of each fold; save them."""
    fit(body, task, tables.TRAIN, model_file.PATH)
    digests: list[str] = []
    if body.folds:
        with fold_tables.written() as folds:
            for fold in folds:
                path = fold_models.path_of(fold.number)
                fit(body, task, fold.train, path)
                digests.append(model_file.digest(path))
    return SimpleNamespace(
        numeric=body.numeric, categorical=body.categorical, fold_models=digests or None
    )


def fit(body: Any, task: str, rows: Path, path: Path, model: Any = None) -> None:
    """Fit a model (by default a linear one) on the rows of a file, with the template's features."""
    import skops.io

    made: dict[str, Any] = {"__name__": "features"}
    source = (team_projects.SOURCES / "features.py").read_text(encoding="utf-8")
    exec(compile(source, "features.py", "exec"), made)  # noqa: S102 - the template's own module
    features = made["preprocessing"](body.numeric, body.categorical)
    linear = LogisticRegression(max_iter=300) if task == "classification" else LinearRegression()
    whole = Pipeline([("features", features), ("estimator", model or linear)])
    train = pd.read_parquet(rows)
    whole.fit(train[body.numeric + body.categorical], train[tables.TARGET])
    path.parent.mkdir(parents=True, exist_ok=True)
    package = team.TeamPackage("credit", {})
    model_file.save(skops.io.dumps(whole), package, path=path, classes=body.classes)


def predicted(pipe: Pipe, frame: pd.DataFrame, suffix: str = "csv", **conf: Any) -> pd.DataFrame:
    """Predict rows with the model file, as `governance predict` does; return the answers."""
    data = served.data(**conf)
    evidence: Any = {gate: SimpleNamespace(body=body) for gate, body in pipe.bodies.items()}
    origin = predict_version.ServedVersion(
        1, "champion", "sha256:1", model_file.PATH, evidence, data
    )
    path, out = Path(f"new.{suffix}"), Path("answers.parquet")
    served.write(frame, path)
    predict_version.predict(origin, path, out, "one")
    return pd.read_parquet(out)
