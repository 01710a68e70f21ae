"""SHAP values from a model's parameters: of linear models from weights, of trees from the trees.

Preparing this takes longer than explaining a row, so it is done once for each model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governed_ml.measures.explanations.outputs import library_of
from governed_ml.measures.multiclass import contributions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

ERRORS = {
    "lightgbm": ("lightgbm.basic", "LightGBMError"),
    "catboost": ("catboost.core", "CatBoostError"),
}
"""Library → an exception of its own, with which it refuses to explain a model."""


def encoded_names(model: Any) -> list[str] | None:
    """Return the names of a pipeline's encoded features, or None if its steps are others."""
    steps: dict[str, Any] = getattr(model, "named_steps", {})
    if list(steps) != ["features", "estimator"]:
        return None
    if not hasattr(steps["features"], "get_feature_names_out"):
        return None
    return [str(name) for name in steps["features"].get_feature_names_out()]


@dataclass(frozen=True)
class LinearContributions:
    """Weights times distances from the mean of other rows, and the output of that mean.

    `weights` have the shape (encoded features,) or, of several classes, (encoded features,
    classes).
    """

    weights: Floats
    centre: Floats
    base: Any

    def values(self, matrix: Floats) -> tuple[Floats, Any]:
        """Return the SHAP values of encoded rows, and the base value (of each class)."""
        distances = matrix - self.centre
        if self.weights.ndim == 2:
            return distances[:, :, None] * self.weights[None], self.base
        return distances * self.weights, self.base


class TreeContributions:
    """SHAP's explainer of trees. It needs no other rows."""

    def __init__(self, estimator: Any) -> None:
        """Read the trees; raise one of `_refusals` if SHAP does not support the estimator."""
        import shap

        self._classes = contributions.several(estimator)
        self._explainer = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")

    def values(self, matrix: Floats) -> tuple[Floats, Any] | None:
        """Return the SHAP values of encoded rows, and the base value (of each class).

        Return None if they are not of each class.
        """
        import numpy as np

        explainer, classes = self._explainer, self._classes
        values = np.asarray(explainer.shap_values(matrix, check_additivity=False), dtype="float64")
        base = np.ravel(explainer.expected_value)
        if classes:
            fits = values.shape == (*matrix.shape, classes) and len(base) == classes
            return (values, base) if fits else None
        if values.ndim == 3:  # shape (rows, features, classes): take the favourable class
            values = values[:, :, -1]
        return values, float(base[-1])


class ExactContributions:
    """The SHAP values of one estimator, for encoded rows."""

    def __init__(self, estimator: Any, others: Floats) -> None:
        """Prepare for an estimator; `others` are the encoded rows that a linear one is compared to.

        Weights are preferred to SHAP's explainer of trees.
        """
        self._refusals = _refusals(estimator)
        self._how: Any = _linear(estimator, others)
        if self._how is None:
            try:
                self._how = TreeContributions(estimator)
            except self._refusals:
                self._how = None

    def values(self, matrix: Floats) -> tuple[Floats, Any] | None:
        """Return SHAP values, (rows, encoded features[, classes]), and the base value (of each).

        Return None if SHAP does not support the estimator.
        """
        if self._how is None:
            return None
        try:
            return self._how.values(matrix)
        except self._refusals:
            return None


def _linear(estimator: Any, others: Floats) -> LinearContributions | None:
    """Return the contributions of a model with weights, of which there is one set for each output.

    They are exact for a linear model.
    """
    import numpy as np

    if not (hasattr(estimator, "coef_") and hasattr(estimator, "intercept_")):
        return None
    centre = others.mean(axis=0)
    if contributions.several(estimator):
        found = contributions.linear(estimator, others)
        if found is not None:
            weights, offset = found
            return LinearContributions(weights.T, centre, offset + weights @ centre)
    weights = np.asarray(estimator.coef_, dtype="float64").reshape(-1)
    if len(weights) != others.shape[1]:
        return None
    base = float(np.ravel(estimator.intercept_)[0] + centre @ weights)
    return LinearContributions(weights, centre, base)


def _refusals(estimator: Any) -> tuple[type[Exception], ...]:
    """Return the exceptions by which SHAP or a library says that it cannot explain an estimator."""
    from importlib import import_module

    home, error = ERRORS.get(library_of(estimator), ("builtins", "ValueError"))
    own: type[Exception] = getattr(import_module(home), error)
    return (NotImplementedError, TypeError, ValueError, own)
