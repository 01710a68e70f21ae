"""Explanations: SHAP values checked for additivity, or permutation importance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governed_ml.core.evidence import Metric

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    from sklearn.pipeline import Pipeline

TOLERANCE = 1e-6
"""Relative difference up to which SHAP values add up to the output (SHAP sums float64 trees)."""


@dataclass(frozen=True)
class Explanation:
    """Mean absolute contribution per feature, and the share of rows that add up."""

    method: str
    output: str
    importance: dict[str, float]
    coverage: Metric


def explain(
    model: Pipeline, rows: pd.DataFrame, target: pd.Series, task: str, seed: int
) -> Explanation:
    """Explain with SHAP where it can; else with permutation importance, which covers no row.

    `rows` has the model's features as columns, shape (rows, features); `target` shape (rows,).
    """
    transformed, values, base = shap_values(model, rows)
    if values is None:
        return by_permutation(model, rows, target, task, seed)
    output, name = raw_output(model, rows, task)
    error = abs(base + values.sum(axis=1) - output)
    covered = error <= TOLERANCE * abs(output).clip(1.0)
    summed = by_feature(values, transformed, list(rows.columns))
    importance = {feature: float(abs(column).mean()) for feature, column in summed.items()}
    coverage = Metric(
        value=float(covered.mean()),
        n=len(rows),
        note=f"largest gap to {name}: {float(error.max()):.2g}",
    )
    return Explanation("shap", name, importance, coverage)


def raw_output(
    model: Pipeline, rows: pd.DataFrame, task: str
) -> tuple[npt.NDArray[np.float64], str]:
    """Return the output that SHAP explains, computed by the model itself, shape (rows,)."""
    if task == "regression":
        return model.predict(rows), "predict"
    if hasattr(model, "decision_function"):
        return model.decision_function(rows), "decision_function"
    return model.predict_proba(rows)[:, 1], "predict_proba"


def shap_values(model: Pipeline, rows: pd.DataFrame) -> tuple[list[str], Any, Any]:
    """Return transformed feature names, SHAP values (rows, those features) or None, and base."""
    import numpy as np
    import shap

    features: Any = model.named_steps["features"]
    estimator: Any = model.named_steps["estimator"]
    names = [str(name) for name in features.get_feature_names_out()]
    matrix = np.asarray(features.transform(rows), dtype="float64")
    if hasattr(estimator, "coef_") and hasattr(estimator, "intercept_"):
        weights = np.asarray(estimator.coef_, dtype="float64").reshape(-1)
        if len(weights) == matrix.shape[1]:  # binary or single output: exact for a linear model
            centre = matrix.mean(axis=0)
            base = float(np.ravel(estimator.intercept_)[0] + centre @ weights)
            return names, (matrix - centre) * weights, base
    try:
        explainer = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
        values = np.asarray(explainer.shap_values(matrix, check_additivity=False))
    except (shap.utils._exceptions.InvalidModelError, NotImplementedError, TypeError, ValueError):
        return names, None, None
    base = np.ravel(explainer.expected_value)
    if values.ndim == 3:  # one layer a class: that of the favourable one
        values = values[:, :, -1]
    return names, values, float(base[-1])


def by_feature(
    values: npt.NDArray[np.float64], transformed: list[str], features: list[str]
) -> dict[str, Any]:
    """Sum the columns that one feature was encoded into back to that feature."""
    total: dict[str, Any] = dict.fromkeys(features, 0.0)
    ordered = sorted(features, key=len, reverse=True)
    for position, encoded in enumerate(transformed):
        plain = encoded.partition("__")[2]
        owner = next(
            (name for name in ordered if plain == name or plain.startswith(f"{name}_")), None
        )
        if owner is not None:
            total[owner] = total[owner] + values[:, position]
    return total


def by_permutation(
    model: Pipeline, rows: pd.DataFrame, target: pd.Series, task: str, seed: int
) -> Explanation:
    """Explain by how much the score falls when one feature is shuffled (Breiman 2001)."""
    from sklearn.inspection import permutation_importance

    scoring = "roc_auc" if task == "classification" else "r2"
    found: Any = permutation_importance(
        model, rows, target, scoring=scoring, n_repeats=5, random_state=seed
    )
    importance = {
        str(name): float(value)
        for name, value in zip(rows.columns, found.importances_mean, strict=True)
    }
    nothing = Metric(
        value=None, n=len(rows), note="permutation importance explains the model, not its rows"
    )
    return Explanation("permutation_importance", scoring, importance, nothing)
