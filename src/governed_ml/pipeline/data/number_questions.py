"""Questions about a column of numbers: their format, or whether they are codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.problem import counted
from governed_ml.core.tables import literal
from governed_ml.pipeline.data.cells import (
    ACCOUNTING,
    GROUPING,
    Marks,
    bare,
    is_number,
    matches,
    number,
)
from governed_ml.pipeline.data.reading.answers import Answer
from governed_ml.pipeline.data.spellings import shown
from governed_ml.pipeline.data.text_questions import MARKERS, Ambiguous, Cells, missing

if TYPE_CHECKING:
    import duckdb

CODES_OR_NUMBERS: tuple[Answer, ...] = (("categorical", None), ("numeric", None))
FEW = 30  # in formats with numbers, digit texts with fewer distinct values are categories
THOUSANDS = r"\s*[-+]?([1-9][0-9]{0,2}([.][0-9]{3})+|[0-9]{1,3})\s*"
"""Matches an integer in which points separate thousands."""
_CODE = matches("v", r"\s*[0-9]+[eE][0-9]+\s*")
EXPONENTS = f"sum(n) FILTER ({_CODE}), min(v) FILTER ({_CODE})"
"""The number of rows with texts such as 1E2, and the first of these, as SQL."""
BLANKS, APOSTROPHES = GROUPING[" "], GROUPING["'"]
_AMOUNT = rf"[0-9][0-9.,{APOSTROPHES}{BLANKS}]*"
CURRENCIES = ("EUR", "USD", "GBP", "CHF", "JPY")
_MONEY = f"[€$£¥₹]|{'|'.join(CURRENCIES)}"
_BEFORE = rf"^\s*[-+(]?\s*({_MONEY})\s*[-+(]?\s*{_AMOUNT}\)?-?\s*$"
_AFTER = rf"^\s*[-+(]?\s*{_AMOUNT}({_MONEY}|[%‰]|[a-zA-Zµ°²³/]{{1,10}})[.)]?\s*$"
NEGATIVE_TEXT = rf"\s*(\(\s*{_AMOUNT}\)|{_AMOUNT}-)\s*"
"""Matches a negative number as accountants write it: `(12.50)` or `12.50-`."""
FEW_UNITS = 10  # most different texts with a unit that may be categories, such as `36 months`
SEPARATED = rf"\s*[-+]?[0-9]+([.,{APOSTROPHES}{BLANKS}]+[0-9]+)+\s*"
GROUPED = tuple(Marks(one, other) for one in ".," for other in ",. '" if one != other)
"""All pairs of a decimal mark and a thousands separator."""


def numbers(seen: Cells, how: Marks, *, wanted: bool, only_texts: bool) -> bool:
    """Return whether a text column is numeric.

    `wanted` means that `numeric` in `conf/data` lists it, `only_texts` that the format (such as
    CSV) has no numeric type.
    """
    fits = f"({number('v', how)} IS NOT NULL)"
    separated = f"(NOT {is_number('v', how)} AND {matches('v', SEPARATED)})"
    zero = matches("v", r"\s*[-+]?0[0-9].*")
    good, apart, zeros = seen.counts([fits, separated, zero])
    if not seen.filled or (not wanted and (good + apart) * 2 < seen.filled):
        return False
    if apart:
        raise Ambiguous(
            f"holds numbers with {_mark(seen, separated)} in {apart:,} rows: write them like "
            "1234.5, or set data.source.decimal and data.source.thousands (now "
            f"{how.decimal!r} and {how.thousands!r}); if they are codes, list the column "
            "under categorical",
            *(_marks(seen, how) or (("drop", None),)),
            ("categorical", None),
        )
    if good < seen.filled:
        odd = seen.pairs(f"NOT {fits}")
        place = seen.place(f"NOT {fits}") if seen.filled - good == 1 else ""
        raise Ambiguous(
            f"has {good:,} numbers and {seen.filled - good:,} texts that are not numbers "
            f"({shown(odd)}{place}): fix these, or list those that mean a missing value in "
            "data.source.missing; if the column holds codes, list it under categorical",
            *missing(odd),
            ("categorical", None),
        )
    few = seen.distinct <= FEW
    if only_texts and not (wanted or zeros):
        exponents(*seen.db.execute(f"SELECT {EXPONENTS} FROM cells").fetchall()[0])
        _zeros_at_the_end(seen.db, "cells", how.decimal)
    if wanted or (only_texts and not zeros):
        return True
    if not only_texts and few:
        return False
    with_zero = f", {zeros:,} of them with a leading zero" if zeros else ""
    raise Ambiguous(
        f"has {good:,} numbers that are written as texts{with_zero}: list it under "
        "categorical in conf/data if they are codes, else under numeric",
        *CODES_OR_NUMBERS,
    )


def points(db: duckdb.DuckDBPyConnection, rows: str, text: str) -> None:
    """Ask about the meaning of a point if exactly three digits always follow it.

    Also ask if 250.0 and 250.00 both occur: programs write numbers in one way, so these may be
    codes.
    """
    grouped = matches("v", THOUSANDS)
    pointed = f"FILTER ({grouped} AND v LIKE '%.%')"
    decimals = "length(v) - nullif(strpos(v, '.'), 0)"
    cells = f"(SELECT {text} AS v, 1 AS n FROM {rows})"
    odd, many, example, fewest, most, zeros, *exponent = db.execute(
        f"SELECT count(*) FILTER (NOT {grouped}), count(*) {pointed}, min(v) {pointed}, "
        f"min({decimals}), max({decimals}), count(*) FILTER (v LIKE '%._%0'), {EXPONENTS} "
        f"FROM {cells}"
    ).fetchall()[0]
    if many and not odd:
        raise Ambiguous(
            f"holds numbers with three digits behind each point in {counted(many, 'row')}, such "
            f"as {example!r}: if it separates thousands, set data.source.decimal to ',' and "
            "data.source.thousands to '.'; if it is a decimal point, list the column under "
            "numeric in conf/data",
            ("marks", {"decimal": ",", "thousands": "."}),
            ("numeric", None),
        )
    exponents(*exponent)
    if zeros and fewest != most:
        _zeros_at_the_end(db, cells, ".")


def signs(seen: Cells) -> None:
    """Ask about texts that are numbers with a sign or a unit."""
    if (found := sign_of(seen)) is None:
        return
    sign, rows = found
    examples = shown(seen.pairs(_with(sign)), 2)
    what, read = f"with the sign or unit {sign!r}", "without it"
    if sign == ACCOUNTING:
        what, read = "written as (1) or 1-", "as negative numbers"
    raise Ambiguous(
        f"has {rows:,} numbers {what} ({examples}): list the column under numeric in conf/data to "
        f"read them {read}, or under categorical or drop",
        ("numeric", None),
        ("categorical", None),
        ("drop", None),
    )


def sign_of(seen: Cells) -> tuple[str, int] | None:
    """Return the sign or unit that most numbers of a column of texts have, and their rows."""
    plain, negative = matches("v", rf"\s*[-+]?{_AMOUNT}"), matches("v", NEGATIVE_TEXT)
    found = seen.db.execute(
        "SELECT sign, sum(n), count(*) FROM (SELECT n, coalesce(nullif(regexp_extract(v, "
        f"{literal(_BEFORE)}, 1), ''), regexp_extract(v, {literal(_AFTER)}, 1)) AS sign "
        "FROM cells) "
        "WHERE sign <> '' GROUP BY sign ORDER BY sum(n) DESC, sign LIMIT 1"
    ).fetchone()
    if found is not None:
        sign, rows, texts = str(found[0]), int(found[1]), int(found[2])
        unit = sign.isalpha() and sign not in CURRENCIES
        like = seen.count(f"{_with(sign)} OR {plain}")
        if like * 2 >= seen.filled and not (unit and texts <= FEW_UNITS):
            return sign, rows
    brackets, like = seen.counts([negative, f"{negative} OR {plain}"])
    return (ACCOUNTING, brackets) if brackets and like * 2 >= seen.filled else None


def _with(sign: str) -> str:
    """Return SQL for whether a text is a number with this sign."""
    if sign == ACCOUNTING:
        return matches("v", NEGATIVE_TEXT)
    return f"contains(v, {literal(sign)}) AND {matches(bare('v', sign), rf'[-+]?{_AMOUNT}')}"


def exponents(many: int | None, example: str | None) -> None:
    """Ask about texts such as 1E2, which may be codes: programs write 1e+02 or 100."""
    if many:
        raise Ambiguous(
            f"holds texts such as {example!r} in {counted(int(many), 'row')}, which can be codes "
            "or numbers with an exponent: list it under categorical in conf/data if they are "
            "codes, else under numeric",
            *CODES_OR_NUMBERS,
        )


def too_large(rows: int) -> Ambiguous:
    """Return the question about integers that a float cannot hold."""
    return Ambiguous(
        f"has whole numbers beyond 2^53 in {counted(rows, 'row')}, which a model would round: list "
        "it under categorical, drop or numeric in conf/data",
        ("categorical", None),
        ("drop", None),
        ("numeric", None),
    )


def _zeros_at_the_end(db: duckdb.DuckDBPyConnection, cells: str, mark: str) -> None:
    """Ask about numbers written in two ways that differ only in zeros after the decimal mark."""
    many, short, long = db.execute(
        "SELECT sum(n), min_by(short, short), min_by(long, short) FROM ("
        "SELECT sum(n) AS n, min(trim(v)) AS short, max(trim(v)) AS long FROM "
        f"{cells} WHERE contains(v, {literal(mark)}) AND NOT contains(lower(v), 'e') "
        "GROUP BY rtrim(trim(v), '0') HAVING short <> long)"
    ).fetchall()[0]
    if many:
        raise Ambiguous(
            f"holds numbers that differ only in zeros at their end in {counted(int(many), 'row')}"
            f", such as {short!r} and {long!r}: list it under categorical in conf/data if they "
            "are codes, else under numeric",
            *CODES_OR_NUMBERS,
        )


def _mark(seen: Cells, separated: str) -> str:
    marks = {
        "a comma": "[,]",
        "an apostrophe": f"[{APOSTROPHES}]",
        "a blank": f"[{BLANKS}]",
        "several points": "[.].*[.]",
    }
    return next(
        (
            word
            for word, mark in marks.items()
            if seen.count(f"{separated} AND regexp_matches(v, {literal(mark)})")
        ),
        "a point",
    )


def _marks(seen: Cells, how: Marks) -> list[Answer]:
    """Return the marks with which every cell of the column is a number, the plainest first.

    A thousands separator that no cell needs is no answer.
    """
    other = Marks("," if how.decimal == "." else ".", how.thousands)
    fitting: list[Marks] = []
    markers = ", ".join(literal(one) for one in MARKERS)
    for one in (Marks("."), Marks(","), other, *GROUPED):
        if one == how or one.decimal == one.thousands or one in fitting:
            continue
        needless = any(one.decimal == less.decimal and not less.thousands for less in fitting)
        unread = f"{number('v', one)} IS NULL AND trim(v) NOT IN ({markers})"
        if not needless and not seen.count(unread):
            fitting.append(one)
    return [
        ("decimal", one.decimal)
        if one.thousands == how.thousands
        else ("marks", {"decimal": one.decimal, "thousands": one.thousands})
        for one in fitting
    ]
