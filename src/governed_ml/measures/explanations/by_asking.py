"""Explain any model by calling it: SHAP's permutation method on the features before encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governed_ml.measures.explanations.explanation import Explanation
from governed_ml.measures.explanations.outputs import coverage, raw_output

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

EXPLAINED = 100  # rows explained by calling the model
FEWEST = 5  # rows explained of a table with very many features
CELLS = 10**9  # about as many cells are given to the model; with 300 features, these are 100 rows
BACKGROUND = 25  # rows whose values replace a feature that is taken away
PERMUTATIONS = 2  # random feature orders per row, each used in both directions


def most_rows(features: int) -> int:
    """Return how many rows are explained: fewer if there are several hundred features."""
    cells = evaluations(features) * BACKGROUND * features  # of which the model is asked for one row
    return min(EXPLAINED, max(FEWEST, CELLS // cells))


def evaluations(features: int) -> int:
    """Return how often a row is changed, each time with the values of all background rows."""
    return PERMUTATIONS * (2 * features + 1)


def by_asking(
    model: Any, rows: pd.DataFrame, categorical: list[str], task: str, seed: int
) -> Explanation:
    """Explain a model by its answers.

    A feature is taken away by replacing it with its values in `BACKGROUND` other rows. The
    contributions add up to the output minus its mean over those rows, for any model (Lundberg & Lee
    2017). With several hundred features, fewer rows are explained; `rows` says how many.
    """
    import numpy as np
    import shap

    asked, most = evaluations(rows.shape[1]), most_rows(rows.shape[1])
    explained, background = rows.iloc[:most], rows.iloc[-BACKGROUND:]
    codes = {name: _codes(rows[name]) for name in categorical}
    name = ""

    def ask(matrix: Floats) -> Floats:
        nonlocal name
        output, name = raw_output(model, _decoded(matrix, rows, codes), task)
        return np.asarray(output, dtype="float64")

    masker = shap.maskers.Independent(_encoded(background, codes), max_samples=BACKGROUND)
    explainer = shap.explainers.Permutation(ask, masker, seed=seed)
    found = explainer(_encoded(explained, codes), max_evals=asked, silent=True)
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
