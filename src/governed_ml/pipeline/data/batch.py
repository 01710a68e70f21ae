"""Rows from production, each column in the type that training had; what does not fit is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core.config.data import Source
from governed_ml.core.problem import Problem
from governed_ml.core.tables import quoted
from governed_ml.pipeline.data import sources
from governed_ml.pipeline.data.columns import as_text

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

FINITE = {  # what ingest refuses in a table that a model learns from
    "DOUBLE": f"isnan({{0}}) OR abs({{0}}) <= {sources.LARGEST}",
    "TIMESTAMP": "isfinite({0})",
}
KINDS = {"DOUBLE": "a number", "BIGINT": "a whole number", "TIMESTAMP": "a date"}


@dataclass(frozen=True)
class Batch:
    """`sql` selects the known columns in their types; `unfit` counts values that are none of it."""

    sql: str
    names: tuple[str, ...]
    strange: tuple[str, ...]
    rows: int
    unfit: dict[str, int]


def relation(source: Source, db: duckdb.DuckDBPyConnection, scratch: Path) -> str:
    """Return a file's or query's rows as SQL; the cells of a CSV are texts still."""
    try:
        found = sources.SOURCES[source.kind](source, 0, db, scratch)
    except Problem as problem:
        text = str(problem).removeprefix("data.source.path: ").removeprefix("data.source: ")
        text = text.replace("(paths count from the project's root)", "")
        raise Problem(text.replace("data.source.", "")) from problem
    before, csv, after = found.relation.rpartition("header=true, ")  # the path comes before
    return f"{before}{csv}{'all_varchar=true, ' if csv else ''}{after}"


def typed(db: duckdb.DuckDBPyConnection, rows: str, types: dict[str, str]) -> Batch:
    """Look at a relation's columns, of which `types` (name → DuckDB type) are known."""
    there = [str(row[0]) for row in db.execute(f"DESCRIBE FROM {rows}").fetchall()]
    names = [name for name in types if name in there]
    casts = {name: _cast(quoted(name), types[name]) for name in names}
    bad = [
        f"count(*) FILTER ({quoted(name)} IS NOT NULL AND {cast} IS NULL)"
        for name, cast in casts.items()
    ]
    counts = db.execute(f"SELECT {', '.join([*bad, 'count(*)'])} FROM {rows}").fetchall()[0]
    unfit = {name: int(n) for name, n in zip(names, counts, strict=False) if n}
    listed = ", ".join(f"{cast} AS {quoted(name)}" for name, cast in casts.items())
    strange = tuple(name for name in there if name not in types)
    sql = f"SELECT {listed or 'NULL AS nothing'} FROM {rows}"
    return Batch(sql, tuple(names), strange, int(counts[-1]), unfit)


def _cast(column: str, kind: str) -> str:
    cast = f"TRY_CAST({column} AS {kind})"
    return f"CASE WHEN {FINITE[kind].format(cast)} THEN {cast} END" if kind in FINITE else cast


def as_trained(frame: pd.DataFrame, numeric: list[str], categorical: list[str]) -> pd.DataFrame:
    """Return the features as the model was trained on them."""
    import pandas as pd

    columns = {name: frame[name].astype("float64") for name in numeric}
    columns |= {name: as_text(frame[name]) for name in categorical}
    return pd.DataFrame(columns)[[*numeric, *categorical]]
