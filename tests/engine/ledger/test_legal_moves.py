"""Which moves of a version are legal: every action in every state."""

from __future__ import annotations

from itertools import product

import pytest

from governed_ml.core.problem import Problem
from governed_ml.ledger import lifecycle

STATES = (None, "pending_review", "approved", "champion", "retired", "quarantined", "rejected")
MOVES = {
    ("registered", None),
    ("quarantined", None),
    ("approved", "pending_review"),
    ("approved", "approved"),
    ("rejected", "pending_review"),
    ("rejected", "approved"),
    ("promoted", "approved"),
    ("rolled_back", "retired"),
    ("rollback_failed", "champion"),
    ("monitored", "champion"),
    ("canary_started", "approved"),
    ("canary_advanced", "approved"),
    ("canary_held", "approved"),
    ("canary_reverted", "approved"),
}


@pytest.mark.parametrize(("action", "state"), list(product(lifecycle.LEGAL, STATES)))
def test_only_legal_actions_are_allowed(action: str, state: str | None) -> None:
    # Given an action and a state, when a version is moved, then it is allowed just where the table
    # says so
    if (action, state) in MOVES:
        lifecycle.require_legal(action, 1, state)
    else:
        with pytest.raises(Problem, match="version 1 is"):
            lifecycle.require_legal(action, 1, state)
