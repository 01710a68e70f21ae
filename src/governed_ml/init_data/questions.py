"""Ask a person at a terminal, also to choose from a list; after an invalid answer, ask again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from governed_ml.core.problem import Problem

TRIES = 3  # invalid answers to one question after which the command ends

Prompt = Callable[[str, str | None], str]
"""Asks a person one question, with a default; returns the answer."""

Answer = TypeVar("Answer")


def asked(ask: Prompt, words: str, default: str | None, read: Callable[[str], Answer]) -> Answer:
    """Return the first answer that `read` accepts; it raises `Problem` about the others."""
    question = words
    for _ in range(TRIES - 1):
        try:
            return read(ask(question, default))
        except Problem as problem:
            question = f"{problem}\n{words}"
    return read(ask(question, default))


def chosen(ask: Prompt, words: str, choices: list[str]) -> int:
    """Return the place of the answer that a person chooses by its number."""
    listed = "\n".join(f"  {at}: {text}" for at, text in enumerate(choices, start=1))

    def read(said: str) -> int:
        if not said.strip().isdecimal() or not 0 < int(said) <= len(choices):
            raise Problem(
                f"{said!r} is none of the answers: give a number from 1 to {len(choices)}"
            )
        return int(said) - 1

    return asked(ask, f"{words}\n{listed}\nWhich?", None, read)
