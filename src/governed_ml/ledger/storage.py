"""Store the ledger as a chain of git commits.

The ledger has its own branch. Each event is a commit with an empty tree, whose message is the event
in canonical JSON. A file lock serialises writers on one machine. Between machines, git rejects a
conflicting write: `update-ref` checks the old value, and pushes are fast-forward only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from governed_ml.core.problem import FOUND, Problem, first_line
from governed_ml.core.repository import REMOTE, actor, attempt, git, signs
from governed_ml.ledger.chain import EMPTY_TREES, GENESIS, Raw, breaks
from governed_ml.ledger.events import Action, Entry, Event
from governed_ml.ledger.void_events import future

__all__ = ["Action", "Entry", "Event", "Raw", "breaks"]

BRANCH = "governance-ledger"
REF = f"refs/heads/{BRANCH}"
SEEN = "refs/governance/ledger"  # the remote's branch as last seen; only moves forward
TAKE = f"`git fetch {REMOTE} {BRANCH}:{BRANCH}`"
PATIENCE = 60.0  # seconds to wait for other writers
STALE = 2.0  # seconds after which git's own lock must be from a killed process


class Moved(Problem):
    """Another writer appended an event first."""

    def __init__(self) -> None:
        super().__init__(
            "somebody else wrote an event first: look at `uv run governance status` and try again",
            exit_code=FOUND,
        )


def now() -> str:
    """Return the current time in UTC, in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def head(base: Path, ref: str = REF) -> str | None:
    """Return the branch's last commit, or None if there is no ledger yet."""
    done = attempt(base, "rev-parse", "--verify", "--quiet", ref)
    if done.returncode == 0:
        return done.stdout.decode().strip()
    if b"broken ref" in attempt(base, "for-each-ref", ref).stderr:
        raise Problem(f"git cannot read the existing {ref}: run `git fsck`")
    return None


def commits(base: Path, tip: str) -> list[Raw]:
    """Read every commit up to `tip`, oldest first, following first parents."""
    found = _load(base, git(base, "rev-list", "--first-parent", "--reverse", tip, "--").split())
    if not found:
        raise Problem(f"the ledger ends at {tip[:12]}, which is not a commit: run `git fsck`")
    if b"\nparent " in found[0].body.partition(b"\n\n")[0]:
        raise Problem(
            "this clone is shallow and lacks the ledger's first events: run `git fetch "
            f"--unshallow {REMOTE} {BRANCH}`"
        )
    return found


def _load(base: Path, names: list[str]) -> list[Raw]:
    asked = "".join(f"{name}\n" for name in names).encode()
    out = attempt(base, "cat-file", "--batch", stdin=asked).stdout
    found: list[Raw] = []
    start = 0
    for name in names:
        line, _, _ = out[start : start + 100].partition(b"\n")
        words = line.split()
        if len(words) != 3 or words[1] != b"commit":
            raise Problem(f"the ledger's commit {name[:12]} cannot be read: run `git fsck`")
        begin = start + len(line) + 1
        start = begin + int(words[2]) + 1
        found.append(Raw(name, out[begin : start - 1]))
    return found


def read(base: Path) -> list[Entry]:
    """Return all entries of the ledger, oldest first; raise `Problem` if the chain is broken."""
    tip = head(base)
    entries, broken = _none_yet(base) if tip is None else breaks(commits(base, tip))
    if broken:
        raise Problem(f"the ledger is broken at {broken}; run `uv run governance ledger verify`", 1)
    return entries


def _none_yet(base: Path) -> tuple[list[Entry], None]:
    """Return an empty ledger; raise `Problem` if the remote is known to have one."""
    if git(base, "for-each-ref", SEEN, f"refs/remotes/{REMOTE}/{BRANCH}"):
        raise Problem(f"{REMOTE} has a ledger that this clone lacks: run {TAKE}")
    return [], None


