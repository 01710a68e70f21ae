"""Recognise a table in text of any file type: rows in CSV, JSON, Markdown, HTML or code."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

QUOTED = re.compile(r'"[^"]*"')
NUMBER = re.compile(r"[-+]?[\d.:,/]*\d[\d.:eE+%-]*|[Nn]a[Nn]|NA|null")
BASE64 = re.compile(r"[A-Za-z0-9+/\s]{4000,}={0,2}\s*")
YAML = re.compile(
    r"^( *)- [\"']?([\w .-]+?)[\"']?:[^\n]*\n\1  [\"']?([\w .-]+?)[\"']?:", re.MULTILINE
)
PAGE = re.compile(r"<(?:svg|html|table|!doctype html)\b", re.IGNORECASE)
KEYED = re.compile(r"\b\w+=\S")
LITERALS = re.compile(r"[)\]}],\s*[(\[{]\s*[-'\"\d]")  # between two records on one line
TAG = re.compile(r"<([A-Za-z][\w:.-]*)[\s/>]")
ASSIGNED = re.compile(r"[=(:]\s*(?=[\[{])")
DELIMITERS = {
    ",": "commas",
    "\t": "tabs",
    ";": "semicolons",
    "|": "bars",
    "~": "tildes",
    "^": "carets",
}
Scalar = str | int | float | bool | None


def rows(text: str, fewest: int) -> tuple[int, str] | None:
    """Return the number of rows in a text and their format.

    Return None if there are fewer than `fewest`.
    """
    found = 0, ""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if len(lines) >= fewest:
        bare = [QUOTED.sub("q", line).strip(",;|") for line in lines]
        for mark, name in DELIMITERS.items():
            longest = _longest([one.count(mark) for one in bare])
            found = max(found, (longest, f"separated by {name}"))
        found = max(found, (_longest([_numbers(line) for line in lines]), "of numbers"))
        keyed = [len(KEYED.findall(line)) for line in lines]
        found = max(found, (_longest([n if n > 1 else 0 for n in keyed]), "of keys and values"))
        found = max(found, (_longest([_record(line) for line in lines]), "of JSON, one a line"))
    found = max(found, _in_json(text, fewest))
    if found[0] < fewest:
        within = max((len(LITERALS.findall(line)) for line in lines), default=0)
        found = max(found, (within + 1, "of records, all in one"))
    found = max(found, (_most(YAML, text), "of YAML records"))
    found = max(found, (text.count("<tr"), "of HTML"))
    if text.lstrip("\ufeff \n").startswith("<") and not PAGE.search(text):
        found = max(found, (_most(TAG, text), "of XML"))
    if BASE64.fullmatch(text):
        return len(lines), "of bytes written as text (base64)"
    return found if found[0] >= fewest else None


def _longest(signs: list[int]) -> int:
    """Return the length of the longest run of equal non-zero values."""
    longest = run = before = 0
    for sign in signs:
        run = run + 1 if sign == before else 1
        before = sign
        if sign:
            longest = max(longest, run)
    return longest


def _numbers(line: str) -> int:
    """Return 1 if at least half of a line's words are numbers, else 0."""
    words = line.split()
    return int(2 * sum(bool(NUMBER.fullmatch(word)) for word in words) >= len(words))


def _record(line: str) -> int:
    return int(line[0] + line[-1] in ("{}", "[]"))


def _most(pattern: re.Pattern[str], text: str) -> int:
    """Return how often the most frequent match of a pattern occurs."""
    counted = Counter(pattern.findall(text))
    return max(counted.values(), default=0)


def _in_json(text: str, fewest: int) -> tuple[int, str]:
    """Return the largest number of similar flat records in a text's JSON, and their description.

    Records are found at any depth. The JSON may be the whole text or assigned in code, and tables
    inside strings (as in a notebook) count.
    """
    found, decoder = (0, ""), json.JSONDecoder()
    stripped = text.lstrip("\ufeff \n\r\t")
    starts = [0] if stripped[:1] in ("[", "{") else []
    starts += [] if starts else [one.end() for one in islice(ASSIGNED.finditer(stripped), 50)]
    for start in starts:
        try:
            whole: Any = decoder.raw_decode(stripped, start)[0]
            found = max(found, *(_part(part, fewest) for part in _parts(whole)))
        except (ValueError, RecursionError):
            continue
    return found


def _parts(whole: Any) -> Iterator[Any]:
    """Yield a JSON value and all values inside it."""
    yield whole
    inner = whole.values() if isinstance(whole, dict) else whole
    for one in inner if isinstance(whole, dict | list) else ():
        yield from _parts(one)


def _part(part: Any, fewest: int) -> tuple[int, str]:
    """Return the number of records in one value; for text, or a list of lines, its rows."""
    if isinstance(part, list) and part and all(isinstance(one, str) for one in part):
        part = "".join(one if one.endswith("\n") else f"{one}\n" for one in part)
    if isinstance(part, str):
        inner = rows(part, fewest) if part.count("\n") + 1 >= fewest else None
        return (inner[0], f"{inner[1]}, within JSON") if inner else (0, "")
    return _records(part), "of JSON"


def _records(part: Any) -> int:
    if isinstance(part, dict) and all(str(name).isdecimal() for name in part):
        return len(part)  # as written by pandas: column → row number → value
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
