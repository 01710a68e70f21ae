"""What a window asks for is started once, and started again where it came to nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import baked
import pytest
import workflow_rules
from due_windows import DAYS, RUN, event, window

from governed_ml.monitoring.actions import workflow_due

# What is due


def due(
    found: dict[str, Any], *events: Any, pull: int | None = None, day: int = 2, hours: int = 0
) -> Any:
    """What run 100 starts, what is said, what was lost, on a day of January."""
    now = datetime(2026, 1, day, 6, 23, tzinfo=UTC) + timedelta(hours=hours)
    ask, said, lost = workflow_due.due(found, events, DAYS, pull, now, RUN)
    return ask and ask.workflow, said, lost


@pytest.mark.parametrize("level", ["healthy", "warn", "not_measured"])
def test_a_window_without_a_due_action_starts_nothing(level: str) -> None:
    # Given a window that nothing follows from, when it is asked what to start, then nothing
    assert due(window(level)) == (None, "", None)


@pytest.mark.parametrize("action", ["retrained", "retraining_failed"])
def test_a_retraining_is_started_once_in_so_many_days(action: str) -> None:
    # Given a retraining on the first of January, however it ended, of whichever version
    last = event(action, version=2)
    # When the next windows ask for one, then it is started after the policy's days, and not before
    ask, said, _ = due(window(), last, day=14)
    assert ask is None
    assert "none is started before 2026-01-15 06:23 UTC" in said
    assert due(window(), last, day=15)[0] == "retrain.yml"
    # And one that could not be started holds up nothing
    assert due(window(), event("dispatch_failed", due="retrain"))[0] == "retrain.yml"


def test_trap_33_a_retraining_without_a_result_is_reported_and_started_again() -> None:
    # Given a retraining that was asked for, and of which nothing is recorded
    asked = event("retraining_asked", run="99")
    # When a window asks for one while it may still run, then it is waited for
    ask, said, lost = due(window(), asked, day=1, hours=6)
    assert (ask, lost) == (None, None)
    assert "the last retraining was on 2026-01-01T06:23:00Z" in said
    # And after that it is told, and started again, whatever the policy's days
    ask, _, lost = due(window(), asked, day=1, hours=7)
    assert ask == "retrain.yml"
    assert lost == (
        "retrain.yml was started at 2026-01-01T06:23:00Z, and no result of it is recorded"
    )
    # And not where it has failed and says so, nor where its pull request waits
    ended = event("retraining_failed", "2026-01-01T07:00:00Z")
    assert due(window(), asked, ended) == (None, due(window(), asked, ended)[1], None)
    assert due(window(), asked, pull=12)[::2] == (None, None)
    # And the workflow cannot take that long, nor wait so for those that write the ledger
    path = baked.TEMPLATE / ".github" / "workflows"
    minutes = sum(
        one["timeout-minutes"] for one in workflow_rules.jobs(path / "retrain.yml").values()
    )
    for other in ("monitor", "promote", "rollback"):
        minutes += workflow_rules.jobs(path / f"{other}.yml")[other]["timeout-minutes"]
    assert timedelta(minutes=minutes) < workflow_due.PATIENCE


def test_no_retraining_is_started_while_its_pull_request_is_open() -> None:
    # Given an open pull request of a retraining, when another is asked for, then it is not started
    assert due(window(), pull=12)[:2] == (
        None, "no retraining is started while pull request #12 is open",
    )  # fmt: skip


def test_a_rollback_is_started_once_in_a_run() -> None:
    # Given a window at the last level, when it is asked for the first time
    found = window("rollback", in_a_row=3, reasons=["performance.roc_auc: 0.51"])
    now = datetime(2026, 1, 2, tzinfo=UTC)
    ask, _, lost = workflow_due.due(found, [], DAYS, None, now, RUN)
    # Then it is started, only if this version is still champion, for the reason of the window
    assert (ask.workflow, ask.inputs["from"], lost) == ("rollback.yml", "3", None)
    assert ask.inputs["reason"] == (
        "Monitoring, 3 windows in a row up to 7: performance.roc_auc: 0.51"
    )
    # And a job that runs again does not start it again
    assert due(found, event("rollback_asked", window=7, run=RUN))[::2] == (None, None)
    # And one of an earlier reign says nothing of this one
    before = [event("rollback_asked", window=5, run="98"), event("promoted")]
    assert due(found, *before)[::2] == ("rollback.yml", None)


@pytest.mark.parametrize("number", [6, 7], ids=["the-window-before", "the-same-window"])
def test_trap_33_a_rollback_without_a_result_is_reported_and_started_again(number: int) -> None:
    # Given a rollback that an earlier run started, of a feed that goes on, or that stands still
    asked = event("rollback_asked", window=number, run="99")
    # When the version is still champion, then that is told, and it is started again
    started, _, lost = due(window("rollback", in_a_row=3), asked)
    assert started == "rollback.yml"
    assert "started at 2026-01-01T06:23:00Z, and version 3 is still champion" in lost
