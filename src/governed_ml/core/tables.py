"""The only access to tables: Parquet files, queried with SQL on an embedded DuckDB.

DuckDB scans Parquet files that are larger than memory, and needs no server.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core.problem import Problem, first_line

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

RAW = Path("data/raw.parquet")
VALIDATED = Path("data/validated.json")  # the digest of the table that satisfied the contract
TRAIN = Path("data/split/train.parquet")
TEST = Path("data/split/test.parquet")
SENSITIVE_TRAIN = Path("data/sensitive/train.parquet")
SENSITIVE_TEST = Path("data/sensitive/test.parquet")
PERSONS = Path("data/split/persons.parquet")  # ROW, PERSON; only if rows belong to persons
TIMES = Path("data/split/times.parquet")  # ROW, TIME of training rows; only in a split by time
FOLDS = Path("data/split/folds.parquet")  # ROW, FOLD; only with cross-validation
PREDICTIONS = Path("data/predictions.parquet")
ROW = "__row"  # the row number in the raw table: joins features, sensitive attributes, predictions
PERSON = "__person"  # a number for each person
TIME = "__time"  # the rank of a training row's time among those of the training rows, from 1
FOLD = "__fold"  # the fold, from 1, in which a row is a test row
TARGET = "__target"
"""The target as a number. Classification: 1 for the favourable value, else 0; of several classes,
the position of the class. Regression: the number."""
# `predictions.parquet`: ROW, `part` (train|test), TARGET, `score`, `prediction`. With several
# classes, `score` is the probability of the predicted class, and `score_0`, … follow. With
# cross-validation, each row is there once, as a test row.
SCORE_OF = "score_"  # before the position of a class
LOGGED = (  # columns that `predict` adds to its log; a batch may contain them, too
    *("request_id", "row", "prediction", "score"),
    *("model_version", "model_state", "model_digest", "predicted_at"),
)
IN_LOG_ONLY = (  # further columns that the log of the service has of a prediction
    *("arm", "explained", "error", "subject", "milliseconds", "explanation"),
)
CLASS_SCORE = "score["  # before the name of a class and `]`: what `predict` calls its probability
INPUT = "input."  # before a column's name that is also a name of the engine


def is_reserved(name: str) -> bool:
    """Return whether a table must not have a column of this name."""
    plain = name.strip().casefold()
    own = plain.removeprefix(INPUT)
    taken = own in (*LOGGED, *IN_LOG_ONLY, "target") or own.startswith(CLASS_SCORE)
    return plain in (ROW, PERSON, FOLD, TARGET) or (plain != own and taken)


def in_log(name: str) -> str:
    """Return what a column is called beside the log's own columns: `score` is `input.score`."""
    plain = name.casefold()
    own = plain in (*LOGGED, *IN_LOG_ONLY) or plain.startswith(CLASS_SCORE)
    return INPUT + name if own else name


def class_scores(names: Sequence[str]) -> list[str]:
    """Return what `predict` calls the probability of each class, as `score[late]`.

    Names that differ only in case get the position of their class, because DuckDB ignores case.
    """
    found: dict[str, str] = {}
    for place, name in enumerate(names):
        column = f"{CLASS_SCORE}{name}]"
        while column.casefold() in found:
            column += f"[{place}]"
        found[column.casefold()] = column
    return list(found.values())


def in_drift(feature: str) -> str:
    """Return what a feature is called beside the model's `prediction` and the `target`."""
    own = feature == "target" or feature.casefold() == "prediction"
    return INPUT + feature if own else feature


def from_drift(name: str) -> str:
    """Return the feature's own name for its name in the evidence of drift."""
    plain = name.removeprefix(INPUT)
    return plain if in_drift(plain) == name else name


def quoted(name: str) -> str:
    """Quote an SQL identifier (a column with dots, spaces or quotes in its name)."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def named(path: Path) -> str:
    """Return the DuckDB expression for one file, without columns made from folder names."""
    return f"{exact(path)}, hive_partitioning = false"


def exact(path: Path) -> str:
    """Return the SQL string that makes DuckDB read exactly this file.

    DuckDB treats `*`, `?` and `[` as patterns. In a pattern it reads a backslash as a path
    separator, which cannot be escaped, so a path with both raises `Problem`.
    """
    plain = path.as_posix()
    escaped = re.sub(r"[*?[]", r"[\g<0>]", plain)
    if escaped != plain and "\\" in plain:
        raise Problem(
            f"cannot read {plain}: its name has a backslash as well as `*`, `?` or `[`; rename it"
        )
    return literal(escaped)


def table(path: Path) -> str:
    """Return the SQL table expression of a Parquet file."""
    return f"read_parquet({named(path)})"


def query(sql: str) -> pd.DataFrame:
    """Run SQL on the embedded DuckDB and return a small frame; `table(path)` names a file."""
    with _answering(sql) as found:
        return found.df()


def rows(sql: str) -> list[tuple[Any, ...]]:
    """Run SQL and return plain tuples, without importing pandas."""
    with _answering(sql) as found:
        return found.fetchall()


@contextmanager
def _answering(sql: str) -> Generator[duckdb.DuckDBPyConnection]:
    import duckdb

    try:
        with _database().cursor() as connection:
            yield connection.execute(sql)
    except duckdb.Error as error:
        raise Problem(
            f"cannot read the table: {first_line(error)}; run `uv run dvc repro`"
        ) from error


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Return the process's DuckDB connection. Starting another takes longer than most queries.

    It caches nothing about a file, because the file may have changed before the next query.
    """
    import duckdb

    return duckdb.connect(config={"enable_external_file_cache": "false"})


if hasattr(os, "register_at_fork"):  # a forked process would lack its threads
    os.register_at_fork(before=_database.cache_clear)


def columns(path: Path) -> dict[str, str]:
    """Return column name → DuckDB type (`BIGINT`, `DOUBLE`, `VARCHAR`, …) of a Parquet file."""
    return {str(row[0]): str(row[1]) for row in rows(f"DESCRIBE SELECT * FROM {table(path)}")}


def read(path: Path, names: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file, or some of its columns, into a frame in row order."""
    import pandas as pd

    try:
        frame = pd.read_parquet(path, columns=names)
        for name in _beyond_decimals(path, list(frame.columns)):
            whole = pd.read_parquet(path, columns=[name], dtype_backend="numpy_nullable")
            frame[name] = whole[name]
        return frame
    except (OSError, ValueError) as error:
        raise Problem(f"cannot read {path}: {first_line(error)}; run `uv run dvc repro`") from error


def _beyond_decimals(path: Path, names: list[str]) -> list[str]:
    """Return the integer columns with nulls whose values a float cannot hold (2**53 and more)."""
    from pyarrow import parquet

    found: list[str] = []
    with parquet.ParquetFile(path) as file:
        for number, name in enumerate(file.schema_arrow.names):
            if name not in names or str(file.schema_arrow.types[number]) != "int64":
                continue
            groups = range(file.metadata.num_row_groups)
            parts = [file.metadata.row_group(group).column(number) for group in groups]
            known = [part.statistics for part in parts if part.statistics is not None]
            sizes = [max(abs(one.min), abs(one.max)) for one in known if one.has_min_max]
            gaps = any(one.null_count for one in known)
            if gaps and max(sizes, default=0) >= 2**53:
                found.append(name)
    return found


def write(frame: pd.DataFrame, path: Path, mode: int = 0o644) -> None:
    """Write a frame to Parquet atomically. The same content gives the same bytes."""
    import io

    from governed_ml.core.files import write_bytes

    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, compression="zstd")
    write_bytes(path, buffer.getvalue(), mode)
