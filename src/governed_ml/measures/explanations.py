"""Explain a model with SHAP values, and check that they add up to the model's output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governed_ml.core.evidence import Metric
from governed_ml.measures.features.encoded_columns import by_feature, moved
from governed_ml.measures.multiclass import contributions
from governed_ml.measures.wrapped_estimators import unwrapped

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

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
ERRORS = {
    "lightgbm": ("lightgbm.basic", "LightGBMError"),
    "catboost": ("catboost.core", "CatBoostError"),
}
"""Library → an exception of its own, with which it refuses to explain a model."""
EXPLAINED = 100  # rows explained by calling the model (`by_asking`)
FEWEST = 5  # rows explained of a table with very many features
CELLS = 10**9  # about as many cells are given to the model; with 300 features, these are 100 rows
BACKGROUND = 25  # rows whose values replace a feature that is taken away
PERMUTATIONS = 2  # random feature orders per row, each used in both directions


@dataclass(frozen=True)
class Explanation:
    """The mean absolute SHAP value of each feature, and the share of rows that pass the check."""

    method: str
    output: str
    rows: int
    importance: dict[str, float]
    coverage: Metric


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
    library = _library(model.named_steps["estimator"])
    output, name = raw_output(model, rows, task, library)
    name += before
    names = list(rows.columns)
    summed = by_feature(values, transformed, names, lambda name: moved(model, rows, name))
    importance = {feature: float(np.abs(column).mean()) for feature, column in summed.items()}
    gap = base + values.sum(axis=1) - output
    tolerance = TOLERANCE_SINGLE if library == "xgboost" else TOLERANCE
    covered = coverage(gap, output, name, tolerance)
    return Explanation("shap", name, len(rows), importance, covered)


def coverage(gap: Floats, output: Floats, name: str, tolerance: float = TOLERANCE) -> Metric:
    """Return the share of rows whose contributions add up to the output, or to every output.

    `gap` is the output minus base and contributions. Both have the shape (rows,) or, of several
    classes, (rows, classes).
    """
    error = abs(gap)
    covered = error <= tolerance * abs(output).clip(1.0)
    covered = covered if covered.ndim == 1 else covered.all(axis=1)
    return Metric(
        value=float(covered.mean()),
        n=len(output),
        note=f"largest gap to {name}: {float(error.max()):.2g}",
    )


def _library(estimator: Any) -> str:
    """Return the library of an estimator if it is in `MARGINS`; else an empty text."""
    name = type(estimator).__module__.partition(".")[0]
    return name if name in MARGINS else ""


def raw_output(model: Any, rows: pd.DataFrame, task: str, library: str = "") -> tuple[Floats, str]:
    """Return the model output that SHAP explains, and the name of its method.

    It has the shape (rows,) or, of several classes, (rows, classes). For a library in `MARGINS`, it
    is the sum of the trees.
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


def shap_values(model: Any, rows: pd.DataFrame) -> tuple[list[str], Any, Any] | None:
    """Return names of the encoded features, SHAP values (rows, encoded features) and base value.

    Of several classes, the SHAP values have a third axis, and there is a base value for each class.
    Return None if SHAP does not support the model.
    """
    from importlib import import_module

    import numpy as np
    import shap

    steps: dict[str, Any] = getattr(model, "named_steps", {})
    if list(steps) != ["features", "estimator"]:
        return None
    features, estimator = steps["features"], steps["estimator"]
    if not hasattr(features, "get_feature_names_out"):
        return None
    names = [str(name) for name in features.get_feature_names_out()]
    matrix = np.asarray(features.transform(rows), dtype="float64")
    classes = contributions.several(estimator)
    if hasattr(estimator, "coef_") and hasattr(estimator, "intercept_"):
        if classes and (each := contributions.linear(estimator, matrix)):
            return names, *each
        weights = np.asarray(estimator.coef_, dtype="float64").reshape(-1)
        if len(weights) == matrix.shape[1]:  # a single output: exact for a linear model
            centre = matrix.mean(axis=0)
            base = float(np.ravel(estimator.intercept_)[0] + centre @ weights)
            return names, (matrix - centre) * weights, base
    home, error = ERRORS.get(_library(estimator), ("builtins", "ValueError"))
    refusal: type[Exception] = getattr(import_module(home), error)
    try:
        explainer = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
        values = np.asarray(explainer.shap_values(matrix, check_additivity=False), dtype="float64")
    except (shap.utils._exceptions.InvalidModelError, NotImplementedError, TypeError, ValueError,
            refusal):  # fmt: skip
        return None
    base = np.ravel(explainer.expected_value)
    if classes:
        fits = values.shape == (*matrix.shape, classes) and len(base) == classes
        return (names, values, base) if fits else None
    if values.ndim == 3:  # shape (rows, features, classes): take the favourable class
        values = values[:, :, -1]
    return names, values, float(base[-1])


