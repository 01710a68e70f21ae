"""Decide each column's kind once, at `ingest`, from all its cells and not only from most of them.

If the kind is ambiguous, the stage asks, with counts, and `conf/data` answers. Nothing is guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.config.data import Data
from governed_ml.core.evidence_bodies import Column
from governed_ml.core.problem import counted
from governed_ml.core.tables import quoted
from governed_ml.core.terminal import PROGRESS
from governed_ml.pipeline.data import cells
from governed_ml.pipeline.data.cells import (
    DATES,
    EXACT,
    FLOATS,
    ISO,
    ISO_OFFSET,
    NUMBERS,
    TEXTS,
    WHOLE,
    WIDE,
    ZONED,
    Marks,
    digits,
    whole,
)
from governed_ml.pipeline.data.date_questions import compact, dates
from governed_ml.pipeline.data.number_questions import numbers, points, sign_of, signs, too_large
from governed_ml.pipeline.data.reading.answers import Questions
from governed_ml.pipeline.data.reading.answers import question as asked_about
from governed_ml.pipeline.data.reading.decided import (
    Decided,
    SourceCells,
    made,
    no_nan,
    require_role,
)
from governed_ml.pipeline.data.spellings import KNOWN, recorded
from governed_ml.pipeline.data.text_questions import Ambiguous, Cells, spellings

if TYPE_CHECKING:
    import duckdb

INDEX = r"(Unnamed: ?[0-9]+|__index_level_[0-9]+__)"
NAMED_INDEX = ("index", "level_0")
SOME, NEARLY = 50, 0.9  # of 50 or more texts, nine in ten differ: of no use to a model


def decide(
    db: duckdb.DuckDBPyConnection, origin: SourceCells, types: dict[str, str], data: Data
) -> list[Decided]:
    """Decide every column of a relation, given its DuckDB types; raise `Questions` about others."""
    maker = Decider(db, origin, data)
    found: list[Decided] = []
    asked: dict[str, str] = {}
    PROGRESS.step("deciding the kind of each column", len(types))
    for name, source_type in types.items():
        PROGRESS.advance()
        try:
            found.append(require_role(maker.column(name, source_type), data))
        except Ambiguous as question:
            asked[name] = asked_about(name, question.words, question.answers, data)
    if asked:
        raise Questions(asked)
    return found


class Decider:
    """Decides the columns of one table."""

    def __init__(self, db: duckdb.DuckDBPyConnection, origin: SourceCells, data: Data) -> None:
        """Store the table and the configuration; nothing is read yet."""
        self.db, self.origin, self.data = db, origin, data
        self.unused = {*data.drop} - {data.time, data.group}
        self.codes = data.codes

    def column(self, name: str, source_type: str) -> Decided:
        """Decide one column; raise `Ambiguous` if `conf/data` must answer a question."""
        self._refuse_index(name)
        times = (*DATES, ZONED)
        written = self.origin.texts and source_type in (*times, "BOOLEAN")
        stated = name in self.data.dates and source_type not in times  # such as 20260131
        spelled = name in self.data.spellings and source_type not in times
        marked = self.origin.texts and self.origin.marks != Marks() and source_type in NUMBERS
        odd = self.origin.texts and source_type in NUMBERS and self._other_base(name)
        if source_type in TEXTS or written or stated or spelled or marked or odd:
            return self._text(name, source_type)
        if source_type in times:
            form = ISO_OFFSET if source_type == ZONED else ISO
            cell = cells.moment(quoted(name), source_type)
            return made(name, "TIMESTAMP", "date", cell, form)
        if source_type == "BOOLEAN":
            column = Column(name=name, type="VARCHAR", kind="boolean", values=["false", "true"])
            return Decided(column, f"CAST({quoted(name)} AS VARCHAR)")
        return (
            self._code(name, source_type) if name in self.codes else self._number(name, source_type)
        )

    def _other_base(self, name: str) -> bool:
        """Return whether DuckDB would read texts such as `0x1F` in this column as numbers."""
        return bool(self._ask(f"count(*) FILTER (regexp_matches({quoted(name)}, '[xXbBoO_]'))")[0])

    def _refuse_index(self, name: str) -> None:
        import re

        features = {*self.data.numeric, *self.codes, *self.unused, self.data.time}
        if name in features or not (re.fullmatch(INDEX, name) or name in NAMED_INDEX):
            return
        if name in NAMED_INDEX:
            column = f"TRY_CAST({quoted(name)} AS BIGINT)"
            low, high, some = self._ask(f"min({column}), max({column}), count(DISTINCT {column})")
            if low not in (0, 1) or some != high - low + 1 or some != self._ask("count(*)")[0]:
                return
        unnamed = ", or has no name in the source" if name.startswith("Unnamed") else ""
        raise Ambiguous(
            f"is the index of a pandas table, not a value{unnamed}: list it under drop in "
            "conf/data",
            ("drop", None),
        )

    def _ask(self, sql: str) -> tuple[int, ...]:
        return self.db.execute(f"SELECT {sql} FROM {self.origin.rows}").fetchall()[0]

    def _text(self, name: str, source_type: str) -> Decided:
        """Decide a text column: dates, numbers, truth values or categories."""
        spelled = self.data.spellings.get(name, {})
        own = quoted(name) if self.origin.texts else digits(quoted(name), source_type)
        text = cells.meant(own, spelled, self.data.source.missing)
        seen = Cells(self.db, self.origin.rows, text)
        if name in self.unused:
            return self._unused(name, source_type, seen)
        if name not in self.codes:
            number = name in self.data.numeric
            if not number and (written := dates(seen, self.data.dates.get(name))):
                return made(name, "TIMESTAMP", "date", cells.date(text, written), written)
            sign = sign_of(seen) if number else None
            if sign is not None:
                seen = Cells(self.db, self.origin.rows, cells.bare(text, sign[0]))
            only = self.origin.csv
            if numbers(seen, self.origin.marks, wanted=number, only_texts=only):
                return self._numeric(name, seen, sign[0] if sign else None)
            signs(seen)
        return self._category(name, seen)

    def _unused(self, name: str, source_type: str, seen: Cells) -> Decided:
        """Keep a column that is not used for any computation as it is, without questions."""
        try:
            written = dates(seen, self.data.dates.get(name))
        except Ambiguous:
            written = None
        if written and source_type in (*DATES, ZONED):
            return made(name, "TIMESTAMP", "date", cells.date(seen.text, written), written)
        return made(name, "VARCHAR", "category", seen.text)

    def _numeric(self, name: str, seen: Cells, sign: str | None) -> Decided:
        how = self.origin.marks
        plain = cells.ungrouped("v", how)
        far = f"{cells.is_whole(plain)} AND abs({cells.number('v', how)}) >= {EXACT}"
        if name not in self.data.numeric and (beyond := seen.count(far)):
            raise too_large(beyond)
        if not how.thousands and not seen.count(f"{whole('v')} IS NULL"):
            return made(name, "BIGINT", "integer", whole(seen.text), sign)
        return made(name, "DOUBLE", "decimal", no_nan(cells.number(seen.text, how)), sign)

    def _category(self, name: str, seen: Cells) -> Decided:
        private = name in (self.data.group, self.data.time)
        if not private and name not in self.data.distinct:
            spellings(seen, target=name == self.data.target)
        texts = 0 if private else seen.distinct
        counts = seen.pairs() if texts <= KNOWN and not private else None
        values = recorded(counts) if counts is not None else None
        lower = {value.lower() for value, _ in counts or []}
        truth = cells.is_truth(lower, code=name in self.codes)
        kind = "boolean" if truth else "code" if name in self.codes else "category"
        if truth:  # truth values identify nobody, however few the rows
            values = sorted(value for value, _ in counts or [])
        column = Column(name=name, type="VARCHAR", kind=kind, values=values)
        return Decided(column, seen.text, self._alone(name, texts, seen.filled))

    def _alone(self, name: str, texts: int, filled: int) -> float | None:
        """Return the share of distinct texts in a feature; None unless nearly all are distinct."""
        data = self.data
        no_feature = {data.target, data.time, data.group, *data.sensitive, *data.drop}
        if name in no_feature or filled < SOME or texts < filled * NEARLY:
            return None
        return texts / filled

    def _value(self, name: str) -> str:
        """Return SQL for a numeric cell (or numeric text), null if it means a missing value."""
        if not self.origin.texts:
            return cells.known(quoted(name), self.data.source.missing)
        spelled = self.data.spellings.get(name, {})
        return cells.meant(quoted(name), spelled, self.data.source.missing)

    def _number(self, name: str, source_type: str) -> Decided:
        """Decide a numeric column; ask about integers that a float cannot hold."""
        column, texts = self._value(name), self.origin.texts
        value = f"CAST({column} AS DOUBLE)"
        if name not in (*self.data.numeric, *self.unused) and (
            texts or source_type in (*WHOLE, *WIDE)
        ):
            integral = cells.is_whole(column) if texts else "true"
            far = f"count(*) FILTER ({integral} AND abs({value}) >= {EXACT})"
            beyond, low, high = self._ask(f"{far}, min({value}), max({value})")
            if beyond:
                raise too_large(beyond)
            if source_type in WHOLE and name != self.data.target:
                compact(self.db, self.origin.rows, f"CAST({column} AS VARCHAR)", (low, high))
        if source_type in WHOLE:
            return made(name, "BIGINT", "integer", f"CAST({column} AS BIGINT)")
        answered = (*self.data.numeric, *self.unused, self.data.target)
        if self.origin.csv and name not in answered:
            points(self.db, self.origin.rows, column)
        return made(name, "DOUBLE", "decimal", no_nan(value))

    def _code(self, name: str, source_type: str) -> Decided:
        """Decide a column of codes: numeric only if each number is always written the same way."""
        column, texts = self._value(name), self.origin.texts
        exact = whole(column if texts else f"CAST({column} AS VARCHAR)")
        if texts:
            ways, ones, lost, endless = self._ask(
                f"count(DISTINCT {column}), count(DISTINCT {exact}), "
                f"count(*) FILTER ({column} IS NOT NULL AND {exact} IS NULL), "
                f"count(*) FILTER (isinf({cells.number(column, Marks())}))"
            )
            if endless:  # not a code; the check of the table refuses it
                return made(name, "DOUBLE", "code", f"TRY_CAST({column} AS DOUBLE)")
            if lost or ones != ways:
                return self._category(name, Cells(self.db, self.origin.rows, column))
            final = "BIGINT" if source_type in WHOLE else "DOUBLE"
            return made(name, final, "code", f"CAST({exact} AS {final})")
        if source_type in WHOLE:
            return made(name, "BIGINT", "code", f"CAST({column} AS BIGINT)")
        if source_type in FLOATS:
            (beyond,) = self._ask(f"count(*) FILTER (abs({column}) >= {EXACT})")
            if beyond:
                raise Ambiguous(
                    f"has codes beyond 2^53 in {counted(beyond, 'row')}, which the source has "
                    "rounded to decimals already: store them as texts or whole numbers"
                )
            return made(name, "DOUBLE", "code", no_nan(f"CAST({column} AS DOUBLE)"))
        (lost,) = self._ask(f"count(*) FILTER ({column} IS NOT NULL AND {exact} IS NULL)")
        final = "VARCHAR" if lost else "BIGINT"
        return made(name, final, "code", f"CAST({column} AS {final})")
