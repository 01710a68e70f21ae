"""Register: recomputed, judged, signed; or refused, or quarantined, with the reason."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import baked
import pytest
import registry
import tables
from baked import BakedProject

pytestmark = pytest.mark.slow


def refuse(project: BakedProject, *causes: str, code: int = 1, **variables: str) -> str:
    """Assert that registering is refused for these causes, and that nothing is recorded."""
    done = project.governance("register", code=None, **variables)
    line = registry.refused(done, *causes, code=code)
    assert baked.git_code(project.path, "rev-parse", "--quiet", "--verify", "governance-ledger")
    return line


@pytest.fixture(scope="module")
def equipped_once(
    project_after_run: BakedProject, tmp_path_factory: pytest.TempPathFactory
) -> BakedProject:
    """The default project with keys, approvers and a remote; nothing is registered."""
    return registry.equip(
        baked.copy_project(project_after_run, tmp_path_factory.mktemp("equipped"))
    )


@pytest.fixture
def equipped(equipped_once: BakedProject, tmp_path: Path) -> BakedProject:
    """A copy of that project for one test."""
    return registry.copy(equipped_once, tmp_path)


@pytest.mark.nightly
@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without a signal")
def test_a_terminated_registration_leaves_no_table_behind(
    equipped: BakedProject, tmp_path: Path
) -> None:
    # Given a registration that measures the copied tables again, in a temporary folder of its own
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    assert equipped.environment
    scripts = equipped.environment / "bin"
    env = baked.clean_environment(**equipped.variables, TMPDIR=str(temporary))
    env["PATH"] = os.pathsep.join([str(scripts), env["PATH"]])
    with subprocess.Popen(
        [str(scripts / "governance"), "register"],
        cwd=equipped.path,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stderr
        said = next(line for line in command.stderr if "recomputing fairness" in line)
        assert list(temporary.rglob("*.parquet"))
        # When it is told to end
        command.terminate()
        code = command.wait(60)
    # Then it does, and neither tables nor the model are left; the tree is as it was
    assert (code, said) == (143, "recomputing fairness …\n")
    assert not [one for one in temporary.rglob("*") if not one.name.startswith("db_init_lock")]
    assert baked.git(equipped.path, "status", "--porcelain") == ""


def test_a_registration_says_what_on_what_and_by_which_policy(registered: BakedProject) -> None:
    # Given a registered model, when its version is read in the registry
    script = (
        "import json; one = client.get_model_version(name, '1')\n"
        "print(json.dumps([one.tags, registry.aliases()]))\n"
    )
    tags, aliases = json.loads(registry.python(registered, script))
    [event] = registry.ledger(registered)
    # Then its tags carry the digests, the commit, the ledger's head and the state
    for name in ("model", "data", "policy", "decision"):
        assert tags[f"{name}_digest"] == event["subject"][name]
        assert event["subject"][name].startswith("sha256:")
    assert tags["commit"] == baked.git(registered.path, "rev-parse", "HEAD")
    assert tags["governance_status"] == "pending_review"
    head = baked.git(registered.path, "rev-parse", "governance-ledger")
    assert tags["ledger_head"] == f"1 {head}"
    assert aliases == {"challenger": 1}
    # And the ledger's branch is on the remote
    assert baked.git(registered.path, "ls-remote", "origin", "governance-ledger").startswith(head)


@pytest.mark.nightly
def test_a_second_registration_of_the_same_commit_changes_nothing(
    registered: BakedProject,
) -> None:
    done = registered.governance("register", code=None)
    assert done.returncode == 0, done.stderr
    assert "this model is already version 1" in done.stderr
    assert len(registry.ledger(registered)) == 1


def dirty(project: BakedProject) -> None:
    """Leave a file that is in no commit."""
    project.write("src/notes.txt", "later")


def edited(project: BakedProject) -> None:
    """Change a line of code without a commit."""
    name = f"src/{project.package}/training.py"
    project.write(name, project.read(name) + "\n# changed\n")


def without_remote_data(project: BakedProject) -> None:
    """Empty DVC's remote."""
    for path in sorted((project.path / ".dvc-remote").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()


def without_lock(project: BakedProject) -> None:
    """Take `dvc.lock` out of the commit."""
    (project.path / "dvc.lock").unlink()
    registry.save(project, "No lock")


def without_evidence(project: BakedProject) -> None:
    """Take one gate's evidence out of the commit."""
    (project.path / "reports" / "evidence" / "fairness.json").unlink()
    registry.save(project, "No evidence")


def frozen(project: BakedProject) -> None:
    """Freeze a stage."""
    text = project.read("dvc.yaml")
    line = "    cmd: governance stage fairness\n"
    assert line in text
    project.write("dvc.yaml", text.replace(line, f"{line}    frozen: true\n"))
    registry.save(project, "Frozen")


def another_model_file(project: BakedProject) -> None:
    """Exchange the model on disk."""
    path = project.path / "models" / "model.skops"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"\0")


