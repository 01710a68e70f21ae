"""monitor.yml, really executed by `act`: measured, recorded, told, and what is due is started."""

from __future__ import annotations

import re
import sys
from pathlib import PurePath
from typing import Any

import github_projects
import hosting
import pandas as pd
import pytest
import registry
from github_stand_in import Failure
from hosting import Hosted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]
ROWS = 2000
POLICY = hosting.POLICY


def watched(hosted: Hosted, *, champions: int = 1) -> Hosted:
    """Make a version champion (or two, one after the other), and name a batch to monitor."""
    if champions == 1:
        hosting.promoted(hosting.use_key(hosted.project), 1)
        hosting.forget_key(hosted.project)
    else:
        hosting.another(hosted, champion=True)
    source = f"  source: {{kind: file, path: {batch(hosted)}}}\n"
    hosted.edit("conf/config.yaml", "  source: null\n", source)
    registry.save(hosted.project, "What is monitored")
    github_projects.meet(hosted.project, hosted.hub)
    return hosted


def batch(hosted: Hosted) -> str:
    """Where production's rows are; no commit has them."""
    return str(hosted.project.path.parent / "batch.parquet")


def rows(
    hosted: Hosted, *, shift: float = 1.0, count: int = ROWS, start: int = 0, known: bool = False
) -> None:
    """Write what production gave: rows of these days, if `known` with labels and groups."""
    raw = pd.read_parquet(hosted.project.path / "data" / "raw.parquet")
    frame = raw.sample(frac=1, random_state=1).iloc[start : start + count].reset_index(drop=True)
    ends = pd.Timestamp.now().floor("D")
    frame["applied_on"] = ends - pd.to_timedelta(frame.index % 7, "D")
    frame["income"] = frame["income"] * shift
    unknown = [] if known else ["repaid", "sex", "age_group"]
    frame.drop(columns=unknown).to_parquet(batch(hosted))


def last(hosted: Hosted, action: str) -> dict[str, Any]:
    """The last event of a kind, as the workflow has pushed it."""
    return [one for one in registry.ledger(hosted.pulled()) if one["action"] == action][-1]


@pytest.mark.nightly
def test_a_window_that_drifts_is_told_in_an_issue_and_starts_a_retraining(hosted: Hosted) -> None:
    # Given a champion, and a batch in which people earn three times as much
    watched(hosted)
    rows(hosted, shift=3.0)
    # When the workflow runs
    run = hosted.run("monitor.yml")
    # Then it is green: it has measured, recorded, told, and started what is due
    assert (run.code, run.green, run.red) == (0, {"preflight", "monitor"}, set()), run.tail()
    event = last(hosted, "monitored")
    assert (event["details"]["level"], event["details"]["rows"]) == ("retrain", ROWS)
    assert event["details"]["values"]["drift.data[income]"] > 0.25
    ((workflow, inputs),) = hosted.hub.started
    assert (workflow, inputs["reason"].partition(":")[0]) == ("retrain.yml", "Window 1")
    assert last(hosted, "retraining_asked")["details"]["window"] == 1
    assert registry.states(hosted.project) == {1: "champion"}
    # And the issue has table and picture, as the job's summary has
    (issue,) = hosted.hub.issues.values()
    assert issue["title"] == "Monitoring: retrain (version 1)"
    assert "| drift.data&#91;income&#93; |" in issue["body"]
    assert "xychart-beta" in issue["body"]
    assert "retrain.yml was started" in run.summaries["monitor"]
    assert "| drift.data&#91;income&#93; |" in run.summaries["monitor"]
    # And history, picture and page are kept, and no row
    kept = hosted.runner.home / "artifacts" / "monitoring"
    files = {path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()}
    assert {PurePath(name).name for name in files} == {
        "latest.json", "history.parquet", "trends.svg", "index.html",
    }  # fmt: skip


@pytest.mark.nightly
def test_trap_36_a_fresh_repository_is_told_what_to_set(hosted: Hosted) -> None:
    # Given a repository without a tracking server and without a batch to monitor
    hosted.settings.clear()
    # When the workflow runs, then it is red before any environment is named, and says what to set
    run = hosted.run("monitor.yml")
    assert (run.code, run.jobs) == (1, {"preflight": "failure"}), run.tail()
    assert "set MLFLOW_TRACKING_URI to a server" in run.said["preflight"]
    assert "batch source: none is set" in run.said["preflight"]
    assert "set monitor.source in conf/config.yaml on main" in run.said["preflight"]


