"""What could not be measured is told in the issue and the ledger, and no secret with it."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import Mock

import baked
import pytest
import workflow_rules
import yaml
from baked import BakedProject
from due_windows import Ledger, dispatch, ledger_kept, window  # noqa: F401 - a fixture, too
from github_projects import hub_alone  # noqa: F401 - a fixture
from github_stand_in import GitHubStandIn

from governed_ml.cli import registry as doors
from governed_ml.cli.production import monitor as command
from governed_ml.core.installation import trusted
from governed_ml.core.problem import Problem
from governed_ml.monitoring import monitor as monitoring
from governed_ml.monitoring.actions import dispatch as dispatching

# What could not be measured


def monitored(
    project: BakedProject, patch: pytest.MonkeyPatch, problem: Any, *, dispatch: bool = True
) -> str:
    """Run the command where measuring, or what comes before it, ends with a problem."""
    patch.setattr(trusted, "require", Mock())  # pytest started this process
    patch.setattr(doors, "door", lambda: (0, object()))
    at, lost = (doors, "door") if problem.exit_code == 3 else (monitoring, "monitor")
    patch.setattr(at, lost, Mock(side_effect=problem))
    patch.chdir(project.path)
    with pytest.raises(Problem) as caught:
        command.monitor(None, dispatch=dispatch)
    assert caught.value.exit_code == 2
    return str(caught.value)


ADDRESS = "postgresql://m:s3%40ret@[db/x"
DOWN = f"data.source: the database does not answer the query: {ADDRESS}, s3%40ret, s3@ret"


def test_trap_41_a_failed_measurement_reopens_the_issue(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an issue that was closed as healthy, and a database that is down
    monkeypatch.setenv("MONITOR_URL", ADDRESS)
    dispatch(project, window("warn"))
    dispatch(project, window("healthy", 8))
    # When the workflow's command runs, then it fails with the reason
    assert monitored(project, monkeypatch, Problem(DOWN)) == DOWN
    # And the issue is open, says why, and holds no password
    (one,) = hub.issues.values()
    assert (one["title"], one["state"]) == ("Monitoring: not measured", "open")
    assert "❔ **not measured**: no window was measured" in one["body"]
    assert "the database does not answer the query: …, …, …" in one["body"]
    assert "no window was measured" in hub.comments[1][-1]
    assert "Rules" not in one["body"]
    # And the ledger has it
    assert kept.actions == ["dispatch_failed"]
    assert kept.events[0].details["due"] == "monitor"
    assert kept.events[0].details["why"].endswith("does not answer the query: …, …, …")
    # And the next day nobody is told once more, and a healthy window closes it
    told = len(hub.comments[1])
    monitored(project, monkeypatch, Problem(DOWN))
    assert len(hub.comments[1]) == told
    dispatch(project, window("healthy", 9))
    assert one["state"] == "closed"


@pytest.mark.parametrize("code", [1, 2, 3], ids=["moved", "measured", "registry"])
def test_trap_41_the_reason_of_any_failed_measurement_is_reported(
    project: BakedProject,
    hub: GitHubStandIn,
    kept: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
) -> None:
    # Given measuring that fails in some way, or a registry that does not even answer (3)
    monitored(project, monkeypatch, Problem("it is so", code))
    # When it is told, then in the issue, and in the ledger where there is one to write to
    assert "it is so" in hub.issues[1]["body"]
    assert kept.actions == ([] if code == 3 else ["dispatch_failed"])


def test_trap_33_a_failed_measurement_and_a_failed_report_are_recorded(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a batch that cannot be read, and a repository without issues
    hub.has_issues = False
    # When the command runs, then both are in its one line, and both in the ledger
    said = monitored(project, monkeypatch, Problem("batch.csv cannot be read as a table: fix it"))
    assert said.startswith("batch.csv cannot be read as a table: fix it; the issue could not be")
    assert kept.actions == ["dispatch_failed", "alert_failed"]


def test_without_dispatch_no_issue_is_written(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a person who measures, when that fails, then the person reads it, and that is all
    assert monitored(project, monkeypatch, Problem("it is so", 1), dispatch=False) == "it is so"
    assert (hub.issues, kept.actions) == ({}, [])


def test_every_secret_of_the_job_is_kept_out_of_the_issue() -> None:
    # Given the job that monitors, when its secrets are read, then none that a failure could name
    # is missed: the keys are files
    job = workflow_rules.jobs(baked.TEMPLATE / ".github" / "workflows" / "monitor.yml")["monitor"]
    secrets = set(re.findall(r"secrets\.(\w+)", yaml.safe_dump(job)))
    assert secrets - set(dispatching.SECRETS) == {"LEDGER_SSH_KEY", "DVC_SSH_KEY"}
