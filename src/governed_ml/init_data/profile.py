"""What can be counted in each column of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governed_ml.core.config.closed_model import as_code
from governed_ml.core.evidence_bodies import Column
from governed_ml.core.tables import quoted
from governed_ml.pipeline.data.reading.decided import Decided, SourceCells

if TYPE_CHECKING:
    import duckdb

TOGETHER = 20  # columns that are counted by one query
E_MAIL = r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"


@dataclass(frozen=True)
class Profile:
    """Counts of one column; `low` and `high` only for numbers and dates."""

    column: Column
    rows: int
    filled: int
    distinct: int
    low: Any = None
    high: Any = None
    mails: int = 0
    words: float = 0.0  # mean number of blanks in a text

    @property
    def unique(self) -> bool:
        """Return whether every value occurs once."""
        return self.distinct == self.filled > 1

    @property
    def counts_up(self) -> bool:
        """Return whether the column is a number for each row, without gaps."""
        if self.column.type != "BIGINT" or not self.unique or self.filled < self.rows:
            return False
        return int(self.high) - int(self.low) == self.rows - 1


def typed(db: duckdb.DuckDBPyConnection, origin: SourceCells, decided: list[Decided]) -> None:
    """Create the table `typed` with the decided columns."""
    cells = ", ".join(f"{one.cell} AS {quoted(one.column.name)}" for one in decided)
    db.execute(f"CREATE OR REPLACE TEMP TABLE typed AS SELECT {cells} FROM {origin.rows}")


def profiles(db: duckdb.DuckDBPyConnection, decided: list[Decided]) -> dict[str, Profile]:
    """Count the columns of `typed`."""
    rows = int(db.execute("SELECT count(*) FROM typed").fetchall()[0][0])
    found: dict[str, Profile] = {}
    for start in range(0, len(decided), TOGETHER):
        part = [one.column for one in decided[start : start + TOGETHER]]
        asked = ", ".join(_counts(column) for column in part)
        counts = db.execute(f"SELECT {asked} FROM typed").fetchall()[0]
        for place, column in enumerate(part):
            filled, distinct, first, second = counts[4 * place : 4 * place + 4]
            each = column, rows, int(filled), int(distinct)
            found[column.name] = (
                Profile(*each, mails=int(first), words=float(second or 0))
                if column.type == "VARCHAR"
                else Profile(*each, low=first, high=second)
            )
    return found


def _counts(column: Column) -> str:
    name = quoted(column.name)
    more = f"min({name}), max({name})"
    if column.type == "VARCHAR":
        blanks = f"length({name}) - length(replace({name}, ' ', ''))"
        more = f"count(*) FILTER (regexp_full_match({name}, '{E_MAIL}')), avg({blanks})"
    return f"count({name}), count(DISTINCT {name}), {more}"


def values(
    db: duckdb.DuckDBPyConnection, name: str, most: int = 50, who: str | None = None
) -> list[tuple[str, int]]:
    """Return the most frequent values of a column as text, with their rows, or persons (`who`)."""
    column = quoted(name)
    counts = f"count(DISTINCT {quoted(who)})" if who else "count(*)"
    sql = f"SELECT {column} AS v, {counts} AS n FROM typed WHERE {column} IS NOT NULL "
    sql += f"GROUP BY v ORDER BY n DESC, v LIMIT {most}"
    return [(as_code(value), int(n)) for value, n in db.execute(sql).fetchall()]


def rises(db: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Return whether the values of a column rise from each row to the next."""
    column = quoted(name)
    steps = f"SELECT {column} > lag({column}) OVER (ORDER BY rowid) AS up FROM typed"
    return not db.execute(f"SELECT count(*) FROM ({steps}) WHERE NOT up").fetchall()[0][0]


def is_whole(db: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Return whether all numbers of a column are whole, as in 7.0."""
    column = quoted(name)
    odd = f"SELECT count(*) FROM typed WHERE {column} <> trunc({column})"
    return not db.execute(odd).fetchall()[0][0]
