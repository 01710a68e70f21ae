"""Read production rows with the columns' types from training, and report values that do not fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core.config.data import Source
from governed_ml.core.problem import Problem
from governed_ml.core.tables import quoted
from governed_ml.pipeline.data import sources
from governed_ml.pipeline.data.cells import Marks, marks
from governed_ml.pipeline.data.column_readers import FrozenColumn, cell, given, is_new
from governed_ml.pipeline.data.columns import as_text

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

SHOWN = 3  # most rows named in a message


@dataclass(frozen=True)
class Incoming:
    """The rows of a file or query (SQL), and how text in them represents numbers."""

    sql: str
    marks: Marks


@dataclass(frozen=True)
class Batch:
    """SQL that selects the known columns in their types, and counts of values that do not fit.

    `unfit` is column → values that do not have the type, `places` the first rows with these (from
    1), and `new` is column → values of categories that training did not have.
    """

    sql: str
    names: tuple[str, ...]
    strange: tuple[str, ...]
    rows: int
    unfit: dict[str, int]
    places: dict[str, list[int]] = field(default_factory=dict)
    new: dict[str, int] = field(default_factory=dict)


def file_source(path: str, trained: Source) -> Source:
    """Return a file as a source whose text is parsed like the training data's."""
    if "://" not in path and Path(path).is_dir():
        raise Problem(f"{path} is a folder: name one file in it")
    alike = ("missing", "decimal", "thousands", "encoding", "sheet")
    kept = {name: getattr(trained, name) for name in alike}
    return Source(kind="file", path=path, **kept)


def relation(source: Source, db: duckdb.DuckDBPyConnection, scratch: Path) -> Incoming:
    """Return the rows of a file or query; cells of CSV and JSON are still text."""
    try:
        found = sources.SOURCES[source.kind](source, 0, db, scratch)
    except Problem as problem:
        text = str(problem).removeprefix("data.source.path: ").removeprefix("data.source: ")
        text = text.replace("(paths count from the project's root)", "")
        raise Problem(text.replace("data.source.", "")) from problem
    written = marks(source) if found.csv or found.texts is None else Marks()
    return Incoming(found.texts or found.relation, written)


def typed(
    db: duckdb.DuckDBPyConnection, table: str, how: Marks, columns: dict[str, FrozenColumn]
) -> Batch:
    """Convert the columns of an in-memory table to the types in `columns`, those of training."""
    there = {
        str(row[0]): str(row[1]).partition("(")[0].strip('"')
        for row in db.execute(f"DESCRIBE FROM {table}").fetchall()
        if not str(row[1]).endswith("]")
    }
    known = {name: one for name, one in columns.items() if name in there}
    values = {name: cell(one, quoted(name), there[name], how) for name, one in known.items()}
    bad = {
        name: f"{given(one, quoted(name), there[name])} AND ({values[name]}) IS NULL"
        for name, one in known.items()
    }
    fresh = {name: sql for name, one in known.items() if (sql := is_new(one, f"({values[name]})"))}
    asked = ", ".join(f"count(*) FILTER ({sql})" for sql in [*bad.values(), *fresh.values()])
    counts = db.execute(f"SELECT count(*), {asked or 0} FROM {table}").fetchall()[0]
    found = [int(n) for n in counts[1:]]
    unfit = {name: n for name, n in zip(bad, found, strict=False) if n}
    new = {name: n for name, n in zip(fresh, found[len(bad) :], strict=False) if n}
    places = {
        name: [
            int(row[0]) + 1
            for row in db.execute(
                f"SELECT rowid FROM {table} WHERE {bad[name]} ORDER BY rowid LIMIT {SHOWN}"
            ).fetchall()
        ]
        for name in unfit
    }
    listed = ", ".join(f"{value} AS {quoted(name)}" for name, value in values.items())
    strange = tuple(name for name in there if name not in columns)
    sql = f"SELECT {listed or 'NULL AS nothing'} FROM {table}"
    return Batch(sql, tuple(known), strange, int(counts[0]), unfit, places, new)


def as_trained(frame: pd.DataFrame, numeric: list[str], categorical: list[str]) -> pd.DataFrame:
    """Return the features in the form in which the model was trained."""
    import pandas as pd

    columns = {name: frame[name].astype("float64") for name in numeric}
    columns |= {name: as_text(frame[name]) for name in categorical}
    return pd.DataFrame(columns)[[*numeric, *categorical]]
