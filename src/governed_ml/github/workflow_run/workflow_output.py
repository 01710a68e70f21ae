"""Output of a workflow's step on GitHub Actions: outputs, summary, annotations.

Outside of a workflow nothing is written, because people run the same commands.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from governed_ml.core.problem import Problem, cause

Level = Literal["error", "warning", "notice"]
MOST = 10  # most annotations per level that GitHub shows for a step
ROOM = 900_000  # characters; GitHub's limit for a step's summary is 1 MiB
LABELS = {"fail": "❌ fail", "insufficient": "❌ insufficient", "waived": "⚠️ waived",
          "warn": "⚠️ warn", "pass": "✅ pass"}  # fmt: skip


def here() -> bool:
    """Return whether this is a step of a workflow."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def output(name: str, value: str) -> None:
    """Set an output of the step. A random end mark prevents a value from setting another output."""
    mark = secrets.token_hex(16)
    _append("GITHUB_OUTPUT", f"{name}<<{mark}\n{value}\n{mark}\n")


def summary(markdown: str) -> None:
    """Add text to the step's summary. Text that is too long is cut, with a remark."""
    if len(markdown) > ROOM:
        markdown = markdown[:ROOM].rpartition("\n")[0] + "\n\n… cut here: see the artifact\n"
    _append("GITHUB_STEP_SUMMARY", markdown.rstrip("\n") + "\n\n")


def annotate(
    level: Level, message: str, *, file: str = "", line: int | None = None, title: str = ""
) -> None:
    """Show a message at a line of a file."""
    if not here():
        return
    places = (("file", file), ("line", str(line or "")), ("title", title))
    given = ",".join(f"{name}={_escaped(value, ',:')}" for name, value in places if value)
    said = f"::{level}{f' {given}' if given else ''}::{_escaped(message)}"
    print(said, file=sys.stderr, flush=True)  # stdout is reserved for the command's result


@contextmanager
def text() -> Generator[None]:
    """Prevent GitHub from interpreting what is printed inside this block as workflow commands."""
    mark = secrets.token_hex(16)
    if here():
        print(f"::stop-commands::{mark}", flush=True)
    try:
        yield
    finally:
        if here():
            print(f"::{mark}::", flush=True)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table with all values escaped."""
    lines = [header, ["---"] * len(header), *([plain(str(cell)) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def plain(text: str) -> str:
    """Escape text for Markdown: no link, mention, image, table, code, formula or tag.

    GitHub looks for links and names after resolving entities, so a zero-width space is inserted
    into those. GitHub may still link text that looks like a commit of this repository.
    """
    return _LINKS.sub(lambda mark: mark[0] + GAP, " ".join(text.split())).translate(_MARKS)


GAP = "\u200b"
_LINKS = re.compile(r"@|:(?=//)|www(?=\.)|#(?=\d)|gh-(?=\d)", re.IGNORECASE)
_MARKS = {ord(mark): f"&#{ord(mark)};" for mark in "&<>\\`*[]|~#$" + GAP}


def _escaped(text: str, more: str = "") -> str:
    for mark in "%\r\n" + more:
        text = text.replace(mark, f"%{ord(mark):02X}")
    return text


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise Problem(f"cannot write {variable} ({path}): {cause(error)}; run it again") from error
