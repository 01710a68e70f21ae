"""Measure every input format with every kind of column; write docs/formats.md.

    python tests/helpers/format_table.py

Each cell is measured in training, `predict` and `monitor`: the engine reads the column, and the
values that it read are compared with the original values.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import served
from every_kind import FORMATS, KINDS, ROWS, Format, Kind, answers, framed, table, write

from governed_ml.core import tables
from governed_ml.core.problem import Problem

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
SAME, RULE, ASKED, REFUSED, WRONG, NONE = "=", "≈", "?", "×", "WRONG", "–"


@dataclass(frozen=True)
class Cell:
    """What became of a column in a format, and in words what has to be said of it."""

    sign: str
    words: str = ""


Measured = dict[tuple[str, str], dict[str, Cell]]
"""(kind, format) → format of training → what became of it."""


# --- measuring ------------------------------------------------------------------------------------


def measured() -> tuple[Measured, Measured, Measured]:
    """Measure every cell of training, `predict` and `monitor`, in a folder of its own."""
    trained, predicted, monitored = (
        {(kind.name, form.name): dict[str, Cell]() for kind in KINDS for form in FORMATS}
        for _ in range(3)
    )
    with TemporaryDirectory() as folder, working_in(folder), framed(table(KINDS)):
        for form in FORMATS:
            for name, cell in training(form).items():
                trained[name, form.name][""] = cell
        for origin in (form for form in FORMATS if form.origin):
            model = served.train(
                write(table(KINDS), origin, "train") | origin.answer,
                beside=[kind.column for kind in KINDS if kind.kind == "date"],
                **answers(KINDS),
            )
            right = model.features.assign(
                **{one.column: later for one in KINDS if (later := one.later_right) is not None}
            )
            for form in FORMATS:
                for cells, ask, there in (
                    (predicted, predicting, form.predicts),
                    (monitored, monitoring, form.monitors),
                ):
                    found = ask(model, form, right) if there else {}
                    for kind in KINDS:
                        cell = found.get(kind.name, Cell(NONE))
                        cells[kind.name, form.name][origin.name] = cell
    return trained, predicted, monitored


@contextmanager
def working_in(folder: str) -> Any:
    """Work in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def training(form: Format) -> dict[str, Cell]:
    """Ingest a table with a column of each kind, and answer one question after the other."""
    if not form.trains:
        return {kind.name: Cell(NONE) for kind in KINDS}
    asked: dict[str, Cell] = {}
    refused: dict[str, Cell] = {}
    while True:
        mine = [kind for kind in KINDS if kind.name not in refused]
        source = write(table(mine), form, "one") | form.answer
        given = [kind for kind in mine if kind.name in asked]
        try:
            _, columns = served.ingested(source, **answers(given))
            break
        except Problem as problem:
            questions: dict[str, str] = getattr(problem, "asked", {})
            if not questions:
                return {one.name: Cell(REFUSED, said(str(problem))) for one in KINDS}
            for one in mine:
                if one.column in questions:  # a second question is one that has no answer
                    words = said(f"column '{one.column}' {questions[one.column]}")
                    cells, sign = (refused, REFUSED) if one in given else (asked, ASKED)
                    cells[one.name] = Cell(sign, words)
    raw, kinds = tables.read(tables.RAW), {one.name: one.kind for one in columns}
    read = {kind.name: judged(kind, raw[kind.column], kinds[kind.column] or "") for kind in mine}
    read |= {
        name: cell for name, cell in asked.items() if name in read and read[name].sign != WRONG
    }
    return read | refused


def judged(kind: Kind, raw: pd.Series, found: str) -> Cell:
    """Compare what `ingest` read with what the column was."""
    if not alike(raw, kind.right, found):
        return Cell(WRONG, f"{kind.name}: {raw.tolist()[:4]}, not {kind.right.tolist()[:4]}")
    if found != kind.kind and {found, kind.kind} != {"code", "category"}:
        return Cell(RULE, f"the values are the same, but the column is read as kind {found}")
    return Cell(RULE, kind.rule) if kind.rule else Cell(SAME)


