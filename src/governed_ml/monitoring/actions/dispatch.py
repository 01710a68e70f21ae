"""Start on GitHub what a window requires: a rollback, a retraining, an update of the issue.

No failure is silent: if something could not be started or reported, this is recorded in the ledger
and the command fails.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from governed_ml.core.problem import Problem
from governed_ml.core.repository import PROTECTED
from governed_ml.github.current_settings import Hub, opened
from governed_ml.github.preflight import preflight
from governed_ml.github.proposal import pull_of
from governed_ml.github.settings import RETRAINING as BRANCH
from governed_ml.ledger.events import Action, Event
from governed_ml.monitoring.actions import issue
from governed_ml.monitoring.actions.issue import Window
from governed_ml.monitoring.actions.workflow_due import Ask, due
from governed_ml.policy.rehash import current_run
from governed_ml.registry.append_event import Situation, record, situation
from governed_ml.registry.notify import Lost
from governed_ml.registry.versions import Registry

NEED = "give it `actions: write`, `issues: write` and `pull-requests: read`"
SECRETS = (  # of monitor.yml: errors of a library may contain them, and issues show errors
    *("MONITOR_URL", "GOVERNANCE_WEBHOOK", "GITHUB_TOKEN"),
    *("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"),
)


@dataclass
class Done:
    """The actions taken, and those that failed."""

    asked: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    issue: str = ""
    text: str = ""

    def values(self) -> dict[str, Any]:
        """Return the result as plain values for JSON."""
        return {"asked": self.asked, "failed": self.failed, "issue": self.issue}


def dispatch(
    base: Path, registry: Registry | None, window: Window, failed: Sequence[str] = ()
) -> Done:
    """Start what is due, then open, update or close the issue.

    A failure of one action does not prevent the others. `failed` are earlier failures to report.
    Without a registry, nothing is started or recorded.
    """
    done, seen, events = Done(failed=[*failed]), None, list[Event]()

    def told(action: Action, **details: Any) -> None:
        if registry is not None and seen is not None:
            _record(base, registry, seen, window, done, action, details)

    days = 0
    try:
        if registry is not None:
            seen = situation(base, registry)
            events = [one.event for one in seen.life.counted]
            days = _days(seen)
    except Problem as problem:
        done.failed.append(f"nothing could be started or recorded: {problem}")
    if window["window"] is None:
        told("dispatch_failed", due="monitor", why=window["reasons"][0])
    try:
        with opened(base, NEED) as hub:
            try:
                if days:
                    _start(base, hub, window, events, days, done, told)
            except Problem as problem:
                done.failed.append(f"{window['due']} could not be started: {problem}")
                told("dispatch_failed", due=window["due"], why=str(problem))
            done.text = _text(window, events, done)
            quiet = window["due"] == "none" and not window.get("in_a_row") and not done.failed
            healthy = window["level"] == "healthy" and quiet
            loud = bool(done.asked or done.failed)
            about = issue.title(window)
            done.issue = issue.update(hub, about, done.text, healthy=healthy, loud=loud)
    except Problem as problem:
        done.failed.append(f"the issue could not be written: {problem}")
        told("alert_failed", why=str(problem))
    return done


def unmeasured(base: Path, registry: Registry | None, problem: Problem) -> Done:
    """Report that no window was measured, and why: in the issue, the ledger and the webhook.

    Values of `SECRETS` are removed from the reason.
    """
    why = str(problem)
    for value in filter(None, map(os.environ.get, SECRETS)):
        password = re.search(r"://[^/@:]*:([^@]+)@", value)
        for secret in (value, *([password[1], unquote(password[1])] if password else [])):
            why = why.replace(secret, "…")
    return dispatch(base, registry, issue.none(why))


def _days(seen: Situation) -> int:
    watch = seen.now.policy.monitoring
    if watch is None:
        raise Problem(
            f"the policy on {PROTECTED} has no section monitoring: ask the risk owner to add it", 1
        )
    return watch.retrain_every_days


def _start(
    base: Path,
    hub: Hub,
    window: Window,
    events: Sequence[Event],
    every_days: int,
    done: Done,
    told: Callable[..., None],
) -> None:
    pull = pull_of(hub, BRANCH) if window["due"] == "retrain" else None
    number, run = pull.number if pull else None, current_run()
    ask, said, lost = due(window, events, every_days, number, datetime.now(UTC), run)
    if lost:
        done.failed.append(lost)
        told("dispatch_failed", due=window["due"], why=lost)
    if ask is not None:
        _require_ready(base, ask)
        path = f"/actions/workflows/{ask.workflow}/dispatches"
        hub.send(ask.workflow, "POST", path, {"ref": PROTECTED, "inputs": ask.inputs})
        done.asked.append(ask.workflow)
        told(ask.action, **ask.inputs)
    done.lines += [said] if said else []


def _require_ready(base: Path, ask: Ask) -> None:
    """Raise `Problem` if the workflow would fail its own preflight, where nobody would notice."""
    found = preflight(base, purpose=ask.purpose)
    wrong = [f"{one.name}: {one.line}" for one in found.checks if one.state != "holds"]
    if wrong:
        why = "; ".join(wrong)
        raise Problem(f"{ask.workflow} was not started, because its preflight would fail: {why}", 1)


def _text(window: Window, events: Sequence[Event], done: Done) -> str:
    version = window["version"]
    history = {
        one.details["window"]: one.details  # if it was measured again, the latest
        for one in events
        if one.action == "monitored" and one.version == version
    }
    lines = [*done.lines, *(f"{issue.FAILED}{one}" for one in done.failed)]
    return issue.body(window, [one for _, one in sorted(history.items())], lines)


def _record(
    base: Path,
    registry: Registry,
    seen: Situation,
    window: Window,
    done: Done,
    action: Action,
    details: dict[str, Any],
) -> None:
    """Append an event. A failure to record or to notify is added to `done` and stops nothing."""
    # The version goes into the details, because events about a version change its state.
    known = {name: window[name] for name in ("window", "version")}
    known |= {"run": current_run(), "page": page()}
    try:
        record(
            base,
            registry,
            action,
            seen,
            subject={"policy": seen.now.policy_digest},
            reason="; ".join(window["reasons"])[:1000],
            details=details | {name: value for name, value in known.items() if value},
        )
    except Lost as lost:
        done.failed.append(str(lost))
    except Problem as problem:
        done.failed.append(f"{action} was not recorded in the ledger: {problem}")


def page() -> str:
    """Return the URL of this workflow run, or "" outside of one."""
    server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    run = current_run()
    return f"{server}/{name}/actions/runs/{run}" if run and server and name else ""
