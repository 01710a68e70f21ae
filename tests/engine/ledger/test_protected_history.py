"""What the protected branch said on an earlier day, by its own commits and their dates."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

import chains
import pytest

from governed_ml.ledger.events import Event
from governed_ml.ledger.protected_history import in_force, signers, steps

DAYS = range(1, 9)


def commit(base: Path, day: int, *words: str) -> str:
    """Run a git command that makes a commit, on a day of January; return the commit."""
    when = f"2026-01-{day:02}T12:00:00Z"
    dates = {"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when}
    subprocess.run(["git", *words], cwd=base, env=os.environ | dates, check=True)
    return chains.Repository(base).git("rev-parse", "HEAD")


def test_the_commit_in_force_is_one_that_the_branch_itself_had(empty: chains.Repository) -> None:
    # Given a protected branch with a merge, and after it a commit whose date is older
    base, new = empty.path, ("commit", "--quiet", "--allow-empty", "-m")
    first = commit(base, 1, *new, "one")
    empty.git("checkout", "--quiet", "-b", "side")
    commit(base, 2, *new, "two")
    empty.git("checkout", "--quiet", "main")
    merge = commit(base, 4, "merge", "--quiet", "--no-ff", "-m", "merge", "side")
    old = commit(base, 3, *new, "older")
    # When one asks for the commit in force, then it is never one of the branch that was merged
    found = [in_force(base, old, datetime(2026, 1, day, 13, tzinfo=UTC)) for day in (1, 2, 3, 4)]
    assert found == [first, first, first, old]
    assert [one.commit for one in steps(base, old)] == [first, merge, old]
    # And before the first there was none; one of the same second is not in force yet
    assert in_force(base, old, datetime(2025, 1, 1, tzinfo=UTC)) is None
    assert in_force(base, old, datetime(2026, 1, 4, 12, tzinfo=UTC)) == first


def listing(base: Path, day: int, *keys: dict[str, str]) -> str:
    """Commit a list of keys that sign events."""
    path = base / "governance" / "approvers.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"ledger": list(keys)}), encoding="utf-8")
    chains.Repository(base).git("add", "governance")
    return commit(base, day, "commit", "--quiet", "-m", f"day {day}")


@pytest.mark.parametrize(
    ("own", "due", "counts"),
    [
        ({}, {3, 4, 5}, {1, 2, 3, 4, 5}),
        ({"since": "2026-01-03"}, {4, 5}, {3, 4, 5}),
        ({"until": "2026-01-04"}, {3}, {1, 2, 3}),
    ],
    ids=["no-days", "since", "until"],
)
def test_a_key_that_is_listed_or_removed_makes_no_earlier_event_void(
    empty: chains.Repository, tmp_path: Path, own: dict[str, str], due: set[int], counts: set[int]
) -> None:
    # Given a key that the protected branch listed on the second day, and removed on the fifth
    key = {"name": "ci", "key": chains.key(tmp_path, "ci").read_text()} | own
    listing(empty.path, 1)
    listing(empty.path, 2, key)
    (empty.path / "governance" / "approvers.yaml").write_text("oops: [")
    empty.git("add", "governance")
    commit(empty.path, 3, "commit", "--quiet", "-m", "not readable")
    listing(empty.path, 4, key)
    tip = listing(empty.path, 5)
    # When one asks on which days events had to be signed, and on which the key could sign
    [found] = signers(empty.path, tip)
    events = {day: event(day) for day in DAYS}
    # Then from the day after it was listed, until the day on which it was removed
    assert {day for day in DAYS if found.expects(events[day])} == due
    assert {day for day in DAYS if found.counts(events[day])} == counts


def event(day: int) -> Event:
    """An event of a day."""
    time = f"2026-01-{day:02}T15:00:00Z"
    return Event(sequence=1, time=time, actor="me", action="reconciled", previous="x")


def test_the_current_dates_of_a_listed_key_apply_to_earlier_days(
    empty: chains.Repository, tmp_path: Path
) -> None:
    # Given a key that got an `until` later: it was stolen
    key = {"name": "ci", "key": chains.key(tmp_path, "ci").read_text()}
    listing(empty.path, 1, key)
    tip = listing(empty.path, 5, key | {"until": "2026-01-03"})
    # When one asks for the keys, then what it signed since then does not count
    [found] = signers(empty.path, tip)
    assert (found.listed, found.until) == (date(2026, 1, 1), date(2026, 1, 3))
    assert not found.counts(event(4))
