"""What people see of each column: its role, its gaps, and its distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

from governed_ml.core import tables
from governed_ml.core.config.data import Data
from governed_ml.core.tables import quoted
from governed_ml.pipeline.data.column_kinds import NEARLY
from governed_ml.pipeline.data_page.shown_table import FEWEST, ShownTable

BINS = 10
VALUES = 10  # most values of a category that are shown
KINDS = {"BIGINT": "integer", "DOUBLE": "decimal", "TIMESTAMP": "date"}


@dataclass(frozen=True)
class NumberFacts:
    """Where numbers lie; dates are seconds since 1970.

    At least ten rows (or persons) lie at `low` or below, and at least ten at `high` or above. With
    few persons, a quartile may lie outside of these ends. `beyond` says that some numbers lie
    farther outside than the range is wide.
    """

    low: float
    quartiles: tuple[float, float, float]
    high: float
    beyond: bool
    counts: tuple[int, ...]  # rows in each bin from low to high


@dataclass(frozen=True)
class ColumnFacts:
    """One column; `hidden` says why its values are not shown."""

    name: str
    role: str
    kind: str
    rows: int
    filled: int
    distinct: int
    hidden: str = ""
    numbers: NumberFacts | None = None
    values: tuple[tuple[str, int], ...] = ()

    @property
    def missing(self) -> int:
        """Return the number of cells without a value."""
        return self.rows - self.filled

    @property
    def gaps(self) -> float:
        """Return the share of cells without a value."""
        return self.missing / self.rows if self.rows else 0.0


def role_of(name: str, data: Data) -> str:
    """Return the role of a column."""
    single = {"target": data.target, "time": data.time, "group": data.group}
    named = [role for role, one in single.items() if one == name]
    named += ["sensitive"] if name in data.sensitive else []
    named += ["drop"] if name in data.drop else []
    return named[0] if named else "feature"


def facts_of(table: ShownTable, name: str, *, detailed: bool = True) -> ColumnFacts:
    """Return what people may see of a column; without `detailed`, only the counts."""
    filled, distinct, truths = table.counts[name]
    kind = KINDS.get(table.types[name], "category")
    if filled and truths == filled:
        kind = "boolean"
    elif name in table.data.codes:
        kind = "code"
    role = role_of(name, table.data)
    hidden = _hidden(table, name, role) if detailed else "the page shows fewer columns"
    known = (name, role, kind, table.rows, filled, distinct)
    if hidden:
        return ColumnFacts(*known, hidden)
    if table.is_number(name) or table.types[name] == "TIMESTAMP":
        numbers = _numbers(table, name)
        return ColumnFacts(*known, "" if numbers else "too few rows have a value", numbers)
    values = _values(table, name)
    return ColumnFacts(*known, "" if values else "no value is frequent enough", None, values)


def _hidden(table: ShownTable, name: str, role: str) -> str:
    """Return why the values of a column are shown to nobody, whatever their frequency."""
    filled, distinct, _ = table.counts[name]
    if not filled:
        return "it is empty"
    if role == "group" or name in table.keys:
        return "it identifies persons"
    if table.types[name] == "VARCHAR" and role == "drop":
        return "it is a text that is not used"
    nearly = distinct > 2 and distinct >= filled * NEARLY
    whole = table.types[name] == "BIGINT" and (role == "drop" or not table.is_number(name))
    if nearly and (table.types[name] == "VARCHAR" or whole):
        return "nearly every value occurs once"
    return ""


def _values(table: ShownTable, name: str) -> tuple[tuple[str, int], ...]:
    """Return the most frequent values that enough rows have."""
    found = tables.rows(
        f"SELECT v, count(*) AS n FROM (SELECT {table.text(name)} AS v, {table.person_sql} AS p "
        f"FROM {table.sql} WHERE {table.cell(name)} IS NOT NULL) GROUP BY v HAVING {table.enough} "
        f"ORDER BY n DESC, v LIMIT {VALUES}"
    )
    return tuple((str(value), int(n)) for value, n in found)


def _numbers(table: ShownTable, name: str) -> NumberFacts | None:
    """Return where the numbers of a column lie; None if a quarter of them is fewer than ten."""
    is_time = table.types[name] == "TIMESTAMP"
    x = f"epoch({quoted(name)})" if is_time else f"CAST({table.cell(name)} AS DOUBLE)"
    rows = f"FROM {table.sql} WHERE {x} IS NOT NULL"
    each = f"SELECT {x} AS a, {x} AS b {rows}"
    if table.person is not None:
        each = f"SELECT min({x}) AS a, max({x}) AS b {rows} GROUP BY {quoted(table.person)}"
    n, lows, highs, last, first = tables.rows(
        f"SELECT count(*), min(a, {FEWEST}), max(b, {FEWEST}), min(a), max(b) FROM ({each})"
    )[0]
    if n < 4 * FEWEST:
        return None
    low, high = float(lows[-1]), float(highs[-1])
    width = high - low
    if not math.isfinite(width):
        return None
    place = f"floor(({x} - {low!r}) / {width!r} * {BINS})" if width else "0"
    bins = f"CAST(least({BINS - 1}, greatest(0, {place})) AS BIGINT)"
    counted = dict(tables.rows(f"SELECT {bins}, count(*) {rows} GROUP BY 1"))
    found = tables.rows(f"SELECT quantile_cont({x}, [0.25, 0.5, 0.75]) {rows}")[0][0]
    one, two, three = map(float, found)
    beyond = width > 0 and (last < low - width or first > high + width)
    counts = tuple(int(counted.get(k, 0)) for k in range(BINS if width else 1))
    return NumberFacts(low, (one, two, three), high, beyond, counts)
