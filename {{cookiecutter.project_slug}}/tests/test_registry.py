"""The ledger and the states that it tells: what is edited is found, what is illegal is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

Module = Callable[[str], Any]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty repository whose owner has a name."""
    for words in (["init", "--quiet"], ["config", "user.email", "me@example.org"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def test_events_form_a_chain(repository: Path, module: Module) -> None:
    # Given two events, when the ledger is read
    ledger = module("governance.ledger")
    ledger.append(repository, "registered", version=1, subject={"model": "sha256:m"})
    ledger.append(repository, "rejected", version=1, reason="too old")
    first, second = (entry.event for entry in ledger.read(repository))
    # Then the second carries the digest of the first
    assert (first.sequence, second.sequence) == (1, 2)
    assert second.previous == first.digest()


def test_an_edited_event_is_found(repository: Path, module: Module) -> None:
    # Given a ledger, when a word of its first event is changed
    ledger, chain = module("governance.ledger"), module("governance.chain")
    for reason in ("one", "two", "three"):
        ledger.append(repository, "reconciled", reason=reason)
    raws = ledger.commits(repository, ledger.head(repository))
    edited = [replace(raws[0], body=raws[0].body.replace(b"one", b"ten")), *raws[1:]]
    # Then the chain breaks there
    assert chain.breaks(raws)[1] == ""
    assert chain.breaks(edited)[1].startswith("event 1 ")


def test_somebody_elses_event_comes_first(repository: Path, module: Module) -> None:
    # Given a ledger that went on since it was looked at, when an event is to follow what was seen
    ledger = module("governance.ledger")
    seen = ledger.append(repository, "reconciled").commit
    ledger.append(repository, "reconciled")
    # Then it is refused
    with pytest.raises(ledger.Moved, match="another event came first"):
        ledger.append(repository, "reconciled", after=seen)


def test_only_legal_moves_are_made(module: Module) -> None:
    # Given every action and every state, when a version is moved
    lifecycle, problem = module("governance.lifecycle"), module("problem").Problem
    legal = {
        ("registered", None), ("quarantined", None),
        ("approved", "pending_review"), ("approved", "approved"),
        ("rejected", "pending_review"), ("rejected", "approved"),
        ("promoted", "approved"), ("rolled_back", "retired"), ("rollback_failed", "champion"),
            ("monitored", "champion"),
    }  # fmt: skip
    states = (None, "pending_review", "approved", "champion", "retired", "quarantined", "rejected")
    for action, state in product(lifecycle.LEGAL, states):
        # Then it is allowed just where the table says so
        if (action, state) in legal:
            lifecycle.require_legal(action, 1, state)
        else:
            with pytest.raises(problem, match="version 1 is"):
                lifecycle.require_legal(action, 1, state)


def test_the_policy_says_who_has_to_approve(root: Path, module: Module) -> None:
    # Given the project's policies, when they are read
    policies = sorted((root / "conf" / "policy").glob("*.yaml"))
    compose = module("composition").compose
    for path in policies:
        found = compose(root / "conf", [f"policy={path.stem}"]).policy.approvals
        # Then each names roles and how long an approval lasts, and the highest tier names two
        assert found.valid_days >= 1
        assert len(set(found.roles)) == (2 if path.stem == "high" else 1)


def test_the_list_of_approvers_can_be_read(root: Path, module: Module) -> None:
    # Given the project's file, when it is read, then it breaks no rule
    import yaml

    values = yaml.safe_load((root / "governance" / "approvers.yaml").read_text(encoding="utf-8"))
    assert module("governance.approvers").Approvers.model_validate(values)
