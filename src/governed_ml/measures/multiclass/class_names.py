"""SQL that turns positions of classes into their names."""

from __future__ import annotations

from collections.abc import Sequence

from governed_ml.core.tables import literal


def named(column: str, classes: Sequence[str]) -> str:
    """Return SQL for the class at the position that `column`, an SQL expression, holds."""
    cases = "".join(f" WHEN {place} THEN {literal(one)}" for place, one in enumerate(classes))
    return f"CASE {column}{cases} END"
