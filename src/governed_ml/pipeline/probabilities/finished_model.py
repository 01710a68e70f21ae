"""Add calibration and threshold to the model that the team's `fit` returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governed_ml.core.config.model import Model
from governed_ml.core.problem import Problem
from governed_ml.pipeline.probabilities.calibrated import asked, calibrated, out_of_fold
from governed_ml.pipeline.probabilities.chosen_threshold import Chosen, choose

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from governed_ml.pipeline.probabilities.calibrated import Fit
    from governed_ml.pipeline.probabilities.folds import Fold


def finished(
    fitted: Any,
    model: Model,
    fit: Fit,
    features: pd.DataFrame,
    target: pd.Series,
    folds: list[Fold],
) -> tuple[Any, Chosen | None]:
    """Return the model with calibration and threshold, and the threshold if it was chosen.

    `fitted` is the model that `fit` made from all rows; `fit` makes one from the rows of a fold.
    Calibration and threshold wrap the last step of a pipeline, so that features stay its steps.
    """
    _require_order(fitted, model)
    ask = asked(fitted, calibrates=model.calibration is not None)
    last = _last(fitted)
    scores: Any = None
    known: Any = target.to_numpy()
    if folds:
        scores, known = out_of_fold(fit, features, target, folds, ask)
    if model.calibration is not None:
        last, scores = calibrated(last, scores, known, model.calibration)
    chosen = None
    if model.threshold is not None:
        value = model.threshold.known
        if value is None:
            chosen = choose(scores[:, 0], known, model.threshold)
            value = chosen.value
        last = with_threshold(last, value, known)
    return _with_last(fitted, last), chosen


def with_threshold(inner: Any, value: float, target: npt.NDArray[np.int64]) -> Any:
    """Return a fitted classifier that answers yes from a probability on."""
    from sklearn.base import clone
    from sklearn.frozen import FrozenEstimator
    from sklearn.model_selection import FixedThresholdClassifier

    made: Any = FixedThresholdClassifier(
        FrozenEstimator(inner), threshold=value, response_method="predict_proba"
    )
    made.fit(target.reshape(-1, 1), target)
    made.estimator = clone(inner)  # unfitted, as `fit` leaves it: the model is stored once
    return made


def _require_order(fitted: Any, model: Model) -> None:
    classes = [int(one) for one in getattr(fitted, "classes_", [])]
    if classes != sorted(classes):
        raise Problem(
            f"conf/model: {model.name}: calibration and threshold need classes_ in ascending "
            f"order, and the model's are {classes}: set them so in its fit"
        )


def _last(fitted: Any) -> Any:
    from sklearn.pipeline import Pipeline

    return fitted.steps[-1][1] if type(fitted) is Pipeline else fitted


def _with_last(fitted: Any, last: Any) -> Any:
    from sklearn.pipeline import Pipeline

    if type(fitted) is not Pipeline:
        return last
    return Pipeline([*fitted.steps[:-1], (fitted.steps[-1][0], last)])
