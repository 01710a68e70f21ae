"""Questions about a column of dates: their format, or whether they are dates at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.problem import Problem, counted, first_line
from governed_ml.core.tables import literal
from governed_ml.pipeline.data.cells import ISO, ISO_OFFSET, date, matches
from governed_ml.pipeline.data.reading.answers import Answer
from governed_ml.pipeline.data.spellings import shown
from governed_ml.pipeline.data.text_questions import Ambiguous, Cells, missing

if TYPE_CHECKING:
    import duckdb

DAY = r"\s*[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([ T].*)?"
FORMATS = [
    *(f"%{a}{mark}%{b}{mark}%{c}"
      for mark in "/.-" for a, b, c in ("dmY", "mdY", "dmy", "mdy", "ymd")),
    "%Y.%m.%d",
]  # fmt: skip
NAMED = r"(?i).*\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b.*"
"""Matches a text that contains the name of a month or its first three letters."""
NAMED_FORMATS = [
    form.replace("%b", month)
    for month in ("%b", "%B")
    for form in ("%b %d, %Y", "%b %d %Y", "%d %b %Y", "%d. %b %Y", "%d-%b-%Y", "%d-%b-%y",
                 "%d/%b/%Y", "%Y-%b-%d", "%Y %b %d", "%a, %d %b %Y", "%A, %b %d, %Y")
]  # fmt: skip
MONTH = r"\s*([0-9]{4}[-/][0-9]{1,2}|[0-9]{1,2}[-/][0-9]{4})\s*"
MONTHS = ("%Y-%m", "%Y/%m", "%m-%Y", "%m/%Y")
PERIOD = r"(?i)\s*([0-9]{4}[ -]?[QW][0-9]{1,2}|[QW][0-9]{1,2}[ -]?[0-9]{4})\s*"
CLOCK = r"\s*[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?\s*"
FEW = 10  # most different months or times that may be categories
COMPACT = "%Y%m%d"
FIRST, LAST = 19000101, 21001231  # range in which an eight-digit number may be a date
MANY = 30  # integers that are all valid dates are not by chance if so many are distinct
MOSTLY = 0.95
OTHERWISE: tuple[Answer, ...] = (("categorical", None), ("drop", None))


def dates(seen: Cells, stated: str | None) -> str | None:
    """Return the format of a column's dates, or None if it does not hold dates."""
    if stated:
        _require_format(seen, stated)
        _require_all(seen, stated)
        return stated
    if not seen.filled:
        return None
    kinds = (DAY, NAMED, "[12][0-9]{7}", MONTH, PERIOD, CLOCK)
    numbered, named, eight, *periods = seen.counts([matches("v", one) for one in kinds])
    if named * 2 >= seen.filled:
        _named(seen)
    _periods(seen, *periods)
    if eight == seen.filled:
        compact(seen.db, "cells", "v", (FIRST, LAST))
    if numbered * 2 < seen.filled:
        return None
    formats = [ISO, ISO_OFFSET, *FORMATS]
    fits = dict(
        zip(formats, seen.counts([f"{date('v', one)} IS NOT NULL" for one in formats]), strict=True)
    )
    whole = [one for one, rows in fits.items() if rows == seen.filled]
    if len(whole) == 1:
        _require_century(seen, whole[0])
        return whole[0]
    if not whole:
        best = max(fits, key=lambda one: fits[one])
        if fits[best] * 2 >= seen.filled:
            _require_all(seen, best)
        _require_known(seen)
        return None
    one, other = whole[:2]
    differ = f"{date('v', one)} <> {date('v', other)}"
    examples = seen.pairs(differ) or seen.pairs()
    raise Ambiguous(
        f"has {seen.filled:,} dates that can all be read as {' or as '.join(whole)}; "
        f"{seen.count(differ):,} of them get different days, such as {examples[0][0]!r}: give "
        "their format under dates in conf/data, or list the column under categorical or drop",
        *(("dates", form) for form in whole),
        *OTHERWISE,
    )


def _require_century(seen: Cells, written: str) -> None:
    """Ask about two-digit years if some of them would be in the future."""
    if "%y" not in written:
        return
    later = f"{date('v', written)} > current_date"
    rows = seen.count(later)
    if rows:
        raise Ambiguous(
            f"has years of two digits, and {counted(rows, 'row')} would lie in the future "
            f"({shown(seen.pairs(later))}): 69 to 99 are read as 1969 to 1999, 00 to 68 as 2000 to "
            "2068; write four digits at the source, or accept this with "
            f"{written!r} under dates in conf/data",
            ("dates", written),
        )


