"""Which workflow a window requires, considering what was started before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from governed_ml.ledger.events import Action, Event
from governed_ml.ledger.lifecycle import MAKES_CHAMPION
from governed_ml.monitoring.actions.issue import Window

RETRAINED: tuple[Action, ...] = ("retraining_asked", "retrained", "retraining_failed")
PATIENCE = timedelta(hours=6)  # longer than retrain.yml can take, with waiting


@dataclass(frozen=True)
class Ask:
    """A workflow to start."""

    purpose: Literal["rollback", "retrain"]
    action: Action
    inputs: dict[str, str]

    @property
    def workflow(self) -> str:
        """Return the workflow's file name."""
        return f"{self.purpose}.yml"


def due(
    window: Window,
    events: Sequence[Event],
    every_days: int,
    pull: int | None,
    now: datetime,
    run: str | None,
) -> tuple[Ask | None, str, str | None]:
    """Return (the workflow to start, a line about it, what went wrong with an earlier start).

    The first is None if there is nothing to start. The last is None if nothing went wrong. `pull`
    is the number of an open pull request of a retraining; while one is open, no other starts.
    `run` names this run of the workflow `monitor`. A repeated job of the same run starts no second
    rollback. A new run on the same window starts one, because the version is still champion.
    """
    number, version = window["window"], window["version"]
    reasons = "; ".join(window["reasons"])
    if window["due"] == "rollback":
        moves = [place for place, one in enumerate(events) if one.action in MAKES_CHAMPION]
        reign = events[moves[-1] :] if moves else events
        last = next((one for one in reversed(reign) if one.action == "rollback_asked"), None)
        if last and run and last.details.get("run") == run:
            return None, f"this run started rollback.yml at {last.time}", None
        vain = f"rollback.yml was started at {{}}, and version {version} is still champion"
        reason = f"Monitoring, {window['in_a_row']} windows in a row up to {number}: {reasons}"
        ask = Ask("rollback", "rollback_asked", {"reason": reason[:1000], "from": str(version)})
        return ask, "rollback.yml was started", vain.format(last.time) if last else None
    if window["due"] != "retrain":
        return None, "", None
    if pull is not None:
        return None, f"no retraining is started while pull request #{pull} is open", None
    last = next((one for one in reversed(events) if one.action in RETRAINED), None)
    lost = None
    if last and last.action == "retraining_asked" and now > last.moment + PATIENCE:
        lost = f"retrain.yml was started at {last.time}, and no result of it is recorded"
    elif last and now < last.moment + timedelta(days=every_days):
        until = last.moment + timedelta(days=every_days)
        said = (
            f"the last retraining was on {last.time}, and the policy allows one in "
            f"{every_days} days"
        )
        return None, f"{said}, so none is started before {until:%Y-%m-%d %H:%M} UTC", None
    ask = Ask("retrain", "retraining_asked", {"reason": f"Window {number}: {reasons}"[:1000]})
    return ask, "retrain.yml was started: it opens a pull request, and promotes nothing", lost
