"""What people see: a console that keeps to its width, plain text of others, progress, results."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

LOG_WIDTH = 160  # columns in a log file, where a name is better not broken


def screen() -> Console:
    """Return where people read: a terminal, or a log file with room for names."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = LOG_WIDTH
    return console


def plain(text: str) -> str:
    """Return text of others for a terminal: no markup, no control characters."""
    from rich.markup import escape

    return escape("".join(one if one.isprintable() else "�" for one in text))


def say(line: str) -> None:
    """Show progress, apart from the result."""
    print(f"{line} …", file=sys.stderr, flush=True)


def tell(as_json: bool, line: str, **values: Any) -> None:
    """Print a result for people or for programs."""
    print(json.dumps(values, sort_keys=True, ensure_ascii=False) if as_json else line)