def _periods(seen: Cells, month: int, period: int, clock: int) -> None:
    """Ask about texts that are nearly all months, quarters, weeks or times of day."""
    least = seen.filled * MOSTLY
    if max(month, period, clock) < least or seen.distinct <= FEW:
        return
    if month >= least:
        fits = seen.counts([f"{date('v', one)} IS NOT NULL" for one in MONTHS])
        best = max(range(len(fits)), key=lambda number: fits[number])
        if fits[best] >= least:
            raise Ambiguous(
                f"has {fits[best]:,} texts that are months written as {MONTHS[best]}, such as "
                f"{seen.pairs()[0][0]!r}: give the format under dates in conf/data, or list the "
                "column under categorical or drop",
                ("dates", MONTHS[best]),
                *OTHERWISE,
            )
    for rows, what in ((period, "quarters or weeks"), (clock, "times of day")):
        if rows >= least:
            raise Ambiguous(
                f"has {rows:,} texts that are {what} ({shown(seen.pairs(), 2)}), and a "
                "category for each says little: write a date or a number at the source, or list "
                "the column under categorical or drop in conf/data",
                *OTHERWISE,
            )


def _named(seen: Cells) -> None:
    """Ask about texts that are nearly all dates with the name of a month."""
    fits = seen.counts([f"{date('v', one)} IS NOT NULL" for one in NAMED_FORMATS])
    best = max(range(len(fits)), key=lambda number: fits[number])
    if fits[best] < seen.filled * MOSTLY:
        return
    form = NAMED_FORMATS[best]
    example = seen.pairs(f"{date('v', form)} IS NOT NULL")[0][0]
    raise Ambiguous(
        f"has {fits[best]:,} texts that are dates written as {form}, such as {example!r}: "
        "give the format under dates in conf/data, or list the column under categorical or "
        "drop",
        ("dates", form),
        *OTHERWISE,
    )


def compact(
    db: duckdb.DuckDBPyConnection, rows: str, text: str, ends: tuple[float | None, float | None]
) -> None:
    """Ask about integers that are all valid dates, such as 20240131, if many are distinct."""
    low, high = ends
    if low is None or high is None or low < FIRST or high > LAST:
        return
    day = f"try_strptime({text}, {literal(COMPACT)})"
    within = f"{day} BETWEEN DATE '1900-01-01' AND DATE '2100-12-31'"
    good, filled, many, example = db.execute(
        f"SELECT count(*) FILTER ({within}), count({text}), count(DISTINCT {text}), min({text}) "
        f"FROM {rows}"
    ).fetchall()[0]
    if good == filled and many >= MANY:
        raise Ambiguous(
            f"has {many:,} different numbers that are all days written as {COMPACT}, such as "
            f"{example}: give the format under dates in conf/data, or list the column under "
            "numeric, categorical or drop",
            ("dates", COMPACT),
            ("numeric", None),
            *OTHERWISE,
        )


def _require_known(seen: Cells) -> None:
    """Ask about texts that are mostly a day with a time, of which no format is known."""
    timed = f"{matches('v', DAY)} AND v LIKE '%:%'"
    rows = seen.count(timed)
    if rows * 2 >= seen.filled:
        raise Ambiguous(
            f"has {rows:,} texts that look like times, in no known format "
            f"({shown(seen.pairs(timed), 2)}): write them like 2024-01-31 10:00:00 at the source, "
            "give their format under dates in conf/data, or list the column under categorical or "
            "drop",
            *OTHERWISE,
        )


def _require_format(seen: Cells, stated: str) -> None:
    import duckdb

    try:
        seen.db.execute(f"SELECT try_strptime('', {literal(stated)})")
    except duckdb.Error as error:
        raise Problem(
            f"data.dates: {stated!r} is not a date format: {first_line(error, 80)}; write one "
            "such as %d/%m/%Y"
        ) from error


def _require_all(seen: Cells, written: str) -> None:
    odd = f"{date('v', written)} IS NULL"
    rows = seen.count(odd)
    if rows:
        raise Ambiguous(
            f"has {seen.filled - rows:,} dates that are written as {written}, and {rows:,} "
            f"texts that are not ({shown(seen.pairs(odd))}): fix these, list those that mean "
            "a missing value in data.source.missing, or list the column under categorical or drop",
            *missing(seen.pairs(odd)),
            *OTHERWISE,
        )
