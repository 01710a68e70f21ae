"""Registry against ledger: what somebody changed by hand is found and correct."""

from __future__ import annotations

from pathlib import Path

import baked
import pytest
import registry
from baked import BakedProject

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("by_hand", "finding"),
    [
        (
            "client.set_registered_model_alias(name, 'champion', '2')",
            "alias champion names version 2, the ledger says version 1",
        ),
        pytest.param(
            "client.delete_registered_model_alias(name, 'champion')",
            "alias champion names no version, the ledger says version 1",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            "client.delete_registered_model_alias(name, 'challenger')",
            "alias challenger names no version, the ledger says version 2",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            "client.set_model_version_tag(name, '2', 'governance_status', 'champion')",
            "version 2: tag governance_status says 'champion', the ledger 'approved'",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            "client.set_model_version_tag(name, '1', 'model_digest', 'sha256:00')",
            "version 1: tag model_digest says 'sha256:00'",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            "client.delete_model_version_tag(name, '1', 'commit')",
            "version 1: tag commit says 'nothing'",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            "registry.create({'governance_status': 'champion'})",
            "version 3 is not in the ledger",
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_trap_16_changes_made_by_hand_are_found_and_fixed(
    contested: BakedProject, tmp_path: Path, by_hand: str, finding: str
) -> None:
    # Given a registry that agrees with the ledger, and then a hand that changes it
    assert registry.status(contested)["differences"] == []
    registry.python(contested, f"{by_hand}\n")
    # When anybody looks, then it is found, by status and by reconcile alike, and nothing is fixed
    found = registry.status(contested, code=1)["differences"]
    assert any(finding in line for line in found), found
    before = registry.ledger(contested)
    assert finding in contested.governance("reconcile", code=1).stdout.replace("\n", " ")
    assert registry.ledger(contested) == before
    # And the champion is loaded only where the alias is the ledger's
    rows, out = contested.path / "data" / "raw.parquet", tmp_path / "out.csv"
    done = contested.governance("predict", str(rows), "--output", str(out), code=None)
    if "alias champion" in finding:
        registry.refused(done, finding, "governance reconcile")
    else:
        assert done.returncode == 0, done.stderr
    # When it is to be correct, then it is, and the ledger says that it was
    contested.governance("reconcile", "--apply")
    assert registry.status(contested)["differences"] == []
    event = registry.ledger(contested)[-1]
    assert event["action"] == "reconciled"
    assert any(finding in line for line in event["details"]["found"])


@pytest.mark.nightly
def test_trap_25_a_ledger_that_was_cut_rewritten_or_emptied_is_refused(
    contested: BakedProject, tmp_path: Path
) -> None:
    # Given a ledger whose head the registry names, and no remote to help
    baked.git(contested.path, "remote", "remove", "origin")
    head = baked.git(contested.path, "rev-parse", "governance-ledger")
    rows, out = contested.path / "data" / "raw.parquet", tmp_path / "out.csv"
    ledger = "refs/heads/governance-ledger"
    for command, code, causes in (
        (
            ("update-ref", ledger, f"{head}~1"),
            1,
            ["differs from what other copies remember", "truncated", "governed-model has event 5"],
        ),
        (("update-ref", "-d", ledger), 2, ["origin has a ledger that this clone lacks"]),
    ):
        baked.git(contested.path, *command)
        # When something is to move or to be loaded, then it is refused, and said why
        for words in (["promote"], ["predict", str(rows), "--output", str(out)]):
            done = contested.governance(*words, code=None)
            registry.refused(done, *causes, code=code)
        # And neither status nor reconcile make it good
        for words in (["status"], ["reconcile", "--apply"]):
            done = contested.governance(*words, code=None)
            assert done.returncode in (1, 2)
            assert causes[0] in (done.stdout + done.stderr).replace("\n", " ")
        baked.git(contested.path, "update-ref", "refs/heads/governance-ledger", head)
    contested.governance("promote")


@pytest.mark.nightly
def test_an_event_that_was_never_anchored_stops_promotions(contested: BakedProject) -> None:
    # Given an event that somebody appended by hand, without pushing it
    script = (
        "from governed_ml.ledger import storage as ledger\n"
        "ledger.append(Path(), 'reconciled', reason='by hand')\n"
    )
    registry.python(contested, script)
    # When the challenger is promoted, then the tail has to be looked at first
    done = contested.governance("promote", code=None)
    registry.refused(done, "anchored up to event 5 of 6", "governance reconcile --apply")
    contested.governance("reconcile", "--apply")
    contested.governance("promote")
    assert registry.states(contested)[2] == "champion"
