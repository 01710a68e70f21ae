"""Spoil a finished project's evidence, policy or configuration, and see what the gate says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import baked
import pytest
from baked import BakedProject

POLICY = "conf/policy/base.yaml"
Json = dict[str, Any]


@pytest.fixture
def judged(project_after_run: BakedProject, tmp_path: Path) -> BakedProject:
    """A copy of the finished default project, without DVC's cache, for one test to spoil."""
    return baked.copy_project(project_after_run, tmp_path, "cache", "tmp")


def edit(project: BakedProject, gate: str, change: Callable[[Json], None]) -> None:
    """Change one gate's evidence by hand."""
    name = f"reports/evidence/{gate}.json"
    content = json.loads(project.read(name))
    change(content)
    project.write(name, json.dumps(content))


def replace(project: BakedProject, name: str, old: str, new: str) -> None:
    """Replace text in a file; the old text must be there."""
    text = project.read(name)
    assert old in text, f"{name} has no {old!r}"
    project.write(name, text.replace(old, new, 1))


def add_rule(project: BakedProject, name: str, rule: str) -> None:
    """Add a rule to the policy in force."""
    replace(project, POLICY, "rules:\n", f"rules:\n  {name}: {rule}\n")


def add_waiver(project: BakedProject, rule: str, expires: str) -> None:
    """Waive one rule of the policy in force."""
    why = "reason: a known limit of the source, approved_by: '@acme/risk'"
    replace(
        project, POLICY, "waivers: []", f"waivers: [{{rule: '{rule}', {why}, expires: {expires}}}]"
    )


def denied(project: BakedProject, *gates: str) -> dict[str, Json]:
    """Run the gate, which must deny without a traceback; return the rules that deny, by id."""
    done = project.call("gate", "--json", *gates, code=1)
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    assert found["verdict"] == "deny"
    if not gates:
        assert json.loads(project.read("reports/decision.json"))["verdict"] == "deny"
    weak = {r["id"]: r for r in found["rules"] if r["verdict"] in ("fail", "insufficient")}
    assert weak
    return weak


def refused(project: BakedProject, *gates: str) -> str:
    """Run the gate, which must exit 2 in one line and leave a deny; return the line."""
    done = project.call("gate", *gates, code=2)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    if not gates:
        assert json.loads(project.read("reports/decision.json"))["verdict"] == "deny"
    return lines[0]


def reasons(weak: dict[str, Json]) -> str:
    """All reasons of the rules that deny."""
    return "\n".join(sorted({rule["reason"] for rule in weak.values()}))
