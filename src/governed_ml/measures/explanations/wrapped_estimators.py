"""The classifier inside a threshold and a calibration, whose output SHAP explains.

A threshold changes no score. A calibrator as the engine adds it turns the score of one classifier
into a probability, and never reverses the order of two scores. So contributions to the inner score
explain the model, and `coverage` compares them with the inner score.
"""

from __future__ import annotations

from typing import Any

BEFORE = " before calibration"
"""Said after the name of an output that is calibrated afterwards."""


def unwrapped(model: Any) -> tuple[Any, str]:
    """Return a pipeline with the innermost classifier as last step, and `BEFORE` or "".

    Any other model, and one whose last step is no such wrapper, is returned as it is.
    """
    from sklearn.pipeline import Pipeline

    if type(model) is not Pipeline:
        return model, ""
    name, last = model.steps[-1]
    inner, said = _inner(last), ""
    if _is_calibrated(inner):
        inner, said = inner.calibrated_classifiers_[0].estimator.estimator, BEFORE
    if inner is last:
        return model, ""
    return Pipeline([*model.steps[:-1], (name, inner)]), said


def _inner(estimator: Any) -> Any:
    """Return what is inside thresholds that are fixed."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

    while type(estimator) in (FixedThresholdClassifier, TunedThresholdClassifierCV):
        estimator = estimator.estimator_
        if type(estimator) is FrozenEstimator:
            estimator = estimator.estimator
    return estimator


def _is_calibrated(estimator: Any) -> bool:
    """Return whether one calibrator follows one frozen classifier, as the engine makes it.

    With three or more classes there is a calibrator for each, and their results are scaled.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    if type(estimator) is not CalibratedClassifierCV:
        return False
    found = estimator.calibrated_classifiers_
    return (
        len(found) == 1
        and type(found[0].estimator) is FrozenEstimator
        and len(found[0].calibrators) == 1
    )
