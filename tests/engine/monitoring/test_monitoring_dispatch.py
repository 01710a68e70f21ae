"""What a window asks for is asked of GitHub once, told in one issue, and no failure is silent."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, create_autospec

import baked
import github_issues_stand_in as issues
import pytest
import workflow_rules
import yaml
from baked import BakedProject
from github_projects import github
from github_stand_in import Failure, GitHubStandIn
from hypothesis import given
from hypothesis import strategies as st

from governed_ml.cli import monitor as command
from governed_ml.cli import registry as doors
from governed_ml.core.installation import trusted
from governed_ml.core.problem import Problem
from governed_ml.github import preflight
from governed_ml.github.workflow_run import workflow_output as actions
from governed_ml.ledger import chain, events
from governed_ml.monitoring import monitor as monitoring
from governed_ml.monitoring.actions import dispatch as dispatching
from governed_ml.monitoring.actions import issue, workflow_due
from governed_ml.registry.notify import Lost

DAYS, RUN = 14, "100"
RULES = [
    {"id": "drift.data[income]", "verdict": "retrain", "value": 0.31, "interval": None,
     "limits": {"warn": 0.1, "retrain": 0.25}, "reason": "0.31, at most 0.25 for retrain"},
    {"id": "drift.data[a|b@c]", "verdict": "warn", "value": 0.12, "interval": None,
     "limits": {"warn": 0.1}, "reason": "<b>0.12</b>"},
    {"id": "performance.roc_auc", "verdict": "not_measured", "value": None, "interval": None,
     "limits": {"warn": 0.7}, "reason": "no label came"},
    {"id": "drift.prediction", "verdict": "healthy", "value": 0.01, "interval": None,
     "limits": {"warn": 0.1}, "reason": "0.01"},
]  # fmt: skip


def window(level: str = "retrain", number: int = 7, **values: Any) -> dict[str, Any]:
    """What `governance monitor --json` prints."""
    due = level if level in ("warn", "retrain", "rollback") else "none"
    given = {"window": number, "version": 3, "level": level, "due": due, "in_a_row": 0}
    given |= {"risk": 37.5, "rows": 1000, "labelled": 812, "rolled_back_to": None}
    rules = RULES if level != "healthy" else RULES[3:]
    reasons = [f"{one['id']}: {one['reason']}" for one in rules if one["verdict"] == level]
    return given | {"rules": rules, "reasons": reasons} | values


def event(action: str, time: str = "2026-01-01T06:23:00Z", **details: Any) -> Any:
    """An event of the ledger."""
    return events.Event(
        sequence=1, time=time, actor="robot", action=action, details={"version": 3} | details,
        previous=chain.GENESIS,
    )  # fmt: skip


def due(
    found: dict[str, Any], *events: Any, pull: int | None = None, day: int = 2, hours: int = 0
) -> Any:
    """What run 100 starts, what is said, what was lost, on a day of January."""
    now = datetime(2026, 1, day, 6, 23, tzinfo=UTC) + timedelta(hours=hours)
    ask, said, lost = workflow_due.due(found, events, DAYS, pull, now, RUN)
    return ask and ask.workflow, said, lost


# What is due


@pytest.mark.parametrize("level", ["healthy", "warn", "not_measured"])
def test_what_asks_for_nothing_starts_nothing(level: str) -> None:
    # Given a window that nothing follows from, when it is asked what to start, then nothing
    assert due(window(level)) == (None, "", "")


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


def test_trap_33_a_retraining_that_came_to_nothing_is_told_and_started_again() -> None:
    # Given a retraining that was asked for, and of which nothing is recorded
    asked = event("retraining_asked", run="99")
    # When a window asks for one while it may still run, then it is waited for
    ask, said, lost = due(window(), asked, day=1, hours=6)
    assert (ask, lost) == (None, "")
    assert "the last retraining is of 2026-01-01T06:23:00Z" in said
    # And after that it is told, and started again, whatever the policy's days
    ask, _, lost = due(window(), asked, day=1, hours=7)
    assert ask == "retrain.yml"
    assert lost == (
        "retrain.yml was started at 2026-01-01T06:23:00Z, and no result of it is recorded"
    )
    # And not where it has failed and says so, nor where its pull request waits
    ended = event("retraining_failed", "2026-01-01T07:00:00Z")
    assert due(window(), asked, ended) == (None, due(window(), asked, ended)[1], "")
    assert due(window(), asked, pull=12)[::2] == (None, "")
    # And the workflow cannot take that long, nor wait so for those that write the ledger
    path = baked.TEMPLATE / ".github" / "workflows"
    minutes = sum(
        one["timeout-minutes"] for one in workflow_rules.jobs(path / "retrain.yml").values()
    )
    for other in ("monitor", "promote", "rollback"):
        minutes += workflow_rules.jobs(path / f"{other}.yml")[other]["timeout-minutes"]
    assert timedelta(minutes=minutes) < workflow_due.PATIENCE


def test_none_is_started_while_its_pull_request_is_open() -> None:
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
    assert (ask.workflow, ask.inputs["from"], lost) == ("rollback.yml", "3", "")
    assert ask.inputs["reason"] == (
        "Monitoring, 3 windows in a row up to 7: performance.roc_auc: 0.51"
    )
    # And a job that runs again does not start it again
    assert due(found, event("rollback_asked", window=7, run=RUN))[::2] == (None, "")
    # And one of an earlier reign says nothing of this one
    before = [event("rollback_asked", window=5, run="98"), event("promoted")]
    assert due(found, *before)[::2] == ("rollback.yml", "")


@pytest.mark.parametrize("number", [6, 7], ids=["the-window-before", "the-same-window"])
def test_trap_33_a_rollback_that_came_to_nothing_is_told_and_started_again(number: int) -> None:
    # Given a rollback that an earlier run started, of a feed that goes on, or that stands still
    asked = event("rollback_asked", window=number, run="99")
    # When the version is still champion, then that is told, and it is started again
    started, _, lost = due(window("rollback", in_a_row=3), asked)
    assert started == "rollback.yml"
    assert "started at 2026-01-01T06:23:00Z, and version 3 is still champion" in lost


# What people read


def test_the_issue_has_verdict_reasons_table_and_picture() -> None:
    # Given a window and those before it, when the text is written
    history = [
        {"window": n, "risk": n * 5.0, "values": {"drift.data[income]": n / 20}} for n in (5, 6)
    ]
    history.append({"window": 7, "risk": None, "values": {"drift.data[income]": 0.31}})
    text = issue.body(window(), history, ["retrain.yml was started"])
    # Then it starts with the level, and says what was done
    assert text.startswith("🔁 **retrain**: window 7, version 3, 1000 rows, 812 with a label")
    assert "- retrain.yml was started" in text
    # And the table has what is not healthy, worst first, with value and limits
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert [row.split(" | ")[0].split()[-1] for row in rows] == [
        "level", "retrain", "warn", "not_measured",
    ]  # fmt: skip
    assert "| 0.31 | warn 0.1, retrain 0.25 |" in rows[1]
    # And no name or reason is markup, a mention, or another column
    assert "<b>" not in text
    assert "a&#124;b@&#8203;c" in rows[2]
    # And the pictures have a bar for each window that has a value, and a line for each limit
    charts = re.findall(r"```mermaid\n(.+?)```", text, re.DOTALL)
    assert [re.findall('title "(.+)"', chart)[0] for chart in charts] == [
        "risk score", "drift.data[income]",
    ]  # fmt: skip
    assert 'x-axis "window" [5, 6]' in charts[0]
    assert (
        "bar [0.25, 0.3, 0.31]\n    line [0.1, 0.1, 0.1]\n    line [0.25, 0.25, 0.25]" in charts[1]
    )


# What GitHub makes links of by itself: it looks once while it reads Markdown (URLs, `www.`, mail),
# and once more when entities are characters again (mail, people, teams, issues, other commits).
LINKS = re.compile(r"://|www\.|@[\w-]|#\d|gh-\d|[\w.+-]+@[\w-]+\.\w", re.IGNORECASE)
BAIT = [
    *("https://evil.example/x", "HTTP://evil.example", "ftp://evil.example", "//evil.example"),
    *("www.evil.example", "(WWW.evil.example)", "_www.evil.example", "http://www.evil.example"),
    *("a@evil.example", "mailto:a@evil.example", "xmpp:a@evil.example/x", "&#64;octocat"),
    *("@octocat", "@acme/model-risk", "(@octocat)", "@@octocat", "octocat@a5c3785ed8d6a35868bc"),
    *("#12", "acme/loans#12", "GH-12", "gh-12", "loans#1", "##1", "acme/loans@a5c3785"),
    *(
        "[x](//evil.example)",
        "![x](x)",
        "<b>",
        "`x`",
        "| x |",
        "~~x~~",
        "$x$",
        "# x",
        "[^1]",
        "&lt;",
    ),
]


@pytest.mark.parametrize("text", BAIT)
def test_whatever_a_reason_says_it_is_text(text: str) -> None:
    # Given text of which Markdown, or GitHub, makes something else, when it is written as plain
    written = actions.plain(f"x {text} y")
    # Then nothing in it is markup, and when entities are characters again there is nothing to link
    read = html.unescape(written)
    assert not LINKS.search(read)
    assert not set(re.sub(r"&#\d+;", "", written)) & set("&<>\\`*[]|~#$")
    # And it reads as it was
    assert read.replace(actions.GAP, "") == f"x {text} y"


@given(st.text(alphabet="whtps:/.@#&;12gGH-aé_\u200b "))
def test_no_mixture_is_a_link(text: str) -> None:
    # Given any mixture of what links consist of, when it is written as plain, then it is none
    assert not LINKS.search(html.unescape(actions.plain(text)))


@given(st.text(), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_whatever_a_column_is_called_a_chart_stays_a_chart(name: str, values: list[float]) -> None:
    # Given any name and any numbers, when a chart is drawn
    chart = issue.xychart(name, list(enumerate(values, 1)), {"warn": values[0]})
    # Then nothing ends its fence, its title or its lists
    lines = chart.split("\n")
    assert lines[0] == "```mermaid"
    assert lines[7] == "```"
    assert chart.count("```") == 2
    assert re.fullmatch(r'    title "[^"`\n]*"', lines[2])
    numbers = r"-?\d+(\.\d+)?"
    assert re.fullmatch(rf'    y-axis "value" {numbers} --> {numbers}', lines[4])
    assert re.fullmatch(rf"    bar \[{numbers}(, {numbers})*\]", lines[5])


def test_a_text_that_is_too_long_is_cut_and_says_so() -> None:
    # Given a thousand rules with long reasons, when the text is written, then GitHub takes it
    rules = [RULES[0] | {"id": f"drift.data[c{n}]", "reason": "x" * 3000} for n in range(1000)]
    text = issue.body(window(rules=rules), [], [])
    assert len(text) < 65_536
    assert text.endswith("… cut here")


# On GitHub


class Ledger:
    """Takes events in place of the real one; `lost` is what goes wrong with the next."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.lost: Exception | None = None

    def record(self, *words: Any, details: dict[str, Any], **more: Any) -> None:
        """Keep an event; one about a version would have to move it."""
        assert "version" not in more
        time = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        self.events.append(event(words[2], time, **details))
        lost, self.lost = self.lost, None
        if lost:
            raise lost

    @property
    def actions(self) -> list[str]:
        """What happened."""
        return [one.action for one in self.events]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger, and a policy that wants one retraining in so many days."""
    ledger = Ledger()
    policy = SimpleNamespace(monitoring=SimpleNamespace(retrain_every_days=DAYS))
    now = SimpleNamespace(policy=policy, policy_digest="sha256:0")

    def situation(*_: object) -> SimpleNamespace:
        counted = [SimpleNamespace(event=one) for one in ledger.events]
        return SimpleNamespace(now=now, life=SimpleNamespace(counted=counted))

    monkeypatch.setattr(dispatching, "situation", situation)
    monkeypatch.setattr(dispatching, "record", ledger.record)
    ready = create_autospec(preflight.preflight, return_value=SimpleNamespace(checks=[]))
    monkeypatch.setattr(dispatching, "preflight", ready)
    monkeypatch.setattr(dispatching, "current_run", lambda: RUN)
    return ledger


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubStandIn]:
    """A GitHub, and the variables of who asks it."""
    with github(monkeypatch) as stand_in:
        yield stand_in


def dispatch(project: BakedProject, found: dict[str, Any]) -> Any:
    """Have done what a window asks for."""
    return dispatching.dispatch(project.path, object(), found)


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


def test_a_retraining_is_started_recorded_and_told_once(
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
    assert "one in 14 days is enough" in hub.issues[1]["body"]


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


def test_trap_33_what_would_stop_at_its_preflight_is_not_started_and_told(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger
) -> None:
    # Given a repository without an environment that a retraining names
    why = "it is not there, and GitHub would make it, unprotected"
    lost = preflight.Check(name="environment retrain", state="fails", line=why)
    good = preflight.Check(name="rules of main", state="holds")
    dispatching.preflight.return_value = SimpleNamespace(checks=[good, lost])
    # When a window asks for one, then nothing is started, and ledger and issue say what to fix
    done = dispatch(project, window())
    assert hub.started == []
    assert kept.actions == ["dispatch_failed"]
    assert f"retrain.yml would stop at its preflight: environment retrain: {why}" in done.failed[0]
    assert "environment retrain: it is not there" in hub.issues[1]["body"]
    assert dispatching.preflight.call_args.kwargs == {"purpose": "retrain"}


def test_a_healthy_window_that_still_asks_for_something_closes_nothing(
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


def test_trap_33_a_dispatch_that_fails_is_told_and_recorded(
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
    assert "410 about a new issue: it is switched off" in done.failed[0]
    # And so it is where GitHub does not answer at all
    hub.failures.append(Failure(None))
    done = dispatch(project, window("warn", 8))
    assert "cannot reach GitHub" in done.failed[0]
    assert kept.actions[2:] == ["alert_failed"]


def test_trap_33_a_lost_message_is_a_failure_and_stops_nothing(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger
) -> None:
    # Given a webhook that is gone, when a window asks for a retraining
    kept.lost = Lost("retraining_asked is recorded, but https://hook was not told")
    done = dispatch(project, window())
    # Then it is started, the issue is written, and the lost message is a failure
    assert hub.started[0][0] == "retrain.yml"
    assert hub.issues[1]["state"] == "open"
    assert done.failed == ["retraining_asked is recorded, but https://hook was not told"]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (Mock(side_effect=Problem("MLflow at https://m does not answer")), "MLflow at https:"),
        (
            lambda *_: SimpleNamespace(
                now=SimpleNamespace(policy=SimpleNamespace(monitoring=None)),
                life=SimpleNamespace(counted=[]),
            ),
            "has no monitoring: the risk owner adds it",
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


def test_trap_41_what_could_not_be_measured_opens_the_issue_again(
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
    assert "❔ **not measured**: no window came about" in one["body"]
    assert "the database does not answer the query: …, …, …" in one["body"]
    assert "no window came about" in hub.comments[1][-1]
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
def test_trap_41_the_reason_is_told_whatever_stops_it(
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


def test_trap_33_what_could_neither_be_measured_nor_told_is_recorded(
    project: BakedProject, hub: GitHubStandIn, kept: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a batch that cannot be read, and a repository without issues
    hub.has_issues = False
    # When the command runs, then both are in its one line, and both in the ledger
    said = monitored(project, monkeypatch, Problem("batch.csv cannot be read as a table: fix it"))
    assert said.startswith("batch.csv cannot be read as a table: fix it; the issue could not be")
    assert kept.actions == ["dispatch_failed", "alert_failed"]


def test_without_dispatch_nobody_is_told(
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
