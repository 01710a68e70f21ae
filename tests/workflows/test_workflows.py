"""The generated workflows, really executed by `act` on this machine, as on a first push."""

from __future__ import annotations

import re
import sys

import acting
import baked
import pytest
import yaml
from baked import Bake, BakedProject

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]


def locked(project: BakedProject) -> BakedProject:
    """A project whose lock was committed, as its first command leaves it."""
    baked.commit_all(project.path, "The lock")
    return project


def test_the_first_push_is_green(bake_runnable: Bake, runner: acting.Runner) -> None:
    # Given a fresh repository, without secrets and servers
    project = locked(bake_runnable())
    # When it is pushed
    run = runner(project, "ci.yml")
    # Then hooks, types, tests, workflows and the template's files are green
    assert run.code == 0, run.tail()
    assert run.jobs == {"check": "success", "template": "success"}


def test_trap_32_a_skipped_hook_runs_again(bake_runnable: Bake, runner: acting.Runner) -> None:
    # Given a file that the hook would refuse, committed around it
    project = locked(bake_runnable())
    project.write("tests/test_ours.py", "def test_ours( ) :\n    assert True\n")
    baked.git(project.path, "add", "--all")
    baked.git(project.path, "commit", "--quiet", "--no-verify", "--message", "In a hurry")
    # When it is pushed
    run = runner(project, "ci.yml", job="check")
    # Then the job is red, by that hook's name, at that step
    assert run.jobs == {"check": "failure"}
    assert run.steps["check", "Run all hooks again"] == "failure"
    assert re.search(r"^ruff format\.+(\x1b\[\w+)?Failed", run.said["check"], re.MULTILINE)
    assert "tests/test_ours.py" in run.said["check"]
    assert "1 file would be reformatted" in run.said["check"]


@pytest.mark.nightly
def test_trap_40_an_edited_gate_is_red(bake_runnable: Bake, runner: acting.Runner) -> None:
    # Given a workflow that judges and that somebody edited
    project = locked(bake_runnable())
    name = ".github/workflows/governance.yml"
    project.write(name, project.read(name) + "\n# Ours\n")
    baked.commit_all(project.path, "A small improvement")
    # When it is pushed
    run = runner(project, "ci.yml", job="template")
    # Then the job is red, and the file is named
    assert run.jobs == {"template": "failure"}
    assert f"{name}: it differs from this engine's template" in run.said["template"]


@pytest.mark.nightly  # on every push: test_workflow_rules.py, without act
def test_an_unsafe_action_is_red(bake_runnable: Bake, runner: acting.Runner) -> None:
    # Given an action of the team's that runs what an input says
    project = locked(bake_runnable())
    run = "echo ${{ inputs.where }}"
    step = {"shell": "bash", "run": run}
    action = {
        "name": "Deploy",
        "description": "Deploys",
        "inputs": {"where": {"description": "where", "required": True}},
        "runs": {"using": "composite", "steps": [step]},
    }
    project.write(".github/actions/ours/action.yml", yaml.safe_dump(action))
    baked.commit_all(project.path, "Our action")
    # When it is pushed
    done = runner(project, "ci.yml", job="template")
    # Then the job is red, by the linter
    assert done.jobs == {"template": "failure"}
    assert done.steps["template", "Workflows and actions"] == "failure"
    assert "template-injection" in done.said["template"]
