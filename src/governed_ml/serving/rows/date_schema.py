"""Dates as JSON Schema: their format, and the range that the contract allows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from governed_ml.pipeline.data.cells import ISO, ISO_OFFSET
from governed_ml.serving.rows.date_column import DateColumn
from governed_ml.serving.rows.value_checks import FIRST, LAST, ValueCheck

ZONED = (  # RFC 3339, without leap seconds and far offsets
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]([.][0-9]{1,6})?"
    "(Z|[-+](0[0-9]|1[0-2]):[0-5][0-9])$"
)
SIGNS = re.compile(r"([.^$*+?()\[\]{}|\\])")
SHAPES = {
    "%Y": "[0-9]{4}",
    "%y": "[0-9]{2}",
    "%m": "(0[1-9]|1[0-2])",
    "%d": "(0[1-9]|[12][0-9]|3[01])",
    "%H": "([01][0-9]|2[0-3])",
    "%M": "[0-5][0-9]",
    "%S": "[0-5][0-9]",
    "%b": "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
}
"""Part of a format → a pattern; a date in a format with other parts is only called a text."""


def date_schema(column: DateColumn, checks: list[ValueCheck]) -> dict[str, Any]:
    """Return the schema of a column's dates.

    ISO dates are described by their days, although times are accepted, too.
    """
    written = column.one.column.format
    if written == ISO_OFFSET:
        return {"type": "string", "format": "date-time", "pattern": ZONED}
    if written not in (ISO, None):
        parts = re.split("(%.)", written)
        unknown = [part for part in parts[1::2] if part not in SHAPES]
        pattern = "".join(SHAPES.get(part) or SIGNS.sub(r"\\\1", part) for part in parts)
        return {"type": "string"} | ({} if unknown else {"pattern": f"^{pattern}$"})
    found: dict[str, Any] = {"type": "string", "format": "date"}
    ends = [end for one in checks for end in one.schema.items()]
    patterns = [{"pattern": at_least(day)} for end, day in ends if end == FIRST]
    patterns += [{"pattern": at_most(day)} for end, day in ends if end == LAST]
    return found | ({"allOf": patterns} if patterns else {})


def at_least(day: str) -> str:
    """Return a pattern of the days that are not before a day, both written as YYYY-MM-DD."""
    return _days(day, lambda digit: f"[{int(digit) + 1}-9]" if digit < "9" else None)


def at_most(day: str) -> str:
    """Return a pattern of the days that are not after a day."""
    return _days(day, lambda digit: f"[0-{int(digit) - 1}]" if digit > "0" else None)


def _days(day: str, beyond: Callable[[str], str | None]) -> str:
    """Return a pattern of a day and of those whose first other digit is beyond that of the day."""
    found = [day]
    for place, sign in enumerate(day):
        digit = beyond(sign) if sign.isdigit() else None
        if digit is not None:
            rest = re.sub("[0-9]", "[0-9]", day[place + 1 :])
            found.append(day[:place] + digit + rest)
    return f"^({'|'.join(found)})$"
