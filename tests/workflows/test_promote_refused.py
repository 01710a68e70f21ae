"""promote.yml, executed by `act`: what is missing, changed or said of something else stops it."""

from __future__ import annotations

import sys
from collections.abc import Callable

import github_projects
import hosting
import pytest
import registry
from hosting import MOVED, NEEDS, Hosted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]


@pytest.mark.nightly
def test_trap_01_no_job_names_a_missing_environment(hosted: Hosted) -> None:
    # Given a repository without the risk owner's environment
    hosted.say_yes(model="owner", risk="risk")
    hosted.hub.settings.environments.pop("approve-risk")
    # When the workflow runs, then it ends before any job that names an environment
    run = hosted.run()
    assert (run.code, run.jobs) == (1, {"preflight": "failure"}), run.tail()
    assert "approve-risk" in run.said["preflight"]
    assert (
        "it does not exist, and GitHub would create it without protection" in run.said["preflight"]
    )


@pytest.mark.nightly
def test_trap_36_without_a_server_nothing_moves(hosted: Hosted) -> None:
    # Given a repository that does not say where its registry is
    hosted.settings.clear()
    # When a workflow that moves a model is started, then it ends at once and says what to set
    for workflow in ("promote.yml", "rollback.yml"):
        run = hosted.run(workflow, {"reason": "Complaints from customers"})
        assert (run.code, run.jobs) == (1, {"preflight": "failure"}), run.tail()
        assert "set MLFLOW_TRACKING_URI to a server" in run.said["preflight"]


def tampered(hosted: Hosted) -> None:
    """Change a byte of the registered model's folder."""
    path = registry.artifacts(hosted.project, 1) / "bundle" / "MLmodel"
    path.write_bytes(path.read_bytes() + b"\n")


def moved_on(hosted: Hosted) -> None:
    """Let main go on after the registration."""
    hosted.project.write("notes.md", "A note\n")
    registry.save(hosted.project, "A note")
    github_projects.meet(hosted.project, hosted.hub)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (tampered, "the model's signature is invalid: MLmodel changed"),
        (moved_on, "but approvals in this run are for"),
    ],
    ids=["tampered", "another-commit"],
)
def test_nobody_is_asked_to_approve_a_version_that_differs_from_the_registered_one(
    hosted: Hosted, change: Callable[[Hosted], None], cause: str
) -> None:
    # Given a version that is not what was registered, or not of the run's commit
    hosted.say_yes(model="owner", risk="risk")
    change(hosted)
    # When the workflow runs, then it ends before people are asked
    run = hosted.run()
    assert (run.code, run.green, run.red) == (1, {"preflight"}, {"rejudge"}), run.tail()
    assert cause in run.said["rejudge"]
    assert registry.actions(hosted.pulled()) == ["registered 1"]


def by_an_author(hosted: Hosted) -> None:
    """The owner's word comes from somebody who wrote the commit."""
    hosted.say_yes(model="author", risk="risk")


def of_another_commit(hosted: Hosted) -> None:
    """The run that people approved was on another commit."""
    hosted.say_yes(model="owner", risk="risk")
    hosted.hub.runs[hosting.RUN]["head_sha"] = "d" * 40


def of_another_workflow(hosted: Hosted) -> None:
    """The run that people approved was of another workflow."""
    hosted.say_yes(model="owner", risk="risk")
    hosted.hub.runs[hosting.RUN]["path"] = ".github/workflows/deploy.yml"


def of_another_run(hosted: Hosted) -> None:
    """People approved another run, not this one."""
    hosted.say_yes(model="owner", risk="risk")
    hosted.hub.approvals[8] = hosted.hub.approvals.pop(hosting.RUN)


def by_who_started_it(hosted: Hosted) -> None:
    """The owner started the run that the owner approved."""
    hosted.say_yes(model="owner", risk="risk")
    hosted.hub.add_run(hosting.RUN, actor="owner-at-github", head_sha=hosted.commit)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("say", "cause"),
    [
        (by_an_author, "wrote or registered what is to be approved"),
        (of_another_commit, "it is for another commit"),
        (of_another_workflow, "run 7 is of .github/workflows/deploy.yml"),
        (of_another_run, "nobody with a role that the policy asks for has approved"),
        (by_who_started_it, "still needs approval by model-owner"),
    ],
    ids=["author", "commit", "workflow", "run", "starter"],
)
def test_trap_34_a_replayed_or_forged_approval_promotes_nothing(
    hosted: Hosted, say: Callable[[Hosted], None], cause: str
) -> None:
    # Given words of people that are not about this run of this workflow on this commit
    say(hosted)
    # When the workflow runs, then the version stays where it is
    run = hosted.run()
    assert (run.code, run.green, run.red) == (1, {*NEEDS}, {"promote"}), run.tail()
    assert cause in run.said["promote"]
    assert registry.states(hosted.project)[1] == "pending_review"


@pytest.mark.nightly
def test_trap_26_an_attestation_by_another_workflow_stops_the_promotion(hosted: Hosted) -> None:
    # Given a model that another workflow has attested
    hosted.say_yes(model="owner", risk="risk")
    hosted.runner.variables["ATTESTED_BY"] = "acme/loans/.github/workflows/other.yml"
    # When the workflow runs, then it is red before anything has moved
    run = hosted.run()
    assert (run.green, run.red) == ({*NEEDS}, {"promote"}), run.tail()
    assert run.steps["promote", "Verify that this workflow attested it"] == "failure"
    assert "signed by acme/loans/.github/workflows/other.yml" in run.said["promote"]
    assert registry.states(hosted.project) == {1: "approved"}
    # And when the job runs again with the right one, then what was recorded counts
    del hosted.runner.variables["ATTESTED_BY"]
    run = hosted.run()
    assert (run.green, run.red) == ({*NEEDS, *MOVED}, set()), run.tail()
    assert "is approved; the ledger already has the approvals of" in run.said["promote"]
