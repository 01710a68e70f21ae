"""Questions about a column of texts: what it is, or why nobody can know, and the cells at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.problem import Problem, first_line
from governed_ml.core.tables import literal
from governed_ml.pipeline.data.cells import (
    ISO,
    ISO_OFFSET,
    Marks,
    date,
    is_number,
    matches,
    number,
)
from governed_ml.pipeline.data.spelled import folded, shown, twins

if TYPE_CHECKING:
    import duckdb

FEW = 30  # texts of digits that are so few are categories, where a format has numbers as well
MARKERS = (
    *("N/A", "n/a", "#N/A", "NA", "<NA>", "NULL", "null", "NaN", "nan", "None"),
    *("?", "-", "--", ".", "\\N"),
)
"""What programs write for a missing value, and seldom anybody for anything else."""
DAY = r"\s*[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([ T].*)?"
FORMATS = [
    *(f"%{a}{mark}%{b}{mark}%{c}"
      for mark in "/.-" for a, b, c in ("dmY", "mdY", "dmy", "mdy", "ymd")),
    "%Y.%m.%d",
]  # fmt: skip
THOUSANDS = r"\s*[-+]?([1-9][0-9]{0,2}([.][0-9]{3})+|[0-9]{1,3})\s*"
"""What a whole number is, where a point separates thousands."""
SEPARATED = r"\s*[-+]?[0-9]+([.,' ][0-9]+)+\s*"


class Ambiguous(Exception):
    """Something about a column that only `conf/data` can answer."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Cells:
    """The distinct texts of a column, `v`, and how many rows have each, `n`."""

    def __init__(self, db: duckdb.DuckDBPyConnection, rows: str, text: str) -> None:
        """Count them once."""
        self.db, self.text = db, text
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE cells AS SELECT v, count(*) AS n FROM "
            f"(SELECT {text} AS v FROM {rows}) WHERE v IS NOT NULL GROUP BY v"
        )
        self.filled = self.count("true")

    def count(self, condition: str) -> int:
        """Return the number of rows that a condition about `v` holds for."""
        sql = f"SELECT coalesce(sum(n) FILTER ({condition}), 0) FROM cells"
        return int(self.db.execute(sql).fetchall()[0][0])

    def counts(self, conditions: list[str]) -> list[int]:
        """Return these numbers for several conditions."""
        asked = ", ".join(f"coalesce(sum(n) FILTER ({one}), 0)" for one in conditions)
        return [int(n) for n in self.db.execute(f"SELECT {asked} FROM cells").fetchall()[0]]

    def pairs(self, condition: str = "true") -> list[tuple[str, int]]:
        """Return values and rows, the most frequent first."""
        sql = f"SELECT v, n FROM cells WHERE {condition} ORDER BY n DESC, v"
        return [(str(value), int(rows)) for value, rows in self.db.execute(sql).fetchall()]


def dates(seen: Cells, stated: str | None) -> str | None:
    """Return how a column's dates are written, or nothing where it has none."""
    if stated:
        _require_format(seen, stated)
        _require_all(seen, stated)
        return stated
    if not seen.filled or seen.count(matches("v", DAY)) * 2 < seen.filled:
        return None
    formats = [ISO, ISO_OFFSET, *FORMATS]
    fits = dict(
        zip(formats, seen.counts([f"{date('v', one)} IS NOT NULL" for one in formats]), strict=True)
    )
    whole = [one for one, rows in fits.items() if rows == seen.filled]
    if len(whole) == 1:
        return whole[0]
    if not whole:
        best = max(fits, key=lambda one: fits[one])
        if fits[best] * 2 >= seen.filled:
            _require_all(seen, best)
        return None
    one, other = whole[:2]
    differ = f"{date('v', one)} <> {date('v', other)}"
    examples = seen.pairs(differ) or seen.pairs()
    raise Ambiguous(
        f"has {seen.filled:,} dates that can all be read as {' or as '.join(whole)}; "
        f"{seen.count(differ):,} of them get different days, such as {examples[0][0]!r}: give "
        "their format under dates in conf/data, or name the column under categorical or drop"
    )


def _require_format(seen: Cells, stated: str) -> None:
    import duckdb

    try:
        seen.db.execute(f"SELECT try_strptime('', {literal(stated)})")
    except duckdb.Error as error:
        raise Problem(f"data.dates: {stated!r} is no format: {first_line(error, 80)}") from error


