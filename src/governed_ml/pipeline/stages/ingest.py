"""Read the configured source into one Parquet file, and record its origin."""

from __future__ import annotations

import csv
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.config import read
from governed_ml.core.config.data import Data, Source
from governed_ml.core.evidence import Finding, Metric
from governed_ml.core.evidence_bodies import Column, IngestBody
from governed_ml.core.problem import Problem, cause, first_line
from governed_ml.core.tables import quoted
from governed_ml.pipeline.data.cells import Marks, marks
from governed_ml.pipeline.data.column_kinds import SOURCE_TYPES, Decided, SourceCells, decide
from governed_ml.pipeline.data.columns import check_names, check_roles
from governed_ml.pipeline.data.sources import LARGEST, SOURCES, Found, engine
from governed_ml.pipeline.data.table_files import LONGEST
from governed_ml.pipeline.data.targets import require_target
from governed_ml.pipeline.stage_runner import record

if TYPE_CHECKING:
    import duckdb

SECTIONS = ("data", "seed")
UNREADABLE = {  # part of DuckDB's message → our message, because DuckDB's would quote the row
    "not utf-8": "is not UTF-8: save it as UTF-8",
    "invalid UTF-8": "is not UTF-8: save it as UTF-8",
    "Malformed JSON": "is incomplete JSON, or neither JSON lines nor a list of objects: fix it",
    "duplicate key": "has a row that repeats a name: fix it",
    "Failed to read": "is a damaged Parquet file: fetch it again",
}


def main() -> str:
    """Read, decide and check the columns, and write the table and its evidence."""
    import duckdb

    params = read(*SECTIONS)
    data = params.data
    _remove_earlier()
    with tempfile.TemporaryDirectory() as scratch, engine() as db:
        found = SOURCES[data.source.kind](data.source, params.seed, db, Path(scratch))
        types = _types(db, found)
        check_names(found.names or list(types))
        check_roles(data, list(types))
        try:
            origin = _origin(db, found, data.source, Path(scratch))
            made = decide(db, origin, types, data)
        except duckdb.Error as error:
            raise unreadable(found, error) from error
        rows = _copy(db, found, origin, made, data)
    columns = [one.column for one in made]
    body = IngestBody(
        source=data.source.kind,
        uri=found.uri,
        sha256=found.sha256,
        rows=rows,
        columns=columns,
        faults=data.source.faults,
    )
    metrics = {"rows": Metric(value=rows), "columns": Metric(value=len(columns))}
    findings = [
        Finding(what="nearly every text occurs only once", where=one.column.name, value=one.alone)
        for one in made
        if one.alone
    ]
    tools = ("duckdb", "pandas")
    record("ingest", SECTIONS, [tables.RAW], body, metrics, findings=findings, tools=tools)
    kinds = Counter(column.kind for column in columns)
    listed = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    return f"{rows:,} rows x {len(columns)} columns ({listed}) from {found.uri}{_alone(findings)}"


def _alone(findings: list[Finding]) -> str:
    """Return which categories a model cannot learn from. They do not stop the stage."""
    if not findings:
        return ""
    names = ", ".join(repr(one.where) for one in findings[:5])
    more = f" and {len(findings) - 5} more" if len(findings) > 5 else ""
    return (
        f"; nearly every text of {names}{more} occurs only once, so a model learns nothing "
        "from it: list the column under drop in conf/data, or make features of it"
    )


def _remove_earlier() -> None:
    """Delete the earlier table, as DVC does, so that a failure leaves no outdated table."""
    try:
        tables.RAW.unlink(missing_ok=True)
    except OSError as error:
        raise Problem(
            f"cannot write {tables.RAW.as_posix()}: {cause(error)}; fix the permissions"
        ) from error


def _types(db: duckdb.DuckDBPyConnection, found: Found) -> dict[str, str]:
    import duckdb

    try:
        described = db.execute(f"DESCRIBE SELECT * FROM {found.relation}").fetchall()
    except duckdb.Error as error:
        raise unreadable(found, error) from error
    types = {str(row[0]): str(row[1]).partition("(")[0].strip('"') for row in described}
    if list(types) == ["json"]:
        raise Problem(
            f"data.source: {found.uri} is JSON without rows: give JSON lines or a list of objects"
        )
    for (name, source_type), row in zip(types.items(), described, strict=True):
        if source_type not in SOURCE_TYPES or str(row[1]).endswith("]"):
            raise Problem(
                f"column {name!r} has the type {first_line(ValueError(row[1]), 60)}, but a "
                "column must hold only numbers, only texts or only times: flatten or fix it "
                "first"
            )
    return types


