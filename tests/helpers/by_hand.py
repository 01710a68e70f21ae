"""What a model on disk does, worked out from its file and the tables alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline


def model_of(folder: Path) -> Any:
    """The project's model, read without the engine."""
    path = folder / "models" / "model.skops"
    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


def parts(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to train on and the rows to test on."""
    train, test = (
        pd.read_parquet(folder / "data" / "split" / f"{part}.parquet") for part in ("train", "test")
    )
    return train, test


def flip_share(folder: Path) -> float:
    """The share of all test rows whose answer changes, with another noise than the engine's."""
    (train, test), model = parts(folder), model_of(folder)
    moved, rng = test.copy(), np.random.default_rng(99)
    for name in model.feature_names_in_:
        if train[name].dtype.kind in "fi":
            moved[name] = test[name] + rng.normal(0, 0.05 * train[name].std(), len(test))
    low, high = np.quantile(train["__target"], [0.25, 0.75])
    spread = min(train["__target"].std(), (high - low) / 1.349)
    far = 0.25 * spread if len(set(train["__target"])) > 2 else 0
    return float((abs(model.predict(test) - model.predict(moved)) > far).mean())


def additive_share(folder: Path, output: str) -> float:
    """The share of test rows whose explanation by SHAP adds up to the model's output."""
    import shap

    rows, model = parts(folder)[1], model_of(folder)
    rows = rows.sample(min(2000, len(rows)), random_state=2026)
    explainer = shap.TreeExplainer(model[-1])
    found = explainer(model[:-1].transform(rows), check_additivity=False)
    said = getattr(model, output)(rows)
    gap = abs(found.base_values.ravel() + found.values.sum(axis=1) - said)
    return float((gap <= 1e-6 * np.maximum(1, abs(said))).mean())


def without_mitigation(folder: Path) -> dict[str, float]:
    """What a logistic regression on the model's features does: gap of sexes, accuracy, ROC AUC."""
    (train, test), model = parts(folder), model_of(folder)
    sex = pd.read_parquet(folder / "data" / "sensitive" / "test.parquet").set_index("__row")["sex"]
    names = list(model.feature_names_in_)
    plain = make_pipeline(clone(model[0]), LogisticRegression(max_iter=1000, random_state=2026))
    plain.fit(train[names], train["__target"])
    yes = plain.predict(test[names])
    shares = pd.Series(yes).groupby(sex.loc[test["__row"]].to_numpy()).mean()
    return {
        "gap": shares.max() - shares.min(),
        "accuracy": float(accuracy_score(test["__target"], yes)),
        "roc_auc": float(roc_auc_score(test["__target"], plain.predict_proba(test[names])[:, 1])),
    }
