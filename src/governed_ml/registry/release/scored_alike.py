"""Whose releases this engine scores: its own version's, and those that tests hold to their scores.

`tests/compat/` has a release of each earlier version, with the scores that it gave. A release of
another version may need code that this engine has not, so it is refused rather than guessed at.
"""

from __future__ import annotations

from governed_ml.core.code.engine import identity
from governed_ml.core.problem import Problem
from governed_ml.registry.release.bundle import Statement

HELD = ("0.1.0", "0.2.0")
"""Versions whose scores `tests/compat/test_scores.py` holds."""
UNNAMED = "0.1.0"  # releases before 0.2 do not say which engine made them


def require_scored_alike(statement: Statement) -> None:
    """Refuse to score with a release of an engine of which nobody knows that it scores alike."""
    made, running = statement.engine_version, identity().version
    made = UNNAMED if made is None else made
    if made not in (*HELD, running):
        raise Problem(
            f"version {statement.version} was measured with engine {made}, and engine {running} is "
            f"known to score the releases of {', '.join(sorted({*HELD, running}))} only: install "
            f"engine {made}, or register the model again",
            1,
        )
