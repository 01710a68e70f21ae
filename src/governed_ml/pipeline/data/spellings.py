"""Find values that differ only in case, blanks or punctuation, and are likely the same."""

from __future__ import annotations

import unicodedata
from collections import defaultdict

from governed_ml.core.tables import literal

OFTEN = 10  # rows; a value with fewer may identify a person, so records omit it
SHORT = 40  # most characters of a value in a message
KNOWN = 200  # most values of a column in records; with more, none are recorded
DIGEST = "sha256:"


def folded(text: str) -> str:
    """Return SQL for a value without case, outer punctuation, and differences in blanks.

    Invisible characters and separate accents are removed, too. Signs that distinguish values are
    kept: `>50K` is not `<=50K`, and `A-` is not `A`.
    """
    seen = rf"nfc_normalize(lower(regexp_replace({text}, '\p{{Cf}}+', '', 'g')))"
    bare = rf"trim(regexp_replace({seen}, '[\s_\p{{Z}}-]+', ' ', 'g'))"
    inner = rf"regexp_replace({bare}, '^[\s.,;:!?''\x22`]+|[\s.,;:!?''\x22`]+$', '', 'g')"
    signs = [rf"CASE WHEN regexp_matches({text}, '{end}') THEN '-' ELSE '' END"
             for end in (r"^\s*-", r"-\s*$")]  # fmt: skip
    return f"({signs[0]} || {inner} || {signs[1]})"


def twins(counts: list[tuple[str, str, int]]) -> list[list[tuple[str, int]]]:
    """Return groups of values with the same folded form; arguments are (folded, value, rows)."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for key, value, rows in counts:
        if key:
            found[key].append((value, rows))
    groups = [sorted(one, key=lambda pair: -pair[1]) for one in found.values() if len(one) > 1]
    return sorted(groups, key=lambda one: -sum(rows for _, rows in one))


def shown(pairs: list[tuple[str, int]], most: int = 5) -> str:
    """Return values with their numbers of rows as text."""
    words = [
        f"{_quoted(value)} {'once' if rows == 1 else f'{rows:,} times'}"
        for value, rows in pairs[:most]
    ]
    more = len(pairs) - most
    return ", ".join(words) + (f" and {more:,} others" if more > 0 else "")


def _quoted(value: str) -> str:
    short = value if len(value) <= SHORT else value[: SHORT - 1] + "…"
    return repr(short) if unicodedata.is_normalized("NFC", short) else ascii(short)


def recorded(counts: list[tuple[str, int]]) -> list[str]:
    """Return a category's values for the record; rare values only as digests."""
    import hashlib

    return sorted(
        value if rows >= OFTEN else DIGEST + hashlib.sha256(value.encode()).hexdigest()[:16]
        for value, rows in counts
    )


def is_known(text: str, values: list[str]) -> str:
    """Return SQL for whether training had a value."""
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
    """Return SQL for whether an unknown value is another spelling of a known one."""
    listed = ", ".join(folded(literal(value)) for value in values if not value.startswith(DIGEST))
    if not listed:
        return "false"
    return f"(NOT {is_known(text, values)} AND {folded(text)} IN ({listed}))"
