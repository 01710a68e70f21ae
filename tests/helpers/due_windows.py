"""Windows that ask for something, and a ledger in memory that keeps what was done about them."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest
from baked import BakedProject

from governed_ml.github import preflight
from governed_ml.ledger import chain, events
from governed_ml.monitoring.actions import dispatch as dispatching

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


@pytest.fixture(name="kept")
def ledger_kept(monkeypatch: pytest.MonkeyPatch) -> Ledger:
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


def dispatch(project: BakedProject, found: dict[str, Any]) -> Any:
    """Have done what a window asks for."""
    return dispatching.dispatch(project.path, object(), found)
