"""The ledger's events: their names, their fields, and their position in the ledger."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from pydantic import ConfigDict, Field

from governed_ml.core.config.closed_model import Closed

TOLERANCE = timedelta(minutes=5)
"""Tolerated difference between the clocks of two machines. A later event is dated in the future."""

Action = Literal[
    "registered", "quarantined", "approved", "rejected", "promoted", "rolled_back",
    "rollback_failed", "reconciled", "notification_lost", "monitored", "rollback_asked",
    "retraining_asked", "retrained", "retraining_failed", "dispatch_failed", "alert_failed",
    "canary_started", "canary_advanced", "canary_held", "canary_reverted",
]  # fmt: skip


class Event(Closed):
    """One event of the ledger, as it is stored."""

    model_config = ConfigDict(ser_json_inf_nan="constants")  # Pydantic would write NaN as null

    schema_version: Literal[1] = Field(default=1, description="the version of this format")
    sequence: int = Field(ge=1, description="1 for the first event, then increasing by 1")
    time: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", description="when, in UTC")
    actor: str = Field(description="git's user.email; in a workflow, who started it")
    action: Action = Field(description="what happened: one of the names below")
    version: int | None = Field(
        default=None, description="the version in the registry that it moves or measures"
    )
    subject: dict[str, str] = Field(
        default_factory=dict,
        description="what it is about, by digest: model, data, policy and others",
    )
    decision: dict[str, Any] | None = Field(
        default=None, description="the decision that the event is based on"
    )
    approvals: list[dict[str, Any]] = Field(
        default_factory=list, description="the approvals that it adds or is based on"
    )
    reason: str = Field(default="", description="why, in words")
    details: dict[str, Any] = Field(
        default_factory=dict, description="further fields of this action"
    )
    nonce: str = Field(
        default_factory=lambda: secrets.token_hex(8),
        description="random text, so that two writers never make the same commit",
    )
    previous: str = Field(description="digest of the event before, in canonical form")

    def canonical(self) -> str:
        """Return the event's canonical JSON; raise ValueError if it contains NaN or infinity."""
        values = self.model_dump(mode="json")
        return json.dumps(
            values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )

    def digest(self) -> str:
        """Return the digest of the canonical JSON, which the next event records as `previous`."""
        return "sha256:" + hashlib.sha256(self.canonical().encode()).hexdigest()

    @property
    def moment(self) -> datetime:
        """Return the event's time."""
        return datetime.fromisoformat(self.time)


@dataclass(frozen=True)
class Entry:
    """An event and the commit that stores it."""

    commit: str
    event: Event
    signed: bool


class Void(NamedTuple):
    """An event that has no effect, and the reason."""

    entry: Entry
    why: str

    def __str__(self) -> str:
        """Return the event and the reason in one line."""
        event = self.entry.event
        return f"event {event.sequence} ({self.entry.commit[:12]}) is void: {self.why}"


class Anchor(NamedTuple):
    """A commit of the ledger that is known from elsewhere: the source, and the event's number."""

    where: str
    sequence: int
    commit: str
