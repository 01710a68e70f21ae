"""Labels that come later: which prediction they belong to, and the true value."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from governed_ml.core.config.data import Data
from governed_ml.serving.http.body import place
from governed_ml.serving.http.problems import FieldFault, RequestRefused
from governed_ml.serving.rows.category_columns import TextColumn
from governed_ml.serving.rows.row_reader import RowReader
from governed_ml.serving.rows.typed_columns import TypedColumn

NO_VALUES = "these are no values of the target"
MEMBERS = ("request_id", "row", "label")
LAST = 2**31 - 1  # the largest number of a row
REQUEST = re.compile(r"[A-Za-z0-9_-]{1,64}")
WORDS = {
    "request_id": "must be the id of a request",
    "row": "must be the number of a row, from 0",
    "label": "must be the true value",
}


def truths(
    given: list[dict[str, Any]], reader: RowReader, data: Data, now: datetime
) -> list[dict[str, Any]]:
    """Return the records of labels; refuse them all if one is not what the target can be."""
    faults = [fault for number, one in enumerate(given) for fault in _faults(number, one)]
    if faults:
        raise RequestRefused(422, "invalid-labels", "these are no labels", faults)
    try:
        found = reader.read([{data.target: one["label"]} for one in given])
    except RequestRefused as refused:
        numbers = [one.pointer.split("/")[1] for one in refused.faults]
        what = zip(numbers, refused.faults, strict=True)
        faults = [FieldFault(place(int(n), "label"), one.detail) for n, one in what]
        raise RequestRefused(422, "invalid-labels", NO_VALUES, faults) from refused
    strange = [
        FieldFault(place(number, "label"), why)
        for number, read in enumerate(found.logged)
        if (why := _strange(reader.columns[data.target], read[data.target]))
    ]
    if strange:
        raise RequestRefused(422, "invalid-labels", NO_VALUES, strange)
    when = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return [
        {"request_id": one["request_id"], "row": int(one["row"]), "received_at": when}
        | {"label": read[data.target]}
        for one, read in zip(given, found.logged, strict=True)
    ]


def _faults(number: int, one: dict[str, Any]) -> list[FieldFault]:
    good = {
        "request_id": isinstance(found := one.get("request_id"), str)
        and REQUEST.fullmatch(found) is not None,
        "row": _is_number(one.get("row")),
        "label": one.get("label") is not None,
    }
    wrong = [FieldFault(place(number, name), WORDS[name]) for name in MEMBERS if not good[name]]
    strange = [name for name in one if name not in MEMBERS]
    return wrong + [FieldFault(place(number, name), "is no member of a label") for name in strange]


def _is_number(row: Any) -> bool:
    """Return whether a value is the number of a row; JSON may write 7 as 7.0."""
    return type(row) in (int, float) and 0 <= row <= LAST and row % 1 == 0


def _strange(column: TypedColumn, value: Any) -> str:
    """Return why a value cannot be a label, or ""."""
    if value is None:
        return "stands for a missing value"
    if not isinstance(column, TextColumn) or column.one.column.values is None:
        return ""
    return "" if column.is_known(value) else "is no value that the target had in training"
