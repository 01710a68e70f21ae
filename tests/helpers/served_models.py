"""Models of a small table with numbers, categories and gaps, as training makes and stores them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import team_projects
import yaml
from sklearn.pipeline import Pipeline

from governed_ml.core.config import Model
from governed_ml.pipeline import estimators, mitigation
from governed_ml.pipeline.probabilities.finished_model import finished

NUMERIC, CATEGORICAL = ["income", "debt", "age"], ["housing", "purpose"]
CONFIGURED = team_projects.TEMPLATE / "conf" / "model"
BOOSTERS = {
    "xgboost": ("xgboost.XGBClassifier", "xgboost.XGBRegressor"),
    "lightgbm": ("lightgbm.LGBMClassifier", "lightgbm.LGBMRegressor"),
    "catboost": ("catboost.CatBoostClassifier", "catboost.CatBoostRegressor"),
}


def rows(count: int = 400, seed: int = 1) -> pd.DataFrame:
    """Features with the types that a model is trained with, and some missing values."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.normal(size=count) * 10 for name in NUMERIC})
    frame["housing"] = rng.choice(["owner", "tenant", "family"], count)
    frame["purpose"] = rng.choice([f"purpose {n}" for n in range(45)], count)
    for place, name in enumerate(frame):
        frame.loc[rng.random(count) < 0.02 * place, name] = None
    return frame.astype(dict.fromkeys(CATEGORICAL, "str"))


def strange(count: int = 60) -> pd.DataFrame:
    """Other rows, some with categories that training did not have."""
    frame = rows(count, seed=2)
    frame.loc[::7, "housing"] = "houseboat"
    frame.loc[::11, "purpose"] = ""
    frame.loc[::13, list(frame)] = None
    return frame.astype(dict.fromkeys(CATEGORICAL, "str"))


def target(features: pd.DataFrame, classes: int) -> pd.Series:
    """What is predicted: a number (0 classes), yes or no (2), or the position of a class."""
    noise = np.random.default_rng(3).normal(size=len(features))
    score = features["income"].fillna(0) / 10 + (features["housing"] == "owner") + noise
    if not classes:
        return score.rename("target")
    return pd.qcut(score, classes, labels=False).astype("int64").rename("target")


def encoding() -> Any:
    """The features of the template, unfitted."""
    made: dict[str, Any] = {"__name__": "features"}
    source = (team_projects.SOURCES / "features.py").read_text(encoding="utf-8")
    exec(compile(source, "features.py", "exec"), made)  # noqa: S102 - the template's own module
    return made["preprocessing"](NUMERIC, CATEGORICAL)


def fitted(estimator: Any, classes: int = 2, features: Any = None) -> Pipeline:
    """A pipeline as `train` makes it."""
    pipeline = Pipeline([("features", features or encoding()), ("estimator", estimator)])
    return pipeline.fit(rows(), target(rows(), classes))


def booster(name: str, classes: int = 2) -> Any:
    """An estimator of XGBoost, LightGBM or CatBoost with the engine's settings."""
    wanted = {"_target_": BOOSTERS[name][0 if classes else 1], "n_estimators": 15}
    task = "classification" if classes else "regression"
    return estimators.estimator(Model(name="m", estimator=wanted), task, 7)


def configured(name: str, **keys: Any) -> tuple[Any, str]:
    """The model of a file of the template's `conf/model`, and its task."""
    found = yaml.safe_load((CONFIGURED / f"{name}.yaml").read_text(encoding="utf-8"))
    model = Model.model_validate(found | keys)
    task: Any = "regression" if name.endswith(("regressor", "ridge")) else "classification"
    made = estimators.estimator(model, task, 7)
    known = target(rows(), 0 if task == "regression" else 2)
    if not model.mitigates:
        plain = fitted(made, 0 if task == "regression" else 2)
        return (_finished(model, plain, known) if keys else plain), task
    groups = pd.DataFrame({"sex": ["f", "m"] * (len(known) // 2)})
    encode = encoding().fit(rows())
    chosen, _, _ = mitigation.search(made, encode.transform(rows()), known, groups)
    return Pipeline([("features", encode), ("estimator", chosen)]), task


def _finished(model: Model, whole: Any, known: pd.Series) -> Any:
    """Add calibration and threshold, from three folds."""
    places = np.arange(len(known))
    parts = [(places[places % 3 != n], places[places % 3 == n]) for n in range(3)]

    def fit(features: pd.DataFrame, found: pd.Series, _: int = 0) -> Any:
        pipeline = Pipeline([("features", encoding()), ("estimator", clone_of(whole))])
        return pipeline.fit(features, found)

    return finished(whole, model, fit, rows(), known, parts)[0]  # pyright: ignore[reportArgumentType]


def clone_of(whole: Any) -> Any:
    """The estimator of a pipeline, unfitted."""
    from sklearn.base import clone

    return clone(whole[-1])
