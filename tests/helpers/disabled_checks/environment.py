"""Edits that break a part of what catches other packages, and data that nobody has."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "other-packages": [
        ("checks.lineage.agreement", ", *environment.check(base, state.evidence)]", "]"),
        ("checks.lineage.environment", "    yield from _asked(base, text)\n", ""),
        (
            "checks.lineage.environment",
            "(*_recorded(text, evidence), *_remembered(base, text, evidence))",
            "(*_remembered(base, text, evidence),)",
        ),
        ("checks.lineage.environment", ", *_remembered(base, text, evidence))", ",)"),
        (
            "checks.lineage.environment",
            "if interpreter and interpreter.split() != python.split():",
            "if not gate:",
        ),
        (
            "checks.lineage.environment",
            "for name in _exchanged(before, text, needed):",
            "for name in ():",
        ),
        (
            "checks.lineage.environment",
            "if name in old and name not in named and old[name] != new.get(name):",
            "if not name:",
        ),
    ],
    "unpushed-data": [
        ("checks.pushed_data", "for one in status.new}", "for one in ()}"),
        ("checks.pushed_data", "for one in status.missing", "for one in ()"),
        ("checks.pushed_data", "in sorted(lost.items()):\n", "in ():\n"),
        ("checks.pushed_data", "    if LOCK not in tracked and not added:\n", "    if tracked:\n"),
    ],
}
