"""Truth values, categories, text codes and free texts of a request."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from governed_ml.pipeline.data.column_readers import FrozenColumn
from governed_ml.pipeline.data.spellings import DIGEST, folded
from governed_ml.serving.rows.text_meanings import TextMeanings
from governed_ml.serving.rows.typed_columns import ReadColumn, TypedColumn, Unfit

TWIN = "is another spelling of a value that training had: write that one"
TRUTHS = {True: "true", False: "false"}
DIGITS = ("1", "1.0", "0", "0.0")


class TruthColumn(TypedColumn):
    """Truth values: true and false, 1 and 0, or the texts of training."""

    def __init__(self, one: FrozenColumn, meanings: TextMeanings) -> None:
        """Ask what each accepted value means."""
        super().__init__(one, meanings)
        self.spelled = list(one.column.values or [])
        self.texts = dict.fromkeys([*self.spelled, *one.spellings, *self.markers])
        texts = {*self.texts, *TRUTHS.values(), *DIGITS}
        self._unfit = Unfit(self.words)
        found = self.answers(texts) if self.spelled else dict.fromkeys(texts, self._unfit)
        self._by_text = {text: found[text] for text in self.texts}
        self._by_truth = {truth: found[text] for truth, text in TRUTHS.items()}
        self._by_digit = {digit: found[digit] for digit in DIGITS}

    @property
    def words(self) -> str:
        """Return what a value must be."""
        listed = ", ".join(map(repr, self.spelled))
        return f"must be a truth value (true, false, 1, 0{', ' if listed else ''}{listed})"

    def value(self, value: Any) -> Any:
        """Return a truth value in the spelling of training."""
        if type(value) is bool:
            return self._by_truth[value]
        if type(value) is str:
            return self._by_text.get(value, self._unfit)
        return self._by_digit.get(repr(value), self._unfit)


class TextColumn(TypedColumn):
    """Categories, text codes and free texts."""

    def __init__(self, one: FrozenColumn, meanings: TextMeanings) -> None:
        """Fold the known values, to find other spellings of them."""
        super().__init__(one, meanings)
        values = one.column.values
        self.recorded = values is not None
        self.known = frozenset(v for v in values or [] if not v.startswith(DIGEST))
        self.rare = frozenset(v for v in values or [] if v.startswith(DIGEST))
        known = () if one.distinct else self.known
        self._folded = set(meanings.of(folded("v"), known).values())

    @property
    def words(self) -> str:
        """Return what a value must be."""
        return "must be a text"

    def value(self, value: Any) -> Any:
        """Return a text in its corrected spelling, or why it is unfit."""
        return self.meant(value) if type(value) is str else Unfit(self.words)

    def read(self, values: list[Any]) -> ReadColumn:
        """Return texts; refuse other spellings of known ones, and count new categories."""
        found = super().read(values)
        if not self.recorded:
            return found
        new = {
            place: text
            for place, text in enumerate(found.typed)
            if text is not None and not self.is_known(text)
        }
        twins = self._twins(new.values()) if new and self._folded else set[str]()
        for place in [place for place, text in new.items() if text in twins]:
            found.unfit[place], found.typed[place] = TWIN, None
            del new[place]
        found.new = len(new)
        return found

    def _twins(self, texts: Iterable[str]) -> set[str]:
        """Return which unknown texts are other spellings of known ones."""
        forms = self.meanings.of(folded("v"), texts)
        return {text for text, form in forms.items() if form in self._folded}

    def is_known(self, text: str) -> bool:
        """Return whether training had a value; rare ones are known by their digests."""
        if text in self.known:
            return True
        if not self.rare:
            return False
        return DIGEST + hashlib.sha256(text.encode()).hexdigest()[:16] in self.rare
