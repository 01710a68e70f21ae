"""Evidence as it lies on disk: each file against its closed schema, or why it is none."""

from __future__ import annotations

from pathlib import Path

from ..bodies import BODIES
from ..evidence import AnyEvidence, load
from ..problem import Problem


def collect(base: Path) -> dict[str, AnyEvidence | str]:
    """Read every gate's evidence against its schema; for one that cannot be trusted, say why."""
    found: dict[str, AnyEvidence | str] = {}
    for gate in BODIES:
        try:
            found[gate] = load(gate, base)
        except Problem as problem:
            found[gate] = str(problem)
    return found
