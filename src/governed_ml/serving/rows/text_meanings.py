"""What texts mean by the SQL that reads files, asked of an embedded DuckDB and remembered.

A query takes a millisecond or more, so few texts should need one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from governed_ml.pipeline.data.sources import engine

MOST, LONGEST = 20_000, 200  # most texts that are remembered, and the characters of the longest
AT_ONCE = 500  # texts of one query


class TextMeanings:
    """Answers questions about texts. Any thread may ask."""

    def __init__(self) -> None:
        """Open the database. Nothing is stored in it."""
        self._db = engine()
        self._db.execute("SET threads = 1")
        self._asking, self._keeping = threading.Lock(), threading.Lock()
        self._known: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def of(self, question: str, texts: Iterable[str]) -> dict[str, Any]:
        """Return text → answer to a question, which is SQL about the text `v`."""
        found: dict[str, Any] = {}
        unknown: list[str] = []
        with self._keeping:
            for text in dict.fromkeys(texts):
                if (question, text) in self._known:
                    self._known.move_to_end((question, text))
                    found[text] = self._known[question, text]
                else:
                    unknown.append(text)
        for start in range(0, len(unknown), AT_ONCE):
            found |= self._asked(question, unknown[start : start + AT_ONCE])
        return found

    def _asked(self, question: str, texts: list[str]) -> dict[str, Any]:
        sql = f"SELECT v, {question} FROM (SELECT unnest($1::VARCHAR[]) AS v)"
        with self._asking:
            answers = dict(self._db.execute(sql, [texts]).fetchall())
        with self._keeping:
            for text, answer in answers.items():
                if len(text) <= LONGEST:
                    self._known[question, text] = answer
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return answers

    def close(self) -> None:
        """Close the database."""
        with self._asking:
            self._db.close()
