"""SQL expressions that convert one cell to a number, integer, date or truth value, else null.

DuckDB's own casts accept too much: they round `1.5` to an integer, accept `0x1F` and `1_000` as
numbers, and drop a time's UTC offset. Arguments and results of these functions are SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from governed_ml.core.tables import literal

if TYPE_CHECKING:
    from governed_ml.core.config.data import Source

GROUPING = {" ": " \u00a0\u202f", "'": "'\u2019"}
"""A thousands separator → it and what typographers write for it."""
EXACT = 2**53  # from here on, a float cannot represent every integer
FLOATS = ("DOUBLE", "FLOAT")
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
WIDE = ("HUGEINT", "UBIGINT", "UHUGEINT")
DATES = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
ZONED = "TIMESTAMP WITH TIME ZONE"
NUMBERS = (*WHOLE, *WIDE, *FLOATS, "DECIMAL")
TEXTS = ("VARCHAR", "ENUM", "UUID", "TIME", "NULL")
SOURCE_TYPES = (*NUMBERS, *DATES, ZONED, *TEXTS, "BOOLEAN")
"""DuckDB types that a source's column may have."""
ISO = "ISO 8601"
ISO_OFFSET = "ISO 8601 with an offset, kept as UTC"
ACCOUNTING = "(1)"  # the format of numbers without a sign, whose negative ones have brackets
NEGATIVE = r"\(\s*[0-9].*[0-9]?\s*\)|[0-9].*-"
NO_NUMBER = r"\s*(nan|[-+]?inf(inity)?)\s*"
_EXPONENT = "([eE][-+]?[0-9]+)?"
_DAY = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_TIME = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?"
_OFFSET = r" ?([zZ]|UTC|[-+][0-9]{2}(:?[0-9]{2})?)"
_SLASHED = r"[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}"
TIMES = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    "T%H:%M",
    "T%H:%M:%S",
    " %H:%M:%S.%f",
    "T%H:%M:%S.%f",
)
"""Formats of a time that may follow a date if `conf/data` states no format."""


TRUTHS = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"))
"""Words for truth values, in small letters."""


@dataclass(frozen=True)
class Marks:
    """The decimal mark and the thousands separator."""

    decimal: str = "."
    thousands: str = ""


def marks(source: Source) -> Marks:
    """Return how a source writes numbers as text."""
    return Marks(source.decimal, source.thousands)


def matches(text: str, pattern: str) -> str:
    """Return SQL for whether a pattern matches the whole text."""
    return f"regexp_full_match({text}, {literal(pattern)})"


def is_number(text: str, how: Marks) -> str:
    """Return SQL for whether a text is a number."""
    mark, group = f"[{how.decimal}]", f"[{GROUPING.get(how.thousands, how.thousands)}]"
    whole = f"([1-9][0-9]{{0,2}}({group}[0-9]{{3}})+|[0-9]+)" if how.thousands else "[0-9]+"
    return matches(text, rf"\s*[-+]?({whole}({mark}[0-9]*)?|{mark}[0-9]+){_EXPONENT}\s*")


def ungrouped(text: str, how: Marks) -> str:
    """Return SQL for a text without thousands separators."""
    every = GROUPING.get(how.thousands, how.thousands)
    return f"translate({text}, {literal(every)}, '')" if every else text


def number(text: str, how: Marks) -> str:
    """Return SQL for the number in a text; `nan` and `inf` are accepted here and refused later."""
    plain = ungrouped(text, how)
    plain = f"replace({plain}, {literal(how.decimal)}, '.')" if how.decimal != "." else plain
    return (
        f"CASE WHEN {is_number(text, how)} THEN TRY_CAST({plain} AS DOUBLE) "
        f"WHEN {matches(f'lower({text})', NO_NUMBER)} THEN TRY_CAST({text} AS DOUBLE) END"
    )


def bare(text: str, sign: str) -> str:
    """Return SQL for a number without its sign or unit, and with a minus in front if negative.

    `$1.50` and `1.50 $` become `1.50`; `(1.50)` and `1.50-` become `-1.50`.
    """
    plain = f"trim(replace({text}, {literal(sign)}, ''))" if sign != ACCOUNTING else f"trim({text})"
    tight = f"regexp_replace({plain}, '^([-+])\\s+', '\\1')"
    inner = f"regexp_extract({tight}, '[0-9](.*[0-9])?')"
    return f"CASE WHEN {matches(tight, NEGATIVE)} THEN '-' || {inner} ELSE {tight} END"


def is_whole(text: str) -> str:
    """Return SQL for whether a text is an integer, with or without zeros after the decimal mark."""
    return matches(text, r"\s*[-+]?[0-9]+([.]0*)?\s*")


