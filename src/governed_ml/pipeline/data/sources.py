"""Where a table can come from: each source gives one relation of an embedded DuckDB."""

from __future__ import annotations

import csv
import http.client
import os
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from governed_ml.core import team
from governed_ml.core.config.data import Source
from governed_ml.core.files import file_digest
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.tables import literal
from governed_ml.pipeline.isolated import source_process
from governed_ml.pipeline.isolated.process import Process, sent

if TYPE_CHECKING:
    import duckdb

DELIMITERS = ",;\t|"
LONGEST = 100_000  # characters of a cell: more is no value of a column, but a quote never closed
LARGEST = 1e150  # the square of a larger number, as any variance needs it, is infinite
NO_TABLES = {  # how a file begins → what it is
    b"\x1f\x8b": "an archive or a spreadsheet",
    b"PK": "an archive or a spreadsheet",
    b"\x28\xb5\x2f\xfd": "an archive or a spreadsheet",
    b"SQLite": "a database (kind: sql reads it)",
    b"%PDF": "a PDF",
}
TYPES = [
    "BIGINT",
    "DOUBLE",
    "DATE",
    "TIMESTAMP",
    "VARCHAR",
]  # what a text column may turn out to be


@dataclass(frozen=True)
class Found:
    """A relation (SQL), the names as written at the source, and where they are from."""

    relation: str
    names: list[str]
    uri: str
    sha256: str | None = None
    csv: tuple[Path, str, int] | None = None  # a CSV, its delimiter and number of columns


def engine() -> duckdb.DuckDBPyConnection:
    """Return an embedded engine: times are in UTC whatever the machine's zone is."""
    import duckdb

    # No extension is fetched from the network; what reads CSV, JSON and Parquet is built in.
    return duckdb.connect(config={"autoinstall_known_extensions": "false", "TimeZone": "UTC"})


def file(source: Source, seed: int, db: duckdb.DuckDBPyConnection, scratch: Path) -> Found:
    """CSV, Parquet or JSON, told apart by content; a path (from the project's root) or a URL."""
    where = source.path or ""
    path = _download(where, scratch) if "://" in where else Path(where)
    uri = public(where)
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
    if not head.removeprefix(b"\xef\xbb\xbf"):
        raise Problem(f"data.source.path: {uri} is empty")
    for sign, what in NO_TABLES.items():
        if head.startswith(sign):
            raise Problem(f"data.source.path: {uri} is {what}: give CSV, Parquet or JSON")
    dialect: tuple[Path, str, int] | None = None
    if head[:4] == b"PAR1":
        relation, names = f"read_parquet({literal(str(path))})", _parquet_names(path, uri)
    elif head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"{", b"["):
        relation, names = f"read_json({literal(str(path))}, sample_size=-1)", []
    else:
        relation, names, delimiter = _csv(path, source, uri)
        dialect = (path, delimiter, len(names))
    return Found(relation, names, uri, file_digest(path), dialect)


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
        reason = first_line(getattr(cause, "orig", None) or cause).partition(" (Background on")[0]
        driver = "; add its driver with `uv add`" if isinstance(cause, ImportError) else ""
        raise Problem(
            f"data.source: the database does not answer the query: {reason}{driver}"
        ) from error
    db.register("found", frame)
    return Found("found", [str(column) for column in frame.columns], public(where))


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
    from governed_ml.pipeline.data.synthetic import book

    frame = book(source.rows or 0, seed, source.faults)
    db.register("found", frame)
    return Found("found", list(frame.columns), f"synthetic:{source.rows}?seed={seed}")


def of_team(source: Source, seed: int, db: duckdb.DuckDBPyConnection, scratch: Path) -> Found:
    """A function of the team's `sources.py`, called in a process of its own."""
    package, function = team.package(), source.function or ""
    where = f"src/{package.name}/{team.SOURCES}.py"
    job = {
        "whose": where,
        "package": sent(package),
        "function": function,
        "options": source.options,
    }
    process = Process(source_process, where, job)
    try:
        _, parts = process.answer()
    finally:
        process.close()
    if not parts or not parts[0].startswith(b"PAR1"):
        raise Problem(f"{where}: {function} gave no table")
    path = scratch / "table.parquet"
    path.write_bytes(parts[0])
    names = _parquet_names(path, f"{where}: {function}")
    return Found(f"read_parquet({literal(str(path))})", names, f"team:{function}")


