"""Where a table can come from: each source gives one relation of an embedded DuckDB."""

from __future__ import annotations

import csv
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from ..config import Source
from ..files import file_digest
from ..problem import Problem, first_line
from ..tables import literal

if TYPE_CHECKING:
    import duckdb

DELIMITERS = ",;\t|"
TYPES = [
    "BIGINT",
    "DOUBLE",
    "DATE",
    "TIMESTAMP",
    "VARCHAR",
]  # what a text column may turn out to be
UNREADABLE = {  # a sign in DuckDB's message → what to say; its own words would quote the row
    "Error when sniffing": (
        "has rows of different lengths or a quote never closed: "
        "mend it, or set data.source.delimiter"
    ),
    "not utf-8": "is not UTF-8: save it as UTF-8",
    "Expected Number of Columns": (
        "has rows of different lengths: mend them, or set data.source.delimiter"
    ),
    "unterminated quote": "has a quote that is never closed: mend it",
    "Maximum line size": (
        "has a line of more than 2 MB: a quote never closed, or a cell that does not belong there"
    ),
}


@dataclass(frozen=True)
class Found:
    """A relation (SQL), the names as written at the source, and where they are from."""

    relation: str
    names: list[str]
    uri: str
    sha256: str | None = None


def file(source: Source, seed: int, db: duckdb.DuckDBPyConnection, scratch: Path) -> Found:
    """CSV, Parquet or JSON, told apart by content; a path (from the project's root) or a URL."""
    where = source.path or ""
    path = _download(where, scratch) if where.startswith(("http://", "https://")) else Path(where)
    uri = _public(where)
    try:
        with path.open("rb") as handle:
            head = handle.read(8)
    except IsADirectoryError as error:
        raise Problem(f"data.source.path: {uri} is a folder: name one file in it") from error
    except FileNotFoundError as error:
        raise Problem(
            f"data.source.path: {uri} does not exist (paths count from the project's root)"
        ) from error
    except OSError as error:
        raise Problem(f"data.source.path: {uri} cannot be read: {error.strerror}") from error
    if not head:
        raise Problem(f"data.source.path: {uri} is empty")
    if head[:2] in (b"\x1f\x8b", b"PK"):
        raise Problem(
            f"data.source.path: {uri} is an archive or a spreadsheet: give CSV, Parquet or JSON"
        )
    if head[:4] == b"PAR1":
        relation, names = f"read_parquet({literal(str(path))})", _parquet_names(path, uri)
    elif head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"{", b"["):
        relation, names = f"read_json({literal(str(path))}, sample_size=-1)", []
    else:
        relation, names = _csv(path, source, uri)
    return Found(relation, names, uri, file_digest(path))


def sql(source: Source, seed: int, db: duckdb.DuckDBPyConnection, scratch: Path) -> Found:
    """A SELECT through SQLAlchemy; the address as text or, with a password, as env:NAME."""
    import pandas as pd
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    where = source.url or ""
    name = where.removeprefix("env:")
    url = where if name == where else os.environ.get(name, "")
    if not url:
        raise Problem(f"data.source.url: the environment variable {name} is not set")
    try:
        address = sqlalchemy.make_url(url)
        if address.password and name == where:
            raise Problem(
                "data.source.url holds a password and conf/ is in git: put the URL into an "
                "environment variable and write env:NAME"
            )
        engine = sqlalchemy.create_engine(address)
        with engine.connect() as connection:
            frame = pd.read_sql(sqlalchemy.text(source.query or ""), connection)
    except (SQLAlchemyError, pd.errors.DatabaseError, ImportError) as error:
        cause = error.__cause__ or error  # pandas wraps what SQLAlchemy wraps what the driver says
        reason = first_line(getattr(cause, "orig", None) or cause)
        raise Problem(f"data.source: the database does not answer the query: {reason}") from error
    db.register("found", frame)
    return Found("found", [str(column) for column in frame.columns], _public(where))


