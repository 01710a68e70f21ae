"""Find outputs and execution counts in notebooks, because outputs may contain rows of data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from governed_ml.checks.files.texts import quoted, read
from governed_ml.checks.finding import CheckFinding

KEEPS = "keep_output"  # a tag that makes nbstripout keep outputs


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Find notebooks that have outputs or cannot be read."""
    found: list[CheckFinding] = []
    for name in names:
        if name.lower().endswith(".ipynb"):
            found += [CheckFinding(name, *one) for one in [_wrong(base, name)] if one]
    return found


def _wrong(base: Path, name: str) -> tuple[str, str] | None:
    """Return what is wrong with a notebook and how to fix it, or None."""
    strip = f"run `uv run nbstripout {quoted(name)}`"
    try:
        whole: Any = json.loads(read(base / name))
        sheets: list[Any] = whole.get("worksheets") or [whole]
        cells: list[Any] = [cell for sheet in sheets for cell in sheet["cells"]]
        run = [(number, _run(cell)) for number, cell in enumerate(cells, 1)]
        keeps = [number for number, cell in enumerate(cells, 1) if _keeps(cell)]
        widgets: bool = "widgets" in whole.get("metadata", {}) or _keeps(whole)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "it is not a readable notebook", "save it again with Jupyter, or remove it"
    first = next((f"cell {number} has {what}" for number, what in run if what), None)
    if keeps or _keeps(whole):
        where = f"cell {keeps[0]}" if keeps else "the notebook"
        return (
            f"{where} says {KEEPS}, but outputs must not be in git",
            f"remove this mark, then {strip}",
        )
    if first:
        more = len([what for _, what in run if what]) - 1
        return first + (f" (and {more} more)" if more else ""), strip
    return ("its metadata holds the state of widgets", strip) if widgets else None


def _run(cell: dict[str, Any]) -> str | None:
    """Return what shows that a cell was run (outputs or a count), or None."""
    if cell.get("outputs"):
        return "an output"
    counts = (cell.get("execution_count"), cell.get("prompt_number"))
    return "an execution count" if any(count is not None for count in counts) else None


def _keeps(part: dict[str, Any]) -> bool:
    marks = part.get("metadata", {})
    return bool(marks.get(KEEPS)) or KEEPS in marks.get("tags", [])
