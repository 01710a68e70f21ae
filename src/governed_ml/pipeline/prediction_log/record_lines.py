"""Records as lines of JSON: one record, one line; what a log cannot hold exactly is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from governed_ml.core.problem import Problem

Record = dict[str, Any]
"""Column → text, finite number, truth value, time or None."""

LONGEST = 10_000_000  # bytes of a line; DuckDB reads up to 16 MiB
_EASY = {str, float, bool, type(None)}
_LEAST, _MOST = -(2**63), 2**63 - 1  # a column of Parquet holds no larger integers
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Unwritable(Problem):
    """Records could not be written to the log, so what they are about must not be answered."""


def encoded(records: Sequence[Record]) -> bytes:
    """Return one line for each record; raise `Unwritable` for a value that no line can hold."""
    lines = [_line(record) for record in records]
    if max(map(len, lines), default=0) * 4 > LONGEST:  # a character has up to four bytes
        _require_short(lines)
    try:
        return "".join(lines).encode("utf-8")
    except UnicodeEncodeError as error:
        raise Unwritable(
            "a text in a record is no valid Unicode (half of a surrogate pair): refuse such rows"
        ) from error


def _require_short(lines: list[str]) -> None:
    longest = max(len(line.encode("utf-8", "surrogatepass")) for line in lines)
    if longest > LONGEST:
        raise Unwritable(f"a row has {longest:,} bytes, and the log holds {LONGEST:,} at most")


def _line(record: Record) -> str:
    if "" in record:
        raise Unwritable("a column has no name, and the log holds none without")
    odd = {
        name: _plain(name, value) for name, value in record.items() if value.__class__ not in _EASY
    }
    try:
        return _ENCODER.encode({**record, **odd} if odd else record) + "\n"
    except ValueError as error:
        names = [n for n, v in record.items() if isinstance(v, float) and not math.isfinite(v)]
        raise Unwritable(
            f"{names[0] if names else 'a column'!r} is not a finite number, and the log holds none"
        ) from error


def _plain(name: str, value: Any) -> str | int | float | bool | None:
    """Return a value as JSON holds it: a time in UTC, a huge integer as the nearest float."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return value if _LEAST <= value <= _MOST else _nearest(name, value)
    if isinstance(value, datetime):
        if value != value:  # the missing time of pandas
            return None
        return (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a number of NumPy
        found = value.item()
        return found if found.__class__ in _EASY else _plain(name, found)
    raise Unwritable(f"{name!r} has a {type(value).__name__}, which the log does not hold")


def _nearest(name: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise Unwritable(f"{name!r} is too large a number for the log") from error
