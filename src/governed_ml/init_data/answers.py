"""Answer the questions of `ingest` whose answer is safe, and collect the others."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem, explain_invalid
from governed_ml.core.tables import quoted
from governed_ml.core.terminal import PROGRESS
from governed_ml.pipeline.data.column_kinds import NEARLY, SOME, Decider
from governed_ml.pipeline.data.reading.answers import Answer, flow, written
from governed_ml.pipeline.data.reading.decided import Decided, SourceCells
from governed_ml.pipeline.data.text_questions import MARKERS, Ambiguous

if TYPE_CHECKING:
    import duckdb

CODES = "codes, not numbers"
ROUNDS = 12  # an answer can raise the next question about the same column
COUNTRY = re.compile("[A-Z]{2}")  # "NA" among such codes may be Namibia


@dataclass
class Draft:
    """The keys of `conf/data` so far, and why each column has its answer."""

    keys: dict[str, Any]
    why: dict[str, list[str]] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)  # the target and what people named
    refused: set[str] = field(default_factory=set)  # what people listed under `drop`

    def data(self) -> Data:
        """Return the keys as a validated table; a target that is not known yet is empty."""
        task = "classification" if "classes" in self.keys else "regression"
        values = {"task": task, "target": "", "contract": "-"} | self.keys
        try:
            return Data.model_validate(values)
        except ValidationError as error:
            raise explain_invalid(error, "--set or conf/data", values, Data) from error

    def put(self, settings: dict[str, Any]) -> None:
        """Write what `--set` gives into the keys."""
        for key, value in settings.items():
            mine = self.keys.get(key)
            self.keys[key] = (
                {**mine, **value} if isinstance(mine, dict) and isinstance(value, dict) else value
            )

    def remember(self, *named: str | None) -> None:
        """Keep which columns people named, which no answer drops, and which they left out."""
        roles = (self.keys.get(key) for key in ("target", "time", "group"))
        self.needed = {one for one in (*named, *roles) if one is not None}
        self.refused = {*self.keys.get("drop", [])}

    def note(self, name: str, words: str) -> None:
        """Say why a column has its role."""
        told = self.why.setdefault(name, [])
        if words not in told:
            told.append(words)

    def add(self, name: str, answer: Answer) -> None:
        """Write an answer of `ingest` into the keys."""
        key, value = answer
        if key == "missing":
            before = self.keys["source"].get("missing", [""])
            self.keys["source"]["missing"] = list(dict.fromkeys([*before, *value]))
        elif key in ("decimal", "thousands"):
            self.keys["source"][key] = value
        elif key == "marks":
            self.keys["source"].update(value)
        elif isinstance(value, dict):
            self.keys.setdefault(key, {}).setdefault(name, {}).update(value)
        elif value is not None:
            self.keys.setdefault(key, {})[name] = value
        elif name not in self.keys.setdefault(key, []):
            self.keys[key].append(name)


@dataclass(frozen=True)
class Question:
    """A question about a column whose answer cannot be known from the table."""

    column: str
    words: str
    options: tuple[tuple[Answer, str], ...]  # answer, and its YAML


def answered(
    db: duckdb.DuckDBPyConnection,
    origin: Callable[[Data], SourceCells],
    types: dict[str, str],
    draft: Draft,
) -> tuple[list[Decided], list[Question]]:
    """Decide every column with safe answers; return what is decided and what must be asked."""
    decided: dict[str, Decided] = {}
    left: dict[str, Question] = {}
    todo = list(types)
    for _ in range(ROUNDS):
        data = draft.data()
        maker, again = Decider(db, origin(data), data), list[str]()
        PROGRESS.step("deciding the kind of each column", len(todo))
        for name in todo:
            PROGRESS.advance()
            try:
                decided[name] = maker.column(name, types[name])
                left.pop(name, None)
            except Ambiguous as asked:
                if not _safe(draft, name, asked, maker.origin.rows, db):
                    options = tuple((one, written(name, one, data)) for one in asked.answers)
                    left[name] = Question(name, asked.words, options)
                else:
                    again.append(name)
        marks = (draft.data().source != data.source) and [*types]
        todo = marks or again
        if not todo:
            break
    return [decided[name] for name in types if name in decided], list(left.values())


def _safe(
    draft: Draft, name: str, asked: Ambiguous, rows: str, db: duckdb.DuckDBPyConnection
) -> bool:
    """Take the answer that loses nothing, if there is one; return whether there is."""
    answers = dict(asked.answers)
    forms = [value for key, value in asked.answers if key == "dates"]
    marks = [one for one in asked.answers if one[0] in ("decimal", "marks")]
    if set(answers) == {"drop"}:
        return _take(draft, name, ("drop", None), "an index, or a column without a name")
    if "missing" in answers and _are_markers(answers["missing"], db):
        texts = ", ".join(repr(one) for one in answers["missing"])
        return _take(draft, name, ("missing", answers["missing"]), f"{texts} means missing")
    if len(forms) == 1 and "numeric" not in answers:
        return _take(draft, name, ("dates", forms[0]), f"dates written as {forms[0]}")
    if len(marks) == 1 and "numeric" not in answers:
        how = "with a decimal comma" if marks[0][0] == "decimal" else f"written as {_example(db)}"
        return _take(draft, name, marks[0], f"numbers {how}")
    if {"categorical", "numeric"} == set(answers) and not forms:
        return _take(draft, name, ("categorical", None), f"{CODES}: {_short(asked)}")
    if set(answers) == {"categorical", "drop", "numeric"} and " numbers w" in asked.words:
        return _take(draft, name, ("numeric", None), f"a number: {_short(asked)}")
    if name in draft.needed:
        return False
    if set(answers) == {"categorical", "drop", "numeric"} and "2^53" in asked.words:
        if _differs(name, rows, db):
            return _take(draft, name, ("drop", None), f"too large for a number: {_short(asked)}")
        return _take(draft, name, ("categorical", None), f"{CODES}: {_short(asked)}")
    if _nearly_unique(db) and ("distinct" in answers or set(answers) == {"categorical", "drop"}):
        why = "free text or a key: nearly every value occurs once"
        return _take(draft, name, ("drop", None), why)
    return False


def _take(draft: Draft, name: str, answer: Answer, words: str) -> bool:
    draft.add(name, answer)
    draft.note(name, words)
    return True


def _differs(name: str, rows: str, db: duckdb.DuckDBPyConnection) -> bool:
    """Return whether nine in ten values of a column differ."""
    column = quoted(name)
    texts, filled = db.execute(
        f"SELECT count(DISTINCT {column}), count({column}) FROM {rows}"
    ).fetchall()[0]
    return filled >= SOME and texts >= filled * NEARLY


def _nearly_unique(db: duckdb.DuckDBPyConnection) -> bool:
    """Return whether nine in ten texts of the column that was asked about occur once."""
    texts, filled = db.execute("SELECT count(*), coalesce(sum(n), 0) FROM cells").fetchall()[0]
    return filled >= SOME and texts >= filled * NEARLY


def _example(db: duckdb.DuckDBPyConnection) -> str:
    """Return the longest text of the column that was asked about."""
    return repr(
        db.execute("SELECT v FROM cells ORDER BY length(v) DESC, v LIMIT 1").fetchall()[0][0]
    )


def _are_markers(values: list[str], db: duckdb.DuckDBPyConnection) -> bool:
    """Return whether all texts are what programs write for a missing value.

    `NA` is not, if most other values are two capital letters as well.
    """
    if any(value.strip() and value.strip() not in MARKERS for value in values):
        return False
    if "NA" not in {value.strip() for value in values}:
        return True
    found = [str(row[0]) for row in db.execute("SELECT v FROM cells").fetchall()]
    others = [one for one in found if one not in values]
    return sum(COUNTRY.fullmatch(one) is not None for one in others) * 2 < max(1, len(others))


def _short(asked: Ambiguous) -> str:
    return asked.words.partition(": ")[0]


def option(keys: dict[str, Any]) -> str:
    """Return the option of `init-data` that sets keys of `conf/data`, as a shell reads it."""
    return " ".join(f"--set {shlex.quote(f'{key}: {flow(value)}')}" for key, value in keys.items())


def require_answers(questions: list[Question]) -> None:
    """Raise `Problem` with every question and the option that answers it."""
    if not questions:
        return
    told: list[str] = []
    for one in questions:
        options = " or ".join(
            f"--set {shlex.quote(text)}" for _, text in one.options if "…" not in text
        )
        told.append(
            f"column {one.column!r} {_short_words(one)}" + (f"; add {options}" if options else "")
        )
    head = "the table does not say what a column means, and a guess could be wrong"
    problem = Problem(f"{head}: {'; '.join(told)}")
    problem.lines = (head, *told)
    raise problem


def _short_words(question: Question) -> str:
    return question.words.partition(": ")[0] if question.options else question.words