def openml(source: Source, seed: int, db: duckdb.DuckDBPyConnection, scratch: Path) -> Found:
    """A data set of openml.org by number; needs the network once, then scikit-learn's cache."""
    from sklearn.datasets import fetch_openml

    number = source.openml_id
    try:
        frame: Any = fetch_openml(data_id=number, as_frame=True, parser="auto", n_retries=1).frame
    except (OSError, ValueError, ImportError) as error:
        raise Problem(
            f"data.source.openml_id: data set {number} is not to be had: {first_line(error)}; "
            "is there a network?"
        ) from error
    db.register("found", frame)
    return Found(
        "found", [str(column) for column in frame.columns], f"https://www.openml.org/d/{number}"
    )


def synthetic(source: Source, seed: int, db: duckdb.DuckDBPyConnection, scratch: Path) -> Found:
    """The seeded credit book with known ground truth."""
    from .synthetic import book

    frame = book(source.rows or 0, seed, source.faults)
    db.register("found", frame)
    return Found("found", list(frame.columns), f"synthetic:{source.rows}?seed={seed}")


SOURCES: dict[str, Callable[[Source, int, duckdb.DuckDBPyConnection, Path], Found]] = {
    "file": file,
    "sql": sql,
    "openml": openml,
    "synthetic": synthetic,
}


def unreadable(message: str) -> str:
    """Say in words why DuckDB could not read a file, without the row that it quotes."""
    line = re.search(r"CSV Error on Line: (\d+)", message)
    where = f" (line {line[1]})" if line else ""
    for sign, words in UNREADABLE.items():
        if sign.lower() in message.lower():
            return words + where
    return f"cannot be read{where}: {first_line(ValueError(message.split('Original Line')[0]))}"


def _csv(path: Path, source: Source, uri: str) -> tuple[str, list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            first = handle.readline(1_000_000)
            handle.seek(0)
            delimiter = source.delimiter or max(DELIMITERS, key=first.count)
            names = next(csv.reader(handle, delimiter=delimiter))
    except (UnicodeDecodeError, StopIteration) as error:
        raise Problem(f"data.source.path: {uri} is not UTF-8: save it as UTF-8") from error
    except (csv.Error, TypeError) as error:
        raise Problem(
            f"data.source.path: the header of {uri} cannot be read: {first_line(error)}"
        ) from error
    if len(names) == 1:
        raise Problem(
            f"data.source.path: {uri} has only one column with the delimiter {delimiter!r}: "
            "set data.source.delimiter"
        )
    nulls = ", ".join(literal(text) for text in ["", *source.missing])
    types = ", ".join(literal(name) for name in TYPES)
    return (
        f"read_csv({literal(str(path))}, header=true, skip=0, delim={literal(delimiter)}, "
        f"quote='\"', escape='\"', comment='', nullstr=[{nulls}], sample_size=-1, "
        f"auto_type_candidates=[{types}])"
    ), names


def _parquet_names(path: Path, uri: str) -> list[str]:
    from pyarrow import ArrowException, parquet

    try:
        return list(parquet.read_schema(path).names)
    except (ArrowException, OSError) as error:
        raise Problem(
            f"data.source.path: {uri} is a damaged Parquet file: fetch it again"
        ) from error


def _download(where: str, scratch: Path) -> Path:
    try:
        parts = urlsplit(where)
        if parts.password:
            raise Problem(
                "data.source.path holds a password and conf/ is in git: "
                "fetch the file some other way"
            )
        target = scratch / "download"
        request = urllib.request.urlopen(where, timeout=60)  # noqa: S310 - the caller saw http(s)
        with request as answer, target.open("wb") as handle:
            while block := answer.read(1 << 20):
                handle.write(block)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Problem(
            f"data.source.path: {_public(where)} cannot be fetched: {first_line(error)}"
        ) from error
    return target


def _public(where: str) -> str:
    """Take user, password and query (it may hold a signature) out of a URL."""
    if "://" not in where:
        return where
    parts = urlsplit(where)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
