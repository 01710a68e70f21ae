"""States of model versions, derived from the ledger's entries by pure functions.

Anyone who can push to the ledger's branch can append an event that was not allowed. Such an event
is void: it has no effect, and later events are evaluated as if it did not exist. Whether an event
is void depends only on the events before it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from governed_ml.core.problem import Problem
from governed_ml.ledger.events import Action, Entry, Void
from governed_ml.ledger.production import canary as canaries
from governed_ml.ledger.production.canary import Canary

State = Literal["pending_review", "approved", "champion", "retired", "quarantined", "rejected"]

LEGAL: dict[Action, tuple[State | None, ...]] = {
    "registered": (None,),
    "quarantined": (None,),
    "approved": ("pending_review", "approved"),
    "rejected": ("pending_review", "approved"),
    "promoted": ("approved",),
    "rolled_back": ("retired",),
    "rollback_failed": ("champion",),
    "monitored": ("champion",),
    "canary_started": ("approved",),
    "canary_advanced": ("approved",),
    "canary_held": ("approved",),
    "canary_reverted": ("approved",),
}
"""Action → the states from which it is allowed. None means that the version is not registered yet.
"""
TRIES: tuple[Action, ...] = ("canary_started", "canary_advanced", "canary_held")
OF_CANARY: tuple[Action, ...] = (*TRIES, "canary_reverted")
"""Actions in `LEGAL` about the canary."""
KEEPS_STATE: tuple[Action, ...] = ("monitored", "rollback_failed", *TRIES)
"""Actions in `LEGAL` that do not change a version's state."""
MAKES_CHAMPION: tuple[Action, ...] = ("promoted", "rolled_back")
"""Actions in `LEGAL` that make the version champion in place of the current one."""


@dataclass
class Version:
    """A model version: its state and the events about it."""

    number: int
    state: State
    entries: list[Entry] = field(default_factory=list)

    @property
    def subject(self) -> dict[str, str]:
        """Return the digests (model, data, policy, …) that the version was registered with."""
        return self.entries[0].event.subject

    def with_approvals(self, approvals: list[dict[str, Any]]) -> Version:
        """Return the version with one more event, which holds these approvals."""
        event = self.entries[0].event.model_copy(
            update={"action": "approved", "approvals": approvals}
        )
        return replace(self, entries=[*self.entries, replace(self.entries[0], event=event)])

    @property
    def run_id(self) -> str:
        """Return the id of the MLflow run that stores the version's files."""
        return str(self.entries[0].event.details.get("run_id"))


@dataclass
class Lifecycle:
    """All versions, and the numbers of all champions in order.

    The last one is the current champion. `canary` is the version that answers a share of the
    subjects, if there is one.
    """

    versions: dict[int, Version] = field(default_factory=dict)
    champions: list[int] = field(default_factory=list)
    canary: Canary | None = None
    counted: list[Entry] = field(default_factory=list)
    void: list[Void] = field(default_factory=list)

    @property
    def champion(self) -> Version | None:
        """Return the current champion, or None."""
        found = [one for one in self.versions.values() if one.state == "champion"]
        return found[0] if found else None

    @property
    def taken(self) -> set[int]:
        """Return every version number that any event names, also void ones.

        A new version must not use one of these numbers.
        """
        entries = [*self.counted, *(one.entry for one in self.void)]
        return {one.event.version for one in entries if one.event.version is not None}

    def version(self, number: int) -> Version:
        """Return the version with this number; raise `Problem` if there is none."""
        if number not in self.versions:
            known = ", ".join(map(str, self.versions)) or "none"
            raise Problem(f"the ledger has no version {number}; it has {known}", 1)
        return self.versions[number]

    def challenger(self, listed: Container[int] | None = None) -> Version | None:
        """Return the newest version that waits for approval or promotion.

        If `listed` is given, only the versions in it count.
        """
        waiting = [
            one
            for one in self.versions.values()
            if one.state in ("pending_review", "approved")
            and (listed is None or one.number in listed)
        ]
        return waiting[-1] if waiting else None


def require_legal(action: Action, number: int, state: State | None) -> None:
    """Raise `Problem` unless the action is allowed in the version's state."""
    if state in LEGAL[action]:
        return
    allowed = " or ".join(str(one) for one in LEGAL[action] if one) or "new"
    here = state or "not in the ledger"
    done = "a canary" if action in OF_CANARY else action
    text = f"version {number} is {here}: only a version that is {allowed} can be {done}"
    raise Problem(f"{text.replace('_', ' ')}; look at `uv run governance status`", 1)


Doubt = Callable[[Lifecycle, Entry], str | None]
"""Returns why an event is void, given the lifecycle before it, or None if it counts."""


def trace(entries: Iterable[Entry], doubt: Doubt | None = None) -> Lifecycle:
    """Replay the events in order; events that are illegal or that `doubt` refuses are void."""
    life = Lifecycle()
    for entry in entries:
        why = _illegal(life, entry) or (doubt(life, entry) if doubt else None)
        if why:
            life.void.append(Void(entry, why))
            continue
        life.counted.append(entry)
        if entry.event.action in LEGAL and entry.event.version is not None:
            _apply(life, entry, entry.event.version)
    return life


def _illegal(life: Lifecycle, entry: Entry) -> str | None:
    event = entry.event
    if event.action not in LEGAL:
        return None
    if event.version is None:
        return "it is illegal: it names no version"
    known = life.versions.get(event.version)
    try:
        require_legal(event.action, event.version, known.state if known else None)
    except Problem as problem:
        return f"it is illegal: {str(problem).partition('; look at')[0]}"
    if event.action in OF_CANARY:
        champion = life.champion.number if life.champion else None
        why = canaries.illegal(life.canary, champion, event)
        return f"it is illegal: {why}" if why else None
    return None


def _apply(life: Lifecycle, entry: Entry, number: int) -> None:
    event = entry.event
    if number not in life.versions:
        first: State = "pending_review" if event.action == "registered" else "quarantined"
        life.versions[number] = Version(number, first)
    version = life.versions[number]
    version.entries.append(entry)
    if event.action == "approved":
        version.state = "pending_review" if event.details.get("missing") else "approved"
    elif event.action == "rejected":
        version.state = "rejected"
    elif event.action in OF_CANARY:
        life.canary = canaries.after(life.canary, event)
        if canaries.quarantines(event):
            version.state = "quarantined"
    elif event.action in MAKES_CHAMPION:
        before = life.champion
        if before is not None:  # a version rolled back must not return by itself
            before.state = "quarantined" if event.action == "rolled_back" else "retired"
            before.entries.append(entry)
        version.state = "champion"
        life.champions.append(number)
        life.canary = None
    if life.canary is not None and life.versions[life.canary.version].state != "approved":
        life.canary = None
