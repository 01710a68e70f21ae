"""Rows that stand for the training table where only the evidence of a release is at hand.

A release holds no rows of data. What it holds of each feature are the shares of bins and
categories, and quantiles of numbers, in the training reference. From these, rows are made whose
features are independent of each other. So is what SHAP assumes where it replaces one feature
by values of other rows; but the mean output over such rows differs from that over real ones if
features depend on each other. Rare categories, which evidence does not name, are one unknown
category here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.measures.binning import NEW, NULL, RARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from governed_ml.core.evidence_bodies import ColumnDrift, DriftBody

ROWS = 200
"""How many rows are made: their shares differ from those of the evidence by at most 0.5 %."""
SEED = 20_231


def reference_rows(
    body: DriftBody, numeric: Sequence[str], categorical: Sequence[str], rows: int = ROWS
) -> pd.DataFrame:
    """Return rows with the marginal distributions of the training reference, always the same.

    A feature that the evidence does not have is missing in all of them.
    """
    import numpy as np
    import pandas as pd

    found = {column.name: column for column in body.columns}
    chance = np.random.RandomState(SEED)
    columns: dict[str, pd.Series] = {}
    for name in (*numeric, *categorical):
        levels = chance.permutation((np.arange(rows) + 0.5) / rows)
        column = found.get(tables.in_drift(name))
        values = _values(column, levels) if column and column.reference else [None] * rows
        columns[name] = pd.Series(values, dtype="float64" if name in numeric else "str")
    return pd.DataFrame(columns)


def _values(column: ColumnDrift, levels: npt.NDArray[np.float64]) -> list[Any]:
    """Return a value for each level between 0 and 1: numbers by size, then what is missing."""
    shares = dict(zip(column.bins, column.reference, strict=True))
    missing = shares.pop(NULL, 0.0)
    if column.kind == "numeric":
        known, weights = _numbers(column, shares)
    else:
        known = [_category(label) for label in shares]
        weights = list(shares.values())
    present = 1 - missing
    return [
        _at(level / present, known, weights) if level < present else None
        for level in levels.tolist()
    ]


def _numbers(column: ColumnDrift, shares: dict[str, float]) -> tuple[list[Any], list[float]]:
    """Return numbers and their shares: quantiles, or else the values or middles of the bins."""
    if column.quantiles:
        return list(column.quantiles), [1.0] * len(column.quantiles)
    inside = list(shares.values())[1:-1]  # not below or above the reference
    edges = list(column.edges)
    if len(inside) == len(edges) + 1:  # a bin for each value, and one for all others
        return edges, inside[:-1]
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    return middles, inside[: len(middles)]


def _category(label: str) -> str:
    return label if label in (RARE, NEW) else label.removeprefix("= ")


def _at(level: float, known: list[Any], weights: list[float]) -> Any:
    """Return the value at a level of the distribution that shares make, or None without any."""
    total, reached = sum(weights), 0.0
    for value, weight in zip(known, weights, strict=True):
        reached += weight
        if weight and level * total <= reached:
            return value
    return None
