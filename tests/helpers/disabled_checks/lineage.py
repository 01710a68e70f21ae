"""Edits that break a part of what holds stages, lock and evidence together."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "frozen-stage": [
        ("checks.lineage.agreement", "        if stage.frozen:\n", "        if not name:\n"),
    ],
    "stale-lock": [
        ("checks.lineage.agreement", "elif md5 not in (None, out.md5):", "elif not path:"),
        (
            "checks.lineage.agreement",
            "            if md5 != dep.md5:\n",
            "            if not name:\n",
        ),
        ("checks.lineage.agreement", "*_chain(state), ", ""),
        ("checks.lineage.agreement", "    found += [*_written(state), ", "    found += ["),
    ],
    "edited-evidence": [
        ("checks.lineage.agreement", "elif md5 not in (None, out.md5):", "elif not path:"),
        ("checks.lineage.agreement", "if md5 is None and not cached:", "if not path:"),
        (
            "checks.lineage.agreement",
            "elif not cached and LOCK in state.tracked and not state.has(path):",
            "elif not path:",
        ),
        (
            "checks.lineage.agreement",
            'if not any(path == one or path.startswith(f"{one}/") for one in touched):',
            "if not path:",
        ),
    ],
    "other-stage": [
        ("checks.lineage.agreement", "*plain, *_shape(state), ", "*plain, "),
        ("checks.lineage.agreement", "        require_plain(base)\n", "        pass\n"),
        ("checks.lineage.agreement", "            if now != then:\n", "            if not what:\n"),
        (
            "checks.lineage.agreement",
            '"dependencies": (set(asked.deps), {one.path for one in ran.deps}),\n            ',
            "",
        ),
        (
            "checks.lineage.agreement",
            '"outputs": (set(asked.outs), {one.path for one in ran.outs}),\n            ',
            "",
        ),
        (
            "checks.lineage.agreement",
            "        if asked.cmd != ran.cmd:\n",
            "        if not name:\n",
        ),
        (
            "checks.lineage.agreement",
            "for name in state.asked.stages.keys() - state.lock.stages.keys():",
            "for name in ():",
        ),
        (
            "checks.lineage.agreement",
            "for name in state.lock.stages.keys() - state.asked.stages.keys():",
            "for name in ():",
        ),
        (
            "registry.remeasure.committed_evidence",
            "        if command != wanted:\n",
            "        if not command:\n",
        ),
    ],
    "unrun-change": [
        ("checks.lineage.agreement", "*_code(state), ", ""),
        ("checks.lineage.agreement", ", *_conf(state)]", "]"),
        ("checks.lineage.agreement", "*sources.changed(state), ", ""),
        ("checks.lineage.agreement", ", *sources.pointers(state)]", "]"),
        ("checks.lineage.agreement", "*_since(causes), ", ""),
        (
            "checks.lineage.environment",
            "    if not (base / LOCK).is_file():\n",
            "    if not base:\n",
        ),
        ("checks.lineage.sources", "if here is not None and here != md5:", "if not here:"),
    ],
    "foreign-code": [
        (
            "core.code.stage_code",
            "    for folder in (package.parent.parent, package.parent):\n",
            "    for folder in ():\n",
        ),
    ],
    "lost-lock": [
        (
            "checks.lineage.agreement",
            "return plain + [CheckFinding(path",
            "return plain and [CheckFinding(path",
        ),
    ],
    "locked-evidence": [
        ("checks.lineage.agreement", "list(_stale(state)) or ", ""),
        (
            "checks.lineage.agreement",
            "        if isinstance(found, Unusable):\n            reason",
            "        if not found:\n            reason",
        ),
    ],
    "edited-decision": [
        ("checks.lineage.agreement", " or list(_decided(state))", ""),
        (
            "checks.lineage.agreement",
            "    for name, what in differences(old, new):\n",
            "    for name, what in ():\n",
        ),
    ],
}
