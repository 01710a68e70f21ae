"""Ask a classifier once for probabilities and predictions, where the latter follow from the former.

`predict` and `predict_proba` of most classifiers compute the same sums. Each rule here is what
`predict` of that class does with them; a classifier without a rule is asked twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

Both = Callable[["Floats"], "AnsweredOnce"]
"""Encoded rows → what a classifier answers."""
HIGHEST = {
    "sklearn.calibration": "CalibratedClassifierCV",
    "sklearn.ensemble._forest": ("RandomForestClassifier", "ExtraTreesClassifier"),
    "lightgbm.sklearn": "LGBMClassifier",
}
"""Classifiers that predict the class with the highest probability, the first of equal ones."""
SUMS = {
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": "HistGradientBoostingClassifier",
    "sklearn.ensemble._gb": "GradientBoostingClassifier",
}
"""Classifiers of which both follow from the sums of the trees."""
INCLUSIVE = "GradientBoostingClassifier"
"""Of two classes, it predicts the second if the sum is 0, too."""


@dataclass(frozen=True)
class LabelsOnce:
    """A model's predictions for some rows, with the method by which it would be asked."""

    classes_: Any
    labels: npt.NDArray[Any]

    def predict(self, _: Any) -> npt.NDArray[Any]:
        """Return the predictions, shape (rows,)."""
        return self.labels


@dataclass(frozen=True)
class AnsweredOnce(LabelsOnce):
    """A classifier's predictions and probabilities for some rows."""

    probabilities: Floats

    def predict_proba(self, _: Any) -> Floats:
        """Return the probabilities, shape (rows, classes)."""
        return self.probabilities


def both_of(estimator: Any) -> Both | None:
    """Return how a fitted classifier is asked once, or None if there is no rule for it."""
    if _is(estimator, SUMS):
        return lambda matrix: _from_sums(estimator, matrix)
    if _is(estimator, HIGHEST):
        return lambda matrix: _highest(estimator, matrix)
    if _has_threshold(estimator):
        inner = _thawed(estimator.estimator_)
        both = both_of(inner)
        return lambda matrix: _from_threshold(estimator, inner, both, matrix)
    return None


def _is(estimator: Any, listed: dict[str, Any]) -> bool:
    """Return whether an object is of one of these classes itself, not of a class made from it."""
    names = listed.get(type(estimator).__module__, ())
    return type(estimator).__name__ in ((names,) if isinstance(names, str) else names)


def _from_sums(estimator: Any, matrix: Floats) -> AnsweredOnce:
    sums = estimator.decision_function(matrix)
    probabilities = estimator._loss.predict_proba(sums)  # as its `predict_proba`
    if sums.ndim == 2:
        chosen = sums.argmax(axis=1)
    else:
        inclusive = type(estimator).__name__ == INCLUSIVE
        chosen = (sums >= 0 if inclusive else sums > 0).astype("int64")
    return AnsweredOnce(estimator.classes_, estimator.classes_[chosen], probabilities)


def _highest(estimator: Any, matrix: Floats) -> AnsweredOnce:
    probabilities = estimator.predict_proba(matrix)
    labels = estimator.classes_[probabilities.argmax(axis=1)]
    return AnsweredOnce(estimator.classes_, labels, probabilities)


def _has_threshold(estimator: Any) -> bool:
    """Return whether a fixed threshold is compared with the probability of the second class."""
    home = import_module("sklearn.model_selection")
    return (
        type(estimator) is home.FixedThresholdClassifier
        and estimator.response_method == "predict_proba"
        and estimator.pos_label is None
        and estimator.threshold != "auto"
        and len(estimator.classes_) == 2
    )


def _from_threshold(estimator: Any, inner: Any, both: Both | None, matrix: Floats) -> AnsweredOnce:
    found = both(matrix).probabilities if both else inner.predict_proba(matrix)
    chosen = (found[:, 1] >= estimator.threshold).astype("int64")
    return AnsweredOnce(estimator.classes_, estimator.classes_[chosen], found)


def _thawed(estimator: Any) -> Any:
    from sklearn.frozen import FrozenEstimator

    return estimator.estimator if type(estimator) is FrozenEstimator else estimator