def forged_number(project: BakedProject) -> None:
    """Write a better number into the evidence, keep its bounds, and have DVC lock it."""
    name = "reports/evidence/evaluate.json"
    found = json.loads(project.read(name))
    found["metrics"]["roc_auc"]["value"] = 0.99
    project.write(name, json.dumps(found, indent=2))
    _relock(project)
    registry.save(project, "Better")


def forged_group(project: BakedProject) -> None:
    """Make a group's disparity vanish from metrics and body alike."""
    name = "reports/evidence/fairness.json"
    found = json.loads(project.read(name))
    for attribute in found["body"]["attributes"]:
        for group in attribute["groups"]:
            group["rates"] = dict.fromkeys(group["rates"], 0.5)
    project.write(name, json.dumps(found, indent=2))
    _relock(project)
    registry.save(project, "Fairer")


def _relock(project: BakedProject) -> None:
    project.run(["dvc", "commit", "--force", "--quiet"])
    project.run(["dvc", "push", "--quiet"])


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        (dirty, ["uncommitted changes (src/notes.txt)"]),
        pytest.param(
            edited,
            ["uncommitted changes", "training.py"],
            marks=pytest.mark.nightly,
        ),
        (without_remote_data, ["is not in DVC's remote", "dvc push"]),
        (without_lock, ["lineage is missing", "dvc.lock"]),
        pytest.param(
            without_evidence,
            ["lineage is missing", "fairness.json is missing"],
            marks=pytest.mark.nightly,
        ),
        (frozen, ["lineage is missing: stage fairness is frozen"]),
        pytest.param(
            another_model_file,
            ["models/model.skops does not match dvc.lock"],
            marks=pytest.mark.nightly,
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_an_incomplete_commit_is_not_registered(
    equipped: BakedProject, change: Callable[[BakedProject], None], causes: list[str]
) -> None:
    # Given a commit with something missing, or a tree that is no commit, when it is registered
    change(equipped)
    # Then it is refused before anything is recomputed
    refuse(equipped, *causes)


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        (forged_number, ["evidence of evaluate was not measured", "roc_auc", "0.99"]),
        pytest.param(
            forged_group,
            [
                "evidence of fairness was not measured",
                "body.attributes[0].groups[0].rates",
                "was 0.5, but is 0.",
            ],
            marks=pytest.mark.nightly,
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_trap_13_forged_evidence_with_a_forged_lock_is_found_by_recomputing(
    equipped: BakedProject, change: Callable[[BakedProject], None], causes: list[str]
) -> None:
    # Given evidence that somebody wrote by hand, kept to its schema and locked with `dvc commit`
    change(equipped)
    assert equipped.run(["dvc", "status", "--quiet"], code=None).returncode == 0
    equipped.governance("gate")
    registry.save(equipped, "Judged")
    # When it is registered, then the recomputed number tells
    refuse(equipped, *causes)


@pytest.mark.nightly
def test_without_a_key_that_is_listed_nothing_is_signed(equipped: BakedProject) -> None:
    keys = registry.home(equipped) / "keys"
    # Given no key, one that is not there, one inside the repository, one that nobody listed
    refuse(
        equipped,
        "the environment variable GOVERNANCE_MODEL_KEY is not set",
        code=2,
        GOVERNANCE_MODEL_KEY="",
    )
    lost = str(keys / "lost.pem")
    refuse(equipped, "which does not exist", code=2, GOVERNANCE_MODEL_KEY=lost)
    inside = str(equipped.path / "models" / "champion" / "key.pem")
    refuse(equipped, "is a private key in the repository", code=2, GOVERNANCE_MODEL_KEY=inside)
    done = equipped.governance("keygen", inside, code=None)
    registry.refused(done, "is a private key in the repository", code=2)
    equipped.governance("keygen", str(keys / "other.pem"))
    assert (keys / "other.pem").stat().st_mode & 0o077 == 0
    other = str(keys / "other.pem")
    refuse(equipped, "is not listed under model_keys", code=2, GOVERNANCE_MODEL_KEY=other)
    not_one = str(keys / "owner")
    # Or one of another kind: when it registers, then it is refused
    refuse(equipped, "is not a private key in PEM format", code=2, GOVERNANCE_MODEL_KEY=not_one)


def _stricter(project: BakedProject) -> None:
    """Ask for what the model cannot reach."""
    policy = project.read("conf/policy/base.yaml")
    project.write("conf/policy/base.yaml", policy.replace(registry.LIMIT, registry.STRICT))
    project.run(["dvc", "repro", "--quiet"])
    project.run(["dvc", "push", "--quiet"])
    registry.save(project, "Stricter")


def test_a_denied_model_is_quarantined_with_its_reasons(equipped: BakedProject) -> None:
    # Given a model that is denied, as the policy wants what it cannot reach
    _stricter(equipped)
    # When it is registered
    done = equipped.governance("register", "--json", code=1)
    # Then it is a version without an alias, quarantined, and the ledger has the reasons
    assert json.loads(done.stdout)["verdict"] == "deny"
    [event] = registry.ledger(equipped)
    assert event["action"] == "quarantined"
    assert "0.94 allowed" in event["decision"]["rules"]["evaluate.roc_auc"]
    [row] = registry.status(equipped)["rows"]
    assert (row["state"], row["aliases"]) == ("quarantined", [])
    # And it can be neither approved nor promoted
    assert "version 1 is quarantined" in registry.approve(equipped, 1, code=1)
    registry.refused(equipped.governance("promote", "1", code=None), "version 1 is quarantined")


@pytest.mark.nightly
def test_a_denied_model_is_not_registered_once_more(equipped: BakedProject) -> None:
    # Given a model that was denied and registered
    _stricter(equipped)
    equipped.governance("register", code=1)
    # When it is registered once more, then it is the same version
    done = equipped.governance("register", code=None)
    registry.refused(done, "this model is already version 1, which is quarantined")


@pytest.mark.nightly
def test_trap_30_a_waiver_is_in_the_ledger_with_who_and_until_when(equipped: BakedProject) -> None:
    # Given a model that only a live waiver lets through
    policy = equipped.read("conf/policy/base.yaml")
    strict = policy.replace(registry.LIMIT, registry.STRICT)
    waiver = (
        'waivers: [{rule: evaluate.roc_auc, reason: "a pilot of six months", '
        'approved_by: "the risk owner", expires: 2999-12-31}]'
    )
    equipped.write("conf/policy/base.yaml", strict.replace("waivers: []", waiver))
    equipped.run(["dvc", "repro", "--quiet"])
    equipped.run(["dvc", "push", "--quiet"])
    registry.save(equipped, "A pilot", author="Risk <risk@example.org>")
    # When it is registered, then its event names the waiver
    equipped.governance("register")
    [event] = registry.ledger(equipped)
    told = event["decision"]["rules"]["evaluate.roc_auc"]
    assert told.startswith("waived: ")
    assert "waived until 2999-12-31 by the risk owner: a pilot of six months" in told


@pytest.mark.nightly
def test_a_worse_challenger_is_quarantined_and_the_interval_says_why(
    contested: BakedProject,
) -> None:
    # Given a challenger that learned from two trees only, when it is registered
    text = contested.read(registry.ESTIMATOR).replace("max_iter: 100", "max_iter: 2")
    contested.write(registry.ESTIMATOR, text)
    registry.another_model(contested, "0.05")
    contested.governance("register", code=1)
    # Then it was compared with the champion on the same test rows, and the bounds decide
    event: dict[str, Any] = registry.ledger(contested)[-1]
    told = event["decision"]["rules"]["evaluate.champion"]
    assert told.startswith("fail: -0.")
    assert " in [-0." in told
    assert "at least -0.01 allowed" in told


@pytest.mark.nightly
@pytest.mark.skipif(not tables.FOLDER.is_dir(), reason="needs ../shared/data (adult.csv)")
def test_adult_is_denied_then_promoted_under_waivers_and_rolled_back(
    template: Path, environment: Path, tmp_path: Path
) -> None:
    # Given the census table under the policy for high risk
    adult = tables.REAL[0]
    project = baked.bake(template, tmp_path / "adult", environment, risk_tier="high")
    project = baked.BakedProject(project.path, environment, {"DVC_SITE_CACHE_DIR": str(tmp_path)})
    adult.configure(project)
    project.run(["dvc", "repro", "ingest", "--quiet"])
    project.governance("contract", "draft")
    project.run(["dvc", "repro", "--quiet"])
    project = registry.equip(project)
    # When its model is registered, then it is quarantined, and cannot be approved
    project.governance("register", code=1)
    denied = registry.ledger(project)[0]
    assert denied["action"] == "quarantined"
    told = denied["decision"]["rules"]["fairness.demographic_parity[sex]"]
    assert told.startswith("fail: ")
    assert "Female vs Male" in told
    assert "version 1 is quarantined" in registry.approve(project, 1, code=1)
    # When the risk owner waives each rule that denied, until a day, and two people approve
    _waive(project, list(denied["decision"]["rules"]))
    project.governance("register")
    assert "still to approve: risk-owner" in _say_yes(project, 2, "owner")
    registry.refused(project.governance("promote", "2", code=None), "version 2 is pending review")
    _say_yes(project, 2, "risk")
    project.governance("promote", "2")
    # Then it is champion; and a second one can be promoted and rolled back
    registry.another_model(project, "0.12")
    project.governance("register")
    for name in ("owner", "risk"):
        _say_yes(project, 3, name)
    project.governance("promote", "3")
    project.governance("rollback", "--reason", "Complaints about the new one")
    assert registry.states(project) == {1: "quarantined", 2: "champion", 3: "quarantined"}
    # And at each point the ledger answers who approved what, on which data, under which policy
    for event in registry.ledger(project):
        if event["action"] == "promoted":
            assert [yes["approver"] for yes in event["approvals"]] == ["owner", "risk"]
            assert {yes["model"] for yes in event["approvals"]} == {event["subject"]["model"]}
            assert {yes["data"] for yes in event["approvals"]} == {event["subject"]["data"]}
            assert {yes["policy"] for yes in event["approvals"]} == {event["subject"]["policy"]}
            waived = event["decision"]["rules"]["fairness.demographic_parity[sex]"]
            assert waived.startswith("waived: ")
    for version in (1, 2, 3):
        shown = project.governance("ledger", "show", "--version", str(version)).stdout
        assert registry.ledger(project)[0]["subject"]["data"][7:19] in shown
        assert ("owner" in shown) == (version > 1)


def _say_yes(project: BakedProject, version: int, name: str) -> str:
    return registry.approve(project, version, name)


def _waive(project: BakedProject, rules: list[str]) -> None:
    """Waive rules in the policy for high risk, as the risk owner, and run the pipeline again."""
    waivers = [
        {
            "rule": rule,
            "reason": "a study with public data, no decision about a person",
            "approved_by": "the risk owner",
            "expires": "2999-12-31",
        }
        for rule in rules
    ]
    text = project.read("conf/policy/base.yaml")
    assert "waivers: []" in text
    waived = text.replace("waivers: []", f"waivers: {json.dumps(waivers)}")
    project.write("conf/policy/base.yaml", waived)
    registry.save(project, "Waivers", author="Risk <risk@example.org>")
    project.run(["dvc", "repro", "--quiet"])
    project.run(["dvc", "push", "--quiet"])
    registry.save(project, "The pipeline ran")
