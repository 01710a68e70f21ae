"""Encode few rows as a `ColumnTransformer` does, without what it takes for any number of rows.

For one row, scikit-learn spends milliseconds on looking at types and names. The steps that the
template uses are simple: a missing number is replaced, a number is scaled, a category becomes a few
columns. Here the first two are computed in NumPy, and a category is looked up in a table, which the
transformer itself has filled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

UNKNOWN = "\0 no category"  # a text that no table has
TEXT = "str"  # the type of categories, as `as_trained` makes them


@dataclass(frozen=True)
class _Numbers:
    """Numeric columns that are encoded into as many columns, beginning at `start`.

    `steps` are functions that change an array of shape (rows, columns) in place.
    """

    names: list[str]
    start: int
    steps: list[Any]


@dataclass(frozen=True)
class _Category:
    """A categorical column: the values of the encoded columns at `places` for each category."""

    name: str
    places: npt.NDArray[np.intp]
    row_of: dict[str, int]
    table: Floats

    def row(self, text: Any) -> int:
        """Return the row of `table` for a text or NaN; the last two are of missing and unknown."""
        found = self.row_of.get(text)
        if found is not None:
            return found
        return len(self.row_of) + (1 if isinstance(text, str) else 0)


class QuickEncoding:
    """The encoding of a fitted transformer, for rows with the types of the training table."""

    def __init__(
        self, numbers: list[_Numbers], categories: list[_Category], constant: Floats, order: Any
    ) -> None:
        """Keep what was read from the transformer; `constant` are values that never change."""
        self._numbers, self._categories = numbers, categories
        self._constant, self._order = constant, order
        self._names = {one.name for one in categories}.union(*(one.names for one in numbers))

    def encoded(self, rows: pd.DataFrame) -> Floats | None:
        """Return the encoded rows, shape (rows, encoded features).

        Return None if a column is missing or has another type or an infinite value: scikit-learn
        then says what is wrong.
        """
        import numpy as np

        if not self._names.issubset(rows.columns):
            return None
        found = np.empty((len(rows), len(self._constant)), order=self._order)
        found[:] = self._constant
        for block in self._numbers:
            matrix = np.empty((len(rows), len(block.names)))
            for place, name in enumerate(block.names):
                column = rows[name]
                if column.dtype != np.float64:
                    return None
                matrix[:, place] = column.to_numpy()
            if np.isinf(matrix).any():
                return None
            for step in block.steps:
                step(matrix)
            found[:, block.start : block.start + len(block.names)] = matrix
        for one in self._categories:
            column = rows[one.name]
            if column.dtype != TEXT:
                return None
            chosen = [one.row(text) for text in column.tolist()]
            found[:, one.places] = one.table[chosen]
        return found


def quick_encoding(features: Any) -> QuickEncoding | None:
    """Return the quick encoding of a fitted transformer, or None if it has other steps."""
    import numpy as np
    from sklearn.compose import ColumnTransformer

    if (
        type(features) is not ColumnTransformer
        or features.sparse_output_
        or features.transformer_weights
    ):
        return None
    blocks = [
        (features.output_indices_[name].start, _steps(made), list(columns))
        for name, made, columns in features.transformers_
        if not (isinstance(made, str) and made == "drop") and len(columns)
    ]
    names = [name for _, _, columns in blocks for name in columns]
    if not all(isinstance(name, str) for name in names) or len(names) != len(set(names)):
        return None
    numbers: list[_Numbers] = []
    texts: dict[str, list[str]] = {}
    for start, steps, columns in blocks:
        if (categories := _categories(steps)) is not None:
            texts |= dict(zip(columns, categories, strict=True))
        elif (changes := _changes(steps)) is not None:
            numbers.append(_Numbers(columns, start, changes))
        else:
            return None
    known = [name for block in numbers for name in block.names]
    alike = _rows(known, {name: [UNKNOWN] * 2 for name in texts}, 2)
    made = features.transform(alike)
    if type(made) is not np.ndarray or made.dtype != np.float64:
        return None
    tables = [_table(features, known, texts, name, made[0]) for name in texts]
    order = "F" if made.flags.f_contiguous and not made.flags.c_contiguous else "C"
    return QuickEncoding(numbers, tables, made[0], order)


def _table(
    features: Any, numeric: list[str], texts: dict[str, list[str]], name: str, base: Floats
) -> _Category:
    """Return what the transformer makes of each category of a column, and of any other text."""
    import numpy as np

    values = [*texts[name], None, UNKNOWN]
    every: dict[str, list[Any]] = {other: [UNKNOWN] * len(values) for other in texts}
    made = features.transform(_rows(numeric, every | {name: values}, len(values)))
    places = np.flatnonzero((made != base).any(axis=0))
    row_of = {value: place for place, value in enumerate(texts[name])}
    return _Category(name, places, row_of, made[:, places])


def _rows(numeric: list[str], texts: dict[str, list[Any]], count: int) -> pd.DataFrame:
    import pandas as pd

    columns = {name: pd.Series([0.0] * count) for name in numeric}
    columns |= {name: pd.Series(values, dtype=TEXT) for name, values in texts.items()}
    return pd.DataFrame(columns)


def _steps(made: Any) -> list[Any]:
    from sklearn.pipeline import Pipeline

    return [one for _, one in made.steps] if type(made) is Pipeline else [made]


def _categories(steps: list[Any]) -> list[list[str]] | None:
    """Return the categories of each column of an encoder, or None for other steps.

    The encoder treats each column by itself, and all texts that it does not know alike.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    *before, last = steps
    if type(last) not in (OneHotEncoder, OrdinalEncoder) or last.handle_unknown in (
        "error",
        "warn",
    ):
        return None
    if any(type(one) is not SimpleImputer or one.add_indicator for one in before):
        return None
    found = [[one for one in each if isinstance(one, str)] for each in last.categories_]
    return None if any(UNKNOWN in each for each in found) else found


def _changes(steps: list[Any]) -> list[Any] | None:
    """Return functions that do in place what these steps do to numbers, or None for other steps."""
    found: list[Any] = []
    for one in steps:
        change = _change(one)
        if change is None:
            return None
        found.append(change)
    return found


def _change(step: Any) -> Any:
    import numpy as np
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    if type(step) is FunctionTransformer and step.func is None:
        return lambda matrix: matrix
    if type(step) is SimpleImputer and not step.add_indicator and _is_nan(step.missing_values):
        values = np.asarray(step.statistics_, dtype="float64")
        return None if np.isnan(values).any() else lambda matrix: _fill(matrix, values)
    if type(step) is StandardScaler:
        mean, scale = step.mean_ if step.with_mean else None, step.scale_ if step.with_std else None
        return lambda matrix: _scale(matrix, mean, scale)
    return None


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


def _fill(matrix: Floats, values: Floats) -> None:
    import numpy as np

    lost = np.isnan(matrix)
    if lost.any():
        np.copyto(matrix, values, where=lost)


def _scale(matrix: Floats, mean: Floats | None, scale: Floats | None) -> None:
    if mean is not None:
        matrix -= mean
    if scale is not None:
        matrix /= scale