def alike(found: pd.Series, right: pd.Series, kind: str) -> bool:
    """Return whether a column has the values that it ought to have, whatever its type is."""
    return [plain(one, kind) for one in found] == [plain(one, kind) for one in right]


def plain(value: Any, kind: str) -> Any:
    """Return a cell as one can compare it."""
    if pd.isna(value):
        return None
    if kind in ("integer", "decimal"):
        return float(value)
    return str(value).lower() if kind == "boolean" else str(value)


def predicting(model: served.Served, form: Format, right: pd.DataFrame) -> dict[str, Cell]:
    """Ask `predict`; a column that is refused by name is left empty, and the others asked again."""
    frame, cells = table(KINDS, later=True), dict[str, Cell]()
    while True:
        write(frame, form, "new")
        served.forget_answers()
        try:
            scores = model.predict(Path(f"new.{form.suffix}"))["score"].to_numpy()
            break
        except Problem as problem:
            name = re.search(r"values of '(\w+)' are not", str(problem))
            refused = [one for one in KINDS if name is None or one.column == name[1]]
            cells |= {one.name: Cell(REFUSED, said(str(problem))) for one in refused}
            if name is None:
                return cells
            frame[name[1]] = None
            right = emptied(right, name[1])
    rows = pd.read_parquet(next(served.PREDICTIONS.glob("*/*.parquet")))
    return compared(model, rows, scores, right, cells)


def monitoring(model: served.Served, form: Format, right: pd.DataFrame) -> dict[str, Cell]:
    """Read a batch as `monitor` does: what does not fit is counted and null, all else the same."""
    known: dict[str, Cell] = {}
    if form.suffix == "log":
        parquet = next(one for one in FORMATS if one.suffix == "parquet")
        answered = predicting(model, parquet, right)
        known = {name: cell for name, cell in answered.items() if cell.sign == REFUSED}
        right = emptied(right, *(one.column for one in KINDS if one.name in known))
        given, rows = model.monitor({"kind": "log"}, datetime.now(UTC) + timedelta(hours=1))
    else:
        try:
            given, rows = model.monitor(write(table(KINDS, later=True), form, "batch"))
        except Problem as problem:
            return {one.name: Cell(REFUSED, said(str(problem))) for one in KINDS}
    found = pd.concat([rows.features, given.frame.drop(columns=list(rows.features))], axis=1)
    wanted = right.assign(**{one.column: one.right for one in KINDS if one.column not in right})
    gaps = {name: found[name].isna().sum() - wanted[name].isna().sum() for name in given.unfit}
    wanted = wanted.assign(**{name: wanted[name].where(found[name].notna()) for name in gaps})
    right = wanted[list(right)]
    for one in KINDS:
        if count := given.unfit.get(one.column):
            clean = gaps[one.column] == count and alike(found[one.column], wanted[one.column], "")
            words = (
                "values that do not fit the column are counted and reported, and count as missing"
            )
            known[one.name] = Cell(REFUSED, words) if clean else Cell(WRONG, "unfit, but used")
    return compared(model, found, rows.score.to_numpy(), right, known)


