"""What a window asks for is asked of GitHub once, told in one issue, and no failure is silent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import github_issues_stand_in as issues
import pytest
from baked import BakedProject
from due_windows import Ledger, dispatch, ledger_kept, window  # noqa: F401 - a fixture, too
from github_projects import hub_alone  # noqa: F401 - a fixture
from github_stand_in import Failure, GitHubStandIn

from governed_ml.core.problem import Problem
from governed_ml.github import preflight
from governed_ml.monitoring.actions import dispatch as dispatching
from governed_ml.monitoring.actions import issue
from governed_ml.registry.notify import Lost

# On GitHub


def test_one_issue_is_opened_updated_closed_and_opened_again(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger
) -> None:
    # Given a healthy window and no issue, when it is told, then there is none
    done = dispatch(project, window("healthy"))
    assert (done.failed, done.issue, hub.issues) == ([], "", {})
    # And when a pull request carries the label and then a window warns, then an issue is opened
    theirs = dict.fromkeys(("url", "html_url", "diff_url", "patch_url"))
    issues.add(hub, title="theirs", labels=[issue.LABEL], pull_request=theirs)
    done = dispatch(project, window("warn"))
    one = hub.issues[2]
    assert (one["title"], one["state"]) == ("Monitoring: warn (version 3)", "open")
    assert (done.failed, done.issue, kept.actions) == ([], one["html_url"], [])
    # And the next window at the same level changes its text, and tells nobody once more
    dispatch(project, window("warn", 8))
    assert "window 8" in one["body"]
    assert hub.comments == {}
    # And another level is told, in the same issue
    dispatch(project, window("not_measured", 9, reasons=["12 rows, at least 300 wanted"]))
    assert one["title"] == "Monitoring: not measured (version 3)"
    assert "12 rows" in hub.comments[2][0]
    # And a healthy one closes it, once
    for number in (10, 11):
        dispatch(project, window("healthy", number))
    assert (one["state"], one["state_reason"]) == ("closed", "completed")
    assert len(hub.comments[2]) == 2
    # And what comes after that opens the same one again
    dispatch(project, window("warn", 12))
    assert (one["state"], len(hub.issues), len(hub.comments[2])) == ("open", 2, 3)


def test_a_retraining_is_started_recorded_and_reported_once(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger
) -> None:
    # Given a window that asks for a retraining, when it is told, and the next one, too
    first, second = dispatch(project, window()), dispatch(project, window(number=8))
    # Then the workflow was started once, with the reason, and that is in the ledger and the issue
    ((workflow, inputs),) = hub.started
    assert workflow == "retrain.yml"
    assert inputs["reason"].startswith("Window 7: drift.data[income]: 0.31")
    assert kept.actions == ["retraining_asked"]
    assert kept.events[0].details["window"] == 7
    assert (first.failed, second.failed, second.asked) == ([], [], [])
    assert "the policy allows one in 14 days" in hub.issues[1]["body"]


def test_a_rollback_is_started_with_the_version_that_it_is_about(
    project: BakedProject,
    hub: GitHubStandIn,
    kept: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a window that asks for a rollback, when it is told, then it is started and recorded
    done = dispatch(project, window("rollback", in_a_row=3))
    ((workflow, inputs),) = hub.started
    assert (workflow, inputs["from"], done.failed) == ("rollback.yml", "3", [])
    assert kept.actions == ["rollback_asked"]
    # And the same job again starts nothing
    assert dispatch(project, window("rollback", in_a_row=3)).failed == []
    assert len(hub.started) == 1
    # And when the champion is still there in the next run, of the same window or of another, then
    # that is a failure, in the ledger
    for number, run in ((7, "101"), (8, "102")):
        monkeypatch.setattr(dispatching, "current_run", lambda run=run: run)
        done = dispatch(project, window("rollback", number, in_a_row=4))
        assert "version 3 is still champion" in done.failed[0]
        assert kept.actions[-2:] == ["dispatch_failed", "rollback_asked"]
        assert "failed: rollback.yml was started" in hub.issues[1]["body"]
    assert len(hub.started) == 3


def test_trap_33_a_workflow_that_would_fail_its_preflight_is_not_started_but_reported(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger
) -> None:
    # Given a repository without an environment that a retraining names
    why = "it does not exist, and GitHub would create it without protection"
    lost = preflight.Check(name="environment retrain", state="fails", line=why)
    good = preflight.Check(name="rules of main", state="holds")
    dispatching.preflight.return_value = SimpleNamespace(checks=[good, lost])
    # When a window asks for one, then nothing is started, and ledger and issue say what to fix
    done = dispatch(project, window())
    assert hub.started == []
    assert kept.actions == ["dispatch_failed"]
    said = "retrain.yml was not started, because its preflight would fail: environment retrain"
    assert f"{said}: {why}" in done.failed[0]
    assert "environment retrain: it does not exist" in hub.issues[1]["body"]
    assert dispatching.preflight.call_args.kwargs == {"purpose": "retrain"}


def test_a_healthy_window_keeps_the_issue_open_while_an_action_is_due(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger
) -> None:
    # Given an open issue, and an old window that was healthy and is sent once more
    dispatch(project, window("rollback", in_a_row=3))
    old = window("healthy", 2, due="rollback", in_a_row=3)
    # When it is told, then what the last windows ask for keeps the issue open
    dispatch(project, old)
    assert hub.issues[1]["state"] == "open"
    # And so does a row that it does not break, as what asked could not be measured
    dispatch(project, old | {"due": "none", "in_a_row": 2})
    assert hub.issues[1]["state"] == "open"
    # And the same window, when nothing is asked for any more, closes it
    dispatch(project, old | {"due": "none", "in_a_row": 0})
    assert hub.issues[1]["state"] == "closed"


def test_trap_33_a_failed_dispatch_is_reported_and_recorded(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger
) -> None:
    # Given a token that may start no workflow, when a window asks for a rollback
    hub.failures.append(Failure(403, path="dispatches"))
    done = dispatch(project, window("rollback", in_a_row=3))
    # Then it is a failure with the right that is missing, in the ledger, and in the issue
    assert "GitHub answered 403 about rollback.yml" in done.failed[0]
    assert "`actions: write`" in done.failed[0]
    assert kept.actions == ["dispatch_failed"]
    assert "403" in kept.events[0].details["why"]
    assert "failed: rollback could not be started" in hub.issues[1]["body"]


def test_trap_33_an_issue_that_cannot_be_written_is_recorded_and_stops_no_rollback(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger
) -> None:
    # Given a repository without issues, when a window asks for a rollback
    hub.has_issues = False
    done = dispatch(project, window("rollback", in_a_row=3))
    # Then that is started all the same, and the failed alert is in the ledger
    assert hub.started[0][0] == "rollback.yml"
    assert kept.actions == ["rollback_asked", "alert_failed"]
    assert "410 about a new issue: it is disabled" in done.failed[0]
    # And so it is where GitHub does not answer at all
    hub.failures.append(Failure(None))
    done = dispatch(project, window("warn", 8))
    assert "cannot reach GitHub" in done.failed[0]
    assert kept.actions[2:] == ["alert_failed"]


def test_trap_33_a_lost_message_is_a_failure_and_stops_nothing(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger
) -> None:
    # Given a webhook that is gone, when a window asks for a retraining
    kept.lost = Lost("retraining_asked is recorded, but https://hook could not be notified")
    done = dispatch(project, window())
    # Then it is started, the issue is written, and the lost message is a failure
    assert hub.started[0][0] == "retrain.yml"
    assert hub.issues[1]["state"] == "open"
    assert done.failed == ["retraining_asked is recorded, but https://hook could not be notified"]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (Mock(side_effect=Problem("MLflow at https://m does not answer")), "MLflow at https:"),
        (
            lambda *_: SimpleNamespace(
                now=SimpleNamespace(policy=SimpleNamespace(monitoring=None)),
                life=SimpleNamespace(counted=[]),
            ),
            "has no section monitoring: ask the risk owner to add it",
        ),
    ],
    ids=["registry", "policy"],
)
def test_trap_33_a_window_that_nothing_can_be_done_about_is_in_the_issue(
    project: BakedProject,
    hub: GitHubStandIn,
    kept: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    broken: Any,
    why: str,
) -> None:
    # Given a registry that does not answer any more, or a policy without the section
    monkeypatch.setattr(dispatching, "situation", broken)
    # When a window is told, then it is a failure, and people read the window and why
    done = dispatch(project, window("rollback", in_a_row=3))
    assert hub.started == []
    assert why in done.failed[0]
    assert "⏪ **rollback**: window 7" in hub.issues[1]["body"]
    assert "failed: nothing could be started or recorded" in hub.issues[1]["body"]
