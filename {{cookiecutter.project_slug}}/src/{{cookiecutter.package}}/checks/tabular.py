"""Whether a text is a table under whatever name: rows in CSV, JSON, Markdown, HTML or code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

QUOTED = re.compile(r'"[^"]*"')
NUMBER = re.compile(r"[-+]?[\d.:,/]*\d[\d.:eE+%-]*|[Nn]a[Nn]|NA|null")
BASE64 = re.compile(r"[A-Za-z0-9+/\s]{4000,}={0,2}\s*")
DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
Scalar = str | int | float | bool | None


def rows(text: str, fewest: int) -> tuple[int, str] | None:
    """Return how many rows a text holds and how they are written; None if fewer than `fewest`."""
    found = 0, ""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if len(lines) >= fewest:
        bare = [QUOTED.sub("", line).strip(",;|") for line in lines]
        for mark, name in DELIMITERS.items():
            longest = _longest([one.count(mark) for one in bare])
            found = max(found, (longest, f"separated by {name}"))
        found = max(found, (_longest([_numbers(line) for line in lines]), "of numbers"))
        found = max(found, (_longest([_record(line) for line in lines]), "of JSON, one a line"))
    if text.lstrip()[:1] in ("[", "{"):
        found = max(found, (_in_json(text), "of JSON"))
    found = max(found, (text.count("<tr"), "of HTML"))
    if BASE64.fullmatch(text):
        return len(lines), "of bytes written as text (base64)"
    return found if found[0] >= fewest else None


def _longest(signs: list[int]) -> int:
    """Return the length of the longest run of one sign that is not 0."""
    longest = run = before = 0
    for sign in signs:
        run = run + 1 if sign == before else 1
        before = sign
        if sign:
            longest = max(longest, run)
    return longest


def _numbers(line: str) -> int:
    """Return 1 of a line at least half of whose words are numbers."""
    words = line.split()
    return int(2 * sum(bool(NUMBER.fullmatch(word)) for word in words) >= len(words))


def _record(line: str) -> int:
    return int(line[0] + line[-1] in ("{}", "[]"))


def _in_json(text: str) -> int:
    """Return the number of like, flat records in a JSON text, at its top or one level below."""
    try:
        whole: Any = json.loads(text)
    except (ValueError, RecursionError):
        return 0
    parts: list[Any] = [whole, *(whole.values() if isinstance(whole, dict) else [])]
    return max(_records(part) for part in parts)


def _records(part: Any) -> int:
    if isinstance(part, dict) and all(str(name).isdecimal() for name in part):
        return len(part)  # pandas: column → row number → value
    if not isinstance(part, list) or not part:
        return 0
    first = part[0]
    shape: Callable[[Any], Any] = _keys if isinstance(first, dict) else _length
    like = {shape(one) for one in part}
    return len(part) if len(like) == 1 and None not in like else 0


def _keys(record: Any) -> tuple[str, ...] | None:
    flat = isinstance(record, dict) and all(isinstance(one, Scalar) for one in record.values())
    return tuple(record) if flat else None


def _length(record: Any) -> int | None:
    if isinstance(record, list):
        return len(record) if all(isinstance(one, Scalar) for one in record) else None
    return 0 if isinstance(record, int | float) else None
