"""Draft a data contract from a table, for a person to read, tighten and commit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import tables
from ..config import Data
from ..tables import quoted

FEW = 30
"""A text column, or a number that is a code, with at most this many values gets a value set."""


def draft(raw: Path, data: Data) -> dict[str, Any]:
    """Return a Great Expectations suite that the table keeps: columns, rows, nulls, sets, ranges.

    Null shares get a margin of a tenth plus half a percent, ranges one of a tenth of their width.
    """
    columns = tables.columns(raw)
    rows = int(tables.rows(f"SELECT count(*) FROM {tables.table(raw)}")[0][0])
    expectations: list[dict[str, Any]] = [
        _one("expect_table_row_count_to_be_between", min_value=max(1, rows // 2)),
        _one("expect_table_columns_to_match_set", column_set=list(columns), exact_match=True),
    ]
    for name, kind in columns.items():
        expectations += _column(raw, name, kind, rows, data)
    return {"name": data.name, "expectations": expectations}


def _column(raw: Path, name: str, kind: str, rows: int, data: Data) -> list[dict[str, Any]]:
    column = quoted(name)
    source = f"FROM {tables.table(raw)} WHERE {column} IS NOT NULL"
    filled, distinct = tables.rows(f"SELECT count(*), count(DISTINCT {column}) {source}")[0]
    share = 1 - filled / rows
    found = [_nulls(name, share, is_target=name == data.target)]
    is_code = name in (*data.sensitive, *data.categorical, data.target)
    if kind == "VARCHAR" or (
        is_code and data.task == "classification" and name not in _binned(data)
    ):
        if 0 < distinct <= FEW:
            values = [
                row[0] for row in tables.rows(f"SELECT DISTINCT {column} {source} ORDER BY 1")
            ]
            found.append(_one("expect_column_values_to_be_in_set", column=name, value_set=values))
        if kind == "VARCHAR":
            found.append(_one("expect_column_values_to_be_of_type", column=name, type_="str"))
    elif kind in ("BIGINT", "DOUBLE") and filled:
        low, high = tables.rows(f"SELECT min({column}), max({column}) {source}")[0]
        margin = (high - low) / 10
        floor = 0 if low >= 0 else low - margin
        found.append(
            _one(
                "expect_column_values_to_be_between",
                column=name,
                min_value=floor,
                max_value=high + margin,
            )
        )
    return found


def _nulls(name: str, share: float, *, is_target: bool) -> dict[str, Any]:
    if share == 0 or is_target:
        return _one("expect_column_values_to_not_be_null", column=name)
    return _one(
        "expect_column_values_to_not_be_null",
        column=name,
        mostly=round(max(0.0, 1 - share * 1.1 - 0.005), 4),
    )


def _binned(data: Data) -> list[str]:
    return [name for name, how in data.sensitive.items() if how.bins]


def _one(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs}