@contextmanager
def locked(base: Path) -> Generator[None]:
    """Hold the machine-wide lock on this repository's ledger.

    The lock is released if the process is killed. Raise `Problem` after waiting for `PATIENCE`
    seconds.
    """
    from filelock import FileLock, Timeout

    said = attempt(base, "rev-parse", "--path-format=absolute", "--git-common-dir")
    if said.returncode:
        raise Problem(f"{base} is in no git repository: run this in one, or run `git init`")
    common = Path(os.fsdecode(said.stdout.rstrip(b"\r\n")))
    lock = FileLock(common / f"{BRANCH}.lock", timeout=PATIENCE, is_singleton=True)
    try:
        lock.acquire()
    except Timeout as error:
        raise Problem(
            "another command is writing to the ledger: wait until it ends and try again"
        ) from error
    try:
        _remove_stale(common / f"{REF}.lock")
        yield
    finally:
        lock.release()


def _remove_stale(path: Path) -> None:
    """Remove a lock file that a killed git left behind.

    The caller holds the machine-wide lock, so a live git would release its lock soon.
    """
    first = _stamp(path)
    patience = time.monotonic() + STALE
    while first is not None and _stamp(path) == first:
        if time.monotonic() > patience:
            path.unlink(missing_ok=True)
        time.sleep(0.05)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def append(base: Path, action: Action, *, after: str | None = "", **fields: Any) -> Entry:
    """Append an event and return its entry, once git has written it to disk.

    With `after`, append only if this is still the last commit (None: there is no ledger yet);
    otherwise raise `Moved`. The commit is signed if git is configured to sign with SSH.
    """
    with locked(base):
        tip = head(base)
        if after not in ("", tip):
            raise Moved
        if tip is None:
            _none_yet(base)
        before = None if tip is None else _last(base, tip).event
        event = Event(
            sequence=1 if before is None else before.sequence + 1,
            time=max(now(), _floor(base, tip)),
            actor=actor(base),
            action=action,
            previous=GENESIS if before is None else before.digest(),
            **fields,
        )
        if why := future(event):
            raise Problem(f"no event was written, because {why}: correct this machine's clock")
        signed = signs(base)
        commit = _commit(base, event, tip, signed)
        moved = attempt(base, "update-ref", "--no-deref", REF, commit, tip or "")
        if moved.returncode:
            if head(base) != tip:
                raise Moved
            said = first_line(ValueError(moved.stderr.decode(errors="replace")), 200)
            raise Problem(f"git did not move {BRANCH}, and no event was written: {said}")
    return Entry(commit, event, signed)


def _last(base: Path, tip: str) -> Entry:
    """Return the last entry, without checking the chain before it."""
    raw = _load(base, [tip])[0]
    headers, _, message = raw.body.partition(b"\n\n")
    try:
        event = Event.model_validate_json(message)
        _ = event.moment
        return Entry(tip, event, b"\ngpgsig" in headers)
    except ValueError as error:
        raise Problem(
            f"the ledger's last commit {tip[:12]} is not an event: run `uv run governance "
            "ledger verify`",
            1,
        ) from error


def _floor(base: Path, tip: str | None) -> str:
    """Return the time of the last event that is not dated in the future, or ""."""
    while tip is not None:
        event = _last(base, tip).event
        if not future(event):
            return event.time
        tip = git(base, "rev-list", "--max-count=1", "--skip=1", "--first-parent", tip) or None
    return ""


def _commit(base: Path, event: Event, parent: str | None, signed: bool) -> str:
    try:
        message = f"{event.canonical()}\n".encode()
    except ValueError as error:
        raise Problem(f"this event cannot be written: {first_line(error)}") from error
    who = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", event.actor), ("EMAIL", event.actor), ("DATE", event.time))
    }
    tree = next((one for one in EMPTY_TREES if len(one) == len(parent or "")), None)
    tree = tree or git(base, "hash-object", "-t", "tree", "-w", "--stdin", stdin=b"")
    words = ["commit-tree", tree, *(["-p", parent] if parent else []), *(["-S"] if signed else [])]
    return git(base, *words, stdin=message, **who)
