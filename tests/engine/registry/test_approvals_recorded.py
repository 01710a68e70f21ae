"""A project's ledger takes the approvals that count, and a promotion none that counts no longer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import baked
import pytest
import registry
from baked import BakedProject
from registry import ago


@pytest.mark.slow
def test_the_author_may_not_approve_and_another_may(registered: BakedProject) -> None:
    # Given a version whose commits are by the author, who holds the role
    said = registry.approve(registered, 1, "author", code=1)
    # Then the author's own yes is not even recorded
    assert "the approver wrote or registered what is to be approved" in said
    # Nor that of one whose role the policy does not ask for, nor that of a stranger
    assert "the policy wants model-owner" in registry.approve(registered, 1, "risk", code=1)
    keys = registry.home(registered) / "keys"
    done = registered.governance(
        *("approve", "1", "--as", "stranger", "--key", str(keys / "owner")), code=None
    )
    registry.refused(done, "does not list 'stranger'")
    # Nor one with a key that is not that person's
    done = registered.governance(
        *("approve", "1", "--as", "owner", "--key", str(keys / "risk")), code=None
    )
    registry.refused(done, "none of the approver's keys that count today signed it")
    assert registry.actions(registered) == ["registered 1"]
    # And the owner's yes is
    assert "approved" in registry.approve(registered, 1)
    assert registry.states(registered) == {1: "approved"}


@pytest.mark.slow
def test_a_role_claimed_in_the_callers_own_branch_does_not_count(registered: BakedProject) -> None:
    # Given a caller who gives the stranger's key a role on a branch, and on the local `main`
    keys = registry.home(registered) / "keys"
    stranger = {
        "name": "stranger",
        "roles": ["model-owner"],
        "emails": ["stranger@example.org"],
        "keys": [{"key": registry.ssh_key(keys / "stranger")}],
    }
    listed = json.loads(registered.read(registry.APPROVERS))["people"]
    registry.approvers(registered, people=[*listed, stranger])
    baked.commit_all(registered.path, "A role for me")
    baked.git(registered.path, "update-ref", "refs/remotes/origin/main", "HEAD")
    baked.git(registered.path, "update-ref", "refs/governance/protected", "HEAD")
    # When the stranger approves, then the remote's protected branch knows no such person
    assert "does not list 'stranger'" in registry.approve(registered, 1, "stranger", code=1)


def revoke(project: BakedProject) -> None:
    """Take the owner's key back, on the protected branch."""
    found = json.loads(project.read(registry.APPROVERS))["people"]
    found[0]["keys"][0]["until"] = "2026-01-01"
    registry.approvers(project, people=found)


def demote(project: BakedProject) -> None:
    """Take the owner's role away, on the protected branch."""
    found = json.loads(project.read(registry.APPROVERS))["people"]
    found[0]["roles"] = ["risk-owner"]
    registry.approvers(project, people=found)


def dismiss(project: BakedProject) -> None:
    """Take the owner out, on the protected branch."""
    found = json.loads(project.read(registry.APPROVERS))["people"]
    registry.approvers(project, people=found[1:])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (revoke, "none of the approver's keys that count today signed it"),
        (demote, "does not have the role model-owner"),
        (dismiss, "does not list the approver"),
    ],
    ids=["revoked-key", "lost-role", "left"],
)
def test_an_approval_that_no_longer_counts_stops_the_promotion(
    contested: BakedProject, change: Callable[[BakedProject], None], cause: str
) -> None:
    # Given an approved challenger, when the protected branch says that the yes is worth nothing
    change(contested)
    registry.save(contested, "Changed", author="Risk <risk@example.org>")
    done = contested.governance("promote", code=None)
    # Then it is not promoted, and the reason is said
    registry.refused(done, "still needs approval by model-owner", cause)
    # And a key that was revoked from before on takes the champion's approval with it
    code = 1 if change is revoke else 0
    assert registry.states(contested, code)[2] == "approved"


@pytest.mark.slow
def test_a_replayed_or_forged_approval_in_the_ledger_counts_for_nothing(
    registered: BakedProject, tmp_path: Path
) -> None:
    # Given a pending version, and an event that says "approved" without anybody's signature
    text = json.dumps(_forged(registered))
    script = (
        "import json; from governed_ml.registry import append_event\n"
        "seen = append_event.situation(Path(), registry)\n"
        "append_event.record(Path(), registry, 'approved', seen, **json.loads(sys.argv[1]))\n"
    )
    # Then it is not recorded, as nobody would believe it
    with pytest.raises(
        AssertionError, match="none of the approver's keys that count today signed it"
    ):
        registry.python(registered, script, text)
    assert registry.actions(registered) == ["registered 1"]
    # And written past the engine and pushed, it is void
    script = (
        "import json; from governed_ml.ledger import storage\n"
        "storage.append(Path(), 'approved', **json.loads(sys.argv[1]))\n"
    )
    registry.python(registered, script, text)
    found = registry.status(registered, code=1)
    assert any(
        "owner did not approve: none of the approver's keys" in line
        for line in found["differences"]
    )
    done = registered.governance("promote", "1", code=None)
    registry.refused(done, "only a version that is approved can be promoted")


def _forged(project: BakedProject) -> dict[str, Any]:
    event = registry.ledger(project)[0]
    subject = event["subject"]
    named = ("name", "commit", "model", "data", "policy", "engine")
    approval = {name: subject[name] for name in named}
    approval |= {
        "version": 1,
        "approver": "owner",
        "roles": ["model-owner"],
        "source": "ssh",
        "time": ago(0),
    }
    details = {"missing": []}
    return {"version": 1, "subject": subject, "approvals": [approval], "details": details}


@pytest.mark.slow
def test_a_shallow_clone_cannot_tell_who_the_authors_are(
    registered: BakedProject, tmp_path: Path
) -> None:
    # Given a clone without its history, as a workflow makes it by default
    registry.approve(registered, 1)
    url = (registry.home(registered) / "origin.git").as_uri()
    baked.git(tmp_path, "clone", "--quiet", "--depth", "1", url, "shallow")
    for name in ("mlflow.db", "mlruns"):
        (tmp_path / "shallow" / name).symlink_to(registered.path / name)
    fetch = ("fetch", "--quiet", "origin", "governance-ledger:governance-ledger")
    baked.git(tmp_path / "shallow", *fetch, "--unshallow")
    baked.git(tmp_path / "shallow", "fetch", "--quiet", "--depth", "1", "origin", "main")
    shallow = replace(registered, path=tmp_path / "shallow")
    # When it promotes, then it cannot judge
    done = shallow.governance("promote", code=None)
    registry.refused(done, "shallow", code=2)


@pytest.mark.slow
def test_trap_17_tags_on_a_model_version_are_no_approval(registered: BakedProject) -> None:
    # Given a version that somebody tags as approved and whose alias somebody moves
    tags = "client.set_model_version_tag(name, '1', 'governance_status', 'approved')\n"
    moved = "client.set_registered_model_alias(name, 'champion', '1')\n"
    registry.python(registered, tags + moved)
    # When it is promoted, then it is still pending
    registry.refused(registered.governance("promote", "1", code=None), "is pending review")
    # And status finds both, and reconcile puts both right
    found = registry.status(registered, code=1)["differences"]
    assert any("governance_status says 'approved'" in line for line in found)
    assert any("alias champion names version 1, the ledger says no version" in x for x in found)
    registered.governance("reconcile", "--apply")
    assert registry.status(registered)["differences"] == []
