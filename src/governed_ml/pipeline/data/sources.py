"""The sources of tables: each gives one relation of an embedded DuckDB."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core.code import stage_code, team
from governed_ml.core.config.data import Source
from governed_ml.core.files import file_digest
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.tables import exact, named, quoted
from governed_ml.pipeline.data.columns import require_distinct
from governed_ml.pipeline.data.reading.foreign_files import require_table
from governed_ml.pipeline.data.reading.packed import unpacked
from governed_ml.pipeline.data.reading.table_folder import Parts, joined
from governed_ml.pipeline.data.reading.typed_files import PARQUET, as_parquet
from governed_ml.pipeline.data.table_files import (
    as_texts,
    copied,
    csv_relation,
    download,
    parquet_names,
    public,
)
from governed_ml.pipeline.isolated import source_process
from governed_ml.pipeline.isolated.process import Process, sent

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

LARGEST = 1e150  # the square of a larger number, which a variance needs, is infinite


@dataclass(frozen=True)
class Found:
    """A relation (SQL), the column names as in the source, and the source's address."""

    relation: str
    names: list[str]
    uri: str
    sha256: str | None = None
    texts: str | None = None  # the same rows, with each cell as its original text
    csv: tuple[Path, str, int] | None = None  # a CSV file, its delimiter and number of columns
    parts: Parts = ()  # where the files of a folder begin in the CSV


def engine() -> duckdb.DuckDBPyConnection:
    """Return an embedded DuckDB that uses UTC, whatever the machine's time zone."""
    import duckdb

    # No extension is downloaded; those for CSV, JSON and Parquet are built in.
    return duckdb.connect(config={"autoinstall_known_extensions": "false", "TimeZone": "UTC"})


def file(source: Source, seed: int, db: duckdb.DuckDBPyConnection, scratch: Path) -> Found:
    """Read CSV, JSON, Parquet, Arrow or Excel, recognised by its content, also packed.

    The source is a URL, or a path from the project's root, also of a folder whose files are joined.
    The digest is that of the file itself.
    """
    where = source.path or ""
    uri, parts = public(where), Parts()
    if "://" not in where and Path(where).is_dir():
        path, digest, parts = joined(Path(where), source, db, scratch, copied)
    else:
        path = download(where, scratch) if "://" in where else copied(Path(where), uri, scratch)
        digest = file_digest(path)
        path = as_parquet(unpacked(path, uri, scratch), source.sheet, uri, scratch)
    with path.open("rb") as handle:
        head = handle.read(16)
    if not head.removeprefix(b"\xef\xbb\xbf"):
        raise Problem(f"data.source.path: {uri} is empty: give a table with rows")
    require_table(head, uri)
    dialect: tuple[Path, str, int] | None = None
    texts: str | None = None
    if head.startswith(PARQUET):
        names = parquet_names(path, uri)
        relation = _trimmed(f"read_parquet({named(path)})", names)
    elif head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"{", b"["):
        names = _keys(db, path)
        relation, texts = _json(db, path)
    else:
        relation, names, delimiter, text = csv_relation(path, source, uri)
        texts = as_texts(relation)
        dialect = (text, delimiter, len(names))
        require_distinct(names)
    return Found(relation, names, uri, digest, texts, dialect, parts)


def _trimmed(relation: str, names: list[str]) -> str:
    """Return a relation with blanks removed around its column names, as DuckDB does for CSV."""
    require_distinct(names)
    if all(name == name.strip() for name in names):
        return relation
    listed = ", ".join(f"{quoted(name)} AS {quoted(name.strip())}" for name in names)
    return f"(SELECT {listed} FROM {relation})"


