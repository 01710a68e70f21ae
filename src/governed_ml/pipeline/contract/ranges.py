"""Draft the range of a column of numbers from its values, as a person would begin."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governed_ml.core import tables
from governed_ml.core.tables import quoted

YEAR = re.compile(r"(.*[^a-z])?(year|yr)([^a-z].*)?", re.IGNORECASE)
YEARS = (1800, 2200)
SCALE = 31  # most values of a closed scale, such as weekdays, months, hours or days of a month
TOGETHER = 20  # columns that are counted by one query
ROWS = 20  # fewest rows for each of its values


@dataclass(frozen=True)
class ColumnCounts:
    """Cells with a value, distinct values, and the ends of a column; texts have no ends."""

    filled: int
    distinct: int
    low: Any = None
    high: Any = None


def counted(raw: Path, columns: dict[str, str]) -> dict[str, ColumnCounts]:
    """Return the counts of each column, given column → type; a query counts many at once."""
    found: dict[str, ColumnCounts] = {}
    names = list(columns)
    for start in range(0, len(names), TOGETHER):
        part = names[start : start + TOGETHER]
        asked = ", ".join(_counts(quoted(name), columns[name]) for name in part)
        counts = tables.rows(f"SELECT {asked} FROM {tables.table(raw)}")[0]
        for place, name in enumerate(part):
            found[name] = ColumnCounts(*counts[4 * place : 4 * place + 4])
    return found


def _counts(column: str, kind: str) -> str:
    ends = f"min({column}), max({column})" if kind in ("BIGINT", "DOUBLE") else "NULL, NULL"
    return f"count({column}), count(DISTINCT {column}), {ends}"


def drafted_range(
    raw: Path, name: str, counts: ColumnCounts, *, whole: bool
) -> dict[str, float | int]:
    """Return the limits of a column of numbers; empty if a range would say nothing.

    A tenth of the spread is added at both ends, but a column without negative values gets none. A
    range of whole numbers has whole ends. Keys and row numbers, of which nearly all are distinct,
    and constants have no range. Years have no upper end, because time goes on. A closed scale, of
    which each value is there and no end is rare, has its own ends.
    """
    column = quoted(name)
    filled, distinct, low, high = counts.filled, counts.distinct, counts.low, counts.high
    if distinct < 2 or (whole and distinct >= filled * 0.99):
        return {}
    if whole and YEAR.fullmatch(name) and low >= YEARS[0] and high <= YEARS[1]:
        return {"min_value": low - math.ceil((high - low) / 10)}
    two = (low, high) == (0, 1)
    if whole and (two or _is_scale(raw, column, filled, distinct, (low, high))):
        return {"min_value": low, "max_value": high}
    margin = (high - low) / 10
    floor = max(0, low - margin) if low >= 0 else low - margin
    if whole:
        return {"min_value": math.floor(floor), "max_value": math.ceil(high + margin)}
    digits = max(0, 2 - math.floor(math.log10(high - low)))
    unit = 10.0**digits
    return {
        "min_value": min(low, round(math.floor(floor * unit) / unit, digits)),
        "max_value": max(high, round(math.ceil((high + margin) * unit) / unit, digits)),
    }


def _is_scale(raw: Path, column: str, filled: int, distinct: int, ends: tuple[int, int]) -> bool:
    """Return whether whole numbers are a closed scale: without gaps, and with no rare end."""
    low, high = ends
    if distinct > SCALE or distinct != high - low + 1 or filled < ROWS * distinct:
        return False
    [(first, last)] = tables.rows(
        f"SELECT count(*) FILTER ({column} = {low}), count(*) FILTER ({column} = {high}) "
        f"FROM {tables.table(raw)}"
    )
    return min(first, last) * distinct * 3 >= filled
