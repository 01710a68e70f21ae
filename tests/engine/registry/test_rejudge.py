"""Judged once more before people are asked: measured again on its own commit, as it was sealed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import baked
import pytest
import registry
from baked import BakedProject

from governed_ml.registry import rejudge

pytestmark = pytest.mark.slow


@pytest.mark.nightly
def test_a_version_is_measured_and_judged_again_and_nothing_is_written(
    contested: BakedProject, tmp_path: Path
) -> None:
    # Given a challenger, on a machine that has neither its table nor its model
    shutil.rmtree(contested.path / ".dvc" / "cache")
    for name in ("data/raw.parquet", "models/model.skops"):
        (contested.path / name).unlink()
    before = registry.ledger(contested)
    # When it is judged again, then both come from DVC's remote, and the verdict is allow
    said = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    done = contested.governance("rejudge", "--json", **said)
    assert "fetching data/raw.parquet" in done.stderr
    assert "recomputing train" in done.stderr
    subject = before[3]["subject"]
    expected = {"version": 2, "commit": subject["commit"], "model": subject["model"]}
    assert json.loads(done.stdout) == expected | {"verdict": "allow"}
    # And a workflow gets the same, with the decision for people
    outputs = (tmp_path / "GITHUB_OUTPUT").read_text(encoding="utf-8")
    for name, value in expected.items():
        assert f"{name}<<" in outputs
        assert f"\n{value}\n" in outputs
    summary = (tmp_path / "GITHUB_STEP_SUMMARY").read_text(encoding="utf-8")
    assert "## Version 2 of governed-model: allow" in summary
    assert "| ✅ pass | evaluate.roc" in summary
    # And nothing was recorded, moved or left behind
    assert registry.ledger(contested) == before
    assert registry.states(contested) == {1: "champion", 2: "approved"}
    assert baked.git(contested.path, "status", "--porcelain") == ""
    # And where approvals would be for another commit, or the remote has lost the table, it refuses
    done = contested.governance("rejudge", "--commit", "d" * 40, code=None)
    registry.refused(
        done, "version 2 is of commit", "approvals in this run are for commit dddddddddddd"
    )
    shutil.rmtree(contested.path / ".dvc-remote")
    shutil.rmtree(contested.path / ".dvc" / "cache", ignore_errors=True)
    done = contested.governance("rejudge", code=None)
    registry.refused(
        done, "cannot get data/raw.parquet of commit", "push it (`uv run dvc push`)", code=2
    )
    # And a changed file of the version stops it before anything is measured
    bundle = registry.artifacts(contested, 2) / "bundle"
    (bundle / "MLmodel").write_text("other: 1\n", encoding="utf-8")
    done = contested.governance("rejudge", code=None)
    registry.refused(done, "version 2 is refused", "MLmodel changed")


def test_a_new_measurement_must_equal_the_sealed_evidence(contested: BakedProject) -> None:
    # Given a challenger, whose own commit measures what was sealed
    sealed = registry.artifacts(contested, 2) / "bundle" / "governance" / "reports" / "evidence"

    def measured(*given: Any) -> None:
        evidence = given[2] / "reports" / "evidence"
        shutil.copytree(sealed, evidence, dirs_exist_ok=True)
        found = json.loads((evidence / "evaluate.json").read_text(encoding="utf-8"))
        found["metrics"]["roc_auc"]["value"] += better
        (evidence / "evaluate.json").write_text(json.dumps(found), encoding="utf-8")

    before = registry.ledger(contested)
    with (
        mock.patch.object(rejudge, "measure", measured),
        mock.patch.object(rejudge, "environments"),
    ):
        # When it is judged again, then it is allowed
        better = 0.0
        done = contested.call("rejudge", "--json")
        assert json.loads(done.stdout)["verdict"] == "allow"
        # And when a number is another one, then it is refused by that number
        better = 0.01
        done = contested.call("rejudge", code=None)
    registry.refused(done, "evidence of evaluate was not measured", "roc_auc.value was")
    # And either way nothing was recorded
    assert registry.ledger(contested) == before


FORGED = """
import json
from governed_ml.registry import register
from governed_ml.registry.release import bundle
build = bundle.build

def forged(scratch, folder):
    path = scratch / "reports/evidence/evaluate.json"
    found = json.loads(path.read_text("utf-8"))
    found["metrics"]["roc_auc"]["value"] += 0.01
    path.write_text(json.dumps(found), encoding="utf-8")
    build(scratch, folder)

bundle.build = forged
register.register(Path(), registry, lambda line: None)
"""


@pytest.mark.nightly
def test_evidence_that_was_sealed_and_never_measured_is_found(registered: BakedProject) -> None:
    # Given somebody with the key who seals a better number than was measured
    registered.write("notes.md", "Nothing new\n")
    registry.save(registered, "A note")
    registry.python(registered, FORGED)
    assert registry.states(registered)[2] == "pending_review"
    # When the version is judged again, then the measure says otherwise
    done = registered.governance("rejudge", code=None)
    lines = [line for line in done.stderr.splitlines() if not line.endswith("…")]
    assert done.returncode == 1
    assert len(lines) == 1
    assert "evidence of evaluate was not measured on this commit: roc_auc.value was" in lines[0]


@pytest.mark.nightly
def test_todays_policy_judges(contested: BakedProject) -> None:
    # Given a policy that got stricter since the registration
    policy = contested.read("conf/policy/base.yaml")
    strict = policy.replace(registry.LIMIT, registry.STRICT)
    assert strict != policy
    contested.write("conf/policy/base.yaml", strict)
    registry.save(contested, "Stricter", author="Risk <risk@example.org>")
    # When the challenger is judged again, then it is denied, with the rule
    done = contested.governance("rejudge", code=1)
    assert "evaluate.roc_auc" in done.stdout
    assert "deny" in done.stdout