def emptied(features: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return features of which some columns have no value."""
    nothing = pd.Series(False, index=features.index)
    there = [name for name in names if name in features]
    return features.assign(**{name: features[name].where(nothing) for name in there})


def compared(
    model: served.Served, rows: pd.DataFrame, scores: Any, right: pd.DataFrame,
    refused: dict[str, Cell],
) -> dict[str, Cell]:  # fmt: skip
    """Compare the columns and scores of production with what they ought to be."""
    off = float(np.abs(scores - model.model.predict_proba(right)[:, 1]).max())
    exact = Cell(WRONG, f"scores differ by {off:.2g}") if off >= 1e-12 else None
    return {one.name: exact or same(one, rows, right) for one in KINDS} | refused


def same(kind: Kind, rows: pd.DataFrame, right: pd.DataFrame) -> Cell:
    """Compare a column that production gave with what it ought to be."""
    found, wanted = rows[kind.column], right.get(kind.column, kind.right)
    if not alike(found, wanted, ""):
        return Cell(WRONG, f"{kind.name}: {found.tolist()[:4]}, not {wanted.tolist()[:4]}")
    rule = kind.later_rule or kind.rule
    return Cell(RULE, rule) if rule else Cell(SAME)


def said(text: str) -> str:
    """Return a message without the names of this table, on which nothing depends."""
    for kind in KINDS:
        text = re.sub(rf"(?<!\w){kind.column}(?!\w)", "x", text)
    text = re.sub(r"(: \[)(\w+, )*x\]", r"\1x]", text)
    return re.sub(r"\b(one|new|batch)\.[\w.]+\w", "FILE", text)


# --- the page -------------------------------------------------------------------------------------

HEAD = """\
# What each format does to each kind of column

Regenerate with `python tests/helpers/format_table.py`; do not edit. Each cell is measured: the
engine reads a table of {rows} rows, in which most columns have one missing value. The values that
it read are compared with the original values. A test repeats the measurement.

The signs in the cells (a number is the number of a note at the end):

- `=`: the values are unchanged, and the model's scores differ by less than 1e-12.
- `≈`: the values are equivalent; the note says in what way.
- `?`: `ingest` stops with the question in the note. Once it is answered, the values are unchanged.
- `×`: the values are refused; the note has the message.
- `–`: the format cannot be used there.

If a column's name contains _later_, its values in production differ from those in training, as the
name says.

The formats:

{formats}

The engine recognises a file by its content, not by its name. It reads a URL like a file.
"""
TITLES = {
    "Training": "How `ingest` reads each kind of column. Training uses these values.",
    "`predict`": "A model that was trained from {origins} gets rows in this format. If the result "
    "depends on the format of the training data, the cell says so: _after CSV_ means that the "
    "model was trained from CSV.",
    "`monitor`": "A champion that was trained from {origins} gets a batch in this format.",
}


def page(found: tuple[Measured, ...]) -> str:
    """Return the page for people."""
    notes: dict[str, int] = {}
    listed = "\n".join(f"- {form.name}: {form.words}" for form in FORMATS)
    parts = [HEAD.format(rows=ROWS, formats=listed)]
    names = [form.name for form in FORMATS if form.origin]
    origins = f"{', '.join(names[:-1])} or {names[-1]}"
    for (title, words), cells in zip(TITLES.items(), found, strict=True):
        first = KINDS[0].name
        forms = [form for form in FORMATS if Cell(NONE) not in cells[first, form.name].values()]
        rows = [["column", *(form.name for form in forms)], ["---"] * (1 + len(forms))]
        rows += [
            [kind.name, *(shown(cells[kind.name, form.name], notes) for form in forms)]
            for kind in KINDS
        ]
        lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        parts.append(f"## {title}\n\n{words.format(origins=origins)}\n\n{lines}\n")
    listed = "\n".join(f"{number}. {words}" for words, number in notes.items())
    return "\n".join([*parts, f"## Notes\n\n{listed}\n"])


def shown(by_origin: dict[str, Cell], notes: dict[str, int]) -> str:
    """Return a cell as text: what it mostly is, then where it is otherwise."""
    often = Counter(by_origin.values()).most_common(1)[0][0]
    others: dict[Cell, list[str]] = {}
    for name, cell in by_origin.items():
        if cell != often:
            others.setdefault(cell, []).append(name)
    more = [f"{signed(cell, notes)} after {', '.join(names)}" for cell, names in others.items()]
    return ", but ".join([signed(often, notes), *(["; ".join(more)] if more else [])])


def signed(cell: Cell, notes: dict[str, int]) -> str:
    """Return a cell's sign with the number of its note."""
    if not cell.words:
        return cell.sign
    return f"{cell.sign}{notes.setdefault(cell.words, len(notes) + 1)}"


def wrong(found: tuple[Measured, ...]) -> list[str]:
    """Return the cells in which a value was changed without a word."""
    return [
        f"{kind} in {form} (after {origin}): {cell.words}"
        for cells in found
        for (kind, form), by_origin in cells.items()
        for origin, cell in by_origin.items()
        if cell.sign == WRONG
    ]


def main() -> None:
    """Measure, and write docs/formats.md."""
    found = measured()
    for line in wrong(found):
        print(line)
    PAGE.write_text(page(found), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
