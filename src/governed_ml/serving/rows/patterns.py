"""Regular expressions of a contract: judged as pandas judges them, and written for JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

REMEMBERED, LONGEST = 4096, 200  # texts per pattern whose answer is kept, and the longest of them
CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": r" \t\n\f\r"}
"""Letter after a backslash → the signs that Arrow takes it for; other programs take more."""
SIGNS = r".^$*+?()[]{}|\/"  # these stand for themselves after a backslash


def matcher(regex: str) -> Callable[[str], bool] | None:
    """Return whether a text has a match, by Arrow, or by Python if Arrow cannot; None: no regex."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def by_arrow(text: str) -> bool:
        return pc.match_substring_regex(pa.scalar(text, pa.large_string()), regex).as_py()

    matches: Callable[[str], bool] = by_arrow
    try:
        by_arrow("")
    except pa.ArrowInvalid:
        try:
            compiled = re.compile(regex)
        except re.error:
            return None
        matches = lambda text: compiled.search(text) is not None  # noqa: E731
    remembered = lru_cache(REMEMBERED)(matches)
    return lambda text: remembered(text) if len(text) <= LONGEST else matches(text)


def portable(regex: str) -> str | None:
    """Return a regex with the same matches in every program, or None if that is not certain."""
    found: list[str] = []
    inside, place = False, 0
    while place < len(regex):
        sign, after = regex[place], regex[place + 1 : place + 2]
        if sign == "\\":
            written = _escaped(after, inside=inside)
            if written is None:
                return None
            found.append(written)
            place += 2
            continue
        if (not inside and sign == "(" and after == "?") or (inside and sign in "[&"):
            return None
        if sign == "[" and not inside:
            inside = True
            negated = "^" if after == "^" else ""
            place += len(negated)
            sign += negated
            if regex[place + 1 : place + 2] == "]":  # a bracket as the first sign of a class
                return None
        elif sign == "]":
            inside = False
        found.append(sign)
        place += 1
    return "".join(found)


def _escaped(sign: str, *, inside: bool) -> str | None:
    if sign in CLASSES:
        return CLASSES[sign] if inside else f"[{CLASSES[sign]}]"
    if sign.lower() in CLASSES and not inside:
        return f"[^{CLASSES[sign.lower()]}]"
    if sign and sign in "nrtf":
        return "\\" + sign
    plain = SIGNS + "-" if inside else SIGNS
    return "\\" + sign if sign and sign in plain else None
