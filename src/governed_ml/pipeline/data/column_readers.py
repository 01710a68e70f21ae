"""How each column was read in training, and SQL that reads it in the same way from any format.

A value fits as it is, fits by one of these rules, or does not fit and becomes null:

- A number fits a numeric column. If training had integers only, 0.4 still stays 0.4.
- A truth value gets the spelling of training; 1 and 0 mean true and false.
- A number fits a text category only if training had that text.
- A new category is kept and reported, unless it is another spelling of a known one: that does not
  fit.
- A date must have the format of training, with a UTC offset if training's dates had one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from governed_ml.core.config.data import Data
from governed_ml.core.evidence_bodies import Column
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
    ZONED,
    Marks,
)
from governed_ml.pipeline.data.sources import LARGEST
from governed_ml.pipeline.data.spellings import is_known, is_twin

KIND_WORDS = {
    "integer": "a number",
    "decimal": "a number",
    "date": "a date",
    "boolean": "a truth value",
    "code": "a code",
}


@dataclass(frozen=True)
class FrozenColumn:
    """A column as in training. `code` means that its numbers are names.

    `distinct` means that case, blanks and punctuation distinguish its values. `unused` means that
    no computation uses it.
    """

    column: Column
    code: bool = False
    distinct: bool = False
    unused: bool = False
    spellings: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Return a description of its values for people."""
        column = self.column
        if column.type == "TIMESTAMP" and column.format:
            return f"a date written as {column.format}"
        if column.kind == "boolean" and column.values:
            return f"a truth value ({', '.join(column.values)}, 1 or 0)"
        plain = {"BIGINT": "a whole number", "DOUBLE": "a number", "TIMESTAMP": "a date"}
        if column.type == "BIGINT" and not self.code:
            return "a number"
        return plain.get(column.type) or KIND_WORDS.get(column.kind or "", "a known spelling")

    def named(self, name: str) -> FrozenColumn:
        """Return a copy with another name."""
        return replace(self, column=self.column.model_copy(update={"name": name}))


def frozen(columns: list[Column], data: Data) -> dict[str, FrozenColumn]:
    """Return column name → how the column was read in training."""
    codes, missing = data.codes, tuple(data.source.missing)
    return {
        one.name: FrozenColumn(
            column=one,
            code=one.name in codes,
            distinct=one.name in data.distinct,
            unused=one.name in data.drop,
            spellings=data.spellings.get(one.name, {}),
            missing=missing,
        )
        for one in columns
    }


def plain(types: dict[str, str]) -> dict[str, FrozenColumn]:
    """Return columns that are not from training, given name → type, such as those of a log."""
    return {
        name: FrozenColumn(Column(name=name, type=source_type), code=True)
        for name, source_type in types.items()
    }


def cell(one: FrozenColumn, column: str, source_type: str, how: Marks) -> str:
    """Return SQL for a value in training's type, or null if it does not fit.

    `source_type` is the cell's DuckDB type at its source.
    """
    final = one.column.type
    if source_type in TEXTS or (one.spellings and source_type in NUMBERS and final != "VARCHAR"):
        value = _from_text(
            one, _present(one, column, source_type), how if source_type in TEXTS else Marks()
        )
    elif final == "VARCHAR":
        value = _text(one, column, source_type)
    elif final == "TIMESTAMP":
        value = _time(one, column, source_type)
    else:
        value = _number(one, _present(one, column, source_type), source_type)
    if final in ("BIGINT", "DOUBLE") and not _whole(one):
        return f"CASE WHEN isnan({value}) OR abs({value}) <= {LARGEST} THEN {value} END"
    return f"CASE WHEN isfinite({value}) THEN {value} END" if final == "TIMESTAMP" else value


def given(one: FrozenColumn, column: str, source_type: str) -> str:
    """Return SQL for whether the cell has a value."""
    there = f"{_present(one, column, source_type)} IS NOT NULL"
    return f"{there} AND NOT isnan({column})" if source_type in FLOATS else there


def _present(one: FrozenColumn, column: str, source_type: str) -> str:
    """Return SQL for a cell, as text if it is text at its source, or null if it is missing."""
    missing = list(one.missing)
    if source_type in TEXTS or (one.spellings and source_type in NUMBERS):
        return cells.meant(cells.digits(column, source_type), one.spellings, missing)
    return cells.known(column, missing) if source_type in NUMBERS else column


def is_new(one: FrozenColumn, value: str) -> str | None:
    """Return SQL for whether training lacked a category.

    Return None if its categories are not recorded.
    """
    column = one.column
    if column.type != "VARCHAR" or column.values is None or column.kind == "boolean":
        return None
    return f"{value} IS NOT NULL AND NOT {is_known(value, column.values)}"


def _whole(one: FrozenColumn) -> bool:
    return one.column.type == "BIGINT" and one.code


def _from_text(one: FrozenColumn, text: str, how: Marks) -> str:
    column = one.column
    if column.type == "TIMESTAMP":
        if column.format:
            return cells.date(text, column.format)
        return f"coalesce({cells.date(text, ISO)}, {cells.date(text, ISO_OFFSET)})"
    if column.type != "VARCHAR":
        text = cells.bare(text, column.format) if column.format else text
        return cells.whole(text) if _whole(one) else cells.number(text, how)
    if column.kind == "boolean":
        return cells.truth(text, column.values or [])
    if column.values is None or one.distinct:
        return text
    return f"CASE WHEN NOT {is_twin(text, column.values)} THEN {text} END"


def _text(one: FrozenColumn, column: str, source_type: str) -> str:
    """Return SQL for the category in a cell that is not text at its source."""
    values = one.column.values
    if one.unused or one.column.kind is None:  # from engine 0.2, which recorded only the type
        return f"CAST({column} AS VARCHAR)"
    if source_type not in (*NUMBERS, "BOOLEAN"):
        return "CAST(NULL AS VARCHAR)"
    text = _present(one, column, source_type)
    if not (one.spellings and source_type in NUMBERS):
        text = cells.digits(text, source_type)
    if one.column.kind == "boolean":
        return cells.truth(text, values or [])
    if values is None:
        return text if source_type not in FLOATS else "CAST(NULL AS VARCHAR)"
    return f"CASE WHEN {is_known(text, values)} THEN {text} END"


def _time(one: FrozenColumn, column: str, source_type: str) -> str:
    zoned = one.column.format == ISO_OFFSET
    if source_type in NUMBERS and one.column.format:  # such as 20260131
        return cells.date(
            cells.digits(_present(one, column, source_type), source_type), one.column.format
        )
    if source_type in DATES or (source_type == ZONED and (zoned or not one.column.format)):
        return cells.moment(column, source_type)
    return "CAST(NULL AS TIMESTAMP)"


def _number(one: FrozenColumn, column: str, source_type: str) -> str:
    if source_type not in NUMBERS:
        return f"CAST(NULL AS {'BIGINT' if _whole(one) else 'DOUBLE'})"
    if not _whole(one):
        return f"CAST({column} AS DOUBLE)"
    if source_type in WHOLE:
        return f"CAST({column} AS BIGINT)"
    fits = f"{column} = trunc({column})"
    if source_type in FLOATS:
        fits += f" AND abs({column}) < {EXACT}"
    return f"CASE WHEN {fits} THEN TRY_CAST({column} AS BIGINT) END"
