"""Synchronise the ledger with the remote (fast-forward only) and remember the remote's state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import REMOTE, attempt, git, has_remote, precedes
from governed_ml.ledger.chain import Raw, breaks
from governed_ml.ledger.events import Anchor
from governed_ml.ledger.storage import BRANCH, REF, SEEN, Moved, commits, head, locked

REPLACE = f"`git fetch {REMOTE} +{BRANCH}:{BRANCH}`"


class Vanished(Problem):
    """The remote's ledger no longer has an event that it had before."""


class Broken(Problem):
    """The remote's ledger contains an invalid event; `whole` is the last valid commit before it."""

    def __init__(self, broken: str, whole: str | None) -> None:
        super().__init__(
            f"{REMOTE}'s ledger is broken at {broken}; find out who pushed it, then run "
            "`uv run governance reconcile --apply`",
            1,
        )
        self.whole = whole


def last_seen(base: Path) -> list[Anchor]:
    """Return the remote's last event as of the latest fetch or push; empty if there was none."""
    tip = head(base, SEEN)
    count = int(git(base, "rev-list", "--count", "--first-parent", tip)) if tip else 0
    return [Anchor(f"{REMOTE}, as last seen from here,", count, tip)] if tip else []


def remote(base: Path, raws: Sequence[Raw]) -> list[Anchor]:
    """Return the remote's last event as an anchor; empty without a remote or a ledger on it.

    Raise `Problem` (exit 1) if the remote's ledger is broken, lost events, or differs from this
    clone's.
    """
    tip = remote_head(base) if has_remote(base) else None
    here = {raw.commit: number for number, raw in enumerate(raws, start=1)}
    theirs = list(here)[: here[tip]] if tip in here else fetch(base, tip) if tip else []
    seen = next(iter(last_seen(base)), None)
    if seen and has_remote(base) and seen.commit not in theirs:
        raise Vanished(
            f"{REMOTE} no longer has event {seen.sequence} ({seen.commit[:12]}): somebody "
            "truncated, rewrote or deleted its ledger; find out who, then push this ledger again",
            1,
        )
    if tip is None:
        return []
    common = next((n for n in range(len(theirs), 0, -1) if theirs[n - 1] in here), 0)
    if tip not in here and common < len(raws):
        raise Problem(
            f"the ledgers of {REMOTE} ({len(theirs)} events) and of this clone ({len(raws)}) "
            f"differ after event {common}. If this clone's later events were never pushed, run "
            f"{REPLACE} to take those of {REMOTE}, and repeat your commands. If they were pushed, "
            f"somebody rewrote the ledger of {REMOTE}: replace nothing, and find out who",
            1,
        )
    git(base, "update-ref", SEEN, tip)
    return [Anchor(REMOTE, len(theirs), tip)]


def remote_head(base: Path) -> str | None:
    """Return the last commit of the remote's ledger, or None if it has no ledger."""
    done = attempt(base, "ls-remote", REMOTE, REF)
    if done.returncode:
        said = first_line(ValueError(done.stderr.decode(errors="replace")), 160)
        raise Problem(
            f"cannot fetch the ledger from {REMOTE}: {said}; check the remote with `git remote "
            "--verbose`"
        )
    lines = [line.partition("\t") for line in done.stdout.decode().splitlines()]
    return next((commit for commit, _, name in lines if name == REF), None)


def fetch(base: Path, tip: str) -> list[str]:
    """Fetch the remote's ledger and check its chain. Return its commits, oldest first."""
    git(base, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", REMOTE, REF)
    raws = commits(base, tip)
    entries, broken = breaks(raws)
    if broken:
        raise Broken(broken, entries[-1].commit if entries else None)
    return [raw.commit for raw in raws]


def pull(base: Path) -> list[Anchor]:
    """Fast-forward this clone's ledger to the remote's; return the remote's last event.

    Raise the same `Problem` as `remote`, for example if the ledgers differ. If the remote's ledger
    is broken, the events before the broken one are taken first.
    """
    with locked(base):
        tip = head(base)
        raws = commits(base, tip) if tip else []
        try:
            found = remote(base, raws)
        except Broken as broken:
            if broken.whole and (tip is None or precedes(base, tip, broken.whole)):
                git(base, "update-ref", "--no-deref", REF, broken.whole, tip or "")
            raise
        for anchor in found:
            if anchor.sequence > len(raws):
                words = ("update-ref", "--no-deref", REF, anchor.commit, tip or "")
                if attempt(base, *words).returncode:
                    raise Moved
    return found


def cut_off(base: Path, theirs: str, whole: str) -> None:
    """Reset the remote's broken ledger from `theirs` to `whole`, its last valid commit."""
    options = ("--quiet", "--no-follow-tags", "--recurse-submodules=no")
    lease = f"--force-with-lease={REF}:{theirs}"
    done = attempt(base, "push", *options, lease, REMOTE, f"{whole}:{REF}")
    if done.returncode:
        said = first_line(ValueError(done.stderr.decode(errors="replace")), 160)
        raise Problem(
            f"{REMOTE} refuses to reset its ledger to {whole[:12]}: ask its administrator to "
            f"allow this push once ({said})",
            1,
        )
    git(base, "update-ref", SEEN, whole)


def push(base: Path) -> bool:
    """Push the ledger to the remote, fast-forward only. Return False if there is nothing to push.

    Raise `Problem` with exit code 1 if somebody else's event came first, with 2 if the push fails.
    """
    tip = head(base)
    if tip is None or not has_remote(base):
        return False
    options = ["--quiet", "--no-follow-tags", "--no-signed"]
    options += ["--recurse-submodules=no"]
    done = attempt(base, "push", *options, REMOTE, f"{tip}:{REF}")
    if done.returncode:
        theirs = remote_head(base)
        if theirs and attempt(base, "merge-base", "--is-ancestor", theirs, tip).returncode:
            raise Problem(
                f"somebody else wrote an event to {REMOTE} first: take its ledger with {REPLACE} "
                "and repeat your command",
                1,
            )
        said = first_line(ValueError(done.stderr.decode(errors="replace")), 160)
        raise Problem(f"{REMOTE} refused the ledger: {said}; check that you may push there")
    git(base, "update-ref", SEEN, tip)
    return True
