"""Edits of the engine's modules: each breaks one part of a check, so that a fault gets through.

A module here has what catches the faults in the module of `drill/faults/` with its name.
"""

from __future__ import annotations

from disabled_checks import (
    config,
    data,
    engine,
    environment,
    evidence,
    files,
    ledger,
    lineage,
    people,
    production,
    tables,
    workflows,
)

KINDS = (
    config,
    data,
    engine,
    environment,
    evidence,
    files,
    ledger,
    lineage,
    people,
    production,
    tables,
    workflows,
)
DISABLED = {fault: edits for kind in KINDS for fault, edits in kind.DISABLED.items()}
