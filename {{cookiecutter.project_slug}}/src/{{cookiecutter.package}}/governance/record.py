"""Append to the ledger and anchor it: push the branch, name its head in the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..problem import Problem, first_line
from . import ledger
from .ledger import Action, Entry, Moved
from .lifecycle import Lifecycle, trace
from .registry import CHALLENGER, CHAMPION, STATUS, Registry
from .repository import REMOTE, attempt, git, has_remote

SEEN = "refs/governance/ledger"  # the remote's branch as last seen


def synchronise(base: Path) -> None:
    """Fetch the remote's ledger and go forward to it; refuse a ledger that went another way."""
    if not has_remote(base):
        return
    theirs = fetch(base)
    ours = ledger.head(base)
    if theirs is None or theirs == ours:
        return
    if ours is None or _is_before(base, ours, theirs):
        git(base, "update-ref", ledger.REF, theirs, ours or ledger.NOBODY)
    elif not _is_before(base, theirs, ours):
        raise Problem(
            f"the ledger here and at {REMOTE} went different ways: look at `uv run governance "
            "ledger verify`; `uv run governance reconcile --apply` takes the remote's",
            1,
        )


def opened(base: Path, registry: Registry) -> tuple[list[Entry], str | None]:
    """Return the anchored ledger and its last commit, while nobody on this machine writes to it."""
    with ledger.locked(base):
        synchronise(base)
        entries = ledger.read(base)
        require_anchored(base, registry, entries)
        return entries, ledger.head(base)


def fetch(base: Path) -> str | None:
    """Return the remote's head of the ledger, fetched now, or None if it has none."""
    listed = attempt(base, "ls-remote", "--exit-code", REMOTE, ledger.REF)
    if listed.returncode == 2:  # reachable, but no such branch
        return None
    done = attempt(base, "fetch", "--quiet", "--no-tags", REMOTE, f"+{ledger.REF}:{SEEN}")
    if listed.returncode or done.returncode:
        said = (listed.stderr or done.stderr).decode(errors="replace")
        raise Problem(f"cannot fetch the ledger from {REMOTE}: {first_line(ValueError(said), 160)}")
    return git(base, "rev-parse", SEEN)


def _is_before(base: Path, one: str, two: str) -> bool:
    return attempt(base, "merge-base", "--is-ancestor", one, two).returncode == 0


def require_anchored(base: Path, registry: Registry, entries: list[Entry]) -> None:
    """Refuse a ledger whose anchors are not in it, or that has events behind the last anchor."""
    places = registry.anchors()
    if has_remote(base) and (theirs := fetch(base)) is not None:
        number = next((e.event.sequence for e in entries if e.commit == theirs), 0)
        places.append((REMOTE, number, theirs))
    require_in_ledger(places, entries)
    kinds = [max((s for w, s, _ in places if (w == REMOTE) is remote), default=0)
             for remote in ((True, False) if has_remote(base) else (False,))]  # fmt: skip
    if entries and min(kinds) < entries[-1].event.sequence:
        raise Problem(
            f"the ledger is anchored up to event {min(kinds)} of {entries[-1].event.sequence}: "
            "look at what follows, then run `uv run governance reconcile --apply`",
            1,
        )


def require_in_ledger(places: list[tuple[str, int, str]], entries: list[Entry]) -> None:
    """Refuse a ledger that lacks an event which is named outside of it."""
    known = {entry.commit: entry.event.sequence for entry in entries}
    for where, sequence, commit in places:
        if known.get(commit) != sequence or not sequence:
            raise Problem(
                f"the ledger was cut off or rewritten: {where} names event {sequence or '?'} "
                f"({commit[:12]}), which is not in it; fetch the branch {ledger.BRANCH} again",
                1,
            )


def anchor(base: Path, registry: Registry, entry: Entry) -> None:
    """Push the ledger, then name its head in the registry."""
    push(base)
    registry.anchor(entry.event.sequence, entry.commit, entry.event.version)


def push(base: Path) -> None:
    """Push the branch, forward only."""
    if not has_remote(base):
        return
    done = attempt(base, "push", "--quiet", "--porcelain", REMOTE, f"{ledger.REF}:{ledger.REF}")
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")
        if "rejected" in said:
            raise Moved(f"another event came first at {REMOTE}: try again", 1)
        raise Problem(f"cannot push the ledger to {REMOTE}: {first_line(ValueError(said), 160)}")


def record(
    base: Path, registry: Registry, action: Action, after: str | None = "", **fields: Any
) -> Entry:
    """Append one event, anchor it, and bring the registry to what the ledger then says.

    An event that lost the race to the remote is taken back: it never happened.
    """
    with ledger.locked(base):
        before = ledger.head(base)
        entry = ledger.append(base, action, after=after, **fields)
        try:
            push(base)
        except Problem:
            if before is not None:
                git(base, "update-ref", ledger.REF, before, entry.commit)
            else:
                git(base, "update-ref", "-d", ledger.REF, entry.commit)
            raise
        registry.anchor(entry.event.sequence, entry.commit, entry.event.version)
        settle(registry, trace(ledger.read(base)))
    return entry


def settle(registry: Registry, life: Lifecycle) -> list[str]:
    """Bring aliases and status tags to what the ledger says; return what was changed."""
    changed: list[str] = []
    aliases, listed = registry.aliases(), registry.versions()
    champion, challenger = life.champion, life.challenger()
    for alias, version in ((CHAMPION, champion), (CHALLENGER, challenger)):
        wanted = version.number if version is not None and version.number in listed else None
        if aliases.get(alias) != wanted:
            registry.point(alias, wanted)
            changed.append(f"alias {alias}: {aliases.get(alias)} → {wanted}")
    for number, version in life.versions.items():
        if number in listed and listed[number].tags.get(STATUS) != version.state:
            registry.tag(number, **{STATUS: version.state})
            changed.append(f"version {number}: {STATUS} = {version.state}")
    return changed
