"""JSON values as values of training's columns, each with the meaning that `predict` gives it.

`predict` reads a JSON file as texts. Here a value must also have the column's JSON type: `predict`
takes the text `"7"` for a number, and a request must say 7. So a request is refused where a file
would be, and sometimes earlier, but its values never mean anything else.

Most values are read in Python. SQL is asked where its reading is hard to repeat.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from governed_ml.pipeline.data.cells import Marks
from governed_ml.pipeline.data.column_readers import FrozenColumn, cell
from governed_ml.pipeline.data.sources import LARGEST
from governed_ml.serving.rows.text_meanings import TextMeanings

SMALLEST_WHOLE, LARGEST_WHOLE = -(2**63), 2**63 - 1  # of a code that is a number
BEYOND = 10**151  # an integer that a float can hold, and no column
STANDS_FOR_MISSING = "stands for a missing value: write null"
_NUMBER = re.compile(r"\s*[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?\s*")


class Unfit(str):
    """Why a value does not fit its column, for people."""

    __slots__ = ()


class AskedText(str):
    """A text whose meaning SQL knows."""

    __slots__ = ()


@dataclass(slots=True)
class ReadColumn:
    """The values of one column: typed for checks, as the log has them, and what does not fit.

    `unfit` is place → reason, and the value there is None. `new` is the number of values of
    categories that training did not have.
    """

    typed: list[Any]
    logged: list[Any]
    unfit: dict[int, str] = field(default_factory=dict)
    new: int = 0


class TypedColumn(ABC):
    """A column as in training, which reads JSON values."""

    def __init__(self, one: FrozenColumn, meanings: TextMeanings) -> None:
        """Prepare; `meanings` is shared by all columns."""
        self.one, self.name, self.type = one, one.column.name, one.column.type
        self.markers = frozenset(["", *one.missing])
        self.meanings = meanings

    def read(self, values: list[Any]) -> ReadColumn:
        """Return the values in training's type; None is a missing value."""
        typed = [None if value is None else self.value(value) for value in values]
        found = ReadColumn(typed, typed)
        asked = {place: value for place, value in enumerate(typed) if type(value) is AskedText}
        if asked:
            answers = self.answers(asked.values())
            for place, text in asked.items():
                typed[place] = answers[text]
        for place, value in enumerate(typed):
            if type(value) is Unfit:
                found.unfit[place] = str(value)
                typed[place] = None
        return found

    def meant(self, text: str) -> str | None:
        """Return a text in its corrected spelling, or None if it means a missing value."""
        text = self.one.spellings.get(text, text)
        return None if text in self.markers else text

    @property
    @abstractmethod
    def words(self) -> str:
        """Return what a value must be."""

    @abstractmethod
    def value(self, value: Any) -> Any:
        """Return a value, None if it is missing, why it is unfit, or the text to ask about."""

    def answers(self, texts: Iterable[str]) -> dict[str, Any]:
        """Return text → value, or why it is unfit, for texts that SQL is asked about."""
        return self.asked(cell(self.one, "v", "VARCHAR", Marks()), texts)

    def asked(self, question: str, texts: Iterable[str]) -> dict[str, Any]:
        """Return text → answer of SQL; those without one are missing or unfit."""
        unfit = Unfit(self.words)
        return {
            text: value if value is not None else unfit if self.meant(text) else None
            for text, value in self.meanings.of(question, texts).items()
        }


class NumberColumn(TypedColumn):
    """Numbers. Codes are numbers, too, if training's are decimals because of gaps."""

    def __init__(self, one: FrozenColumn, meanings: TextMeanings) -> None:
        """Prepare the numbers that stand for a missing value."""
        super().__init__(one, meanings)
        self.standing = {float(text) for text in self.markers if _NUMBER.fullmatch(text)}
        self.spelled = [number for text in one.spellings for number in _written_as(text)]
        self._sign = one.column.format

    @property
    def words(self) -> str:
        """Return what a value must be."""
        return "must be a number"

    def value(self, value: Any) -> Any:
        """Return a number."""
        if type(value) is not float and type(value) is not int:
            return Unfit(self.words)
        if not -BEYOND < value < BEYOND or abs(float(value)) > LARGEST:
            return Unfit(f"must be a number between -{LARGEST:g} and {LARGEST:g}")
        if self.one.spellings and repr(value) in self.one.spellings:
            return AskedText(repr(value))
        if value in self.standing:  # in a file, 99 would be missing, and 99.0 a number
            return Unfit(STANDS_FOR_MISSING)
        return (
            AskedText(repr(value))
            if self._sign and self._sign in repr(value)
            else self.plain(value)
        )

    def plain(self, value: float) -> Any:
        """Return a number that nothing speaks against."""
        return float(value)

    def answers(self, texts: Iterable[str]) -> dict[str, Any]:
        """Return numbers; NaN, which only a corrected spelling can be, is a missing value."""
        found = super().answers(texts)
        return {text: None if value != value else value for text, value in found.items()}


class CodeColumn(NumberColumn):
    """Whole numbers that are names."""

    @property
    def words(self) -> str:
        """Return what a value must be."""
        return "must be a whole number"

    def plain(self, value: float) -> Any:
        """Return a whole number."""
        if type(value) is float and (not value.is_integer() or "e" in repr(value)):
            return Unfit(self.words)
        whole = int(value)
        return whole if SMALLEST_WHOLE <= whole <= LARGEST_WHOLE else Unfit(self.words)


def _written_as(text: str) -> Iterator[int | float]:
    """Yield the number that is written exactly like a text."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if repr(number) == text and abs(number) <= LARGEST:
            yield number
