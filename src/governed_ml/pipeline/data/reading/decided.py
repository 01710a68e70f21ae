"""What is decided of a column, and the cells that it is decided from."""

from __future__ import annotations

from dataclasses import dataclass

from governed_ml.core.config.data import Data
from governed_ml.core.evidence_bodies import Column, ColumnKind
from governed_ml.pipeline.data.cells import Marks
from governed_ml.pipeline.data.text_questions import Ambiguous


@dataclass(frozen=True)
class Decided:
    """A decided column, and the SQL that makes it from the source.

    `alone` is the share of distinct texts in a feature, if nearly all are distinct.
    """

    column: Column
    cell: str
    alone: float | None = None


@dataclass(frozen=True)
class SourceCells:
    """The source of cells: a relation (SQL), whether all cells are text, and the number format."""

    rows: str
    texts: bool
    csv: bool
    marks: Marks


def require_role(one: Decided, data: Data) -> Decided:
    """Ask about a date that has no role: no model computes with a date."""
    name = one.column.name
    others = {data.target, data.time, data.group, *data.sensitive, *data.drop}
    if one.column.kind == "date" and name not in others:
        time = () if data.time else (("time", None),)
        raise Ambiguous(
            "is a date, which is no feature: list it under time or drop", *time, ("drop", None)
        )
    return one


def made(name: str, final: str, kind: ColumnKind, cell: str, written: str | None = None) -> Decided:
    """Return a decided column that is no text."""
    return Decided(Column(name=name, type=final, kind=kind, format=written), cell)


def no_nan(value: str) -> str:
    """Return SQL for a number, with null for NaN."""
    return f"CASE WHEN NOT isnan({value}) THEN {value} END"
