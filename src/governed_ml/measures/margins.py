"""The output of a boosted model that its SHAP values add up to: the sum of its trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

ARGUMENTS: dict[str, dict[str, Any]] = {
    "xgboost": {"output_margin": True},
    "lightgbm": {"raw_score": True},
    "catboost": {"prediction_type": "RawFormulaVal"},
}
"""Library → how its estimators' `predict` is asked for the sum of the trees."""
ERRORS = {
    "lightgbm": ("lightgbm.basic", "LightGBMError"),
    "catboost": ("catboost.core", "CatBoostError"),
}
"""Library → module and name of an exception of its own; those of XGBoost are `ValueError`."""
TOLERANCE_SINGLE = 1e-4
"""Relative error below which SHAP values of XGBoost count as adding up to the output.

XGBoost adds its trees in single precision, so two sums of a thousand trees differ by about 1e-5.
"""


def library(model: Any) -> str:
    """Return the library of a pipeline's estimator if it is in `ARGUMENTS`; else an empty text."""
    estimator = getattr(model, "named_steps", {}).get("estimator")
    name = type(estimator).__module__.partition(".")[0]
    return name if name in ARGUMENTS else ""


def margin(model: Any, rows: pd.DataFrame) -> tuple[npt.NDArray[np.float64], str]:
    """Return the sum of the trees for each row, shape (rows,), and how it was asked for."""
    import numpy as np

    name, value = next(iter(ARGUMENTS[library(model)].items()))
    output = model.predict(rows, **{name: value})
    return np.asarray(output, dtype="float64"), f"predict({name}={value})"


def errors(estimator: Any) -> tuple[type[Exception], ...]:
    """Return the exceptions with which the estimator's library refuses to explain a model."""
    from importlib import import_module

    home, name = ERRORS.get(type(estimator).__module__.partition(".")[0], ("", ""))
    return (getattr(import_module(home), name),) if home else ()
