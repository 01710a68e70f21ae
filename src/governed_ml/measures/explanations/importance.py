"""The importance of features: the mean of their SHAP values, which are checked to add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governed_ml.measures.explanations.by_asking import by_asking
from governed_ml.measures.explanations.exact import ExactContributions, encoded_names
from governed_ml.measures.explanations.explanation import Explanation
from governed_ml.measures.explanations.outputs import (
    coverage,
    library_of,
    raw_output,
    tolerance_of,
)
from governed_ml.measures.explanations.wrapped_estimators import unwrapped
from governed_ml.measures.features.encoded_columns import by_feature, moved

if TYPE_CHECKING:
    import pandas as pd


def explain(
    model: Any, rows: pd.DataFrame, categorical: list[str], task: str, seed: int
) -> Explanation:
    """Explain a model's output for `rows`, of shape (rows, features).

    Models that SHAP supports directly (linear models, trees) are explained from their parameters,
    others by calling them (`by_asking`). `categorical` are names of columns of `rows`. Each of
    several classes has an output of its own. A feature's importance is then the mean over them, and
    a row is covered if the contributions to each add up.
    """
    import numpy as np

    inner, before = unwrapped(model)
    found = shap_values(inner, rows)
    if found is None:
        return by_asking(model, rows, categorical, task, seed)
    model = inner
    transformed, values, base = found
    estimator = model.named_steps["estimator"]
    output, name = raw_output(model, rows, task, library_of(estimator))
    name += before
    names = list(rows.columns)
    summed = by_feature(values, transformed, names, lambda name: moved(model, rows, name))
    importance = {feature: float(np.abs(column).mean()) for feature, column in summed.items()}
    gap = base + values.sum(axis=1) - output
    covered = coverage(gap, output, name, tolerance_of(estimator))
    return Explanation("shap", name, len(rows), importance, covered)


def shap_values(model: Any, rows: pd.DataFrame) -> tuple[list[str], Any, Any] | None:
    """Return names of the encoded features, SHAP values (rows, encoded features) and base value.

    Of several classes, the SHAP values have a third axis, and there is a base value for each class.
    A linear model is compared with the mean of the rows. Return None if SHAP does not support the
    model.
    """
    import numpy as np

    names = encoded_names(model)
    if names is None:
        return None
    matrix = np.asarray(model.named_steps["features"].transform(rows), dtype="float64")
    found = ExactContributions(model.named_steps["estimator"], matrix).values(matrix)
    return None if found is None else (names, *found)
