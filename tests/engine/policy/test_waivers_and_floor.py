"""Waivers, and the floor of an organisation that no project may undercut."""

from __future__ import annotations

import hashlib
import json

from baked import BakedProject
from judging import (
    POLICY,
    add_waiver,
    denied,
    refused,
    replace,
)


def test_a_valid_waiver_waives_and_an_expired_one_is_void(judged: BakedProject) -> None:
    # Given a broken rule and a live waiver, then it is waived, by whom is said, and allowed
    replace(judged, POLICY, "block: 0.65", "block: 0.99")
    add_waiver(judged, "evaluate.roc_auc", "2999-12-31")
    done = json.loads(judged.call("gate", "--json", code=0).stdout)
    [rule] = [r for r in done["rules"] if r["verdict"] == "waived"]
    assert rule["id"] == "evaluate.roc_auc"
    assert "2999-12-31 by @acme/risk" in rule["reason"]
    # When it has expired, then it is void
    replace(judged, POLICY, "2999-12-31", "2020-12-31")
    assert (
        "the waiver is void: it expired on 2020-12-31"
        in denied(judged)["evaluate.roc_auc"]["reason"]
    )


def test_a_waiver_covers_one_member_of_a_rule(judged: BakedProject) -> None:
    replace(
        judged,
        POLICY,
        "psi_quantile10\n    warn: 0.10\n    block: 0.25",
        "psi_quantile10\n    warn: -1\n    block: -1",
    )
    add_waiver(judged, "drift.data[income]", "2999-12-31")
    weak = denied(judged)
    assert "drift.data[savings]" in weak
    assert "drift.data[income]" not in weak


def test_a_waiver_does_not_cover_the_absence_of_evidence(judged: BakedProject) -> None:
    (judged.path / "reports/evidence/explain.json").unlink()
    add_waiver(judged, "explain.coverage", "2999-12-31")
    assert "a waiver covers a number" in denied(judged)["explain.coverage"]["reason"]


def test_a_waiver_for_an_unknown_rule_is_refused(judged: BakedProject) -> None:
    add_waiver(judged, "evaluate.roc_acu", "2999-12-31")
    assert "evaluate.roc_acu, which is no rule of the policy" in refused(judged)


FLOOR = """name: floor
confidence: 0.9
rules:
  - id: evaluate.roc_auc
    task: classification
    metric: evaluate.roc_auc
    bound: at_least
    block: 0.6
    owner: board
"""


def pin_floor(project: BakedProject, text: str) -> None:
    """Put the organisation's floor into the project and pin it."""
    project.write("governance/floor.yaml", text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    pin = f"floor: {{file: governance/floor.yaml, sha256: {digest}}}"
    project.write(POLICY, project.read(POLICY) + f"\n{pin}\n")


def test_the_floor_may_not_be_undercut(judged: BakedProject) -> None:
    # Given a floor that the policy is above, then it is allowed
    pin_floor(judged, FLOOR)
    judged.call("gate", code=0)
    # When the project's limit goes below it, then the gate denies and names the rule
    replace(judged, POLICY, "block: 0.65", "block: 0.5")
    weak = denied(judged)
    assert weak.keys() == {"floor.evaluate.roc_auc"}
    assert "block is 0.5, the floor has 0.6" in weak["floor.evaluate.roc_auc"]["reason"]


def test_a_waiver_does_not_reach_below_the_floor(judged: BakedProject) -> None:
    pin_floor(judged, FLOOR)
    replace(judged, POLICY, "block: 0.65", "block: 0.99")
    add_waiver(judged, "evaluate.roc_auc", "2999-12-31")
    assert "on the organisation's floor" in denied(judged)["evaluate.roc_auc"]["reason"]


def test_a_changed_floor_file_is_refused(judged: BakedProject) -> None:
    pin_floor(judged, FLOOR)
    replace(judged, "governance/floor.yaml", "block: 0.6", "block: 0.1")
    assert "not the pinned" in refused(judged)