def whole(text: str) -> str:
    """Return SQL for the exact integer in a text."""
    digits = f"regexp_extract({text}, '[-+]?[0-9]+')"
    return f"CASE WHEN {is_whole(text)} THEN TRY_CAST({digits} AS BIGINT) END"


def date(text: str, written: str) -> str:
    """Return SQL for the time in a text of the format that was decided."""
    if written == ISO:
        iso = matches(text, rf"({_DAY}([ T]{_TIME})?|{_SLASHED}( {_TIME})?)")
        return f"CASE WHEN {iso} THEN TRY_CAST({_pointed(text)} AS TIMESTAMP) END"
    if written == ISO_OFFSET:
        iso = matches(text, f"{_DAY}[ T]{_TIME}{_OFFSET}")
        tight = f"regexp_replace({_pointed(text)}, ' ([-+][0-9:]+|[zZ])$', '\\1')"  # ` +01:00`
        instant = f"TRY_CAST({tight} AS TIMESTAMP WITH TIME ZONE)"
        return f"CASE WHEN {iso} THEN CAST({instant} AS TIMESTAMP) END"
    listed = ", ".join(literal(written + time) for time in TIMES if not time or ":" not in written)
    # `%Y` would read `24` as the year 24, and `%y` the first half of `2024`
    full = f"regexp_matches({text}, '[0-9]{{4}}')"
    fits = f"{full} AND" if "%Y" in written else f"NOT {full} AND" if "%y" in written else ""
    read = f"try_strptime({text}, [{listed}])"
    return f"CASE WHEN {fits} {read} IS NOT NULL THEN CAST({read} AS TIMESTAMP) END"


def _pointed(text: str) -> str:
    """Return SQL for a time whose fraction has a point; some programs write a comma."""
    return f"replace({text}, ',', '.')"


def moment(column: str, source_type: str) -> str:
    """Return SQL for a time in microseconds; further digits are cut, not rounded."""
    if source_type != "TIMESTAMP_NS":
        return f"CAST({column} AS TIMESTAMP)"
    beyond = f"((epoch_ns({column}) % 1000) + 1000) % 1000"  # negative before 1970
    return f"make_timestamp((epoch_ns({column}) - {beyond}) // 1000)"


def is_truth(words: set[str], *, code: bool) -> bool:
    """Return whether the values of a column, in small letters, are truth values.

    Codes may be called `t` and `f`, so for them only `true` and `false` are.
    """
    plain = bool(words) and words <= {*TRUTHS[0]}
    return plain or (not code and any(words == {*pair} for pair in TRUTHS))


def truth(text: str, values: list[str]) -> str:
    """Return SQL for a truth value in the spelling of training; 1 and 0 mean true and false.

    `1.0` is accepted, because a column of integers with nulls contains it.
    """
    spelled = {value.lower(): value for value in values}
    cases: list[str] = []
    for pair in TRUTHS:
        for word, plain, digit in zip(pair, TRUTHS[0], (1, 0), strict=True):
            if word in spelled:
                same = dict.fromkeys((word, plain, f"{digit}", f"{digit}.0"))
                listed = ", ".join(map(literal, same))
                value = literal(spelled[word])
                cases.append(f"WHEN lower(trim({text})) IN ({listed}) THEN {value}")
    return f"CASE {' '.join(cases)} END"


def meant(column: str, spellings: dict[str, str], missing: list[str]) -> str:
    """Return SQL for a text in its corrected spelling, or null if it means a missing value."""
    listed = ", ".join(literal(text) for text in dict.fromkeys(["", *missing]))
    if spellings:
        cases = " ".join(f"WHEN {literal(a)} THEN {literal(b)}" for a, b in spellings.items())
        column = f"CASE {column} {cases} ELSE {column} END"
    return f"CASE WHEN {column} NOT IN ({listed}) THEN {column} END"


def digits(column: str, kind: str) -> str:
    """Return SQL for a cell of any type as text, with 7 for 7.0 (from a column with nulls)."""
    if kind not in FLOATS:
        return f"CAST({column} AS VARCHAR)"
    short = f"{column} = trunc({column}) AND abs({column}) < {EXACT}"
    plain = f"CAST(CAST({column} AS BIGINT) AS VARCHAR)"
    return f"CASE WHEN {short} THEN {plain} ELSE CAST({column} AS VARCHAR) END"


def known(column: str, missing: list[str]) -> str:
    """Return SQL for a number, or null if the number means a missing value."""
    listed = [text for text in missing if text.strip().lstrip("-+").replace(".", "", 1).isdigit()]
    return (
        f"CASE WHEN {column} NOT IN ({', '.join(listed)}) THEN {column} END" if listed else column
    )
