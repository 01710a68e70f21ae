"""Append events to the ledger, anchor them, and update the registry to match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from governed_ml.core.config.composition import CONF
from governed_ml.core.problem import FOUND, Problem
from governed_ml.core.repository import (
    PROTECTED,
    REMOTE,
    attempt,
    git,
    has_remote,
    protected,
    signs,
)
from governed_ml.ledger import approvers, storage
from governed_ml.ledger.chain import Raw
from governed_ml.ledger.events import Action, Anchor, Entry, Void
from governed_ml.ledger.lifecycle import Lifecycle
from governed_ml.ledger.remote import last_seen, pull, push, remote_head
from governed_ml.ledger.rules_in_force import Today, today
from governed_ml.ledger.verification import lost
from governed_ml.registry.counted_events import follow, judged
from governed_ml.registry.notify import Lost, Message, ready, send
from governed_ml.registry.versions import CHALLENGER, CHAMPION, STATUS, Registry

BY_RULES = ("approved", "promoted", "rolled_back", "canary_started", "canary_advanced")
"""Events that count only if they comply with the rules in force at their time."""
RULES = (CONF.as_posix(), approvers.PATH)


def raws(base: Path) -> list[Raw]:
    """Return the ledger's commits, unchecked."""
    tip = storage.head(base)
    return [] if tip is None else storage.commits(base, tip)


class Unanchored(Problem):
    """The ledger has events that neither the remote nor the registry knows."""


@dataclass(frozen=True)
class Situation:
    """The input of a registry command: today's rules, and the ledger up to the commit `after`."""

    now: Today
    life: Lifecycle
    after: str | None


def situation(base: Path, registry: Registry) -> Situation:
    """Read the protected branch and the ledger, and check the ledger's chain and anchors.

    The ledger is locked meanwhile. Void events are ignored.
    """
    now = today(base)
    with storage.locked(base):
        known = pull(base)
        entries, after = storage.read(base), storage.head(base)
        life = follow(base, entries)
        require_anchored(base, known, registry.anchors(life.versions), life)
    return Situation(now, judged(base, registry, entries, now.approvers), after)


def require_whole(base: Path, anchors: Sequence[Anchor]) -> None:
    """Raise `Problem` if an anchor names an event that the ledger lacks."""
    here = raws(base)
    wrong = [said for anchor in anchors if (said := lost(anchor, here))]
    if wrong:
        raise Problem(f"the ledger differs from what other copies remember: {wrong[0]}", 1)


def require_anchored(
    base: Path, remotes: Sequence[Anchor], registrys: Sequence[Anchor], life: Lifecycle
) -> None:
    """Raise `Problem` if an anchored event is missing, or if the last events are not anchored.

    An event is anchored if both the registry and the remote (if there is one) know it or a later
    event. Void events at the end need no anchor.
    """
    require_whole(base, [*remotes, *registrys, *last_seen(base)])
    kinds = [remotes, registrys] if has_remote(base) else [registrys]
    reached = min(max((one.sequence for one in kind), default=0) for kind in kinds)
    events = len(raws(base))
    if reached < max((one.event.sequence for one in life.counted), default=0):
        raise Unanchored(
            f"the ledger is anchored up to event {reached} of {events}: look at the events after "
            "it, then run `uv run governance reconcile --apply`",
            1,
        )


def record(
    base: Path,
    registry: Registry,
    action: Action,
    seen: Situation,
    *,
    after: str | None = "",
    happened: Callable[[Entry], None] | None = None,
    **fields: Any,
) -> Entry:
    """Append an event, anchor it, update the registry to match the ledger, and notify the webhook.

    If the event would be void, or if the remote refuses it, it is removed again. `happened` is
    called as soon as the event is final. If the webhook then fails, a `notification_lost` event is
    appended and `Lost` is raised, but the first event stays valid.
    """
    address = ready(seen.now.params.notify)
    if action in BY_RULES:
        _require_same_rules(base, seen.now)
    with storage.locked(base):
        before = storage.head(base)
        entry = storage.append(base, action, after=after, **fields)
        try:
            life = follow(base, also={one.entry.commit: one.why for one in seen.life.void})
            void = next((one for one in life.void if one.entry.commit == entry.commit), None)
            if void is not None:
                raise Problem(f"nothing is recorded, because {void}{_how_to_sign(base, void)}", 1)
            _send(base, entry)
        except Problem:
            back = [storage.REF, before] if before else ["-d", storage.REF]
            git(base, "update-ref", *back, entry.commit)
            raise
        if happened is not None:
            happened(entry)
        registry.anchor(entry.event.sequence, entry.commit, entry.event.version)
        settle(base, registry, life)
    if address is not None:
        _tell(base, registry, (address, seen), entry)
    return entry


def _require_same_rules(base: Path, now: Today) -> None:
    """Raise `Problem` if the protected branch's rules changed since the command read them."""
    tip = protected(base)
    words = ("diff", "--quiet", now.commit, tip, "--", *RULES)
    if tip != now.commit and attempt(base, *words).returncode:
        raise Problem(
            f"the rules on {PROTECTED} changed during this command: run the command again", 1
        )


def _how_to_sign(base: Path, void: Void) -> str:
    if signs(base) or "unsigned" not in void.why:
        return ""
    return ": run `git config gpg.format ssh` and `git config user.signingkey PATH`"


def _send(base: Path, entry: Entry) -> None:
    """Push the ledger. If that fails, check whether the remote received the event anyway."""
    try:
        push(base)
    except Problem as problem:
        if remote_head(base) == entry.commit:
            return
        if problem.exit_code == FOUND:
            raise Problem(
                f"somebody else wrote an event to {REMOTE} first: run the command again", 1
            ) from problem
        raise Problem(f"nothing is recorded: {problem}", problem.exit_code) from problem


def _tell(base: Path, registry: Registry, where: tuple[str, Situation], entry: Entry) -> None:
    event, (address, seen) = entry.event, where
    message = Message(
        project=registry.name,
        model=event.subject.get("model", ""),
        version=event.version,
        action=event.action,
        verdict=str(event.decision["verdict"]) if event.decision else None,
        actor=event.actor,
        commit=event.subject.get("commit", ""),
        reason=event.reason,
        digests=event.subject,
    )
    try:
        send(address, seen.now.params.notify.shape, message)
    except Lost as lost:
        details = {"event": event.sequence, "why": str(lost)}
        silent = replace(seen, now=seen.now.silent())
        record(base, registry, "notification_lost", silent, details=details)
        raise


def settle(base: Path, registry: Registry, life: Lifecycle) -> list[str]:
    """Update aliases and status tags to match the ledger; return the changes."""
    changed: list[str] = []
    aliases, listed = registry.aliases(), registry.versions()
    champion, challenger = life.champion, life.challenger(listed)
    for alias, version in ((CHAMPION, champion), (CHALLENGER, challenger)):
        wanted = version.number if version is not None and version.number in listed else None
        if aliases.get(alias) == wanted:
            continue
        registry.point(alias, wanted)
        changed.append(f"alias {alias}: {aliases.get(alias)} → {wanted}")
    for number, version in life.versions.items():
        if number in listed and listed[number].tags.get(STATUS) != version.state:
            registry.tag(number, **{STATUS: version.state})
            changed.append(f"version {number}: {STATUS} = {version.state}")
    return changed
