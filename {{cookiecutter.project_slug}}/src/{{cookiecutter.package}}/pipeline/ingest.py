"""Read the configured source into one Parquet file and record where it came from."""

from __future__ import annotations

import difflib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .. import tables
from ..bodies import Column, IngestBody
from ..config import Data, read
from ..evidence import Metric
from ..problem import Problem, first_line
from ..stage import record
from ..tables import quoted
from .sources import SOURCES, unreadable

if TYPE_CHECKING:
    import duckdb

SECTIONS = ("data", "seed")
CAST = {  # DuckDB's types → the four that every later stage knows
    "BIGINT": "BIGINT", "TINYINT": "BIGINT", "SMALLINT": "BIGINT", "INTEGER": "BIGINT",
    "UTINYINT": "BIGINT", "USMALLINT": "BIGINT", "UINTEGER": "BIGINT",
    "DOUBLE": "DOUBLE", "FLOAT": "DOUBLE", "DECIMAL": "DOUBLE", "HUGEINT": "DOUBLE",
    "UBIGINT": "DOUBLE",
    "VARCHAR": "VARCHAR", "BOOLEAN": "VARCHAR", "ENUM": "VARCHAR", "UUID": "VARCHAR",
    "TIME": "VARCHAR", "NULL": "VARCHAR",
    "TIMESTAMP": "TIMESTAMP", "DATE": "TIMESTAMP", "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP", "TIMESTAMP_NS": "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
}  # fmt: skip
NUMBERS = ("BIGINT", "DOUBLE")


def main() -> str:
    """Run the stage."""
    params = read(*SECTIONS)
    data = params.data
    with tempfile.TemporaryDirectory() as scratch, _engine() as db:
        found = SOURCES[data.source.kind](data.source, params.seed, db, Path(scratch))
        types = _types(db, found.relation, found.uri)
        check_names(found.names or list(types))
        check_roles(data, list(types))
        rows = _copy(db, found.relation, types, found.uri)
    columns = tables.columns(tables.RAW)
    body = IngestBody(
        source=data.source.kind,
        uri=found.uri,
        sha256=found.sha256,
        rows=rows,
        columns=[Column(name=name, type=kind) for name, kind in columns.items()],
        faults=data.source.faults,
    )
    metrics = {"rows": Metric(value=rows), "columns": Metric(value=len(columns))}
    record("ingest", SECTIONS, [tables.RAW], body, metrics, tools=("duckdb", "pandas"))
    return f"{rows:,} rows x {len(columns)} columns from {found.uri}"


def check_names(names: list[str]) -> None:
    """Refuse column names that differ in nothing but case, or that are taken."""
    seen: dict[str, str] = {}
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise Problem(f"column {number} of the table has no name: name it in its header")
        if name in (tables.ROW, tables.TARGET):
            raise Problem(f"column {name!r}: this name is taken by the line; rename it")
        other = seen.setdefault(name.casefold(), name)
        if other == name and names.count(name) > 1:
            raise Problem(f"column {name!r} is in the table {names.count(name)} times: rename one")
        if other != name:
            raise Problem(f"columns {other!r} and {name!r} differ only in case: rename one")


def check_roles(data: Data, names: list[str]) -> None:
    """Refuse a configured column that the table has not, naming the nearest that it has."""
    roles = {
        "target": [data.target],
        "sensitive": list(data.sensitive),
        "drop": data.drop,
        "categorical": data.categorical,
        "time": [data.time] if data.time else [],
        "group": [data.group] if data.group else [],
    }
    for role, wanted in roles.items():
        for name in wanted:
            if name in names:
                continue
            near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
            hint = (
                f"did you mean {' or '.join(map(repr, near))}?"
                if near
                else f"it has {_some(names)}"
            )
            raise Problem(f"data.{role}: the table has no column {name!r}; {hint}")


def _engine() -> duckdb.DuckDBPyConnection:
    import duckdb

    # No extension is fetched from the network; what reads CSV, JSON and Parquet is built in.
    return duckdb.connect(config={"autoinstall_known_extensions": "false", "TimeZone": "UTC"})


def _types(db: duckdb.DuckDBPyConnection, relation: str, uri: str) -> dict[str, str]:
    import duckdb

    try:
        described = db.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except duckdb.Error as error:
        raise Problem(f"data.source: {uri} {unreadable(str(error))}") from error
    types = {str(row[0]): str(row[1]).partition("(")[0].strip('"') for row in described}
    for (name, kind), row in zip(types.items(), described, strict=True):
        if kind not in CAST or str(row[1]).endswith("]"):
            raise Problem(
                f"column {name!r} is of type {first_line(ValueError(row[1]), 60)}: "
                "a table has one number, text or time in a cell; flatten it first"
            )
    return types


def _copy(db: duckdb.DuckDBPyConnection, relation: str, types: dict[str, str], uri: str) -> int:
    """Write `data/raw.parquet`, whole or not at all; returns the number of rows."""
    import duckdb

    part = tables.RAW.with_suffix(".part")
    try:
        tables.RAW.parent.mkdir(parents=True, exist_ok=True)
        cells = ", ".join(_cell(name, kind) for name, kind in types.items())
        db.execute(
            f"COPY (SELECT {cells} FROM {relation}) TO {tables.literal(str(part))} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        rows = _checked(db, part, types, uri)
        part.replace(tables.RAW)
    except (duckdb.Error, OSError) as error:
        text = str(error)
        if isinstance(error, OSError) or "write" in text.lower() or part.as_posix() in text:
            raise Problem(
                f"cannot write {tables.RAW.as_posix()}: {first_line(error)}; "
                "make room or fix the rights"
            ) from error
        raise Problem(f"data.source: {uri} {unreadable(text)}") from error
    finally:
        part.unlink(missing_ok=True)
    return rows


def _checked(db: duckdb.DuckDBPyConnection, part: Path, types: dict[str, str], uri: str) -> int:
    """Return the number of rows, or raise `Problem` if there is none or a number is infinite."""
    numbers = [name for name, kind in types.items() if CAST[kind] == "DOUBLE"]
    infinite = [f"count(*) FILTER (isinf({quoted(name)}))" for name in numbers]
    counts = db.execute(
        f"SELECT {', '.join(['count(*)', *infinite])} FROM {tables.table(part)}"
    ).fetchall()[0]
    if counts[0] == 0:
        raise Problem(f"data.source: {uri} has columns but no row")
    for name, count in zip(numbers, counts[1:], strict=True):
        if count:
            raise Problem(
                f"column {name!r} holds {count} infinite values: mend them at the source, "
                "or name their text in data.source.missing"
            )
    return int(counts[0])


def _cell(name: str, kind: str) -> str:
    """Return the SQL of one column in its final type; not-a-number becomes null."""
    column, final = quoted(name), CAST[kind]
    if kind in ("DOUBLE", "FLOAT"):
        return f"CAST(CASE WHEN isnan({column}) THEN NULL ELSE {column} END AS DOUBLE) AS {column}"
    return column if kind == final else f"CAST({column} AS {final}) AS {column}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
