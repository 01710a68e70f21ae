"""Lines of the pages that the simulations write."""

from __future__ import annotations

import textwrap
from typing import Any

Lines = list[str]


def wrapped(text: str) -> Lines:
    """Return a paragraph in lines, and an empty one."""
    return [*textwrap.wrap(" ".join(text.split()), 100), ""]


def head(*cells: str) -> Lines:
    """Return the head of a table, whose first column is text and all others numbers."""
    rule = ["---", *["---:"] * (len(cells) - 1)]
    return [f"| {' | '.join(cells)} |", f"| {' | '.join(rule)} |"]


def row(*cells: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def shares(found: Any, among: Any = None) -> str:
    """Return a share as per cent; a dash where there is nothing that it is of."""
    values = found if among is None else found[among]
    return f"{values.mean():.1%}" if values.size else "–"
