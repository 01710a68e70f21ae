"""The protected branch's earlier states: which commit was in force, and which keys it listed.

Git records no time of a push, so a commit counts from its committer time, but never from before its
ancestors on the branch. If a server merges a pull request, this is the time of the merge.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from governed_ml.core.problem import Problem
from governed_ml.core.repository import content, git
from governed_ml.ledger.approvers import PATH, Recorder, parsed, read
from governed_ml.ledger.signatures import Signer


class ProtectedCommit(NamedTuple):
    """A commit of the protected branch, and since when it was in force (seconds since 1970)."""

    since: int
    commit: str


@cache
def steps(base: Path, tip: str, *paths: str) -> tuple[ProtectedCommit, ...]:
    """Return the first-parent commits of the protected branch up to `tip`, oldest first.

    If `paths` are given, return only the commits that changed one of them.
    """
    words = ("log", "--first-parent", "--reverse", "--format=%ct %H", tip, "--", *paths)
    found: list[ProtectedCommit] = []
    for line in git(base, *words).splitlines():
        seconds, _, commit = line.partition(" ")
        earlier = found[-1].since if found else 0
        found.append(ProtectedCommit(max(int(seconds), earlier), commit))
    return tuple(found)


def in_force(base: Path, tip: str, moment: datetime) -> str | None:
    """Return the protected branch's commit that was in force at a moment, or None.

    A commit counts from the second after its own time. Somebody who read the branch within that
    second may still have seen the commit before it.
    """
    known = steps(base, tip)
    place = bisect_left([one.since for one in known], int(moment.timestamp()))
    return known[place - 1].commit if place else None


@cache
def signers(base: Path, tip: str) -> tuple[Signer, ...]:
    """Return the keys that may sign events, each with the days on which it is valid.

    Adding or removing a key makes no earlier event void. Only `until` applies to earlier days.
    """
    today = {one.bare: one for one in read(base, tip).ledger}
    first: dict[str, date] = {}
    gone: dict[str, tuple[Recorder, date]] = {}
    before: dict[str, Recorder] = {}
    for step in steps(base, tip, PATH):
        day = datetime.fromtimestamp(step.since, UTC).date()
        listed = _listed(base, step.commit)
        if listed is None:
            continue
        for key in listed:
            first.setdefault(key, day)
        gone |= {key: (one, day) for key, one in before.items() if key not in listed}
        before = listed
    found = [
        Signer(one.name, key, one.since, one.until, first.get(key)) for key, one in today.items()
    ]
    for key, (one, day) in gone.items():
        if key not in today:
            until = min(filter(None, (one.until, day + timedelta(days=1))))
            found.append(Signer(one.name, key, one.since, until, first[key]))
    return tuple(found)


def _listed(base: Path, commit: str) -> dict[str, Recorder] | None:
    """Return the ledger keys that a commit lists, or None if its file cannot be read."""
    raw = content(base, commit, PATH)
    try:
        return {} if raw is None else {one.bare: one for one in parsed(raw).ledger}
    except Problem:
        return None
