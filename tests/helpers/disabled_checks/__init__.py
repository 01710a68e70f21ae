"""Edits of the engine's modules: each breaks one part of a check, so that a fault gets through.

A module here has what catches the faults in the module of `drill/faults/` with its name.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

KINDS = [
    import_module(f"disabled_checks.{path.stem}")
    for path in sorted(Path(__file__).parent.glob("[!_]*.py"))
]
DISABLED: dict[str, list[tuple[str, str, str]]] = {
    fault: edits for kind in KINDS for fault, edits in kind.DISABLED.items()
}
