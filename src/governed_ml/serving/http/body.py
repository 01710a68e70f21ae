"""The JSON body of a request as rows: one object, or an array of objects, of plain values.

Python's reader accepts more than JSON: `NaN`, a name that occurs twice, numbers that become
infinite, integers whose conversion takes minutes, and halves of characters. Here they are refused.
No message has a value of the request.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from governed_ml.serving.http.problems import FieldFault, RequestRefused, pointer

DIGITS = 400  # most characters of a number; the largest floats have 309 digits
NAMED = 64  # most characters of an unknown name that a message repeats
COUNTED = 1000  # most faults that are looked for
TWICE = "occurs more than once in its object"
PLAIN = "must be a text, a number, true, false or null"


class _Odd:
    """Stands in for a value that is not JSON, and says why."""

    def __init__(self, detail: str) -> None:
        self.detail = detail


class _Twice(dict[str, Any]):
    """An object in which names occur more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        seen = set[str]()
        self.names = list(dict.fromkeys(n for n, _ in pairs if n in seen or seen.add(n)))


class _Reading:
    """Reads one body, and collects reasons why it is not JSON."""

    def __init__(self) -> None:
        self.odd: list[str] = []

    def content(self, text: str) -> Any:
        return json.loads(
            text,
            parse_float=self._decimal,
            parse_int=self._integer,
            parse_constant=self._constant,
            object_pairs_hook=self._object,
        )

    def _refused(self, detail: str) -> _Odd:
        self.odd.append(detail)
        return _Odd(detail)

    def _constant(self, _: str) -> _Odd:
        return self._refused("NaN and Infinity are not JSON: write null for a missing value")

    def _decimal(self, text: str) -> Any:
        if len(text) > DIGITS:
            return self._refused("has too many digits")
        number = float(text)
        return number if abs(number) != float("inf") else self._refused("is too large a number")

    def _integer(self, text: str) -> Any:
        return int(text) if len(text) < 300 else self._decimal(text)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        self.odd.append(TWICE)
        return _Twice(pairs)


def parse(body: bytes, most_rows: int) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows of a body, and whether it is one object and no array.

    Raise `RequestRefused`: 400 if the body is not JSON, 422 if it is JSON of another shape.
    """
    reading = _Reading()
    if body.startswith(codecs.BOM_UTF8):
        raise _malformed("the body begins with a byte order mark: send UTF-8 without it")
    try:
        content = reading.content(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _malformed("the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _malformed(f"the body is not JSON: {error.msg} ({where})") from error
    except RecursionError as error:
        raise _misshapen("the body has objects or arrays within one another") from error
    single = isinstance(content, dict)
    rows: list[Any] = [content] if single else content if isinstance(content, list) else []
    halves = b"\\u" in body  # only so can a text have half of a character
    if reading.odd or halves:
        odd = list(islice(_odd(rows, halves), COUNTED))
        if reading.odd or odd:
            whole = [FieldFault("", reason) for reason in reading.odd[:1]]
            raise _malformed("the body is not strict JSON", odd or whole)
    _require_rows(content, rows, most_rows)
    return rows, single


def place(row: int, name: str) -> str:
    """Return a pointer to a row's value; to the row, if its name is not fit to be repeated."""
    return pointer(row, name) if len(name) <= NAMED and name.isprintable() else pointer(row)


def _require_rows(content: Any, rows: list[Any], most: int) -> None:
    if not isinstance(content, dict | list):
        raise _misshapen("the body must be one row (an object) or many (an array of objects)")
    if not rows:
        raise _misshapen("the body has no rows: give at least one")
    if len(rows) > most:
        raise _misshapen(f"the body has {len(rows):,} rows: give at most {most:,} in one request")
    if faults := list(islice(_nested(rows), COUNTED)):
        raise _misshapen("each row must be an object, and each of its values a plain one", faults)


def _nested(rows: list[Any]) -> Iterator[FieldFault]:
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            yield FieldFault(pointer(number), "must be an object: column name, value")
            continue
        for name, value in row.items():
            if isinstance(value, dict | list):
                yield FieldFault(place(number, name), PLAIN)


def _odd(rows: list[Any], halves: bool) -> Iterator[FieldFault]:
    for number, row in enumerate(rows):
        if isinstance(row, _Odd):
            yield FieldFault(pointer(number), row.detail)
        if not isinstance(row, dict):
            continue
        if isinstance(row, _Twice):
            for name in row.names:
                yield FieldFault(place(number, name), TWICE)
        for name, value in row.items():
            if isinstance(value, _Odd):
                yield FieldFault(place(number, name), value.detail)
            if halves and (_half(name) or (isinstance(value, str) and _half(value))):
                yield FieldFault(place(number, name), "has half of a character (a lone surrogate)")


def _half(text: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in text)


def _malformed(detail: str, faults: list[FieldFault] | None = None) -> RequestRefused:
    return RequestRefused(400, "malformed-json", detail, faults or ())


def _misshapen(detail: str, faults: list[FieldFault] | None = None) -> RequestRefused:
    return RequestRefused(422, "invalid-body", detail, faults or ())