def by_asking(
    model: Any, rows: pd.DataFrame, categorical: list[str], task: str, seed: int
) -> Explanation:
    """Explain any model by calling it: SHAP's permutation method on the features before encoding.

    A feature is taken away by replacing it with its values in `BACKGROUND` other rows. The
    contributions add up to the output minus its mean over those rows, for any model (Lundberg & Lee
    2017). With several hundred features, fewer rows are explained; `rows` says how many.
    """
    import numpy as np
    import shap

    evaluations = PERMUTATIONS * (2 * rows.shape[1] + 1)
    cells = evaluations * BACKGROUND * rows.shape[1]  # of which the model is asked for one row
    most = min(EXPLAINED, max(FEWEST, CELLS // cells))
    explained, background = rows.iloc[:most], rows.iloc[-BACKGROUND:]
    codes = {name: _codes(rows[name]) for name in categorical}
    name = ""

    def ask(matrix: Floats) -> Floats:
        nonlocal name
        output, name = raw_output(model, _decoded(matrix, rows, codes), task)
        return np.asarray(output, dtype="float64")

    masker = shap.maskers.Independent(_encoded(background, codes), max_samples=BACKGROUND)
    explainer = shap.explainers.Permutation(ask, masker, seed=seed)
    found = explainer(_encoded(explained, codes), max_evals=evaluations, silent=True)
    values = np.asarray(found.values)
    output = ask(_encoded(explained, codes))
    base = np.asarray(found.base_values)
    gap = (base if values.ndim == 3 else np.ravel(base)) + values.sum(axis=1) - output
    each = abs(values).mean(axis=0 if values.ndim == 2 else (0, 2))
    importance = dict(zip(map(str, rows.columns), each.tolist(), strict=True))
    return Explanation(
        "shap_permutation", name, len(explained), importance, coverage(gap, output, name)
    )


def _codes(column: pd.Series) -> Any:
    """Return the distinct non-null values of a categorical column, sorted."""
    return sorted(column.dropna().unique())


def _encoded(rows: pd.DataFrame, codes: dict[str, Any]) -> Floats:
    """Return rows as numbers: a category as its index among the sorted values, a null as NaN."""
    import pandas as pd

    columns = {
        name: rows[name].map({value: float(place) for place, value in enumerate(codes[name])})
        if name in codes
        else rows[name]
        for name in rows
    }
    return pd.DataFrame(columns).to_numpy("float64")


def _decoded(matrix: Floats, rows: pd.DataFrame, codes: dict[str, Any]) -> pd.DataFrame:
    """Turn encoded numbers back into rows with the types of `rows`."""
    import numpy as np
    import pandas as pd

    columns: dict[str, Any] = {}
    for place, name in enumerate(rows.columns):
        column = pd.Series(matrix[:, place])
        if name in codes:
            values = np.array([*codes[name], None], dtype=object)
            column = pd.Series(values[column.fillna(len(codes[name])).astype("int64")])
        columns[name] = column.astype(rows[name].dtype)
    return pd.DataFrame(columns)
