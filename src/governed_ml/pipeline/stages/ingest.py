"""Read the configured source into one Parquet file, and record its origin."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.bodies import ingested
from governed_ml.core.config import read
from governed_ml.core.config.data import Data, Source
from governed_ml.core.evidence import Finding, Metric
from governed_ml.core.evidence_bodies import Column, IngestBody
from governed_ml.core.problem import Problem, cause, counted, first_line
from governed_ml.core.tables import quoted
from governed_ml.core.terminal import PROGRESS
from governed_ml.pipeline.data.cells import SOURCE_TYPES, Marks, marks
from governed_ml.pipeline.data.column_kinds import Decided, SourceCells, decide
from governed_ml.pipeline.data.columns import check_names, check_roles
from governed_ml.pipeline.data.reading import kept_rows
from governed_ml.pipeline.data.reading.answers import together
from governed_ml.pipeline.data.reading.table_faults import unreadable
from governed_ml.pipeline.data.sources import LARGEST, SOURCES, Found, engine
from governed_ml.pipeline.data.table_files import LONGEST
from governed_ml.pipeline.data.targets import Predicted, require_target
from governed_ml.pipeline.stage_runner import record

if TYPE_CHECKING:
    import duckdb

SECTIONS = ("data", "seed")
WIDE = 200  # columns beyond which each query of a Parquet file takes long, however few it reads


def main() -> str:
    """Read, decide and check the columns, and write the table and its evidence."""
    import duckdb

    params = read(*SECTIONS)
    data = params.data
    _remove_earlier()
    with tempfile.TemporaryDirectory() as scratch, engine() as db:
        PROGRESS.step("reading the source")
        found = SOURCES[data.source.kind](data.source, params.seed, db, Path(scratch))
        types = types_of(db, found)
        check_names(found.names or list(types))
        check_roles(data, list(types))
        PROGRESS.step("loading the cells")
        try:
            origin = origin_of(db, found, data.source, Path(scratch))
            made = decide(db, origin, types, data)
            typed = f"(SELECT {_cells(made)} FROM {origin.rows})"
            kept, left_out = kept_rows.kept(db, origin.rows, typed, data, Path(scratch))
            if left_out is not None:  # kinds and values are those of the rows that are kept
                origin = replace(origin, rows=kept)
                made = decide(db, origin, types, data)
        except duckdb.Error as error:
            raise unreadable(found, error) from error
        rows, predicted = _copy(db, found, origin, made, data)
    columns = [one.column for one in made]
    body = IngestBody(
        source=data.source.kind,
        uri=found.uri,
        sha256=found.sha256,
        rows=rows,
        columns=columns,
        faults=data.source.faults,
        left_out=left_out,
        against_rest=predicted.against_rest,
        classes=predicted.classes,
    )
    metrics = {"rows": Metric(value=rows), "columns": Metric(value=len(columns))}
    if left_out is not None:
        gone = left_out.outside + left_out.unlabelled
        metrics["rows_left_out"] = Metric(
            value=gone, n=left_out.rows_read, note=ingested.left_out(left_out)
        )
    findings = [
        Finding(what="nearly every text occurs only once", where=one.column.name, value=one.alone)
        for one in made
        if one.alone
    ]
    tools = ("duckdb", "pandas")
    record("ingest", SECTIONS, [tables.RAW], body, metrics, findings=findings, tools=tools)
    kinds = Counter(column.kind for column in columns)
    listed = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    about = ingested.about(body)
    more = "".join(f"; {what}: {words}" for what, words in about.items())
    return (
        f"{rows:,} rows x {len(columns)} columns ({listed}) from {found.uri}{more}"
        f"{_alone(findings)}"
    )


def _cells(made: list[Decided]) -> str:
    return ", ".join(f"{one.cell} AS {quoted(one.column.name)}" for one in made)


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


def types_of(db: duckdb.DuckDBPyConnection, found: Found) -> dict[str, str]:
    """Return column → DuckDB type; raise `Problem` for a type that no column may have."""
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
    told = [
        f"column {name!r} has the type {first_line(ValueError(row[1]), 60)}, but a column must "
        "hold only numbers, only texts or only times: give each value in it a column of its own, "
        "for example with pandas.json_normalize, or leave the column out"
        for (name, source_type), row in zip(types.items(), described, strict=True)
        if source_type not in SOURCE_TYPES or str(row[1]).endswith("]")
    ]
    if told:
        raise together(told, f"{len(told)} columns have a type that cannot be used")
    return types


def origin_of(
    db: duckdb.DuckDBPyConnection, found: Found, source: Source, scratch: Path
) -> SourceCells:
    """Return where cells are read from; a text file or a wide table is first loaded."""
    texts, csv = found.texts is not None, found.csv is not None
    how = marks(source) if csv or not texts else Marks()
    rows = found.texts or found.relation
    if len(found.names) > WIDE:
        path = scratch / "source.duckdb"
        db.execute(f"ATTACH IF NOT EXISTS {tables.literal(str(path))} AS loaded")
        db.execute(f"CREATE OR REPLACE TABLE loaded.cells AS FROM {rows}")
        rows = "loaded.cells"
    elif texts:
        path = scratch / "texts.parquet"
        db.execute(f"COPY (FROM {rows}) TO {tables.literal(str(path))} (FORMAT parquet)")
        rows = tables.table(path)
    return SourceCells(rows, texts=texts, csv=csv, marks=how)


def _copy(
    db: duckdb.DuckDBPyConnection,
    found: Found,
    origin: SourceCells,
    made: list[Decided],
    data: Data,
) -> tuple[int, Predicted]:
    """Write `data/raw.parquet` atomically; return its number of rows, and what `targets` found."""
    import duckdb

    part = tables.RAW.with_suffix(".part")
    try:
        tables.RAW.parent.mkdir(parents=True, exist_ok=True)
        db.execute(
            f"COPY (SELECT {_cells(made)} FROM {origin.rows}) TO {tables.literal(str(part))} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        rows = _checked(db, part, [one.column for one in made], found.uri)
        kind = next(one.column.type for one in made if one.column.name == data.target)
        predicted = require_target(db, tables.table(part), data, kind)
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
    return rows, predicted


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
    told: list[str] = []
    for (name, _, words), count in zip(checks, counts[1:], strict=True):
        what, _, remedy = words.partition(": ")
        if count:
            told.append(f"column {name!r} holds {what} in {counted(count, 'row')}: {remedy}")
    if told:
        raise together(told, f"{len(told)} columns hold values that cannot be used")
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
