"""A preflight in a workflow's run asks for server, remote and main, and leaves its answer."""

from __future__ import annotations

import json
from pathlib import Path

import baked
import pytest
from baked import Bake
from github_projects import TOKEN, clone, meet, variables
from github_stand_in import Failure, GitHubStandIn
from preflighted import failures, hub_settled, only  # noqa: F401 - a fixture, too

from governed_ml.core.problem import Problem
from governed_ml.github import preflight as checks

pytestmark = pytest.mark.slow  # all together


# In a workflow


@pytest.fixture
def runner_here(
    hub: GitHubStandIn, own: baked.BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> baked.BakedProject:
    """A project in a workflow's run on main, with a server and a remote that others reach."""
    baked.git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    baked.git(own.path, "remote", "add", "origin", str(tmp_path / "origin.git"))
    text = own.read(".dvc/config").replace("url = ../.dvc-remote", "url = s3://acme/dvc")
    own.write(".dvc/config", text)
    baked.commit_all(own.path, "A remote for all")
    baked.git(own.path, "push", "--quiet", "origin", "main")
    meet(own, hub)
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REF": "refs/heads/main",
        "MLFLOW_TRACKING_URI": "https://mlflow.example.org",
    }.items():
        monkeypatch.setenv(name, value)
    return own


def test_a_workflow_run_on_main_passes_the_preflight(runner_here: baked.BakedProject) -> None:
    # Given a run on main, when GitHub is asked, then all holds
    found = checks.preflight(runner_here.path)
    assert (failures(found), failures(found, "unknown"), found.exit_code) == ([], [], 0)
    assert found.notes == ["only `governance github verify` can check who may bypass rulesets"]


@pytest.mark.parametrize("ref", ["refs/heads/promote/x", "refs/tags/main", "refs/pull/3/merge", ""])
def test_a_run_elsewhere_than_on_main_fails(
    runner_here: baked.BakedProject, monkeypatch: pytest.MonkeyPatch, ref: str
) -> None:
    # Given a run of another branch, when GitHub is asked, then it fails
    monkeypatch.setenv("GITHUB_REF", ref)
    only(checks.preflight(runner_here.path), "start the workflow from the branch main")


