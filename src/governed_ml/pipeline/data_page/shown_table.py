"""A table that is shown to people, and the rule by which values of few rows stay hidden."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from governed_ml.core import tables
from governed_ml.core.config.data import Data
from governed_ml.core.tables import quoted
from governed_ml.pipeline.data.cells import digits
from governed_ml.pipeline.data.persons import candidates

FEWEST = 10  # rows, and persons, that a value needs to be shown
NUMBERS = ("BIGINT", "DOUBLE")
TOGETHER = 20  # columns that are counted by one query


@dataclass(frozen=True)
class ShownTable:
    """A Parquet table as `ingest` writes it, and what its columns mean."""

    path: Path
    data: Data

    @cached_property
    def types(self) -> dict[str, str]:
        """Return column → DuckDB type."""
        return tables.columns(self.path)

    @cached_property
    def rows(self) -> int:
        """Return the number of rows."""
        return int(tables.rows(f"SELECT count(*) FROM {self.sql}")[0][0])

    @property
    def sql(self) -> str:
        """Return the table as SQL."""
        return tables.table(self.path)

    @cached_property
    def counts(self) -> dict[str, tuple[int, int, int]]:
        """Return column → cells with a value, distinct values, and cells that are truth values."""
        found: dict[str, tuple[int, int, int]] = {}
        names = list(self.types)
        for start in range(0, len(names), TOGETHER):
            part = names[start : start + TOGETHER]
            asked = ", ".join(self._counts(name) for name in part)
            counts = tables.rows(f"SELECT {asked} FROM {self.sql}")[0]
            for place, name in enumerate(part):
                filled, distinct, truths = counts[3 * place : 3 * place + 3]
                found[name] = (int(filled), int(distinct), int(truths))
        return found

    @cached_property
    def keys(self) -> list[str]:
        """Return the columns whose names say that they identify persons."""
        return candidates(list(self.types), self.data)

    @cached_property
    def person(self) -> str | None:
        """Return the column that identifies a person who may have several rows, if there is one."""
        if self.data.group is not None:
            return self.data.group
        repeated = {k: self.counts[k][1] for k in self.keys if 1 < self.counts[k][1] < self.rows}
        return min(repeated, key=lambda name: (repeated[name], name), default=None)

    @property
    def person_sql(self) -> str:
        """Return SQL for the person of a row."""
        return "NULL" if self.person is None else quoted(self.person)

    @property
    def enough(self) -> str:
        """Return the SQL condition for rows that may be shown together; `p` is the person."""
        persons = "" if self.person is None else f" AND count(DISTINCT p) >= {FEWEST}"
        return f"count(*) >= {FEWEST}{persons}"

    def is_number(self, name: str) -> bool:
        """Return whether the values of a column are numbers, not codes."""
        return self.types[name] in NUMBERS and name not in self.data.codes

    def cell(self, name: str) -> str:
        """Return SQL for a value; what is no finite number counts as missing."""
        column = quoted(name)
        is_decimal = self.types[name] == "DOUBLE"
        return f"CASE WHEN isfinite({column}) THEN {column} END" if is_decimal else column

    def text(self, name: str) -> str:
        """Return SQL for a value as text."""
        return digits(quoted(name), self.types[name])

    def _counts(self, name: str) -> str:
        cell = self.cell(name)
        truths = f"count(*) FILTER ({cell} IN ('true', 'false'))"
        return (
            f"count({cell}), count(DISTINCT {cell}), "
            f"{truths if self.types[name] == 'VARCHAR' else '0'}"
        )