SOURCES: dict[str, Callable[[Source, int, duckdb.DuckDBPyConnection, Path], Found]] = {
    "file": file,
    "sql": sql,
    "openml": openml,
    "synthetic": synthetic,
    "team": of_team,
}


def _csv(path: Path, source: Source, uri: str) -> tuple[str, list[str], str]:
    csv.field_size_limit(LONGEST)
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            first = handle.readline(10 * LONGEST)
            handle.seek(0)
            delimiter = source.delimiter or max(DELIMITERS, key=first.count)
            names = next(csv.reader(handle, delimiter=delimiter), [])
    except UnicodeDecodeError as error:
        raise Problem(f"data.source.path: {uri} is not UTF-8: save it as UTF-8") from error
    except (csv.Error, TypeError, ValueError) as error:
        raise Problem(
            f"data.source.path: the header of {uri} cannot be read: {first_line(error)}"
        ) from error
    if "\0" in first:
        raise Problem(f"data.source.path: {uri} is not UTF-8 but UTF-16: save it as UTF-8")
    if first.lstrip().lower().startswith(("<!doctype", "<html", "<?xml")):
        raise Problem(f"data.source.path: {uri} is a web page, not a table: check the address")
    if not names:
        raise Problem(f"data.source.path: {uri} has no header: name the columns in its first line")
    if len(names) == 1:
        raise Problem(
            f"data.source.path: {uri} has only one column with the delimiter {delimiter!r}: "
            "set data.source.delimiter"
        )
    nulls = ", ".join(literal(text) for text in ["", *source.missing])
    types = ", ".join(literal(name) for name in TYPES)
    relation = (
        f"read_csv({literal(str(path))}, header=true, skip=0, delim={literal(delimiter)}, "
        f"quote='\"', escape='\"', comment='', nullstr=[{nulls}], sample_size=-1, "
        f"auto_type_candidates=[{types}])"
    )
    return relation, names, delimiter


def _parquet_names(path: Path, uri: str) -> list[str]:
    from pyarrow import ArrowException, parquet

    try:
        names = list(parquet.read_schema(path).names)
    except (ArrowException, OSError) as error:
        raise Problem(
            f"data.source.path: {uri} is a damaged Parquet file: fetch it again"
        ) from error
    if not names:
        raise Problem(f"data.source.path: {uri} has no column")
    return names


def _download(where: str, scratch: Path) -> Path:
    target = scratch / "download"
    try:
        parts = urlsplit(where)
        if parts.scheme not in ("http", "https"):
            raise Problem(
                f"data.source.path: {public(where)} is no http or https address: fetch the "
                "file some other way and name it under data/source"
            )
        if parts.password:
            raise Problem(
                "data.source.path holds a password and conf/ is in git: "
                "fetch the file some other way"
            )
        request = urllib.request.urlopen(where, timeout=60)  # noqa: S310 - http or https, seen above
        with request as answer, target.open("wb") as handle:
            while block := answer.read(1 << 20):
                handle.write(block)
            lost = answer.length  # what was announced and did not come: `read(n)` does not say so
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None)
        said = first_line(reason if isinstance(reason, OSError) else error)
        raise Problem(
            f"data.source.path: {public(where)} cannot be fetched: {said}; check the address "
            "and the network"
        ) from error
    if lost:
        raise Problem(
            f"data.source.path: {public(where)} broke off, {lost:,} bytes are missing: try again"
        )
    return target


def public(where: str) -> str:
    """Take user, password and query (it may hold a signature) out of a URL."""
    scheme, separator, rest = where.partition("://")
    if not separator:
        return where
    place, slash, path = rest.partition("?")[0].partition("#")[0].partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"