def _keys(db: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """Return the keys of all rows in a JSON file, because DuckDB merges `x` and `X`."""
    import duckdb

    rows = f"read_json_objects({exact(path)}, format='auto')"
    try:
        found = db.execute(f"SELECT DISTINCT unnest(json_keys(json)) FROM {rows}").fetchall()
    except (duckdb.InvalidInputException, duckdb.IOException):
        return []  # reading the file reports the error
    names = sorted(str(row[0]) for row in found)
    require_distinct(names)
    return names


def _json(db: duckdb.DuckDBPyConnection, path: Path) -> tuple[str, str | None]:
    """Return a JSON file's rows, and the same as text (None if they have no columns)."""
    import duckdb

    relation = f"read_json({named(path)}, sample_size=-1)"
    try:
        described = db.execute(f"DESCRIBE FROM {relation}").fetchall()
    except duckdb.Error:
        return relation, None  # reading the file reports the error
    names = [str(row[0]) for row in described]
    listed = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
    texts = f"read_json({named(path)}, columns={{{listed}}})"
    if names == ["json"]:
        return relation, None
    return _trimmed(relation, names), _trimmed(texts, names)


def _framed(db: duckdb.DuckDBPyConnection, frame: pd.DataFrame, uri: str) -> Found:
    """Return a data frame as a relation."""
    names = [str(column) for column in frame.columns]
    require_distinct(names)
    db.register("found", frame.set_axis([name.strip() for name in names], axis=1))
    return Found("found", names, uri)


def sql(source: Source, seed: int, db: duckdb.DuckDBPyConnection, scratch: Path) -> Found:
    """Read a SELECT through SQLAlchemy; the URL is text or, if it has a password, env:NAME."""
    import pandas as pd
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    where = source.url or ""
    name = where.removeprefix("env:")
    url = where if name == where else os.environ.get(name, "")
    if not url:
        raise Problem(
            f"data.source.url: the environment variable {name} is not set: set it to the "
            "database's URL"
        )
    try:
        address = sqlalchemy.make_url(url)
        if address.password and name == where:
            raise Problem(
                "data.source.url holds a password and conf/ is in git: put the URL into an "
                "environment variable and write env:NAME"
            )
        lost = address.get_backend_name() == "sqlite" and _lost(address.database or "")
        if lost:  # SQLite would create an empty database
            raise Problem(
                f"data.source.url: {address.database} does not exist "
                "(paths count from the project's root)"
            )
        engine = sqlalchemy.create_engine(address)
        with engine.connect() as connection:
            frame = pd.read_sql(  # keeps codes of 18 digits, which a float would round
                sqlalchemy.text(source.query or ""),
                connection,
                coerce_float=False,
                dtype_backend="numpy_nullable",
            )
    except (SQLAlchemyError, pd.errors.DatabaseError, ImportError) as error:
        cause = error.__cause__ or error  # pandas and SQLAlchemy both wrap the driver's error
        reason = first_line(getattr(cause, "orig", None) or cause).partition(" (Background on")[0]
        driver = "; add its driver with `uv add`" if isinstance(cause, ImportError) else ""
        raise Problem(
            f"data.source: the database does not answer the query: {reason}{driver}"
        ) from error
    db.execute("SET pandas_analyze_sample = 1000000000")  # decimals get the widest width
    return _framed(db, frame, public(where))


def _lost(database: str) -> bool:
    """Return whether an SQLite file is missing; memory and `file:` URLs are not checked."""
    named = bool(database) and not database.startswith((":", "file:"))
    return named and not Path(database).is_file()


def openml(source: Source, seed: int, db: duckdb.DuckDBPyConnection, scratch: Path) -> Found:
    """Read a data set of openml.org by number; later runs use scikit-learn's cache."""
    from sklearn.datasets import fetch_openml

    number = source.openml_id
    try:
        frame: Any = fetch_openml(data_id=number, as_frame=True, parser="auto", n_retries=1).frame
    except (OSError, ValueError, ImportError) as error:
        raise Problem(
            f"data.source.openml_id: cannot fetch data set {number}: {first_line(error)}; check "
            "the number and the network"
        ) from error
    return _framed(db, frame, f"https://www.openml.org/d/{number}")


def synthetic(source: Source, seed: int, db: duckdb.DuckDBPyConnection, scratch: Path) -> Found:
    """Make the synthetic credit table, whose true relations are known."""
    from governed_ml.pipeline.data.synthetic import book

    frame = book(source.rows or 0, seed, source.faults)
    db.register("found", frame)
    return Found("found", list(frame.columns), f"synthetic:{source.rows}?seed={seed}")


def of_team(source: Source, seed: int, db: duckdb.DuckDBPyConnection, scratch: Path) -> Found:
    """Call a function of the team's `sources.py` in a child process."""
    package, function = stage_code.package("ingest"), source.function or ""
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
    if not parts or not parts[0].startswith(PARQUET):
        raise Problem(f"{where}: {function} returned no table: return a pandas or Arrow table")
    path = scratch / "table.parquet"
    path.write_bytes(parts[0])
    names = parquet_names(path, f"{where}: {function}")
    return Found(_trimmed(f"read_parquet({named(path)})", names), names, f"team:{function}")


SOURCES: dict[str, Callable[[Source, int, duckdb.DuckDBPyConnection, Path], Found]] = {
    "file": file,
    "sql": sql,
    "openml": openml,
    "synthetic": synthetic,
    "team": of_team,
}
