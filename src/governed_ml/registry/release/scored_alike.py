"""Which engines' releases this engine may score with: its own, and those proven by tests.

`tests/compat/` holds a release of each earlier version, with its scores. A release of any other
version may need code that this engine lacks, so it is refused.
"""

from __future__ import annotations

from governed_ml.core.code.engine import identity
from governed_ml.core.problem import Problem
from governed_ml.registry.release.bundle import Statement

HELD = ("0.1.0", "0.2.0", "0.3.0", "0.4.0")
"""Versions whose scores `tests/compat/test_scores.py` verifies."""
UNNAMED = "0.1.0"  # releases before 0.2 do not record their engine


def require_scored_alike(statement: Statement) -> None:
    """Raise `Problem` unless this engine is known to score like the release's engine."""
    made, running = statement.engine_version, identity().version
    made = UNNAMED if made is None else made
    if made not in (*HELD, running):
        raise Problem(
            f"version {statement.version} was measured with engine {made}, and engine {running} is "
            f"known to score the releases of {', '.join(sorted({*HELD, running}))} only: install "
            f"engine {made}, or register the model again",
            1,
        )