def _require_all(seen: Cells, written: str) -> None:
    odd = f"{date('v', written)} IS NULL"
    rows = seen.count(odd)
    if rows:
        raise Ambiguous(
            f"has {seen.filled - rows:,} dates that are written as {written}, and "
            f"{rows:,} texts that are not ({shown(seen.pairs(odd))}): fix them, name what is "
            "missing in data.source.missing, or name the column under categorical or drop"
        )


def numbers(seen: Cells, how: Marks, *, wanted: bool, only_texts: bool) -> bool:
    """Return whether a column of texts is one of numbers.

    `wanted`: it is under `numeric`. `only_texts`: the format, as CSV, has nothing but texts.
    """
    fits = f"({number('v', how)} IS NOT NULL)"
    separated = f"(NOT {is_number('v', how)} AND {matches('v', SEPARATED)})"
    zero = matches("v", r"\s*[-+]?0[0-9].*")
    good, apart, zeros = seen.counts([fits, separated, zero])
    if not seen.filled or (not wanted and (good + apart) * 2 < seen.filled):
        return False
    if apart:
        raise Ambiguous(
            f"holds numbers with {_mark(seen, separated)} in {apart:,} rows: write 1234.5, set "
            f"data.source.decimal and data.source.thousands (now {how.decimal!r} and "
            f"{how.thousands!r}), or name a column of codes in data.categorical"
        )
    if good < seen.filled:
        odd = seen.pairs(f"NOT {fits}")
        raise Ambiguous(
            f"has {good:,} numbers and {seen.filled - good:,} texts that are none "
            f"({shown(odd)}): fix them, name what is missing in data.source.missing, or name "
            "a column of codes in data.categorical"
        )
    few = len(seen.pairs()) <= FEW
    if wanted or (only_texts and not zeros):
        return True
    if not only_texts and few:
        return False
    with_zero = f", {zeros:,} of them with a leading zero" if zeros else ""
    raise Ambiguous(
        f"has {good:,} numbers that are written as texts{with_zero}: name it under categorical, "
        "if they are codes, or under numeric in conf/data"
    )


def thousands(db: duckdb.DuckDBPyConnection, rows: str, text: str) -> None:
    """Ask what a point means in a column of numbers, if three digits follow it each time."""
    grouped = matches("v", THOUSANDS)
    pointed = f"FILTER ({grouped} AND v LIKE '%.%')"
    sql = f"SELECT count(*) FILTER (NOT {grouped}), count(*) {pointed}, min(v) {pointed}"
    odd, many, example = db.execute(f"{sql} FROM (SELECT {text} AS v FROM {rows})").fetchall()[0]
    if many and not odd:
        raise Ambiguous(
            f"holds numbers with three digits behind each point in {many:,} rows, such as "
            f"{example!r}: if it separates thousands, set data.source.decimal "
            "to ',' and data.source.thousands to '.'; if it is a decimal point, name the column "
            "under numeric in conf/data"
        )


def _mark(seen: Cells, separated: str) -> str:
    marks = {"a comma": ",", "an apostrophe": "''", "a blank": " "}
    return next(
        (word for word, mark in marks.items() if seen.count(f"{separated} AND v LIKE '%{mark}%'")),
        "several points",
    )


def spellings(seen: Cells, *, target: bool) -> None:
    """Ask about values that differ in case, blanks or punctuation only, and about missing ones."""
    sql = f"SELECT {folded('v')}, v, n FROM cells"
    found = twins([(str(k), str(v), int(n)) for k, v, n in seen.db.execute(sql).fetchall()])
    what = "target" if target else "category"
    if found:
        groups = "; ".join(shown(one) for one in found[:3])
        more = f" and {len(found) - 3:,} more of the kind" if len(found) > 3 else ""
        raise Ambiguous(
            f"has values of the {what} that differ only in case, blanks, punctuation or invisible "
            f"characters ({groups}{more}): say under spellings in conf/data which is meant, or "
            "name it under distinct"
        )
    listed = ", ".join(literal(one) for one in MARKERS)
    markers = seen.pairs(f"trim(v) IN ({listed}, '')")
    if markers:
        raise Ambiguous(
            f"has texts that mostly mean a missing value ({shown(markers)}): name them in "
            "data.source.missing, or the column under distinct if they are values"
        )
