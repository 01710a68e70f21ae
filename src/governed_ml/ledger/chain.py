"""Events, and how one hangs on the other. Pure: the bytes of git's commits in, entries out.

Nothing is believed that git only reports: the name of a commit is computed anew from its bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from pydantic import ConfigDict, Field

from governed_ml.core.config.closed_model import Closed

EMPTY_TREES = (
    # pragma: allowlist nextline secret
    "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    # pragma: allowlist nextline secret
    "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",  # where git uses SHA-256
)
GENESIS = "sha256:" + "0" * 64
TOLERANCE = timedelta(minutes=5)
"""By how much the clocks of two machines may differ; what is dated later is of the future."""
_HEADERS = re.compile(
    r"tree (?P<tree>[0-9a-f]+)(?P<parents>(\nparent [0-9a-f]+)*)"
    r"\nauthor [^\n]*\ncommitter [^\n]* (?P<time>\d+) \+0000"
    r"(?P<signature>\ngpgsig(-sha256)? -----BEGIN SSH SIGNATURE-----(\n [^\n]*)*)?"
)

Action = Literal[
    "registered", "quarantined", "approved", "rejected", "promoted", "rolled_back",
    "rollback_failed", "reconciled", "notification_lost", "monitored", "rollback_asked",
    "retraining_asked", "retrained", "retraining_failed", "dispatch_failed", "alert_failed",
]  # fmt: skip


class Event(Closed):
    """One thing that happened, as it is kept."""

    model_config = ConfigDict(ser_json_inf_nan="constants")  # by default a NaN becomes a null

    schema_version: Literal[1] = 1
    sequence: int = Field(ge=1)
    time: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", description="UTC")
    actor: str
    action: Action
    version: int | None = Field(default=None, description="of the model in the registry")
    subject: dict[str, str] = Field(
        default_factory=dict, description="digests: model, data, policy, …"
    )
    decision: dict[str, Any] | None = None
    approvals: list[dict[str, Any]] = Field(default_factory=list)
    reason: str = ""
    details: dict[str, Any] = Field(default_factory=dict)
    nonce: str = Field(
        default_factory=lambda: secrets.token_hex(8),
        description="so that two writers never make the same commit and both believe they won",
    )
    previous: str = Field(description="digest of the event before, in canonical form")

    def canonical(self) -> str:
        """Return the event's one spelling; a NaN or an infinity in it is a `ValueError`."""
        values = self.model_dump(mode="json")
        return json.dumps(
            values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )

    def digest(self) -> str:
        """Return the digest that the next event carries."""
        return "sha256:" + hashlib.sha256(self.canonical().encode()).hexdigest()

    @property
    def moment(self) -> datetime:
        """Return when it happened."""
        return datetime.fromisoformat(self.time)


@dataclass(frozen=True)
class Entry:
    """An event and the commit that holds it."""

    commit: str
    event: Event
    signed: bool


class Void(NamedTuple):
    """An event that has no effect, and why."""

    entry: Entry
    why: str

    def __str__(self) -> str:
        """Return it as one line."""
        event = self.entry.event
        return f"event {event.sequence} ({self.entry.commit[:12]}) is void: {self.why}"


class Anchor(NamedTuple):
    """A commit of the ledger that somebody remembers: where, and as which event."""

    where: str
    sequence: int
    commit: str


@dataclass(frozen=True)
class Raw:
    """A commit of the branch, before anything is believed about it."""

    commit: str
    body: bytes

    @property
    def genuine(self) -> bool:
        """Return whether the bytes are those that the name was computed from."""
        content = b"commit %d\0%s" % (len(self.body), self.body)
        sha1 = len(self.commit) == 40
        made = hashlib.sha1(content, usedforsecurity=False) if sha1 else hashlib.sha256(content)
        return made.hexdigest() == self.commit


def link(raw: Raw, before: Entry | None) -> Entry | str:
    """Return a commit's event if it continues the chain, or what is wrong with it."""
    if not raw.genuine:
        return "its content is not what its name was computed from: edited in git's store"
    head, _, message = raw.body.decode("utf-8", errors="surrogateescape").partition("\n\n")
    headers = _HEADERS.fullmatch(head)
    if headers is None:
        return "its commit is not as the ledger writes commits"
    if headers["tree"] not in EMPTY_TREES:
        return "its commit holds files"
    try:
        event = Event.model_validate_json(message)
        canonical, seconds = event.canonical() + "\n", event.moment.timestamp()
    except ValueError:
        return "its message is no event"
    number = 1 if before is None else before.event.sequence + 1
    parents = [] if before is None else ["parent", before.commit]
    checks = (
        (message == canonical, "its event is not in canonical form"),
        (event.sequence == number, f"it is number {event.sequence}, and {number} comes here"),
        (
            event.previous == (GENESIS if before is None else before.event.digest()),
            "it does not carry the digest of the event before: edited, cut out or reordered",
        ),
        (headers["parents"].split() == parents, "its commit does not follow the commit before"),
        (seconds == int(headers["time"]), "its commit has another time than its event"),
    )
    wrong = next((why for holds, why in checks if not holds), None)
    return wrong or Entry(raw.commit, event, headers["signature"] is not None)


def breaks(raws: Iterable[Raw]) -> tuple[list[Entry], str]:
    """Return the entries up to the first break, and what is wrong there (or nothing)."""
    entries: list[Entry] = []
    for number, raw in enumerate(raws, start=1):
        entry = link(raw, entries[-1] if entries else None)
        if isinstance(entry, str):
            return entries, f"event {number} ({raw.commit[:12]}): {entry}"
        entries.append(entry)
    return entries, ""