@pytest.mark.parametrize("server", ["", "sqlite:///mlflow.db", "file:///mlruns"])
def test_trap_36_without_a_server_it_says_what_to_set(
    runner_here: baked.BakedProject, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    # Given a store that vanishes with the runner, when GitHub is asked, then nothing is promised
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    found = checks.preflight(runner_here.path)
    assert found.exit_code == 2
    (line,) = failures(found, "unknown")
    assert "set MLFLOW_TRACKING_URI to a server" in line


@pytest.mark.parametrize("url", ["../.dvc-remote", "/srv/dvc"])
def test_trap_36_without_a_shared_remote_it_says_what_to_set(
    hub: GitHubStandIn, runner_here: baked.BakedProject, url: str
) -> None:
    # Given a remote that vanishes with the runner, and a setting that differs, when GitHub is asked
    runner_here.write(".dvc/config", runner_here.read(".dvc/config").replace("s3://acme/dvc", url))
    hub.settings.environments["production"]["can_admins_bypass"] = True
    found = checks.preflight(runner_here.path)
    # Then it exits 2, and tells both
    assert found.exit_code == 2
    (line,) = failures(found, "unknown")
    assert "set a shared remote" in line
    assert len(failures(found)) == 1


def test_a_commit_that_the_clone_has_not_is_fetched(
    hub: GitHubStandIn, runner_here: baked.BakedProject, tmp_path: Path
) -> None:
    # Given a main that somebody pushed to, after this clone was made
    other = tmp_path / "other"
    baked.git(tmp_path, "clone", "--quiet", "--branch", "main", "origin.git", str(other))
    path = other / "conf" / "policy" / "high.yaml"
    text = path.read_text("utf-8").replace("[model-owner, risk-owner]", "[model-owner]")
    path.write_text(text, encoding="utf-8")
    hub.settings.branches["main"]["sha"] = baked.commit_all(other, "Fewer roles")
    baked.git(other, "push", "--quiet", "origin", "main")
    # When GitHub is asked, then the newer policy counts
    assert checks.preflight(runner_here.path).roles == ["model-owner"]


# What goes wrong


@pytest.mark.parametrize("path", ["rules/branches/main", "codeowners", "environments/production"])
def test_a_condition_that_github_does_not_answer_is_unknown(
    hub: GitHubStandIn, loans: baked.BakedProject, path: str
) -> None:
    # Given one answer that the token may not have, when GitHub is asked, then that is unknown
    hub.failures.append(Failure(403, path=path))
    found = checks.preflight(loans.path)
    assert (found.exit_code, len(failures(found, "unknown"))) == (2, 1)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (Failure(401), "the token is not valid"),
        (Failure(404, path="branches/main"), "it does not exist, or the token may not read it"),
        (Failure(429, headers={"Retry-After": "3600"}), "rate limit is used up"),
        (Failure(503, path="rules/branches"), "run this again later"),
        (Failure(None, path="environments/approve-risk"), "cannot reach GitHub"),
        (Failure(200, b"[1]", path="rules/branches"), "not as documented"),
        (Failure(200, b"{}", path="environments/production"), "not as documented"),
        (Failure(200, b'{"errors": null}', path="codeowners"), "not as documented"),
        (Failure(200, b'{"name": "main"}', path="branches/main"), "not as documented"),
    ],
)
def test_a_failing_github_is_reported_in_one_line(
    hub: GitHubStandIn, loans: baked.BakedProject, failure: Failure, words: str
) -> None:
    # Given a GitHub in trouble, when it is asked, then it could not, whatever else holds
    hub.failures.append(failure)
    with pytest.raises(Problem) as caught:
        checks.preflight(loans.path)
    assert words in str(caught.value)
    assert caught.value.exit_code == 2
    assert TOKEN not in str(caught.value)


# As a workflow runs it


def test_the_command_leaves_outputs_and_a_table(
    bake_runnable: Bake, hub: GitHubStandIn, tmp_path: Path
) -> None:
    # Given a project whose settings are as they must be, when a workflow's step asks
    made = clone(bake_runnable(), tmp_path)
    meet(made, hub)
    output, summary = tmp_path / "output", tmp_path / "summary"
    env = variables(hub, GITHUB_OUTPUT=str(output), GITHUB_STEP_SUMMARY=str(summary))
    done = made.governance("preflight", **env)
    # Then the roles and the path are outputs, and all is in a table
    said = output.read_text("utf-8").splitlines()
    assert said[1] == '["model-owner", "risk-owner"]'
    assert [line.partition("<<")[0] for line in (said[0], said[3])] == ["roles", "path"]
    assert said[4] == "environments"
    assert "| environment production | holds |" in summary.read_text("utf-8")
    assert done.stdout.splitlines()[-1] == (
        "people approve by environments; roles: model-owner, risk-owner"
    )
    # And when something does not hold, it exits 1, and a program can read what
    hub.settings.environments["production"]["can_admins_bypass"] = True
    hub.add_pull(3)
    told = json.loads(made.governance("preflight", "--json", code=1, **env).stdout)
    assert [one["name"] for one in told["checks"] if one["state"] == "fails"] == [
        "environment production"
    ]
    assert "by pull request 3" in made.governance("preflight", "--pull", "3", code=1, **env).stdout
    # And in a workflow without a server, it exits 2
    env |= {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/heads/main"}
    last = made.governance("preflight", code=2, **env)
    assert "set MLFLOW_TRACKING_URI to a server" in last.stdout
    assert TOKEN not in last.stdout + last.stderr + summary.read_text("utf-8")
