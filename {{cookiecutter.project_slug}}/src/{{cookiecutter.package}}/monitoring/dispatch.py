"""What a window asks for, asked of GitHub: a roll-back, a retraining, and the issue people read.

Nothing here fails in silence: what could not be told or started is an event of the ledger, and the
command is red.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..governance import ledger
from ..governance.chain import Action, Event
from ..governance.github_settings import RETRAINING as BRANCH
from ..governance.github_state import Hub, opened
from ..governance.notify import Lost
from ..governance.proposal import pull_of
from ..governance.record import Situation, record, situation
from ..governance.registry import Registry
from ..governance.rehash import current_run
from ..governance.repository import PROTECTED
from ..problem import Problem
from . import issue
from .issue import Window

NEED = "give it `actions: write`, `issues: write` and `pull-requests: read`"
RETRAINED: tuple[Action, ...] = ("retraining_asked", "retrained", "retraining_failed")


@dataclass(frozen=True)
class Ask:
    """A workflow to start."""

    workflow: str
    action: Action
    inputs: dict[str, str]


@dataclass
class Done:
    """What was asked and told, and what failed."""

    asked: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    issue: str = ""
    text: str = ""

    def values(self) -> dict[str, Any]:
        """Return the result for programs."""
        return {"asked": self.asked, "failed": self.failed, "issue": self.issue}


def due(
    window: Window, events: Sequence[Event], every_days: int, pull: int | None, now: datetime
) -> tuple[Ask | None, str, str]:
    """Return what to start, what to say about it, and what went wrong with an earlier asking."""
    number, version = window["window"], window["version"]
    reasons = "; ".join(window["reasons"])
    if window["due"] == "rollback":
        asked = [one for one in events if one.action == "rollback_asked"]
        last = next((one for one in reversed(asked) if one.details["version"] == version), None)
        if last and last.details["window"] == number:
            return None, f"rollback.yml was started for this window, at {last.time}", ""
        vain = f"rollback.yml was started at {{}}, and version {version} is still champion"
        reason = f"Monitoring, {window['in_a_row']} windows in a row up to {number}: {reasons}"
        ask = Ask("rollback.yml", "rollback_asked", {"reason": reason[:1000], "from": str(version)})
        return ask, "rollback.yml was started", vain.format(last.time) if last else ""
    if window["due"] != "retrain":
        return None, "", ""
    if pull is not None:
        return None, f"no retraining is started while pull request #{pull} is open", ""
    last = next((one for one in reversed(events) if one.action in RETRAINED), None)
    if last and now < last.moment + timedelta(days=every_days):
        until = last.moment + timedelta(days=every_days)
        said = f"the last retraining is of {last.time}, and one in {every_days} days is enough"
        return None, f"{said}: none is started before {until:%Y-%m-%d %H:%M} UTC", ""
    ask = Ask("retrain.yml", "retraining_asked", {"reason": f"Window {number}: {reasons}"[:1000]})
    return ask, "retrain.yml was started: it opens a pull request, and promotes nothing", ""


def dispatch(base: Path, registry: Registry, window: Window, failed: Sequence[str] = ()) -> Done:
    """Start what is due, then open, change or close the issue; all of it, whatever fails first.

    `failed` is what went wrong before.
    """
    seen, done = situation(base, registry), Done(failed=[*failed])
    events = [one.event for one in ledger.read(base)]
    watch = seen.now.policy.monitoring
    if watch is None:
        raise Problem(f"the policy on {PROTECTED} has no monitoring: the risk owner adds it", 1)

    def told(action: Action, **details: Any) -> None:
        _record(base, registry, seen, window, done, action, details)

    try:
        with opened(base, NEED) as hub:
            try:
                _start(hub, window, events, watch.retrain_every_days, done, told)
            except Problem as problem:
                done.failed.append(f"{window['due']} could not be started: {problem}")
                told("dispatch_failed", due=window["due"], why=str(problem))
            done.text = _text(window, events, done)
            healthy = window["level"] == "healthy" and not done.failed
            loud = bool(done.asked or done.failed)
            about = issue.title(window)
            done.issue = issue.update(hub, about, done.text, healthy=healthy, loud=loud)
    except Problem as problem:
        done.failed.append(f"the issue could not be written: {problem}")
        told("alert_failed", why=str(problem))
    return done


def _start(
    hub: Hub,
    window: Window,
    events: Sequence[Event],
    every_days: int,
    done: Done,
    told: Callable[..., None],
) -> None:
    pull = pull_of(hub, BRANCH) if window["due"] == "retrain" else None
    number = pull.number if pull else None
    ask, said, lost = due(window, events, every_days, number, datetime.now(UTC))
    if lost:
        done.failed.append(lost)
        told("dispatch_failed", due=window["due"], why=lost)
    if ask is not None:
        path = f"/actions/workflows/{ask.workflow}/dispatches"
        hub.send(ask.workflow, "POST", path, {"ref": PROTECTED, "inputs": ask.inputs})
        done.asked.append(ask.workflow)
        told(ask.action, **ask.inputs)
    done.lines += [said] if said else []


def _text(window: Window, events: Sequence[Event], done: Done) -> str:
    version = window["version"]
    history = {
        one.details["window"]: one.details  # of one that was measured again, as it is now
        for one in events
        if one.action == "monitored" and one.version == version
    }
    lines = [*done.lines, *(f"failed: {one}" for one in done.failed)]
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
    """Add an event; what is not taken, or not told, is a failure, and stops nothing."""
    # In the details: an event about a version is one that moves it.
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
        done.failed.append(f"{action} is not in the ledger: {problem}")


def page() -> str:
    """Return where people see this run."""
    server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    run = current_run()
    return f"{server}/{name}/actions/runs/{run}" if run and server and name else ""
