"""Under cross-validation, the released model must answer like the models that were measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier

from governed_ml.core.problem import Problem
from governed_ml.pipeline.folds import released_model
from governed_ml.pipeline.folds.fold_models import FoldModels

ROWS = 300


def table(classes: int) -> tuple[pd.DataFrame, Any]:
    """Features, and a target with so many classes (0: a number)."""
    chance = np.random.default_rng(1)
    features = pd.DataFrame({name: chance.normal(size=ROWS) for name in "abc"})
    signal = features["a"] + features["b"] + chance.normal(size=ROWS)
    return features, pd.qcut(signal, classes, labels=False) if classes else signal


def folds(estimator: Any, features: pd.DataFrame, target: Any) -> FoldModels:
    """The models of three folds."""
    parts = np.arange(ROWS) % 3
    each = {
        fold + 1: type(estimator)(**estimator.get_params()).fit(
            features[parts != fold], target[parts != fold]
        )
        for fold in range(3)
    }
    return FoldModels(each)


@pytest.mark.parametrize(
    ("estimator", "classes"),
    [(LogisticRegression(), 2), (DecisionTreeClassifier(random_state=1), 2),
     (LogisticRegression(), 3), (Ridge(), 0)],
)  # fmt: skip
def test_only_a_released_model_like_those_of_the_folds_is_accepted(
    estimator: Any, classes: int
) -> None:
    # Given models of folds, and one that was fitted on all rows in the same way
    features, target = table(classes)
    measured, task = (
        folds(estimator, features, target),
        "classification" if classes else "regression",
    )
    plain = type(estimator)(**estimator.get_params()).fit(features, target)
    # When they are compared, then the difference is small
    found = released_model.difference(plain, measured, features, task)
    assert found.value is not None
    assert found.value < 0.25
    # But a model that only the training on all rows gives is refused
    other = (classes - 1 - target) if classes else -3 * target
    swapped = type(estimator)(**estimator.get_params()).fit(features, other)
    with pytest.raises(Problem, match="released model differs from the models of the folds"):
        released_model.difference(swapped, measured, features, task)


def test_a_released_model_of_other_classes_is_refused() -> None:
    features, target = table(3)
    measured = folds(LogisticRegression(), features, target)
    fewer = LogisticRegression().fit(features, target > 0)
    with pytest.raises(Problem, match="classes"):
        released_model.difference(fewer, measured, features, "classification")