@pytest.mark.nightly
def test_trap_41_a_window_that_is_too_small_is_red_and_the_issue_says_so(hosted: Hosted) -> None:
    # Given a batch of twelve rows, when the workflow runs
    watched(hosted)
    rows(hosted, count=12)
    run = hosted.run("monitor.yml")
    # Then it is red, and people read why
    assert (run.green, run.red) == ({"preflight"}, {"monitor"}), run.tail()
    (issue,) = hosted.hub.issues.values()
    assert issue["title"] == "Monitoring: not measured (version 1)"
    assert "12 rows, at least 300 wanted" in issue["body"]
    assert last(hosted, "monitored")["details"]["level"] == "not_measured"
    # And when enough comes, with labels and groups, then it is green, and the issue is closed
    rows(hosted, known=True)
    run = hosted.run("monitor.yml")
    assert (run.code, run.red) == (0, set()), run.tail()
    assert (issue["state"], len(hosted.hub.issues)) == ("closed", 1)


@pytest.mark.nightly
def test_trap_41_a_batch_that_cannot_be_read_is_red_recorded_and_in_the_issue(
    hosted: Hosted,
) -> None:
    # Given a batch that is not there, when the workflow runs, then it is red
    watched(hosted)
    run = hosted.run("monitor.yml")
    assert (run.green, run.red) == ({"preflight"}, {"monitor"}), run.tail()
    # And people read why, as the ledger does
    (issue,) = hosted.hub.issues.values()
    assert (issue["title"], issue["state"]) == ("Monitoring: not measured", "open")
    assert "batch.parquet" in issue["body"]
    assert last(hosted, "dispatch_failed")["details"]["due"] == "monitor"


@pytest.mark.nightly
def test_trap_33_a_dispatch_that_fails_is_red_and_in_the_ledger(hosted: Hosted) -> None:
    # Given a batch that drifts, and a token that may start no workflow
    watched(hosted)
    rows(hosted, shift=3.0)
    hosted.hub.failures.append(Failure(403, path="dispatches"))
    # When the workflow runs, then it is red, and ledger and issue have the reason
    run = hosted.run("monitor.yml")
    assert (run.green, run.red) == ({"preflight"}, {"monitor"}), run.tail()
    assert "GitHub answered 403 about retrain.yml" in run.said["monitor"]
    assert "403" in last(hosted, "dispatch_failed")["details"]["why"]
    (issue,) = hosted.hub.issues.values()
    assert "failed: retrain could not be started" in issue["body"]


@pytest.mark.nightly
def test_at_the_last_level_the_champion_is_rolled_back_by_the_workflow(hosted: Hosted) -> None:
    # Given two champions one after the other, and a policy that rolls back after two windows
    watched(hosted, champions=2)
    before, _, after = hosted.project.read(POLICY).partition("monitoring:")
    start = after.index("    drift.prediction:")
    rule = after[start : after.index("\n\n", start)]
    after = after.replace(rule, re.sub(r"warn: .*\n +retrain: .*", "rollback: 0.0", rule))
    after = after.replace("rollback_windows: 3", "rollback_windows: 2")
    hosted.project.write(POLICY, f"{before}monitoring:{after}")
    registry.save(hosted.project, "Strict", author="Risk <risk@example.org>")
    github_projects.meet(hosted.project, hosted.hub)
    # When two windows are at the last level, then the first asks for less, the second for that
    for start in (0, ROWS):
        rows(hosted, shift=3.0, start=start)
        hosted.runner.variables["GITHUB_RUN_ID"] = str(100 + start)
        run = hosted.run("monitor.yml")
        assert (run.code, run.green) == (0, {"preflight", "monitor"}), run.tail()
    assert [workflow for workflow, _ in hosted.hub.started] == ["retrain.yml", "rollback.yml"]
    inputs = hosted.hub.started[1][1]
    assert inputs["from"] == "2"
    # And what it started makes the champion before champion again, for that reason
    run = hosted.run("rollback.yml", inputs)
    assert (run.code, run.green) == (0, {"preflight", "rollback", "deploy"}), run.tail()
    assert registry.states(hosted.project) == {1: "champion", 2: "quarantined"}
    event = last(hosted, "rolled_back")
    assert event["reason"].startswith("Monitoring, 2 windows in a row up to 2: drift.prediction")
