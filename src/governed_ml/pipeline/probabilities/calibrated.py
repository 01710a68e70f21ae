"""Calibrate a fitted classifier with scores that it, or one like it, had in cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governed_ml.core.problem import Problem
from governed_ml.pipeline.probabilities.folds import FOLDS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from governed_ml.pipeline.probabilities.folds import Fold

    Floats = npt.NDArray[np.float64]
    Ask = Callable[[Any, pd.DataFrame], Floats]
    Fit = Callable[[pd.DataFrame, pd.Series, int], Any]


def asked(model: Any, *, calibrates: bool) -> Ask:
    """Return how a model is asked for its scores, which then have the shape (rows, columns).

    A calibrator gets the decision function, if there is one, as in `CalibratedClassifierCV`. Raise
    `Problem` if the model has no method for it.
    """
    methods = ("decision_function", "predict_proba") if calibrates else ("predict_proba",)
    method = next((one for one in methods if hasattr(model, one)), None)
    if method is None:
        wanted = " or ".join(methods)
        more = "choose another model" if calibrates else "set calibration, or choose another model"
        raise Problem(f"conf/model: {type(model).__name__} has no {wanted}: {more}")

    def ask(one: Any, rows: pd.DataFrame) -> Floats:
        import numpy as np

        found = np.asarray(getattr(one, method)(rows), dtype="float64")
        if not np.isfinite(found).all():
            raise Problem(
                f"conf/model: {type(one).__name__} has scores that are no finite numbers in "
                "cross-validation: choose another model"
            )
        if method == "predict_proba" and found.shape[1] == 2:
            return found[:, 1:]
        return found.reshape(len(rows), -1)

    return ask


def out_of_fold(
    fit: Fit, features: pd.DataFrame, target: pd.Series, folds: list[Fold], ask: Ask
) -> tuple[Floats, npt.NDArray[Any]]:
    """Return scores of shape (rows, columns) and the target of all rows that a fold validates."""
    import numpy as np

    scores: list[Floats] = []
    for number, (early, late) in enumerate(folds, 1):
        rows, known = (one.iloc[early].reset_index(drop=True) for one in (features, target))
        try:
            model = fit(rows, known, number)
            scores.append(ask(model, features.iloc[late].reset_index(drop=True)))
        except Exception as error:
            where = f"in fold {number} of {len(folds)}"
            if isinstance(error, Problem):
                raise Problem(f"{error} ({where})") from error
            error.add_note(where)
            raise
    places = np.concatenate([late for _, late in folds])
    return np.concatenate(scores), target.to_numpy()[places]


def calibrated(
    inner: Any, scores: Floats, target: npt.NDArray[Any], method: str
) -> tuple[Any, Floats]:
    """Return a calibrated classifier around `inner`, and the calibrated probabilities of `scores`.

    It is scikit-learn's `CalibratedClassifierCV` with one calibrator, as `ensemble=False` makes it:
    one model is stored and asked, so a prediction takes hardly longer.
    """
    from sklearn.base import clone
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    from governed_ml.pipeline.probabilities.given_scores import given_scores

    made: Any = CalibratedClassifierCV(given_scores(target), method=method, ensemble=False, cv=2)
    made.fit(scores, target)
    probabilities = made.predict_proba(scores)
    made.estimator = clone(inner)  # unfitted, as `fit` leaves it: the model is stored once
    made.cv = FOLDS  # if somebody fits the model anew
    made.calibrated_classifiers_[0].estimator = FrozenEstimator(inner)
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(inner, name):
            setattr(made, name, getattr(inner, name))
        elif hasattr(made, name):
            delattr(made, name)
    return made, probabilities[:, 1:] if probabilities.shape[1] == 2 else probabilities
