"""The file of the data contract: a Great Expectations suite as JSON, drafted once and then read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from governed_ml.core import tables
from governed_ml.core.config.classes import MOST
from governed_ml.core.config.data import Data
from governed_ml.core.files import read_json
from governed_ml.core.problem import Problem
from governed_ml.core.tables import quoted
from governed_ml.pipeline.contract.ranges import ColumnCounts, counted, drafted_range

Given = dict[str, Any]
"""One expectation as in the suite's JSON: its `type` and `kwargs`."""

FEW = 30
"""Most distinct values of a text column, or of codes, for which a value set is drafted.

The classes of a target are always drafted.
"""


def given(data: Data) -> list[Given]:
    """Return the data contract's expectations; raise `Problem` if there are none."""
    draft = "`uv run governance contract draft`"
    return suite(
        Path(data.contract),
        f"the data contract {Path(data.contract).as_posix()} is missing: draft one with {draft}, "
        "then read it and commit it",
        f"draft the contract again with {draft}",
    )


def suite(path: Path, missing: str, otherwise: str) -> list[Given]:
    """Return a suite's expectations; raise `Problem` if it is missing, malformed or empty.

    `missing` is the message if there is no file, and `otherwise` what to do with an empty one.
    """
    if not path.is_file():
        raise Problem(missing)
    content = read_json(path)
    found = content.get("expectations") if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(e, dict) and "type" in e for e in found):
        raise Problem(
            f"{path.as_posix()} is not an expectation suite: give it a list of expectations, "
            "each with a type"
        )
    if not found:
        raise Problem(
            f"{path.as_posix()} has no expectation: add at least one, or {otherwise}",
            1,
        )
    return [{"type": str(e["type"]), "kwargs": dict(e.get("kwargs", {}))} for e in found]


def built_in(data: Data, columns: list[str]) -> list[Given]:
    """Return expectations for every table: it has rows, a complete target, and no empty column."""
    return [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
        *_each("expect_column_to_exist", [data.target, *data.sensitive]),
        *_each("expect_column_values_to_not_be_null", [data.target]),
        *_each("expect_column_unique_value_count_to_be_between", [data.target], min_value=2),
        *_each(
            "expect_column_values_to_not_be_null",
            [c for c in columns if c != data.target],
            mostly=1e-9,
        ),
    ]


def draft(raw: Path, data: Data) -> dict[str, Any]:
    """Return a suite that the table satisfies: columns, rows, nulls, value sets, ranges.

    Limits have margins: a tenth plus half a percent for the share of nulls; `drafted_range` says
    which for ranges.
    """
    columns = tables.columns(raw)
    rows = int(tables.rows(f"SELECT count(*) FROM {tables.table(raw)}")[0][0])
    expectations: list[Given] = [
        _one("expect_table_row_count_to_be_between", min_value=max(1, rows // 2)),
        _one("expect_table_columns_to_match_set", column_set=list(columns), exact_match=True),
    ]
    for name, counts in counted(raw, columns).items():
        expectations += _column(raw, name, columns[name], counts, rows, data)
    return {"name": data.name, "expectations": expectations}


def _column(
    raw: Path, name: str, kind: str, counts: ColumnCounts, rows: int, data: Data
) -> list[Given]:
    share = 1 - counts.filled / rows
    found = [_nulls(name, share, is_target=name == data.target)]
    target = [data.target] if data.task == "classification" else []
    is_code = name in (*data.sensitive, *data.categorical, *target)
    if kind == "VARCHAR" or (is_code and name not in _binned(data)):
        most = MOST if name == data.target and data.multiclass else FEW
        if 0 < counts.distinct <= most:
            column = quoted(name)
            sql = f"SELECT DISTINCT {column} FROM {tables.table(raw)} WHERE {column} IS NOT NULL"
            values = [row[0] for row in tables.rows(f"{sql} ORDER BY 1")]
            found.append(_one("expect_column_values_to_be_in_set", column=name, value_set=values))
        if kind == "VARCHAR":
            found.append(_one("expect_column_values_to_be_of_type", column=name, type_="str"))
    elif kind in ("BIGINT", "DOUBLE") and name not in (*data.drop, data.group):
        limits = drafted_range(raw, name, counts, whole=kind == "BIGINT")
        if limits:
            found.append(_one("expect_column_values_to_be_between", column=name, **limits))
    return found


def _nulls(name: str, share: float, *, is_target: bool) -> Given:
    if share == 0 or is_target:
        return _one("expect_column_values_to_not_be_null", column=name)
    return _one(
        "expect_column_values_to_not_be_null",
        column=name,
        mostly=round(max(0.0, 1 - share * 1.1 - 0.005), 4),
    )


def _binned(data: Data) -> list[str]:
    return [name for name, how in data.sensitive.items() if how.bins]


def _one(kind: str, **kwargs: Any) -> Given:
    return {"type": kind, "kwargs": kwargs}


def _each(kind: str, names: list[str], **limits: float) -> list[Given]:
    return [_one(kind, column=name, **limits) for name in names]