def _origin(
    db: duckdb.DuckDBPyConnection, found: Found, source: Source, scratch: Path
) -> SourceCells:
    """Return where cells are read from; a text file is first loaded into columns."""
    if found.texts is None:
        return SourceCells(found.relation, texts=False, csv=False, marks=marks(source))
    path = scratch / "texts.parquet"
    db.execute(f"COPY (FROM {found.texts}) TO {tables.literal(str(path))} (FORMAT parquet)")
    csv = found.csv is not None
    return SourceCells(
        tables.table(path), texts=True, csv=csv, marks=marks(source) if csv else Marks()
    )


def _copy(
    db: duckdb.DuckDBPyConnection,
    found: Found,
    origin: SourceCells,
    made: list[Decided],
    data: Data,
) -> int:
    """Write `data/raw.parquet` atomically; return its number of rows."""
    import duckdb

    part = tables.RAW.with_suffix(".part")
    try:
        tables.RAW.parent.mkdir(parents=True, exist_ok=True)
        listed = ", ".join(f"{one.cell} AS {quoted(one.column.name)}" for one in made)
        db.execute(
            f"COPY (SELECT {listed} FROM {origin.rows}) TO {tables.literal(str(part))} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        rows = _checked(db, part, [one.column for one in made], found.uri)
        kind = next(one.column.type for one in made if one.column.name == data.target)
        require_target(db, tables.table(part), data, kind)
        part.replace(tables.RAW)
    except (duckdb.Error, OSError) as error:
        if isinstance(error, OSError | duckdb.IOException):
            raise Problem(
                f"cannot write {tables.RAW.as_posix()}: {first_line(error)}; free disk space or "
                "fix the permissions"
            ) from error
        raise unreadable(found, error) from error
    finally:
        part.unlink(missing_ok=True)
    return rows


def _checked(db: duckdb.DuckDBPyConnection, part: Path, columns: list[Column], uri: str) -> int:
    """Return the number of rows; raise `Problem` if there are none, or if cells are invalid."""
    checks = [
        (one.name, *check) for one in columns if (check := _fault(quoted(one.name), one.type))
    ]
    counts = db.execute(
        f"SELECT {', '.join(['count(*)', *(f'count(*) FILTER ({sql})' for _, sql, _ in checks)])} "
        f"FROM {tables.table(part)}"
    ).fetchall()[0]
    if counts[0] == 0:
        raise Problem(f"data.source: {uri} has columns but no rows: give a table with rows")
    for (name, _, words), count in zip(checks, counts[1:], strict=True):
        if count:
            what, _, remedy = words.partition(": ")
            rows = "1 row" if count == 1 else f"{count:,} rows"
            raise Problem(f"column {name!r} holds {what} in {rows}: {remedy}")
    return int(counts[0])


def _fault(column: str, final: str) -> tuple[str, str] | None:
    """Return SQL that finds invalid cells of a column, and a description of them, or None."""
    if final in ("DOUBLE", "TIMESTAMP"):
        beyond = f"abs({column}) > {LARGEST}" if final == "DOUBLE" else f"isinf({column})"
        words = "values that are infinite or beyond 1e150: fix them at the source, or name "
        return beyond, words + "their text in data.source.missing"
    if final != "VARCHAR":
        return None
    long = f"texts of more than {LONGEST:,} bytes: shorten them, or leave the column out"
    return f"strlen({column}) > {LONGEST}", long


def torn(path: Path, delimiter: str, width: int) -> str | None:
    """Return the first line of a CSV that breaks its format, as a message, or None."""
    line = 0
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = csv.reader(handle, delimiter=delimiter, strict=True)
        try:
            for row in rows:
                if row and len(row) != width:
                    return (
                        f"has {len(row)} cells in line {line + 1} and {width} in its header: "
                        "fix the line, or set data.source.delimiter"
                    )
                line = rows.line_num
        except UnicodeDecodeError:
            return None  # DuckDB reports it, with the line
        except csv.Error as error:
            if "limit" in str(error) and rows.line_num == line + 1:
                return (
                    f"has a cell of more than {LONGEST:,} characters in line {line + 1}: shorten it"
                )
            return f"has a quote in line {line + 1} that stands alone or is never closed: fix it"
        several = isinstance(handle.newlines, tuple)
    return "mixes several kinds of line endings: save it with one kind" if several else None


def unreadable(found: Found, error: Exception) -> Problem:
    """Return a problem saying why DuckDB could not read a source, without quoting the row."""
    message = str(error)
    words = next((say for sign, say in UNREADABLE.items() if sign.lower() in message.lower()), "")
    words = (torn(*found.csv) if found.csv else None) or words
    if not words:
        plain = message.split("Original Line")[0].partition("LINE 1:")[0]
        words = f"cannot be read: {first_line(ValueError(plain), 160)}"
    line = re.search(r"(?:on line:|in line|in record/value) (\d+)", message, re.IGNORECASE)
    where = f" (line {line[1]})" if line and not re.search(r"line \d", words) else ""
    return Problem(f"data.source: {found.uri} {words}{where}")
