"""Questions about a column of texts: its kind if that is unclear, and the cells that cause it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.tables import literal
from governed_ml.pipeline.data.reading.answers import Answer
from governed_ml.pipeline.data.spellings import folded, shown, twins

if TYPE_CHECKING:
    import duckdb

MARKERS = (
    *("N/A", "n/a", "#N/A", "NA", "<NA>", "NULL", "null", "NaN", "nan", "None"),
    *("?", "-", "--", ".", "\\N"),
)
"""What programs write for a missing value, and seldom anybody for anything else."""


FEW = 5  # most texts that are proposed as missing values


class Ambiguous(Exception):
    """A question about a column that only `conf/data` can answer, and the possible answers."""

    def __init__(self, words: str, *answers: Answer) -> None:
        super().__init__(words)
        self.words, self.answers = words, answers


def missing(odd: list[tuple[str, int]]) -> tuple[Answer, ...]:
    """Return the answer that some texts mean a missing value, if they may: few, and no digits."""
    values = [value for value, _ in odd]
    may = len(values) <= FEW and not any(sign.isdigit() for value in values for sign in value)
    return (("missing", values),) if may else ()


class Cells:
    """The distinct texts of a column, `v`, and the number of rows of each, `n`."""

    def __init__(self, db: duckdb.DuckDBPyConnection, rows: str, text: str) -> None:
        """Count the rows of each text once."""
        self.db, self.text, self.rows = db, text, rows
        db.execute(
            f"CREATE OR REPLACE TEMP TABLE cells AS SELECT v, count(*) AS n FROM "
            f"(SELECT {text} AS v FROM {rows}) WHERE v IS NOT NULL GROUP BY v"
        )
        self.filled = self.count("true")

    @property
    def distinct(self) -> int:
        """Return the number of different texts."""
        return int(self.db.execute("SELECT count(*) FROM cells").fetchall()[0][0])

    def count(self, condition: str) -> int:
        """Return the number of rows for which a condition about `v` holds."""
        sql = f"SELECT coalesce(sum(n) FILTER ({condition}), 0) FROM cells"
        return int(self.db.execute(sql).fetchall()[0][0])

    def counts(self, conditions: list[str]) -> list[int]:
        """Return the number of rows for each of several conditions."""
        asked = ", ".join(f"coalesce(sum(n) FILTER ({one}), 0)" for one in conditions)
        return [int(n) for n in self.db.execute(f"SELECT {asked} FROM cells").fetchall()[0]]

    def place(self, condition: str) -> str:
        """Return which row it is, if only the first or the last row meets a condition; or ""."""
        rows = f"SELECT row_number() OVER () AS row, {self.text} AS v FROM {self.rows}"
        first, last, end = self.db.execute(
            f"SELECT min(row) FILTER (v IS NOT NULL AND {condition}), "
            f"max(row) FILTER (v IS NOT NULL AND {condition}), max(row) FROM ({rows})"
        ).fetchall()[0]
        if first != last or last not in (1, end):
            return ""
        what, which = ("units", "first") if last == 1 else ("totals", "last")
        return f"; delete the {which} row if it holds {what}"

    def pairs(self, condition: str = "true") -> list[tuple[str, int]]:
        """Return (value, rows) pairs, the most frequent first."""
        sql = f"SELECT v, n FROM cells WHERE {condition} ORDER BY n DESC, v"
        return [(str(value), int(rows)) for value, rows in self.db.execute(sql).fetchall()]


def spellings(seen: Cells, *, target: bool) -> None:
    """Ask about values that differ only in case, blanks or punctuation, and about missing ones."""
    alike = (
        f"SELECT k, v, n FROM (SELECT {folded('v')} AS k, v, n FROM cells) "
        "QUALIFY count(*) OVER (PARTITION BY k) > 1"
    )
    found = twins([(str(k), str(v), int(n)) for k, v, n in seen.db.execute(alike).fetchall()])
    what = "target" if target else "category"
    if found:
        groups = "; ".join(shown(one) for one in found[:3])
        more = f" and {len(found) - 3:,} more of the kind" if len(found) > 3 else ""
        raise Ambiguous(
            f"has values of the {what} that differ only in case, blanks, punctuation or "
            f"invisible characters ({groups}{more}): say under spellings in conf/data which "
            "one is meant, or list the column under distinct",
            ("spellings", {other: one[0][0] for one in found for other, _ in one[1:]}),
            ("distinct", None),
        )
    listed = ", ".join(literal(one) for one in MARKERS)
    markers = seen.pairs(f"trim(v) IN ({listed}, '')")
    if markers:
        raise Ambiguous(
            f"has texts that mostly mean a missing value ({shown(markers)}): list them in "
            "data.source.missing, or, if they are values, list the column under distinct",
            ("missing", [value for value, _ in markers]),
            ("distinct", None),
        )
