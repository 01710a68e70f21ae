"""The outputs of a model of three or more classes, and contributions of features to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]


def several(model: Any) -> int:
    """Return how many classes a model has, or 0 if it has fewer than three."""
    count = len(getattr(model, "classes_", ()))
    return count if count > 2 else 0


def outputs(model: Any, rows: pd.DataFrame) -> tuple[Floats, str]:
    """Return one output for each class, shape (rows, classes), and the method that gives it.

    A decision function that compares pairs of classes is not used. A model with neither method
    gives 1 to the predicted class.
    """
    import numpy as np

    wanted = (len(rows), several(model))
    names = ("predict_proba",) if _in_pairs(model) else ("decision_function", "predict_proba")
    for name in names:
        if hasattr(model, name):
            found = np.asarray(getattr(model, name)(rows), dtype="float64")
            if found.shape == wanted:
                return found, name
    return np.eye(wanted[1])[np.ravel(model.predict(rows)).astype("int64")], "predict"


def _in_pairs(model: Any) -> bool:
    """Return whether the decision function is one of pairs of classes, as an SVM's may be."""
    steps: dict[str, Any] = getattr(model, "named_steps", {})
    last = next(reversed(steps.values()), model)
    return getattr(last, "decision_function_shape", None) == "ovo"


def linear(estimator: Any, matrix: Floats) -> tuple[Floats, Floats] | None:
    """Return the weights, shape (classes, encoded features), and offsets of the classes' outputs.

    Return None if the decision function is not a weighted sum for each class: an SVM has weights
    for each pair of classes instead. This is tried with `matrix`, shape (rows, encoded features).
    """
    import numpy as np

    weights = np.asarray(estimator.coef_, dtype="float64")
    decide = getattr(estimator, "decision_function", None)
    if (
        decide is None
        or _in_pairs(estimator)
        or weights.shape != (several(estimator), matrix.shape[1])
    ):
        return None
    offset = np.ravel(estimator.intercept_)
    if not np.allclose(decide(matrix), matrix @ weights.T + offset, rtol=1e-6, atol=1e-8):
        return None
    return weights, offset
