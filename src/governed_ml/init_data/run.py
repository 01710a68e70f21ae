"""Draft `conf/data`, the split, the policy tier and the data contract from a table."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core.config.composition import CONF
from governed_ml.core.config.data import Data
from governed_ml.core.files import write_text
from governed_ml.core.problem import Problem
from governed_ml.core.tables import literal
from governed_ml.init_data import (
    cautions,
    outlook,
    roles,
    split_columns,
    target_values,
    wishes,
    written,
)
from governed_ml.init_data.answers import Draft, Question, answered, require_answers
from governed_ml.init_data.origin import NamedTable, origin_of
from governed_ml.init_data.profile import Profile, profiles, typed
from governed_ml.pipeline.contract.suite_file import draft as drafted_suite
from governed_ml.pipeline.data.cells import marks
from governed_ml.pipeline.data.columns import check_names
from governed_ml.pipeline.data.reading.answers import SourceQuestion
from governed_ml.pipeline.data.reading.decided import Decided, SourceCells
from governed_ml.pipeline.data.sources import SOURCES, Found, engine
from governed_ml.pipeline.data_page import data_page
from governed_ml.pipeline.stages.ingest import origin_of as cells_of
from governed_ml.pipeline.stages.ingest import types_of, unreadable

if TYPE_CHECKING:
    import duckdb

EXPECTATIONS = Path("governance/expectations")
REGRESSOR = "hist_gradient_boosting_regressor"
CLASSIFIER = "hist_gradient_boosting_classifier"


@dataclass
class DataDraft:
    """What was drafted: keys with reasons, files, and what will probably be denied."""

    name: str
    draft: Draft
    rows: int
    columns: dict[str, str]  # column → its role
    split: str
    model: str
    tier: str
    files: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    page: str = ""
    split_reason: str = ""


def propose(
    base: Path,
    where: str,
    query: str | None,
    given: wishes.Wishes,
    ask: wishes.Prompt | None,
    say: Callable[[str], None],
    *,
    dry: bool = False,
) -> DataDraft:
    """Read the table and draft everything; write it unless `dry`.

    Raise `Problem` with all questions if something cannot be known and nobody can be asked.
    """
    wishes.require_known(given, base / CONF / "policy")
    origin = origin_of(where, query, base)
    path = base / CONF / "data" / f"{origin.name}.yaml"
    before, edited = written.earlier(path)
    contract = (EXPECTATIONS / f"{origin.name}.json").as_posix()
    draft = Draft({"name": origin.name, "source": {**origin.source}, "contract": contract})
    if edited:
        written.merged(draft, before)
    draft.put(given.settings)
    draft.remember(given.target, *given.sensitive)
    say(f"reading {where}")
    with tempfile.TemporaryDirectory() as scratch, engine() as db:
        table = _Table(db, Path(scratch), draft, origin, base, ask)
        found = table.read(say)
        _roles(table, found, given, ask)
        text = (base / CONF / "config.yaml").read_text(encoding="utf-8")
        proposal = _proposal(draft, found, text, given)
        cautions.require_features(draft, proposal.columns)
        rows = found[draft.keys["target"]].filled  # others are left out
        split = outlook.split_choice(base / CONF, proposal.tier, proposal.split, rows, draft)
        params, proposal.split, proposal.split_reason = split
        proposal.warnings = [
            *outlook.rows_missing(params, rows),
            *outlook.rare_classes(params, draft, db, found[draft.keys["target"]]),
            *outlook.small_groups(db, params, draft, found),
            *outlook.too_wide([*proposal.columns.values()].count("feature")),
            *outlook.leak_suspects(db, params, draft, found, table.scratch),
            *cautions.cautions(db, draft, found, proposal.columns, params.split.tested),
        ]
        if not dry:
            origin.keep(base)
            say("drawing the data page and drafting the data contract")
            _write(base, path, proposal, text, table, edited=edited)
    return proposal


class _Table:
    """The table that is read, and what is decided of its columns."""

    def __init__(
        self,
        db: duckdb.DuckDBPyConnection,
        scratch: Path,
        draft: Draft,
        origin: NamedTable,
        base: Path,
        ask: wishes.Prompt | None,
    ) -> None:
        self.ask = ask
        self.db, self.scratch, self.draft = db, scratch, draft
        self.origin, self.base = origin, base
        self.decided: list[Decided] = []

    def read(self, say: Callable[[str], None]) -> dict[str, Profile]:
        """Decide and count every column; raise `Problem` with the questions that are left."""
        questions = self._decide()
        while questions and wishes.settle(self.draft, questions, self.ask):
            questions = self._decide()
        require_answers([one for one in questions if not _is_date(one)])
        for one in questions:  # a date has a role only when all are known
            self.draft.keys.setdefault("drop", []).append(one.column)
        say("counting the values of each column")
        typed(self.db, self._origin(self.draft.data()), self.decided)
        found = profiles(self.db, self.decided)
        if not next(iter(found.values())).rows:
            raise Problem(f"{self.found.uri} has columns but no rows: give a table with rows")
        return found

    def _decide(self) -> list[Question]:
        import duckdb

        self.found = self._open()
        self.cells: SourceCells | None = None
        types = types_of(self.db, self.found)
        check_names(self.found.names or list(types))
        try:
            self.decided, questions = answered(self.db, self._origin, types, self.draft)
        except duckdb.Error as error:
            raise unreadable(self.found, error) from error
        return questions

    def _open(self) -> Found:
        while True:
            source = self.origin.readable(self.draft.data().source, self.base)
            try:
                return SOURCES[source.kind](source, 0, self.db, self.scratch)
            except SourceQuestion as question:
                wishes.settle_source(self.draft, question, self.ask)

    def _origin(self, data: Data) -> SourceCells:
        """Return the cells of the opened source, which are loaded once, as `data` reads them."""
        if self.cells is None:
            self.cells = cells_of(self.db, self.found, data.source, self.scratch)
        how = marks(data.source) if self.cells.csv else self.cells.marks
        return replace(self.cells, marks=how)

    def parquet(self) -> Path:
        """Write the decided columns as Parquet, for the data page and the contract's draft."""
        path = self.scratch / "typed.parquet"
        self.db.execute(f"COPY typed TO {literal(str(path))} (FORMAT parquet)")
        return path


