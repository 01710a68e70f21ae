"""Questions about a column of numbers: their format, or whether they are codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.problem import counted
from governed_ml.core.tables import literal
from governed_ml.pipeline.data.cells import Marks, is_number, matches, number
from governed_ml.pipeline.data.reading.answers import Answer
from governed_ml.pipeline.data.spellings import shown
from governed_ml.pipeline.data.text_questions import Ambiguous, Cells, missing

if TYPE_CHECKING:
    import duckdb

CODES_OR_NUMBERS: tuple[Answer, ...] = (("categorical", None), ("numeric", None))
FEW = 30  # in formats with numbers, digit texts with fewer distinct values are categories
THOUSANDS = r"\s*[-+]?([1-9][0-9]{0,2}([.][0-9]{3})+|[0-9]{1,3})\s*"
"""Matches an integer in which points separate thousands."""
_AMOUNT = r"[0-9][0-9.,' ]*"
SIGNED = rf"\s*[-+]?\s*([€$£¥₹]\s*[-+]?{_AMOUNT}|{_AMOUNT}\s*[€$£¥₹%‰])\s*"
_CODE = matches("v", r"\s*[0-9]+[eE][0-9]+\s*")
EXPONENTS = f"sum(n) FILTER ({_CODE}), min(v) FILTER ({_CODE})"
"""The number of rows with texts such as 1E2, and the first of these, as SQL."""
SEPARATED = r"\s*[-+]?[0-9]+([.,' ][0-9]+)+\s*"


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
            *_marks(seen, separated, how),
            ("categorical", None),
        )
    if good < seen.filled:
        odd = seen.pairs(f"NOT {fits}")
        raise Ambiguous(
            f"has {good:,} numbers and {seen.filled - good:,} texts that are not numbers "
            f"({shown(odd)}): fix these, or list those that mean a missing value in "
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
            ("decimal", ","),
            ("numeric", None),
        )
    exponents(*exponent)
    if zeros and fewest != most:
        _zeros_at_the_end(db, cells, ".")


def signs(seen: Cells) -> None:
    """Ask about texts that are numbers with a currency or percent sign."""
    count = seen.count(matches("v", SIGNED))
    if count and count * 2 >= seen.filled:
        examples = shown(seen.pairs(matches("v", SIGNED)), 2)
        raise Ambiguous(
            f"has {count:,} numbers with a currency or percent sign ({examples}): write plain "
            "numbers at the source, or list the column under categorical or drop in conf/data",
            ("categorical", None),
            ("drop", None),
        )


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
    marks = {"a comma": ",", "an apostrophe": "''", "a blank": " ", "several points": ".%."}
    return next(
        (word for word, mark in marks.items() if seen.count(f"{separated} AND v LIKE '%{mark}%'")),
        "a point",
    )


def _marks(seen: Cells, separated: str, how: Marks) -> list[Answer]:
    """Return an answer if with another decimal mark all numbers of the column can be read."""
    other = "," if how.decimal == "." else "."
    unread = f"{separated} AND {number('v', Marks(other, how.thousands))} IS NULL"
    fits = other != how.thousands and not seen.count(unread)
    return [("decimal", other)] if fits else []
