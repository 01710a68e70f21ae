"""Leave out rows, as `rows` and `drop_unlabelled` in `conf/data` say, and count them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core.bodies.ingested import LeftOut
from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem
from governed_ml.core.tables import literal, quoted
from governed_ml.core.tables import table as parquet
from governed_ml.pipeline.data.reading.row_filter import checked

if TYPE_CHECKING:
    import duckdb


def kept(
    db: duckdb.DuckDBPyConnection, rows: str, typed: str, data: Data, scratch: Path
) -> tuple[str, LeftOut | None]:
    """Return the relation without the rows that are left out, and how many these are.

    `rows` is the relation of the source, and `typed` the same rows with decided columns, in the
    same order. A row for which the condition is unknown, because a value is missing, is left out.
    """
    if data.rows is None and not data.drop_unlabelled:
        return rows, None
    names = [str(row[0]) for row in db.execute(f"DESCRIBE FROM {typed}").fetchall()]
    condition = "true" if data.rows is None else checked(db, data.rows, names)
    labelled = f"{quoted(data.target)} IS NOT NULL" if data.drop_unlabelled else "true"
    flags = f"(SELECT {condition} AS fits, {labelled} AS told FROM {typed})"
    total, fitting, unknown, left = _counts(db, flags, data)
    if not left:
        why = "its condition under rows" if fitting == 0 else f"target {data.target!r}"
        raise Problem(f"no row of {total:,} is left: correct {why} in conf/data")
    target = scratch / "kept.parquet"
    db.execute(
        f"COPY (SELECT r.* FROM (FROM {rows}) r POSITIONAL JOIN {flags} k WHERE k.fits AND k.told) "
        f"TO {literal(str(target))} (FORMAT parquet)"
    )
    return parquet(target), LeftOut(
        rows_read=total,
        condition=data.rows,
        outside=total - fitting,
        unknown=unknown,
        unlabelled=fitting - left,
    )


def _counts(db: duckdb.DuckDBPyConnection, flags: str, data: Data) -> tuple[int, int, int, int]:
    """Return all rows, those that fit, those for which that is unknown, and those that are kept."""
    import duckdb

    try:
        found = db.execute(
            "SELECT count(*), count(*) FILTER (fits), count(*) FILTER (fits IS NULL), "
            f"count(*) FILTER (fits AND told) FROM {flags}"
        ).fetchall()[0]
    except duckdb.Error as error:  # its message may quote a cell
        raise Problem(
            f"data.rows: the condition {data.rows!r} compares a column with a value of another "
            "type: compare numbers with numbers, texts with 'texts', dates with DATE '2026-01-31'"
        ) from error
    return found[0], found[1], found[2], found[3]
