"""Lines of JSON as a Parquet file. A column's type is what all its values have in common."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from governed_ml.core.files import shown
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.tables import exact, literal, quoted

_HOW = "format = 'newline_delimited', ignore_errors = true"
_WHOLE = {"UBIGINT", "BIGINT", "HUGEINT"}
_NUMBERS = {*_WHOLE, "DOUBLE"}
_NULL = '"NULL"'  # the type of a column without values, which fits to that of any other file


def to_parquet(lines: Path, target: Path) -> bool:
    """Write the whole records of a file as Parquet; return whether there were any.

    A last line that was torn is no record. Nothing in a text is taken for a date or a number.
    """
    import duckdb

    try:
        with duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": "false"}) as db:
            objects = f"read_json_objects({exact(lines)}, {_HOW})"
            rows = db.execute(f"SELECT DISTINCT json_structure(json) FROM {objects}").fetchall()
            found = [row[0] for row in rows]
            types = column_types(json.loads(one) for one in found if one)
            if not types:
                return False
            db.execute(
                f"COPY ({_select(lines, types)}) TO {literal(str(target))} "
                "(FORMAT parquet, COMPRESSION zstd)"
            )
    except duckdb.Error as error:
        raise Problem(
            f"{shown(lines)} cannot be written as Parquet: {first_line(error)}; free disk space, "
            "or report this"
        ) from error
    return True


def _select(lines: Path, types: dict[str, str]) -> str:
    known = {name: kind for name, kind in types.items() if kind != _NULL}
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in known.items())
    chosen = ", ".join(
        quoted(name) if name in known else f"CAST(NULL AS {_NULL}) AS {quoted(name)}"
        for name in types
    )
    there = " OR ".join(f"{quoted(name)} IS NOT NULL" for name in known) or "false"
    rows = f"read_json({exact(lines)}, {_HOW}, columns = {{{columns}}})"
    return f"SELECT {chosen} FROM {rows} WHERE {there}"


def column_types(structures: Iterable[object]) -> dict[str, str]:
    """Return column → DuckDB type for records with these JSON types."""
    found: dict[str, set[str]] = {}
    for one in structures:
        for name, kind in one.items() if isinstance(one, dict) else ():
            found.setdefault(name, set()).add(kind if isinstance(kind, str) else "JSON")
    return {name: _common(kinds - {"NULL"}) for name, kinds in found.items()}


def _common(kinds: set[str]) -> str:
    if not kinds:
        return _NULL
    if kinds <= _NUMBERS:
        return "BIGINT" if kinds <= _WHOLE else "DOUBLE"
    return "BOOLEAN" if kinds == {"BOOLEAN"} else "VARCHAR"
