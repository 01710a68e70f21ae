"""Bin a reference table's columns, and count the rows of two tables in the same bins.

The bins are chosen on the reference table alone. Everything is an exact SQL aggregate, so the
result is small for a table of any size, and the same on each run. A relation is an SQL table
expression: `tables.table(path)`, or a `SELECT` in brackets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.problem import FOUND, Problem

if TYPE_CHECKING:
    from governed_ml.measures.bounds.quantiles import Floats

QUANTILES = 10  # most bins of a column; one with no more distinct values has a bin for each value
CATEGORIES = 50  # most categories with their own bin; rarer ones share the bin `RARE`
LABEL = 60  # characters of a category in its label
NULL, NEW, RARE = "null", "new category", "rare categories"
BELOW, ABOVE, NEW_VALUE = "below reference", "above reference", "new value"
NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "BOOLEAN",
)


@dataclass(frozen=True)
class Binned:
    """The bins of one column: their labels, and the number of rows of both tables in each.

    `edges` of a numeric column are minimum, inner edges and maximum, or the values with one bin
    each.
    """

    kind: str
    bins: list[str]
    reference: list[int]
    current: list[int]
    edges: list[float]


@dataclass(frozen=True)
class Frozen:
    """A numeric column's bins: intervals between `edges` or, if `single`, one bin for each edge."""

    edges: list[float]
    single: bool

    def labels(self) -> list[str]:
        """Return the bins' labels, in the order in which `counted` returns the counts."""
        if self.single:
            inside = [*(f"= {value:.6g}" for value in self.edges), NEW_VALUE]
        else:
            pairs = list(pairwise(self.edges))
            inside = [
                f"{'(' if i else '['}{low:.6g}, {high:.6g}]" for i, (low, high) in enumerate(pairs)
            ]
        return [BELOW, *inside, ABOVE, NULL]

    def bounds(self) -> list[float]:
        """Return the inclusive upper bounds of the cells that `counted` counts, ascending."""
        if not self.single:
            return [_before(self.edges[0]), *self.edges[1:]]
        return sorted({bound for value in self.edges for bound in (_before(value), value)})

    def collect(self, cells: dict[float, int], present: int, rows: int) -> list[int]:
        """Turn the counts of cells into counts of bins.

        `cells` is cell's upper bound → rows, `present` is the number of non-null values.
        """
        if not self.edges:
            return [0, present, 0, rows - present]
        below, kept = (
            cells.get(_before(self.edges[0]), 0),
            self.edges if self.single else self.edges[1:],
        )
        inside = [cells.get(bound, 0) for bound in kept]
        between = sum(cells.values()) - below - sum(inside)
        other = [between] if self.single else []
        return [below, *inside, *other, present - sum(cells.values()), rows - present]


def require_same_columns(reference: Path, current: Path) -> None:
    """Raise `Problem` (exit 1) if two tables differ in the names or kinds of their columns."""
    left, right = tables.columns(reference), tables.columns(current)
    for name in sorted(left.keys() ^ right.keys()):
        here, there = (reference, current) if name in left else (current, reference)
        raise Problem(
            f"column {name!r} is in {here.as_posix()} but not in {there.as_posix()}: "
            "drift needs the same columns in both; fix the source or the split",
            exit_code=FOUND,
        )
    for name, kind in left.items():
        if _family(kind) != _family(right[name]):
            raise Problem(
                f"column {name!r} is {kind} in {reference.as_posix()} but {right[name]} in "
                f"{current.as_posix()}: drift needs the same type in both",
                exit_code=FOUND,
            )


def binned(
    reference: str, current: str, numeric: list[str], categorical: list[str]
) -> dict[str, Binned]:
    """Choose each column's bins on the reference relation; count both relations' rows in them."""
    frozen = {name: freeze(reference, name) for name in numeric}
    left, right = counted(reference, frozen), counted(current, frozen)
    result = {
        name: Binned("numeric", bins.labels(), left[name], right[name], bins.edges)
        for name, bins in frozen.items()
    }
    return result | {name: categories(reference, current, name) for name in categorical}


def freeze(reference: str, column: str, quantiles: int = QUANTILES) -> Frozen:
    """Choose a numeric column's bins from the finite values of the reference relation.

    A column with more than `quantiles` (10) distinct values is split between its minimum and
    maximum at its distinct deciles, into at most ten bins. Deciles are taken as the inverse of the
    empirical distribution, so each edge is a value of the table. A column with fewer values gets
    one bin for each value, and one for all other values within the range.
    """
    source = f"(SELECT {number(column)} AS x FROM {reference}) WHERE isfinite(x)"
    steps = [k / quantiles for k in range(1, quantiles)]
    low, high, inner, about = tables.rows(
        f"SELECT min(x), max(x), quantile_disc(x, {steps}), approx_count_distinct(x) FROM {source}"
    )[0]
    if low is None:
        return Frozen([], single=True)
    if about <= 10 * quantiles:  # an estimate, wrong by less than a factor of ten
        found = tables.rows(f"SELECT DISTINCT x FROM {source} ORDER BY x LIMIT {quantiles + 2}")
        values = sorted({row[0] + 0.0 for row in found})
        if len(values) <= quantiles:
            return Frozen(values, single=True)
    upper = {value + 0.0 for value in (*inner, high)}  # -0.0 + 0.0 is 0.0
    return Frozen([low + 0.0, *sorted(upper)], single=False)


