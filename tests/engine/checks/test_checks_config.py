"""`governance check config`: what is configured composes, all of it, and no waiver is dead."""

from __future__ import annotations

import baked
import pytest
from baked import Bake, BakedProject
from editing import Edit, appended, hold, look, read, replaced

pytestmark = pytest.mark.slow  # all together

POLICY, OTHER = "conf/policy/base.yaml", "conf/policy/high.yaml"


@pytest.fixture
def composed(bake_runnable: Bake) -> BakedProject:
    """A fresh project of which only `compose` has run, committed."""
    project = bake_runnable()
    project.call("stage", "compose")
    baked.commit_all(project.path, "Composed")
    return project


def waived(project: BakedProject, name: str, **fields: str) -> Edit:
    """An edit that puts one waiver into a policy."""
    given = {
        "rule": "drift.target",
        "reason": '"Until the library is fixed"',
        "approved_by": '"@risk"',
        "expires": "2999-01-01",
    } | fields
    waiver = ", ".join(f"{key}: {value}" for key, value in given.items() if value)
    text = f"waivers:\n  - {{{waiver}}}"
    if name == POLICY:
        return replaced(project, name, "waivers: []", text)
    return appended(project, name, f"{text}\n")


@pytest.mark.nightly
def test_trap_30_invalid_configurations_and_expired_waivers_are_named(
    composed: BakedProject,
) -> None:
    # Given a project, when one thing of its configuration changes
    behind = "and params.yaml does not have it yet"
    since = "policy.waivers"
    corpus: dict[str, tuple[Edit, list[str]]] = {
        "nothing": ({}, []),
        "before the first run": ({"params.yaml": None}, []),
        "words": ({POLICY: read(composed, POLICY) + "# a comment\n"}, []),
        "a waiver that lives": (waived(composed, POLICY), [f"{POLICY}: {since}"]),
        "a waiver that expired": (
            waived(composed, POLICY, expires="2026-01-31"),
            [f"{POLICY}: the waiver for drift.target expired on 2026-01-31", since],
        ),
        "a waiver that expired, where it is not chosen": (
            waived(composed, OTHER, expires="2026-01-31"),
            [f"{OTHER}: the waiver for drift.target expired on 2026-01-31, so it has no effect"],
        ),
        "a waiver without an owner": (
            waived(composed, POLICY, approved_by=""),
            [f"{POLICY}: policy.waivers[drift.target].approved_by: this key is missing"],
        ),
        "a waiver with an empty owner": (
            waived(composed, OTHER, approved_by='" "'),
            [f"{OTHER}: policy.waivers[drift.target].approved_by: "],
        ),
        "a waiver without an end": (
            waived(composed, POLICY, expires=""),
            [f"{POLICY}: policy.waivers[drift.target].expires: this key is missing"],
        ),
        "a waiver for no rule": (
            waived(composed, POLICY, rule="explain.nothing"),
            ["policy: a waiver names explain.nothing, which is no rule of the policy"],
        ),
        "a member that is not chosen": (
            {"conf/data/ours.yaml": "name: ours\ntask: classification\n"},
            ["conf/data/ours.yaml: data.source: this key is missing"],
        ),
        "an estimator from elsewhere": (
            {"conf/model/ours.yaml": "name: ours\nestimator: {_target_: os.system}\n"},
            ["conf/model/ours.yaml: conf/model: estimator._target_ 'os.system' is not from"],
        ),
        "an expression that is none": (
            replaced(
                composed,
                OTHER,
                "rules:\n",
                "rules:\n  fairness.declared: {require: attributes >=}\n",
            ),
            [f"{OTHER}: conf/policy: rule fairness.declared: "],
        ),
        "a switch that does not exist": (
            replaced(composed, POLICY, "waivers: []", "waivers: []\ndry_run: true"),
            [f"{POLICY}: policy.dry_run: no such key"],
        ),
        "a value that was not composed": (
            replaced(composed, "conf/config.yaml", "seed: 2026", "seed: 2027"),
            [f"conf/config.yaml: seed 2026 → 2027, {behind}"],
        ),
        "a composition by hand": (
            replaced(composed, "params.yaml", "seed: 2026", "seed: 2027"),
            [f"conf/config.yaml: seed 2027 → 2026, {behind}"],
        ),
    }
    # Then that is said, and nothing else
    hold(composed, "config", corpus)


def test_trap_29_a_loosened_limit_is_noted_but_not_refused(composed: BakedProject) -> None:
    # Given limits that are looser or tighter than in the last commit
    edits = [
        replaced(composed, POLICY, "block: 0.25", f"block: {limit}") for limit in ("0.3", "0.2")
    ]
    said = look(composed, "config", [*edits, waived(composed, POLICY), {}])
    # When the configuration is looked at, then the looser ones are noted
    assert said[0].notes.startswith("note: loosened: drift.data: block is 0.3, the base has 0.25")
    assert said[2].notes.startswith("note: loosened: drift.target: waived until 2999-01-01")
    assert [said[1].notes, said[3].notes] == ["", ""]
    # And by itself that stops no commit: the owner says yes in the pull request
    composed.write(POLICY, str(edits[0][POLICY]))
    composed.call("stage", "compose")
    done = composed.call("check", "config", POLICY, "params.yaml")
    assert "note: loosened: drift.data" in done.stderr
