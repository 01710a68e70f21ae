"""Check offline that the generated files are those of this engine's template."""

from __future__ import annotations

from pathlib import Path

from governed_ml.checks.finding import CheckFinding
from governed_ml.scaffold.manifest import outside, working_tree


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Find differences from the manifest in the whole project; `names` are ignored."""
    return [
        CheckFinding(one.file, f"{one.key or 'it'} {one.reason}", one.fix)
        for one in outside(*working_tree(base))
        if one.refused
    ]
