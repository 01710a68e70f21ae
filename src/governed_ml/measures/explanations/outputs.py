"""The output of a model that SHAP values explain, and whether they add up to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governed_ml.core.evidence import Metric
from governed_ml.measures.multiclass import contributions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

TOLERANCE = 1e-6
"""Relative error below which SHAP values count as adding up to the output."""
TOLERANCE_SINGLE = 1e-4
"""The same for XGBoost, which adds its trees in single precision: two sums of a thousand trees
differ by about 1e-5.
"""
MARGINS: dict[str, dict[str, Any]] = {
    "xgboost": {"output_margin": True},
    "lightgbm": {"raw_score": True},
    "catboost": {"prediction_type": "RawFormulaVal"},
}
"""Library → how its estimators' `predict` is asked for the sum of the trees."""


def coverage(gap: Floats, output: Floats, name: str, tolerance: float = TOLERANCE) -> Metric:
    """Return the share of rows whose contributions add up to the output, or to every output.

    `gap` is the output minus base and contributions. Both have the shape (rows,) or, of several
    classes, (rows, classes).
    """
    covered = adds_up(gap, output, tolerance)
    return Metric(
        value=float(covered.mean()),
        n=len(output),
        note=f"largest gap to {name}: {float(abs(gap).max()):.2g}",
    )


def adds_up(gap: Floats, output: Floats, tolerance: float = TOLERANCE) -> npt.NDArray[np.bool_]:
    """Return for each row whether its contributions add up to the output, or to every output."""
    import numpy as np

    covered = abs(gap) <= tolerance * abs(output).clip(1.0)
    return covered if covered.ndim == 1 else np.asarray(covered.all(axis=1))


def tolerance_of(estimator: Any) -> float:
    """Return the relative error that is allowed for an estimator."""
    return TOLERANCE_SINGLE if library_of(estimator) == "xgboost" else TOLERANCE


def library_of(estimator: Any) -> str:
    """Return the library of an estimator if it is in `MARGINS`; else an empty text."""
    name = type(estimator).__module__.partition(".")[0]
    return name if name in MARGINS else ""


def raw_output(model: Any, rows: Any, task: str, library: str = "") -> tuple[Floats, str]:
    """Return the model output that SHAP explains, and the name of its method.

    It has the shape (rows,) or, of several classes, (rows, classes). For a library in `MARGINS`, it
    is the sum of the trees. `model` may also be an estimator, and `rows` the encoded rows.
    """
    if library:
        name, value = next(iter(MARGINS[library].items()))
        return model.predict(rows, **{name: value}).astype("float64"), f"predict({name}={value})"
    if task == "regression":
        return model.predict(rows), "predict"
    if contributions.several(model):
        return contributions.outputs(model, rows)
    if hasattr(model, "decision_function"):
        return model.decision_function(rows), "decision_function"
    return model.predict_proba(rows)[:, 1], "predict_proba"
