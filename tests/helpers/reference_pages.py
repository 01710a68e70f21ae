"""The reference pages that come from the code: `python tasks.py reference` writes them.

`reference_commands.py` and the other modules of this name make one page each. The style of the
glossary (`glossary_style.py`) is written with them.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
WRITTEN = "This page comes from the code: `python tasks.py reference` writes it. Do not edit it."


def wrapped(text: str, width: int = 120) -> str:
    """Break a paragraph into lines as the other pages do."""
    return textwrap.fill(
        " ".join(text.split()), width, break_long_words=False, break_on_hyphens=False
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table whose columns are aligned."""
    cells = [[_cell(one) for one in row] for row in (head, *rows)]
    widths = [max(3, *(len(row[place]) for row in cells)) for place in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(one.ljust(width) for one, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop; a kind of source is code."""
    text = re.sub(r"^(file|sql|openml|synthetic|team|log): ", r"`\1`: ", text.strip())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", ":")) else ".")


def document(title: str, *parts: str) -> str:
    """Return a page from its title and its parts."""
    return "\n\n".join([f"# {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def pages() -> dict[str, str]:
    """Return name → page, as the code is now."""
    import reference_commands
    import reference_configuration
    import reference_events
    import reference_evidence
    import reference_service

    return {
        "commands.md": reference_commands.page(),
        "configuration.md": reference_configuration.page(),
        "events.md": reference_events.page(),
        "evidence.md": reference_evidence.page(),
        "serving-metrics.md": reference_service.page(),
    }


def main() -> int:
    """Write every page that differs, and the style of the glossary, and say which."""
    import glossary_style

    files = {DOCS / name: text for name, text in pages().items()}
    for path, text in {**files, glossary_style.STYLE: glossary_style.style()}.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {path.relative_to(DOCS.parent).as_posix()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
