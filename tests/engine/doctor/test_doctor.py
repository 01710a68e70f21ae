"""`governance doctor`: a fresh project is well, and each thing that is wrong is found by name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import baked
import chains
import github_projects
import pytest
import registry
from baked import BakedProject

from governed_ml.doctor import safeguards

pytestmark = pytest.mark.slow  # all together

AREAS = {
    *("git", "remote", "DVC", "DVC remote", "MLflow", "policy", "hooks", "model key"),
    *("git signing", "approvers", "GitHub", "ledger", "monitoring", "template"),
}
POLICY = "conf/policy/base.yaml"


@pytest.fixture
def fresh(project: BakedProject, environment: Path, tmp_path: Path) -> BakedProject:
    """The default project as it was generated, whose git knows who acts."""
    made = baked.copy_project(BakedProject(project.path, environment), tmp_path)
    baked.git(made.path, "config", "user.email", "me@example.org")
    config = made.read(".dvc/config").replace(baked.IN_PROJECT, baked.DEFAULT_REMOTE)
    made.write(".dvc/config", config)
    return made


def look(project: BakedProject, code: int, **variables: str) -> dict[str, list[tuple[str, str]]]:
    """What the doctor says: thing → state and line."""
    done = project.call("doctor", "--json", code=code, **variables)
    assert not done.stderr, done.stderr
    found: dict[str, list[tuple[str, str]]] = {}
    for row in json.loads(done.stdout):
        found.setdefault(row["what"], []).append((row["state"], row["line"]))
    return found


def test_the_doctor_finds_nothing_wrong_in_a_fresh_project(fresh: BakedProject) -> None:
    # Given a project as it was generated, when the doctor looks
    found = look(fresh, 0)
    # Then every area has its row, and what is not there yet is no error
    assert set(found) == AREAS
    states = {what: rows[0][0] for what, rows in found.items()}
    assert [what for what in ("git", "DVC", "policy") if states[what] != "ok"] == []
    assert set(states.values()) == {"ok", "note", "warning"}
    assert states["hooks"] == "warning"
    assert found["GitHub"] == [("note", "not checked, because GITHUB_TOKEN is not set: set it")]
    # And people see the same in a table
    shown = fresh.governance("doctor").stdout
    assert "uv run pre-commit install" in shown


def test_each_wrong_thing_is_found_by_name(fresh: BakedProject, tmp_path: Path) -> None:
    # Given a project in which much is wrong at once
    day = datetime.now(UTC).date()
    waivers = ", ".join(
        f"{{rule: {rule}, reason: it is being fixed, approved_by: '@risk', expires: {expires}}}"
        for rule, expires in (
            ("explain.coverage", day - timedelta(days=1)),
            ("evaluate.roc_auc", day + timedelta(days=3)),
        )
    )
    fresh.write(POLICY, fresh.read(POLICY).replace("waivers: []", f"waivers: [{waivers}]"))
    public = chains.key(tmp_path, "ci").read_text(encoding="utf-8").strip()
    people = registry.POLICY_OWNER | {"ledger": [{"name": "ci", "key": public}]}
    fresh.write(registry.APPROVERS, json.dumps(people))
    config = fresh.read(".dvc/config")
    fresh.write(".dvc/config", config.replace("remote = storage", "remote = other"))
    fresh.write(".cruft.json", fresh.read(".cruft.json").replace('"commit": "', '"commit": "x'))
    baked.commit_all(fresh.path, "Wrong")
    baked.git(fresh.path, "remote", "add", "origin", str(tmp_path / "nowhere"))
    # When the doctor looks, with a server that does not answer and a key that is not there
    found = look(
        fresh,
        1,
        MLFLOW_TRACKING_URI="http://me:geheim@127.0.0.1:9",
        GOVERNANCE_MODEL_KEY=str(tmp_path / "no.pem"),
    )
    # Then each has its row: what is wrong, and how to fix it
    wanted = {
        "DVC remote": ("wrong", "none is set", "dvc remote add"),
        "MLflow": ("wrong", "http://127.0.0.1:9 does not answer", "MLFLOW_TRACKING_URI"),
        "model key": ("wrong", "no.pem, which does not exist", "set it"),
        "git signing": ("wrong", "git does not sign them", "git config gpg.format ssh"),
        "approvers": (
            "wrong",
            "no separate person for model-owner",
            "the risk owner to add one",
        ),
        "template": ("wrong", ".cruft.json", "git checkout"),
        "waiver": ("wrong", "explain.coverage was waived until", "ask the risk owner to renew"),
        "remote": ("unknown", "origin does not answer", "git remote --verbose"),
        "ledger": ("unknown", "origin does not answer", ""),
        "hooks": ("warning", "pre-commit", "pre-commit install"),
    }
    for what, (state, *words) in wanted.items():
        assert found[what][0][0] == state, (what, found[what])
        assert all(word in found[what][0][1] for word in words), (what, found[what])
    assert found["waiver"][1][0] == "warning"
    assert "geheim" not in json.dumps(found)


def test_the_doctor_reports_invalid_files(fresh: BakedProject) -> None:
    # Given a policy with a misspelt key, a store that is none, a list of approvers that is no YAML
    fresh.write(POLICY, fresh.read(POLICY).replace("confidence:", "confidense:"))
    fresh.write(registry.APPROVERS, "people: [")
    fresh.write("mlflow.db", "no database")
    fresh.write(".dvc/config", "[core\n")
    hook = fresh.path / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n# pre-commit was here\n")
    hook.chmod(0o755)
    baked.commit_all(fresh.path, "Wrong", "--no-verify")
    # When the doctor looks, then each is said, and none keeps it from looking at the others
    found = look(fresh, 1)
    assert "confidense" in found["policy"][0][1]
    assert "not valid YAML" in found["approvers"][0][1]
    assert "put a whole copy of the file back" in found["MLflow"][0][1]
    assert {found[what][0][0] for what in ("policy", "approvers", "MLflow")} == {"wrong"}
    assert found["git"][0][0] == "ok"
    # And a store of data that cannot be read is said, and a hook that only has the name is none
    assert "cannot be checked" in found["DVC"][-1][1]
    assert found["hooks"][0][0] == "warning"


def test_outside_of_git_the_doctor_says_so_in_one_line(fresh: BakedProject, tmp_path: Path) -> None:
    # Given a project whose history is gone
    fresh.path.joinpath(".git").rename(tmp_path / "elsewhere")
    # When the doctor looks, then it cannot, and says so
    done = fresh.call("doctor", code=2)
    registry.refused(done, "not in a git repository", "git init", code=2)


@pytest.mark.slow
def test_the_doctor_checks_github_if_there_is_a_token(
    loans: BakedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at = safeguards.github
    with github_projects.github(monkeypatch) as hub:
        # Given a GitHub without any of the settings, when the doctor looks, then each is wrong
        github_projects.meet(loans, hub)
        rows = list(look_at(loans.path))
        assert {row.state for row in rows} == {"wrong"}
        assert any(row.line.startswith("environment approve-model: ") for row in rows)
        assert all("github apply" in row.line for row in rows)
        assert github_projects.TOKEN not in str(rows)
        # And when they are made, then all is as wanted
        github_projects.settle(hub)
        [row] = look_at(loans.path)
        assert row.state == "ok"


@pytest.mark.slow
def test_the_doctor_reports_a_truncated_ledger_and_unanchored_events(
    registered: BakedProject,
) -> None:
    # Given a registered model, when the doctor looks, then its ledger is whole
    assert look(registered, 0)["ledger"] == [("ok", "1 event, anchored to the last")]
    # And when somebody deletes it, then it is wrong
    baked.git(registered.path, "update-ref", "-d", "refs/heads/governance-ledger")
    state, line = look(registered, 1)["ledger"][0]
    assert state == "wrong"
    assert "emptied" in line