def counted(relation: str, frozen: dict[str, Frozen]) -> dict[str, list[int]]:
    """Count a relation's rows in each column's bins, in one pass over the table.

    Infinite values are counted below or above the reference range.
    """
    if not frozen:
        return {}
    inner = ", ".join(f"{number(name)} AS c{i}" for i, name in enumerate(frozen))
    outer = ", ".join(
        f"count(c{i}), {_histogram(i, bins)}" for i, bins in enumerate(frozen.values())
    )
    rows, *found = tables.rows(f"SELECT count(*), {outer} FROM (SELECT {inner} FROM {relation})")[0]
    result: dict[str, list[int]] = {}
    for i, (name, bins) in enumerate(frozen.items()):
        present, histogram = found[2 * i], found[2 * i + 1] or {}
        cells = (
            {bound: int(histogram.get(bound, 0)) for bound in bins.bounds()} if bins.edges else {}
        )
        result[name] = bins.collect(cells, int(present), int(rows))
    return result


def categories(reference: str, current: str, column: str) -> Binned:
    """Count both relations' rows in the bins of a categorical column.

    Each frequent category of the reference has its own bin. Rare categories, new categories and
    nulls each share one bin.
    """
    name = tables.quoted(column)
    sides = [
        f"SELECT CAST({name} AS VARCHAR) AS c, count(*) AS n FROM {relation} GROUP BY ALL"
        for relation in (reference, current)
    ]
    both = (
        f"SELECT coalesce(r.c, k.c) AS c, r.n AS r, k.n AS k, row_number() OVER "
        f"(ORDER BY r.c IS NULL, r.n DESC, r.c) AS place "
        f"FROM ({sides[0]}) r FULL JOIN ({sides[1]}) k ON r.c IS NOT DISTINCT FROM k.c"
    )
    bin_of = (
        f"CASE WHEN c IS NULL THEN {CATEGORIES + 3} WHEN r IS NULL THEN {CATEGORIES + 2} "
        f"WHEN place > {CATEGORIES} THEN {CATEGORIES + 1} ELSE place END"
    )
    found = {
        int(row[0]): row
        for row in tables.rows(
            f"SELECT {bin_of} AS b, left(min(c), {LABEL}), sum(coalesce(r, 0)), "
            f"sum(coalesce(k, 0)) FROM ({both}) GROUP BY b ORDER BY b"
        )
    }
    special = {CATEGORIES + 1: RARE, CATEGORIES + 2: NEW, CATEGORIES + 3: NULL}
    order = sorted(found.keys() | {CATEGORIES + 2, CATEGORIES + 3})
    rows: list[tuple[Any, ...]] = [found.get(place, (place, "", 0, 0)) for place in order]
    labels = [special.get(place) or f"= {row[1]}" for place, row in zip(order, rows, strict=True)]
    return Binned(
        "categorical", labels, [int(row[2]) for row in rows], [int(row[3]) for row in rows], []
    )


def ascending(relation: str, column: str) -> Floats:
    """Return a numeric column's values in ascending order, without nulls; infinite ones stay."""
    import numpy as np

    source = f"(SELECT {number(column)} AS x FROM {relation})"
    found = tables.query(f"SELECT x FROM {source} WHERE x IS NOT NULL")["x"]
    return np.sort(found.to_numpy("float64"))


def number(column: str) -> str:
    """Return SQL for a column as DOUBLE, with NaN replaced by null."""
    value = f"CAST({tables.quoted(column)} AS DOUBLE)"
    return f"CASE WHEN isnan({value}) THEN NULL ELSE {value} END"


def double(value: float) -> str:
    """Return SQL for a DOUBLE without loss; a plain literal would be a DECIMAL."""
    return f"CAST('{float(value)!r}' AS DOUBLE)"


def _histogram(place: int, bins: Frozen) -> str:
    return (
        f"histogram(c{place}, [{', '.join(map(double, bins.bounds()))}])" if bins.edges else "NULL"
    )


def _before(value: float) -> float:
    return math.nextafter(value, -math.inf)


def _family(kind: str) -> str:
    return "number" if kind.removeprefix("U").startswith(NUMBERS) else kind
