"""What the protected branch said on an earlier day: the commit in force, the keys it listed.

Git keeps no time of a push. A commit counts from the time that it carries, and never from before
the commits under it; where branches are merged on a server, that is the time of the merge.
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
    """A commit of the protected branch, and from when it counted (in seconds)."""

    since: int
    commit: str


@cache
def steps(base: Path, tip: str, *paths: str) -> tuple[ProtectedCommit, ...]:
    """Return the protected branch's own commits up to `tip`, oldest first, without what was merged.

    With paths, only those that changed one of them.
    """
    words = ("log", "--first-parent", "--reverse", "--format=%ct %H", tip, "--", *paths)
    found: list[ProtectedCommit] = []
    for line in git(base, *words).splitlines():
        seconds, _, commit = line.partition(" ")
        earlier = found[-1].since if found else 0
        found.append(ProtectedCommit(max(int(seconds), earlier), commit))
    return tuple(found)


def in_force(base: Path, tip: str, moment: datetime) -> str | None:
    """Return the commit that was the protected branch's last at a moment, if there was one.

    A commit of the same second is not yet in force: whoever looked a moment before saw the one
    before it.
    """
    known = steps(base, tip)
    place = bisect_left([one.since for one in known], int(moment.timestamp()))
    return known[place - 1].commit if place else None


@cache
def signers(base: Path, tip: str) -> tuple[Signer, ...]:
    """Return the keys that may sign events, each with the days on which it counted.

    A key that is listed or removed makes no earlier event void. Only an `until` reaches back.
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
    """Return the keys that a commit lists; None if its file cannot be read."""
    raw = content(base, commit, PATH)
    try:
        return {} if raw is None else {one.bare: one for one in parsed(raw).ledger}
    except Problem:
        return None
