"""The page's sections about the ledger: approvals, events, monitoring windows and trends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from governed_ml.core.drawing import svg
from governed_ml.core.problem import Unusable
from governed_ml.ledger.events import Entry, Event
from governed_ml.ledger.liveness import alarm, last_window, unwatched
from governed_ml.ledger.production.windows import Level
from governed_ml.page.gate_sections import Cut, Row, cut, most_drifted
from governed_ml.page.records import LATEST, Records, ShownLatest

EVENTS, WINDOWS, TRENDS = 200, 60, 24  # the newest; numbers that are drawn over the windows
COLUMNS = 12  # of the last window that are drawn, the most drifted first


class ShownWindow(BaseModel):
    """The details of a `monitored` event that the page shows."""

    model_config = ConfigDict(extra="ignore", strict=True)

    window: int
    batch: str
    rows: int
    labelled: int = 0
    level: Level
    reasons: list[str] = []
    values: dict[str, FiniteFloat | None] = {}
    risk: FiniteFloat | None = None


class Seen(NamedTuple):
    """A window and its event, or the reason why it cannot be read."""

    event: Event
    window: ShownWindow | Unusable


def windows(entries: Sequence[Entry]) -> list[Seen]:
    """Return every measurement of a window, oldest first; late labels cause a second one."""
    found: list[Seen] = []
    for entry in entries:
        if entry.event.action != "monitored":
            continue
        try:
            found.append(Seen(entry.event, ShownWindow.model_validate(entry.event.details)))
        except ValidationError as error:
            first = error.errors()[0]
            found.append(Seen(entry.event, Unusable(f"{first['loc']}: {first['msg']}")))
    return found


def monitoring(entries: Sequence[Entry]) -> Row:
    """Return the newest windows, and the trends of their values."""
    seen = windows(entries)
    latest = seen[-WINDOWS:]
    read = [one.window for one in latest if isinstance(one.window, ShownWindow)]
    risks = [one.risk for one in read]
    named = [name for one in read for name in one.values]
    told = " ".join(reason for one in read for reason in one.reasons)
    names = sorted(dict.fromkeys(named), key=lambda name: (name not in told, name))
    some = any(one is not None for one in risks)
    return {
        "windows": Cut(latest[::-1], len(seen) - len(latest)),
        "risk": _trend("risk score", risks) if some else None,
        "trends": cut(
            [_trend(name, [one.values.get(name) for one in read]) for name in names], TRENDS
        ),
    }


def watch(records: Records) -> tuple[str, bool]:
    """Return the state of the champion in production, and whether people must look at it."""
    life, params = records.life, records.params
    if isinstance(life, Unusable) or life.champion is None:
        return "", False
    why = None
    if not isinstance(params, Unusable):
        why = unwatched(life, params.policy, records.drawn.date())
    loud = alarm(life.champion)
    said = "; ".join(one for one in (loud or last_window(life.champion), why) if one)
    return said, bool(why or loud)


def columns(latest: ShownLatest | Unusable, entries: Sequence[Entry]) -> Row:
    """Return the last window's columns, the most drifted first, or why they are not shown."""
    last = next((one for one in reversed(entries) if one.event.action == "monitored"), None)
    if isinstance(latest, Unusable) or last is None:
        return {"why": latest.reason if isinstance(latest, Unusable) else "", "drawn": []}
    if latest.said != last.event.details:
        said = f"{LATEST} is not about the last window in the ledger"
        return {"why": f"{said}; `uv run governance monitor` writes it again", "drawn": []}
    return {"why": "", "drawn": most_drifted(latest.measured.columns)[:COLUMNS]}


def _trend(name: str, values: list[float | None]) -> tuple[str, Markup]:
    known = [one for one in values if one is not None]
    said = f"{name} over {len(values)} windows: not measured in any"
    if known:
        said = (
            f"{name} over {len(values)} windows: first {known[0]:.4g}, last {known[-1]:.4g}, "
            f"lowest {min(known):.4g}, highest {max(known):.4g}"
        )
    return name, svg.trend(values, said)


def approvals(entries: Sequence[Entry]) -> Cut:
    """Return every approval in the events, newest first."""
    rows: list[dict[str, Any]] = [
        {"event": one.event, "said": said, "roles": ", ".join(map(str, said.get("roles") or []))}
        for one in reversed(entries)
        if one.event.action == "approved"
        for said in one.event.approvals
    ]
    return cut(rows, EVENTS)


def events(entries: Sequence[Entry]) -> Cut:
    """Return the events, newest first."""
    return Cut(list(entries)[-EVENTS:][::-1], max(0, len(entries) - EVENTS))
