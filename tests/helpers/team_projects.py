"""A small project with the team's three modules and its split, to train on without a pipeline."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from governed_ml.core.code import team
from governed_ml.core.config import Model
from governed_ml.core.evidence_bodies import SplitBody
from governed_ml.pipeline.isolated import process, source_process
from governed_ml.pipeline.training import Trained, Training

TEMPLATE = Path(__file__).parents[2] / "{{cookiecutter.project_slug}}"
SOURCES = TEMPLATE / "src" / "{{cookiecutter.package}}"
NUMERIC, CATEGORICAL = ["income", "debt"], ["kind"]
HIDDEN = ("data/split/test.parquet", "data/raw.parquet", "data/predictions.parquet")
RUN = {"id": "0123456789abcdef0123456789abcdef", "name": "a training", "experiment": "credit"}
LOGISTIC = {"_target_": "sklearn.linear_model.LogisticRegression", "C": 1.0}

OWN_FEATURES = """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

def columns(table):
    return table.assign(
        burden=table["debt"] / (table["income"].abs() + 1),
        rich=np.where(table["income"] > 0.5, "yes", "no"),
    )

class Clip(TransformerMixin, BaseEstimator):
    def __init__(self, share=0.01):
        self.share = share
    def fit(self, X, y=None):
        self.low_, self.high_ = np.nanquantile(X, [self.share, 1 - self.share], axis=0)
        return self
    def transform(self, X):
        return np.clip(X, self.low_, self.high_)

def preprocessing(numeric, categorical):
    return ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(), Clip(), StandardScaler()), numeric),
        ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), categorical),
    ])
"""
OWN_TRAINING = """
from sklearn.base import BaseEstimator, ClassifierMixin, clone

class Cautious(ClassifierMixin, BaseEstimator):
    def __init__(self, inner=None, limit=0.6):
        self.inner, self.limit = inner, limit
    def fit(self, X, y):
        self.inner_ = clone(self.inner).fit(X, y)
        self.classes_ = self.inner_.classes_
        return self
    def predict_proba(self, X):
        return self.inner_.predict_proba(X)
    def predict(self, X):
        return (self.predict_proba(X)[:, 1] > self.limit).astype(int)

def fit(pipeline, features, target):
    return Cautious(pipeline).fit(features, target)
"""

OWN = {"features": OWN_FEATURES, "training": OWN_TRAINING}
HONEST = "def fit(pipeline, features, target):\n    return pipeline.fit(features, target)\n"


def rows(count: int, seed: int, lean: float = 1.0) -> pd.DataFrame:
    """Features, target and row number; the target leans on income by `lean`."""
    rng = np.random.default_rng(seed)
    income, debt = rng.normal(size=count), rng.normal(size=count)
    target = (lean * income - debt + rng.normal(0, 0.5, count) > 0).astype("int64")
    frame = pd.DataFrame({"__row": np.arange(count), "income": income, "debt": debt})
    frame.loc[::50, "income"] = np.nan
    return frame.assign(kind=rng.choice(["a", "b", "c"], count), __target=target)


def make(base: Path, **modules: str) -> Path:
    """Make a project whose modules are the template's, or the given text."""
    (base / "pyproject.toml").write_text(
        '[tool.governed-ml]\npackage = "credit"\n', encoding="utf-8"
    )
    package = base / "src" / "credit"
    package.mkdir(parents=True)
    for path in SOURCES.glob("*.py"):
        text = modules.get(path.stem, path.read_text(encoding="utf-8"))
        (package / path.name).write_text(text, encoding="utf-8")
    for folder in ("data/split", "data/sensitive", "models", "reports/evidence"):
        (base / folder).mkdir(parents=True)
    rows(600, 1).to_parquet(base / "data/split/train.parquet")
    for name in HIDDEN:  # what would give another model
        rows(600, 2, lean=-1.0).to_parquet(base / name)
    for part in ("train", "test"):
        groups = pd.DataFrame({"__row": range(600), "sex": ["f", "m"] * 300})
        groups.to_parquet(base / f"data/sensitive/{part}.parquet")
    return base


def train(
    estimator: dict[str, Any] = LOGISTIC,
    task: str = "classification",
    packages: list[str] | None = None,
    kind: str = "random",
    person: str | None = None,
    classes: list[str] | None = None,
    **more: Any,
) -> Trained:
    """Train in the current folder; return what training says besides the model file.

    `kind`, `person` and `classes` are of the split, `more` are other keys of conf/model.
    """
    model = Model(name="a_model", estimator=estimator, packages=packages, **more)
    params: Any = SimpleNamespace(model=model, data=SimpleNamespace(task=task), seed=7)
    split = SplitBody(
        kind=kind,
        person=person,
        rows={"train": 600, "test": 600},
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        sensitive={"sex": {"f": 300, "m": 300}},
        cut=None,
        classes=classes,
    )
    training = Training(params, split)
    training.fit(RUN)
    return training.finish()


def asked_about() -> pd.DataFrame:
    """The features of the test rows."""
    return pd.read_parquet("data/split/test.parquet")[NUMERIC + CATEGORICAL]


def ask_source() -> bytes:
    """Ask the project's source `own` for its table."""
    job = {"whose": "sources.py", "package": process.sent(team.package()), "function": "own"}
    asked = process.Process(source_process, "src/credit/sources.py", job | {"options": {}})
    try:
        return asked.answer()[1][0]
    finally:
        asked.close()


@pytest.fixture(name="here")
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which a project is to be made."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
