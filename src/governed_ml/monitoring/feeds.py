"""Read production rows (a file, a folder, a query or the prediction log) and their labels."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.config.data import Data, Source
from governed_ml.core.config.production.monitor import Feed
from governed_ml.core.problem import Problem
from governed_ml.monitoring.logged.log_files import canonical, place_of, relations
from governed_ml.pipeline.data.batch import Incoming, file_source, relation, typed
from governed_ml.pipeline.data.cells import Marks
from governed_ml.pipeline.data.column_readers import FrozenColumn, plain
from governed_ml.pipeline.data.reading.foreign_files import TABLES
from governed_ml.pipeline.data.sources import engine
from governed_ml.pipeline.data.table_files import public
from governed_ml.pipeline.prediction_log.places import PREDICTIONS

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

TEXTS = (".csv", ".json", ".jsonl", ".ndjson")
FILES = (*TEXTS, *(f"{one}{end}" for one in TEXTS for end in (".gz", ".zip")), ".parquet",
         ".arrow", ".feather", ".xlsx")  # fmt: skip
KEYS = {"request_id": "VARCHAR", "row": "BIGINT"}
SERVED = {
    "prediction": "DOUBLE",
    "score": "DOUBLE",
    "model_digest": "VARCHAR",
    "model_version": "BIGINT",
    "model_state": "VARCHAR",
    "predicted_at": "TIMESTAMP",
}


def served_of(data: Data) -> dict[str, str]:
    """Return the columns that `predict` adds for a version, with their types."""
    if not data.multiclass:
        return SERVED
    scores = dict.fromkeys(tables.class_scores(data.class_names), "DOUBLE")
    return SERVED | {"prediction": "VARCHAR"} | scores


@dataclass(frozen=True)
class FeedRows:
    """The rows of a feed.

    `lost` are columns missing in at least one file (of the log: in all), `strange` are unknown
    columns, and `unfit` is column → number of values that do not have its type. `explained` says of
    each row whether the service explained its prediction, and `attributed` whether its sensitive
    attributes are known; both are None if nothing says so, and may have more rows.
    """

    frame: pd.DataFrame
    lost: tuple[str, ...]
    strange: tuple[str, ...]
    unfit: dict[str, int] = field(default_factory=dict)
    explained: pd.Series | None = None
    attributed: pd.Series | None = None


def feed_of(path: Path) -> Feed:
    """Return the feed for a batch's path; raise `Problem` if the path does not exist."""
    if not path.exists():
        raise Problem(f"{path} does not exist: name a file, or a folder of files")
    return Feed(kind="folder" if path.is_dir() else "file", path=str(path))


def name_of(feed: Feed) -> str:
    """Return the name by which records call a feed. It has no folders of this machine in it."""
    return (
        Path(public(feed.path)).name
        if feed.path
        else {"log": "prediction log"}.get(feed.kind, "query")
    )


def read(
    feed: Feed,
    columns: dict[str, FrozenColumn],
    trained: Source | None = None,
    store: Path = PREDICTIONS,
) -> FeedRows:
    """Read columns from every file of a feed; text is parsed as in the training data.

    `store` is the folder that `kind: log` reads. Raise `Problem` if a file is not a table.
    """
    import duckdb

    place = place_of(feed, store)
    columns = canonical(columns) if place else columns
    with tempfile.TemporaryDirectory() as folder, engine() as db:
        scratch = Path(folder)
        try:
            if place is not None:
                rows = [Incoming(one, Marks()) for one in relations(place, columns, db, scratch)]
            else:
                rows = [relation(one, db, scratch) for one in _sources(feed, trained)]
            for number, one in enumerate(rows):  # keeps casts out of DuckDB's CSV reader
                db.execute(f"CREATE TEMP TABLE part{number} AS FROM {one.sql}")
                _rename(db, f"part{number}", columns)
            parts = [
                typed(db, f"part{number}", one.marks, columns) for number, one in enumerate(rows)
            ]
            sql = " UNION ALL BY NAME ".join(part.sql for part in parts)
            db.execute(f"COPY ({sql}) TO {tables.literal(str(scratch / 'rows'))} (FORMAT parquet)")
        except duckdb.Error as error:
            raise Problem(
                f"{name_of(feed)} cannot be read as a table: fix it, or save it as CSV, "
                "Parquet or JSON"
            ) from error
        frame = tables.read(scratch / "rows")
    names = [set(part.names) for part in parts]
    there = set[str].union(*names) if place else set[str].intersection(*names)
    unfit = Counter[str]()
    for part in parts:
        unfit.update(part.unfit)
    strange = dict.fromkeys(
        name
        for part in parts
        for name in part.strange
        if not name.startswith(tables.CLASS_SCORE)  # of another version
    )
    lost = tuple(name for name in columns if name not in there)
    return FeedRows(frame, lost, tuple(strange), dict(unfit))


