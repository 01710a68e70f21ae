"""Times of a request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from governed_ml.pipeline.data.cells import ISO, ISO_OFFSET, Marks
from governed_ml.pipeline.data.column_readers import FrozenColumn, cell
from governed_ml.serving.rows.text_meanings import TextMeanings
from governed_ml.serving.rows.typed_columns import AskedText, ReadColumn, TypedColumn, Unfit

_DAY, _TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}", r"[ T][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{6})?"
_PLAIN = re.compile(f"{_DAY}({_TIME})?")
_ZONED = re.compile(f"{_DAY}{_TIME}(Z|[-+](0[0-9]|1[0-2]):[0-9]{{2}})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DateColumn(TypedColumn):
    """Times. They are typed as microseconds since 1970 in UTC, and logged as they are written.

    So `monitor` reads them from the log in the format of training.
    """

    def __init__(self, one: FrozenColumn, meanings: TextMeanings) -> None:
        """Decide which texts are read without SQL."""
        super().__init__(one, meanings)
        written = one.column.format
        self._quick = [
            shape
            for shape, form in ((_PLAIN, ISO), (_ZONED, ISO_OFFSET))
            if written in (form, None)
        ]
        self._question = f"epoch_us({cell(one, 'v', 'VARCHAR', Marks())})"

    @property
    def words(self) -> str:
        """Return what a value must be."""
        written = self.one.column.format
        return f"must be a date{f' written as {written}' if written else ''}"

    def value(self, value: Any) -> Any:
        """Return a time."""
        if type(value) is not str:
            return Unfit(self.words)
        meant = self.meant(value)
        if meant is None:
            return None
        quick = meant == value and any(shape.fullmatch(value) for shape in self._quick)
        return _moment(value) if quick else AskedText(value)

    def read(self, values: list[Any]) -> ReadColumn:
        """Return times; the log gets their texts."""
        found = super().read(values)
        found.logged = [
            None if moment is None else self.meant(value)
            for moment, value in zip(found.typed, values, strict=True)
        ]
        return found

    def answers(self, texts: Iterable[str]) -> dict[str, Any]:
        """Return text → microseconds, or why it is unfit."""
        return self.asked(self._question, texts)


def _moment(text: str) -> Any:
    """Return a time in microseconds, or the text to ask about if Python refuses it."""
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return AskedText(text)
    since = found - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
