"""The files of the log as relations of DuckDB, which `feeds` reads like any other table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.config.production.monitor import Feed
from governed_ml.pipeline.data.column_readers import FrozenColumn
from governed_ml.pipeline.prediction_log.places import CLOSED, LINES, PREDICTIONS
from governed_ml.pipeline.prediction_log.store_files import files

if TYPE_CHECKING:
    import duckdb

NEWER = [name for own in tables.IN_LOG_ONLY for name in (own, tables.INPUT + own)]
"""Columns that logs of earlier engines lack: what these call `arm` is a feature."""


def place_of(feed: Feed, store: Path) -> Path | None:
    """Return the folder or file of the log that a feed reads, or None if it reads something else.

    `store` is what `kind: log` means. A path inside the prediction log is a part of the log.
    """
    if feed.kind == "log":
        return store
    if feed.kind == "sql" or feed.path is None or "://" in feed.path:
        return None
    path = Path(feed.path)
    inside = path.resolve().is_relative_to(PREDICTIONS.resolve())
    return path if inside and (path.is_dir() or path.suffix in (CLOSED, LINES)) else None


def canonical(columns: dict[str, FrozenColumn]) -> dict[str, FrozenColumn]:
    """Return the columns as the log has them: it writes every date in one format."""
    return {name: _undated(one) for name, one in columns.items()}


def _undated(one: FrozenColumn) -> FrozenColumn:
    if one.column.type != "TIMESTAMP":
        return one
    return replace(one, column=one.column.model_copy(update={"format": None}))


def relations(
    place: Path, columns: dict[str, FrozenColumn], db: duckdb.DuckDBPyConnection, scratch: Path
) -> list[str]:
    """Return SQL for all rows of a folder or file of the log, one for each form of its files.

    If there is no file, return an empty relation with all columns.
    """
    found = files(place, scratch)
    if not found:
        none = (f"CAST(NULL AS {one.column.type}) AS {tables.quoted(name)}"
                for name, one in columns.items())  # fmt: skip
        return [f"(SELECT {', '.join(none)} WHERE false)"]
    asked = ", ".join(map(tables.literal, NEWER))
    forms: dict[str, set[str]] = {path.as_posix(): set() for path in found}
    for file, name in db.execute(
        f"SELECT file_name, name FROM parquet_schema({_listed(found)}) WHERE name IN ({asked})"
    ).fetchall():
        forms.setdefault(Path(str(file)).as_posix(), set()).add(str(name))
    parts: dict[frozenset[str], list[Path]] = {}
    for path in found:
        parts.setdefault(frozenset(forms[path.as_posix()]), []).append(path)
    return [
        f"read_parquet({_listed(part)}, union_by_name = true, hive_partitioning = false)"
        for part in parts.values()
    ]


def _listed(paths: list[Path]) -> str:
    return f"[{', '.join(map(tables.exact, paths))}]"
