"""What a drifted feature is: a number that counts with time or rows, or almost unique text."""

from __future__ import annotations

from governed_ml.core import tables
from governed_ml.measures import binning, drift
from governed_ml.measures.binning import Binned

ONE_WAY, DISTINCT, OUTSIDE = 0.9, 0.9, 0.9  # shares from which `shapes` calls a column by a name
DROP = ": if it names rows, list it under `drop` in conf/data"
COUNTS_ON = "; it counts with time or with the rows, as an id does" + DROP


def shapes(found: dict[str, Binned], numeric: list[str], categorical: list[str]) -> dict[str, str]:
    """Return drifted feature → what it is, if it counts with time or is almost unique text.

    A number counts if almost all its changes from row to row go one way, or if almost all test
    values are on one side of every training value.
    """
    counts = {name: found[tables.in_drift(name)] for name in (*numeric, *categorical)}
    drifted = [
        name
        for name, one in counts.items()
        if sum(one.reference)
        and sum(one.current)
        and drift.beyond_chance(one.reference, one.current)
    ]
    told = {name: COUNTS_ON for name in drifted if name in numeric and outside(counts[name])}
    counting = [name for name in numeric if name in drifted and name not in told]
    told |= {name: COUNTS_ON for name in counting if one_way(name)}
    for name in (name for name in categorical if name in drifted):
        values, rows = tables.rows(
            f"SELECT count(DISTINCT x), count(x) FROM ({_every_row(tables.quoted(name))})"
        )[0]
        if rows and values >= DISTINCT * rows:
            told[name] = f"; it is almost unique text: {values:,} values in {rows:,} rows" + DROP
    return {tables.in_drift(name): words for name, words in told.items()}


def outside(counts: Binned) -> bool:
    """Return whether almost all current values are on one side of every reference value."""
    below, *_, above, null = counts.current
    return max(below, above) >= OUTSIDE * max(1, sum(counts.current) - null)


def one_way(name: str) -> bool:
    """Return whether almost all changes of a number from row to row go one way."""
    x = binning.number(name)
    steps = f"SELECT x - lag(x) OVER (ORDER BY r) AS d FROM ({_every_row(x)}) WHERE isfinite(x)"
    net, walked = tables.rows(f"SELECT abs(sum(d)), sum(abs(d)) FROM ({steps})")[0]
    return bool(walked) and net >= ONE_WAY * walked


def _every_row(value: str) -> str:
    """Return SQL for a value of each row, as x, and the row's number, as r."""
    row = tables.quoted(tables.ROW)
    folds = tables.FOLDS.is_file()  # then the test rows are all rows
    paths = (tables.TEST,) if folds else (tables.TRAIN, tables.TEST)
    sides = (tables.table(path) for path in paths)
    return " UNION ALL ".join(f"SELECT {value} AS x, {row} AS r FROM {side}" for side in sides)
