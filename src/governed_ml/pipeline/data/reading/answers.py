"""What to write into `conf/data` to answer a question of `ingest`, as YAML."""

from __future__ import annotations

import json
import re
from typing import Any

from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem

Answer = tuple[str, Any]
"""A key of `conf/data`, and the column's value there (None in a list of columns)."""

MOST = 8  # most entries of a list or mapping that are repeated
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
WORDS = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}  # YAML reads these otherwise


class Questions(Problem):
    """Columns that need an answer in `conf/data`; `asked` is column → question with answers."""

    def __init__(self, asked: dict[str, str]) -> None:
        told = [f"column {name!r} {words}" for name, words in asked.items()]
        found = together(told, f"{len(told)} columns need an answer in conf/data")
        super().__init__(str(found))
        self.asked, self.lines = asked, found.lines


class SourceQuestion(Problem):
    """A question about a source as a whole, whose answer is a key under `source` in `conf/data`.

    `choices` are possible answers as YAML, each with an example of how the table is then read.
    """

    def __init__(self, short: str, remedy: str, key: str, choices: list[tuple[str, str]]) -> None:
        super().__init__(short + remedy)
        self.short, self.key, self.choices = short, key, choices


def together(told: list[str], head: str) -> Problem:
    """Return one problem that says several, each in a line of its own on a terminal."""
    found = Problem(told[0] if len(told) == 1 else f"{head}: {'; '.join(told)}")
    found.lines = (head, *told) if len(told) > 1 else ()
    return found


def question(name: str, words: str, answers: tuple[Answer, ...], data: Data) -> str:
    """Return a question with the YAML of each answer."""
    texts = [f"`{written(name, one, data)}`" for one in answers]
    return f"{words} (write {' or '.join(texts)})" if texts else words


def written(name: str, answer: Answer, data: Data) -> str:
    """Return an answer as YAML, together with what `conf/data` says there already."""
    key, value = answer
    if key in ("decimal", "thousands", "missing"):
        before: Any = data.source.missing
        whole = list(dict.fromkeys([*before, *value])) if key == "missing" else value
        return f"source: {{{key}: {flow(whole)}}}"
    if key == "marks":
        return f"source: {flow(value)}"
    if key == "time":
        return f"time: {flow(name)}"
    before = getattr(data, key)
    if isinstance(before, dict):
        old: Any = before.get(name, {})
        return f"{key}: {flow({**before, name: {**old, **value} if old else value})}"
    return f"{key}: {flow([*before, name])}"


def flow(value: Any) -> str:
    """Return a value in YAML's flow style, on one line."""
    if isinstance(value, dict):
        found: dict[str, Any] = value
        kept = list(found.items())[-MOST:]
        parts = [f"{flow(key)}: {flow(one)}" for key, one in kept]
        return "{" + ("…, " if len(kept) < len(found) else "") + ", ".join(parts) + "}"
    if isinstance(value, list):
        every: list[Any] = value
        kept_ones = every[-MOST:]
        more = "…, " if len(kept_ones) < len(every) else ""
        return f"[{more}{', '.join(map(flow, kept_ones))}]"
    text = str(value)
    plain = PLAIN.fullmatch(text) and text.lower() not in WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