def _is_date(question: Question) -> bool:
    return {key for (key, _), _ in question.options} == {"time", "drop"}


def _roles(
    table: _Table, found: dict[str, Profile], given: wishes.Wishes, ask: wishes.Prompt | None
) -> None:
    """Give each column its role."""
    draft, db = table.draft, table.db
    before = draft.keys.get("target")
    target = wishes.target(given, before, found, ask)
    if before not in (None, target):  # what an edited file says of another target
        for key in {"task", "positive", "against", "classes"} - {*given.settings}:
            draft.keys.pop(key, None)
    for key in ("drop", "categorical", "proxies"):
        if target in draft.keys.get(key, []):
            draft.keys[key].remove(target)
    draft.keys["target"] = target
    one = found[target]
    cautions.require_labels(one)
    task, why = wishes.task(given, draft, db, one, ask)
    draft.keys["task"] = task
    draft.note(target, f"target of a {task}: {why}")
    if one.filled < one.rows:
        draft.keys["drop_unlabelled"] = True
        draft.note(target, f"missing in {one.rows - one.filled:,} rows, which are left out")
    if task == "classification":
        target_values.decide(given, draft, db, one, ask)
    roles.drop_useless(db, draft, found, target)
    split_columns.find_group(draft, found, target)
    split_columns.find_time(draft, found, target)
    wishes.sensitive(given, draft, found, ask)
    if draft.keys.get("sensitive"):  # else no persons are described
        roles.drop_proxies(draft, found, target)
        roles.mark_possible_proxies(draft, found, target)


def _proposal(
    draft: Draft, found: dict[str, Profile], config: str, given: wishes.Wishes
) -> DataDraft:
    keys = draft.keys
    split = "group" if keys.get("group") else "time" if keys.get("time") else "random"
    model = written.current(config, "model")
    if keys["task"] == "regression" and not re.search(r"regressor|ridge", model):
        model = REGRESSOR
    if keys["task"] == "classification" and re.search(r"regressor|ridge", model):
        model = CLASSIFIER
    roles_of: dict[str, str] = {}
    for name in found:
        named = [key for key in ("target", "time", "group") if keys.get(key) == name]
        named += [key for key in ("sensitive", "drop") if name in keys.get(key, ())]
        roles_of[name] = named[0] if named else "feature"
    tier = given.tier or written.current(config, "policy")
    rows = next(iter(found.values())).rows
    return DataDraft(keys["name"], draft, rows, roles_of, split, model, tier)


def _write(
    base: Path, path: Path, proposal: DataDraft, config: str, table: _Table, *, edited: bool
) -> None:
    """Draw the data page; write the data file, the choices in `conf/config.yaml`, the contract."""
    data, parquet = proposal.draft.data(), table.parquet()
    note = "before `ingest` leaves out rows" if data.rows or data.drop_unlabelled else ""
    proposal.page = data_page.draw(base, parquet, data, note).as_posix()
    text = written.as_yaml(proposal.draft)
    if edited:
        text = text.partition("\n")[2]  # somebody owns this file: no digest
    choices = {"data": proposal.name, "split": proposal.split, "model": proposal.model}
    for group, name in (choices | {"policy": proposal.tier}).items():
        config = written.chosen(config, group, name)
    suite = drafted_suite(parquet, data)  # the last that can fail
    write_text(path, text)
    write_text(base / CONF / "config.yaml", config)
    proposal.files += [path.relative_to(base).as_posix(), (CONF / "config.yaml").as_posix()]
    if written.write_contract(base / data.contract, suite):
        proposal.files.append(data.contract)
    else:
        proposal.kept.append(data.contract)
