"""Explanations of models with three or more classes add up to the output of each class."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from governed_ml.core.config import Model
from governed_ml.measures.explanations import by_asking, outputs
from governed_ml.measures.explanations.importance import explain
from governed_ml.pipeline import estimators, model_outputs

BOOSTERS = {
    "xgboost": "xgboost.XGBClassifier",
    "lightgbm": "lightgbm.LGBMClassifier",
    "catboost": "catboost.CatBoostClassifier",
}


def fitted(estimator: Any) -> tuple[Any, pd.DataFrame, np.ndarray]:
    """Fit a pipeline as the engine makes it on a real table of three classes."""
    data = load_wine(as_frame=True)
    rows = data.data.iloc[:, :5].astype("float64").rename(columns=lambda name: name.split("/")[0])
    features = ColumnTransformer([("numeric", StandardScaler(), list(rows))])
    model = Pipeline([("features", features), ("estimator", estimator)])
    return model.fit(rows, data.target), rows, data.target.to_numpy()


EXACT: list[tuple[Any, str]] = [
    (LogisticRegression(), "decision_function"),
    (LinearDiscriminantAnalysis(), "decision_function"),
    (RidgeClassifier(), "decision_function"),
    (DecisionTreeClassifier(max_depth=4, random_state=1), "predict_proba"),
    (RandomForestClassifier(20, random_state=1), "predict_proba"),
    (ExtraTreesClassifier(20, random_state=1), "predict_proba"),
    (HistGradientBoostingClassifier(max_iter=20, random_state=1), "decision_function"),
]


@pytest.mark.parametrize(("estimator", "output"), EXACT, ids=lambda one: type(one).__name__)
def test_contributions_add_up_to_every_class(estimator: Any, output: str) -> None:
    # Given a model that SHAP explains from its parameters, when it is explained
    model, rows, _ = fitted(estimator)
    found = explain(model, rows, [], "classification", 1)
    # Then contributions add up, and features that matter are named
    assert (found.method, found.output, found.rows) == ("shap", output, len(rows))
    assert found.coverage.value == 1.0
    assert set(found.importance) == set(rows)
    assert min(found.importance.values()) >= 0 < max(found.importance.values())


@pytest.mark.parametrize("library", BOOSTERS)
def test_boosters_are_explained_exactly_and_answer_for_each_class(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: `uv sync --all-extras` installs it")
    settings = {"_target_": BOOSTERS[library], "n_estimators": 15}
    made = estimators.estimator(Model(name="m", estimator=settings), "classification", 7)
    model, rows, _ = fitted(made)
    found = explain(model, rows, [], "classification", 1)
    assert found.method == "shap"
    assert found.coverage.value == 1.0
    answers = model_outputs.answered(model, rows, "classification")
    assert answers.probabilities.shape == (len(rows), 3)
    assert answers.prediction.tolist() == answers.probabilities.argmax(axis=1).tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "output"),
    [
        (GaussianNB(), "predict_proba"),
        (GradientBoostingClassifier(n_estimators=5, random_state=1), "decision_function"),
        (SVC(kernel="linear"), "decision_function"),
        (SVC(kernel="linear", decision_function_shape="ovo"), "predict"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_any_other_model_is_explained_by_asking(
    estimator: Any, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_asking, "EXPLAINED", 20)
    model, rows, _ = fitted(estimator)
    found = explain(model, rows, [], "classification", 1)
    assert (found.method, found.output) == ("shap_permutation", output)
    assert found.coverage.value == 1.0


def test_importance_is_the_mean_over_the_classes() -> None:
    # Given a linear model, when its contributions are worked out by hand
    model, rows, _ = fitted(LogisticRegression())
    x = model[0].transform(rows)
    each = (x - x.mean(axis=0))[:, :, None] * model[1].coef_.T[None]
    found = explain(model, rows, [], "classification", 1)
    # Then a feature's importance is the mean over rows and classes
    right = dict(zip(rows, np.abs(each).mean(axis=(0, 2)), strict=True))
    assert found.importance == pytest.approx(right)


def test_a_row_is_covered_only_if_every_class_adds_up() -> None:
    gap = np.zeros((4, 3))
    gap[0, 2] = 0.1
    assert outputs.coverage(gap, np.ones((4, 3)), "predict_proba").value == 0.75
