"""Values that differ in nothing but case, blanks or punctuation: one value spelled in two ways."""

from __future__ import annotations

import unicodedata
from collections import defaultdict

from governed_ml.core.tables import literal

OFTEN = 10  # a value of fewer rows may be somebody's own, and records hold none of these
SHORT = 40  # characters of a value that a message shows
KNOWN = 200  # values of a column that records hold; with more, none
DIGEST = "sha256:"


def folded(text: str) -> str:
    """Return SQL for what is left of a value without case, outer punctuation and kinds of blanks.

    Nor does it have invisible signs, or an accent that is a character of its own. Signs that tell
    values apart stay: `>50K` is not `<=50K`, and `A-` is not `A`.
    """
    seen = rf"nfc_normalize(lower(regexp_replace({text}, '\p{{Cf}}+', '', 'g')))"
    bare = rf"trim(regexp_replace({seen}, '[\s_\p{{Z}}-]+', ' ', 'g'))"
    inner = rf"regexp_replace({bare}, '^[\s.,;:!?''\x22`]+|[\s.,;:!?''\x22`]+$', '', 'g')"
    signs = [rf"CASE WHEN regexp_matches({text}, '{end}') THEN '-' ELSE '' END"
             for end in (r"^\s*-", r"-\s*$")]  # fmt: skip
    return f"({signs[0]} || {inner} || {signs[1]})"


def twins(counts: list[tuple[str, str, int]]) -> list[list[tuple[str, int]]]:
    """Return the groups of values (folded, value, rows) of which each has more than one."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for key, value, rows in counts:
        if key:
            found[key].append((value, rows))
    groups = [sorted(one, key=lambda pair: -pair[1]) for one in found.values() if len(one) > 1]
    return sorted(groups, key=lambda one: -sum(rows for _, rows in one))


def shown(pairs: list[tuple[str, int]], most: int = 5) -> str:
    """Say values and how many rows have each."""
    words = [f"{_quoted(value)} {rows:,} times" for value, rows in pairs[:most]]
    more = len(pairs) - most
    return ", ".join(words) + (f" and {more:,} others" if more > 0 else "")


def _quoted(value: str) -> str:
    short = value if len(value) <= SHORT else value[: SHORT - 1] + "…"
    return repr(short) if unicodedata.is_normalized("NFC", short) else ascii(short)


def recorded(counts: list[tuple[str, int]]) -> list[str] | None:
    """Return the values of a category for the record: those of few rows by a digest only."""
    import hashlib

    if len(counts) > KNOWN:
        return None
    return sorted(
        value if rows >= OFTEN else DIGEST + hashlib.sha256(value.encode()).hexdigest()[:16]
        for value, rows in counts
    )


def is_known(text: str, values: list[str]) -> str:
    """Return SQL for whether a value was there in training."""
    digests = [value for value in values if value.startswith(DIGEST)]
    plain = [value for value in values if value not in digests]
    known = _among(text, plain)
    if digests:
        digest = f"'{DIGEST}' || left(sha256({text}), 16)"
        known += f" OR {_among(digest, digests)}"
    return f"({known})"


def _among(text: str, values: list[str]) -> str:
    return f"{text} IN ({', '.join(map(literal, values))})" if values else "false"


def is_twin(text: str, values: list[str]) -> str:
    """Return SQL for whether an unknown value is another spelling of one that was there."""
    listed = ", ".join(folded(literal(value)) for value in values if not value.startswith(DIGEST))
    if not listed:
        return "false"
    return f"(NOT {is_known(text, values)} AND {folded(text)} IN ({listed}))"