def _rename(db: duckdb.DuckDBPyConnection, table: str, columns: dict[str, FrozenColumn]) -> None:
    """Name the table's columns as in the log: a column `score` of the model is `input.score`.

    A table that has `input.score` already is the log, or was made from it.
    """
    names = [str(row[0]) for row in db.execute(f"DESCRIBE {table}").fetchall()]
    for name in columns:
        plain = name.removeprefix(tables.INPUT)
        if plain in names and name not in names and tables.in_log(plain) == name != plain:
            new, old = tables.quoted(name), tables.quoted(plain)
            db.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")


def inputs(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return columns of the model under their own names."""
    return frame[list(map(tables.in_log, names))].set_axis(names, axis=1)


def _sources(feed: Feed, trained: Source | None) -> list[Source]:
    if feed.kind == "sql":
        return [Source(kind="sql", url=feed.url, query=feed.query)]
    like = trained or Source(kind="file", path=feed.path)
    if feed.kind == "file":  # `Path` would reduce `//` in a URL to one slash
        return [file_source(feed.path or "", like)]
    path = Path(feed.path or "")
    found = (one for one in path.rglob("*") if one.name.lower().endswith(FILES) and one.is_file())
    files = sorted(one for one in found if not one.name.startswith("."))
    if not files:
        raise Problem(f"{path} holds no {TABLES} file: name another folder")
    return [file_source(str(one), like) for one in files]


@dataclass(frozen=True)
class Joined:
    """Columns joined to the rows of a window (null where nothing matches), and remarks."""

    frame: pd.DataFrame
    notes: list[str]


def joined(
    rows: pd.DataFrame, feed: Feed, columns: dict[str, FrozenColumn], what: str, store: Path
) -> Joined:
    """Join columns to rows by request id and row number; `store` is what `kind: log` reads.

    A key with contradicting values gets null. Raise `Problem` if the keys or a column are missing.
    """
    if set(KEYS) - set(rows.columns):
        raise Problem(
            f"{what} are joined by request_id and row, but the batch lacks these columns: add them"
        )
    found = read(feed, plain(KEYS) | columns, store=store)
    if found.lost:
        raise Problem(f"{what}: {name_of(feed)} has no column {found.lost[0]!r}; give it all of "
        f"{', '.join([*KEYS, *columns])}")  # fmt: skip
    keys = list(KEYS)
    given = found.frame.dropna(subset=[*keys, *columns])
    distinct = given.drop_duplicates()
    torn = distinct.duplicated(subset=keys, keep=False)
    twice, answers = len(given) - len(distinct), distinct[~torn]
    known = rows[keys].drop_duplicates()
    strangers = len(answers) - len(answers.merge(known, on=keys))
    conflicts = int(distinct[torn][keys].drop_duplicates().shape[0])
    counts = {
        f"{what}: unreadable values: {sum(found.unfit.values())}": sum(found.unfit.values()),
        f"{what}: repeated rows, each counted once: {twice}": twice,
        f"{what}: rows with contradicting values, not counted: {conflicts}": conflicts,
        f"{what}: rows of a request that is not in this window: {strangers}": strangers,
    }
    merged = rows[keys].merge(answers, on=keys, how="left")
    return Joined(
        merged[list(columns)].set_axis(rows.index), [say for say, n in counts.items() if n]
    )
