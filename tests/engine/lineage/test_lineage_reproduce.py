"""`governance lineage reproduce`: an old version's own line, run again, gives the same digests."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import baked
import people
import pytest
import registry
from baked import BakedProject

from governed_ml.core import model_file
from governed_ml.ledger import storage
from governed_ml.ledger.rules_in_force import rules_of
from governed_ml.lineage import reproduce as reproducing
from governed_ml.registry.approval.approvals import Approval, sign

pytestmark = pytest.mark.slow

VERSION = version("governed-ml")

APPEND = """import json, sys
from pathlib import Path
from governed_ml.ledger import storage as ledger

for one in json.loads(sys.argv[1]):
    ledger.append(Path(), **one)
"""
EVALUATE = "reports/evidence/evaluate.json"
MADE = [path.as_posix() for path in (*reproducing.PARTS, model_file.PATH)]


def happened(project: BakedProject, *events: dict[str, object]) -> None:
    """Write events into the ledger, as the commands of the registry do."""
    project.run(["python", "-c", APPEND, json.dumps(events)])


def subject(project: BakedProject) -> dict[str, str]:
    """What a registration of the current commit would bind."""
    train = json.loads(project.read("reports/evidence/train.json"))["subject"]
    raw = json.loads(project.read("reports/evidence/split.json"))["subject"]["inputs"][people.RAW]
    commit = baked.git(project.path, "rev-parse", "HEAD")
    bound = {"commit": commit, "model": train["model"], "data": raw, "policy": "sha256:0"}
    return bound | {"name": "people"}


@pytest.fixture(scope="module")
def old(
    template: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> BakedProject:
    """Version 1 was champion two commits ago; model, code and README have changed since."""
    project = baked.bake(template, tmp_path_factory.mktemp("old"), environment)
    for name, value in (("user.name", "Author"), ("user.email", "author@example.org")):
        baked.git(project.path, "config", name, value)
    people.configure(project)
    project.write(people.CSV, people.text())
    people.stage(project, "compose")
    people.draft(project)
    project.run(["dvc", "repro", "--quiet"])
    owner = {"name": "owner", "roles": ["model-owner"], "emails": ["owner@example.org"]}
    key = project.path.parent / "owner"
    owner["keys"] = [{"key": registry.ssh_key(key)}]
    registry.approvers(project, people=[owner])
    baked.commit_all(project.path, "The pipeline ran")
    commit = baked.git(project.path, "rev-parse", "HEAD")
    policy = rules_of(project.path, commit).policy_digest
    bound = subject(project) | {"policy": policy}
    one: dict[str, object] = {"version": 1, "subject": bound}
    happened(project, {"action": "registered", **one, "decision": {"verdict": "deny"}})
    yes = Approval(
        **bound, version=1, approver="owner", roles=["model-owner"], source="ssh",
        time=storage.now(),
    )  # fmt: skip
    given = {"approvals": [sign(yes, key).model_dump(mode="json")]}
    happened(
        project,
        {"action": "approved", **one, **given, "details": {"protected": commit}},
        {"action": "promoted", **one, **given, "details": {"protected": commit, "from": None}},
    )
    people.replace(project, "conf/model/logistic_regression.yaml", "C: 1.0", "C: 0.1")
    module = f"src/{project.package}/features.py"
    project.write(module, project.read(module) + "\nraise SystemExit('another code')\n")
    baked.commit_all(project.path, "Another model, and code that does not run")
    project.write("README.md", "Another README\n")
    baked.commit_all(project.path, "Another README")
    return project


@pytest.mark.nightly
def test_a_version_two_commits_old_gives_the_same_digests(old: BakedProject) -> None:
    # Given an old champion, and a tree that has gone on and cannot even run
    before = people.files(old)
    # When it is reproduced as the champion of today
    done = old.governance(
        "lineage", "reproduce", "--date", datetime.now(UTC).date().isoformat(), "--json"
    )
    # Then every table, the model and every number are what was recorded
    found = json.loads(done.stdout)
    states = {row["what"]: row["state"] for row in found["rows"]}
    assert set(states.values()) == {"equal"}
    assert {people.RAW, "data/split/train.parquet", "data/predictions.parquet"} <= states.keys()
    assert {"models/model.skops", "numbers of evaluate", "numbers of explain"} <= states.keys()
    assert found["version"] == 1
    # And it is said which engine measured, and where: here it is the one that runs
    [note] = found["notes"]
    assert note.startswith(f"measured with engine {VERSION} of commit ")
    assert note.endswith(", in the running environment")
    # And the tree, its branch and its worktrees are as they were
    assert people.files(old) == before
    assert baked.git(old.path, "status", "--porcelain") == ""
    assert len(baked.git(old.path, "worktree", "list").splitlines()) == 1


@pytest.mark.nightly
def test_a_hand_edited_number_is_reported_as_different(old: BakedProject, tmp_path: Path) -> None:
    # Given a version whose evidence was edited before the commit, and a source that is gone
    project = baked.copy_project(old, tmp_path)
    baked.git(project.path, "checkout", "--quiet", "HEAD~2")
    evidence = json.loads(project.read(EVALUATE))
    evidence["metrics"]["roc_auc"]["value"] += 0.001
    project.write(EVALUATE, json.dumps(evidence))
    baked.commit_all(project.path, "Better")
    happened(project, {"action": "registered", "version": 2, "subject": subject(project)})
    (project.path / people.CSV).unlink()
    # When it is reproduced, then that number differs, nothing else, and the raw table is DVC's
    done = project.governance("lineage", "reproduce", "2", code=1)
    different = [line for line in done.stdout.splitlines() if line.startswith("different")]
    assert len(different) == 1
    assert "numbers of evaluate" in different[0]
    assert "metrics.roc_auc.value" in different[0]
    assert f"{people.RAW} came from DVC" in done.stdout


@pytest.mark.nightly
def test_verify_hashes_the_source_again(old: BakedProject, tmp_path: Path) -> None:
    # Given a source that is a file, when one sign of it changes, or it is gone
    project = baked.copy_project(old, tmp_path, "cache")
    text = project.read(people.CSV)
    for content, state, cause in (
        (text, "ok", people.CSV),
        (text.replace("yes", "Yes", 1), "broken", f"{people.CSV} is "),
        (None, "unknown", f"{people.CSV} is not here"),
    ):
        if content is None:
            (project.path / people.CSV).unlink()
        else:
            project.write(people.CSV, content)
        done = project.governance("lineage", "verify", "--json", code=1)
        links = {one["name"]: one for one in json.loads(done.stdout)}
        # Then that link says so; and that the code has changed since, another one
        assert links["source"]["state"] == state
        assert cause in links["source"]["said"]
        assert links["evidence"]["state"] == "broken"
        assert "its code has changed" in links["evidence"]["said"] or state != "ok"


@pytest.mark.nightly
def test_a_version_that_cannot_be_reproduced_gives_the_reason(old: BakedProject) -> None:
    # Given questions without an answer, then each is one line that says why
    for arguments, code, cause in (
        (("7",), 1, "the ledger has no version 7"),
        (("--date", "2020-01-01"), 1, "no champion on 2020-01-01"),
        (("--date", "yesterday"), 2, "is not a date"),
        ((), 2, "give either a version or --date"),
        (("challenger",), 1, "the ledger has no challenger"),
    ):
        done = old.governance("lineage", "reproduce", *arguments, code=code)
        assert cause in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_each_table_the_model_and_each_number_are_compared(registered: BakedProject) -> None:
    # Given a version, whose own commit gives what lies here
    def ran(tree: Path, *_: object) -> None:
        for name in MADE:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(registered.path / name, tree / name)
        if better:
            found = json.loads((tree / EVALUATE).read_text(encoding="utf-8"))
            found["metrics"]["roc_auc"]["value"] += better
            (tree / EVALUATE).write_text(json.dumps(found), encoding="utf-8")

    with (
        mock.patch.object(reproducing, "_run", ran),
        mock.patch.object(reproducing, "environments"),
    ):
        # When it is reproduced, then all is equal
        better = 0.0
        done = registered.call("lineage", "reproduce", "1", "--json")
        states = {row["what"]: row["state"] for row in json.loads(done.stdout)["rows"]}
        assert set(states.values()) == {"equal"}
        assert {*MADE, "numbers of evaluate", "numbers of explain"} <= states.keys()
        # And when one number is another one, then that one differs, and nothing else
        better = 0.001
        done = registered.call("lineage", "reproduce", "1", code=1)
    different = [line for line in done.stdout.splitlines() if line.startswith("different")]
    assert len(different) == 1
    assert "metrics.roc_auc.value" in different[0]
