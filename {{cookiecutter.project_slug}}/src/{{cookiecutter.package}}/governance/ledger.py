"""The ledger: git is the chain.

A branch of its own, one commit with an empty tree per event, whose message is the event in
canonical JSON. A lock of the operating system makes writers on one machine wait for each other; `update-ref`
with the old value, and a push that only goes forward, decide between machines.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from ..config import Closed
from ..files import digest_of
from ..problem import Problem
from .repository import actor, attempt, git

BRANCH = "governance-ledger"
REF = f"refs/heads/{BRANCH}"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
GENESIS = "sha256:" + "0" * 64
NOBODY = "0" * 40  # git's old value for a branch that must not be there yet
PATIENCE = 60.0  # seconds to wait for other writers
STALE = 2.0  # seconds after which a lock of git's own is what a killed process left

Action = Literal[
    "registered", "quarantined", "approved", "rejected", "promoted", "rolled_back",
    "reconciled", "notification_lost",
]  # fmt: skip


class Event(Closed):
    """One thing that happened, as it is kept."""

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
    previous: str = Field(description="digest of the event before, in canonical form")

    def canonical(self) -> str:
        """Return the event's one spelling."""
        values = self.model_dump(mode="json")
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def digest(self) -> str:
        """Return the digest that the next event carries."""
        return digest_of(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Entry:
    """An event and the commit that holds it."""

    commit: str
    event: Event
    signed: bool


@dataclass(frozen=True)
class Raw:
    """A commit of the branch, before anything is believed about it."""

    commit: str
    tree: str
    parents: tuple[str, ...]
    signed: bool
    message: str


class Moved(Problem):
    """Somebody else's event came first."""


def now() -> str:
    """Return this moment, in UTC and whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def head(base: Path) -> str | None:
    """Return the branch's last commit, or None if there is no ledger yet."""
    done = attempt(base, "rev-parse", "--verify", "--quiet", REF)
    return done.stdout.decode().strip() if done.returncode == 0 else None


def commits(base: Path, tip: str) -> list[Raw]:
    """Read every commit up to `tip`, oldest first, following first parents."""
    names = git(base, "rev-list", "--first-parent", "--reverse", tip).split()
    asked = "".join(f"{name}\n" for name in names).encode()
    out = attempt(base, "cat-file", "--batch", stdin=asked).stdout
    found: list[Raw] = []
    start = 0
    for name in names:
        line_end = out.index(b"\n", start)
        size = int(out[start:line_end].split()[2])
        body = out[line_end + 1 : line_end + 1 + size].decode("utf-8", errors="replace")
        found.append(_raw(name, body))
        start = line_end + size + 2
    return found


def _raw(name: str, body: str) -> Raw:
    headers, _, message = body.partition("\n\n")
    lines = headers.split("\n")
    tree = next((line[5:] for line in lines if line.startswith("tree ")), "")
    parents = tuple(line[7:] for line in lines if line.startswith("parent "))
    signed = any(line.startswith("gpgsig") for line in lines)
    return Raw(name, tree, parents, signed, message)


def link(raw: Raw, before: Entry | None) -> Entry | str:
    """Return a commit's event if it continues the chain, or what is wrong with it."""
    try:
        event = Event.model_validate_json(raw.message)
    except ValidationError:
        return "its message is no event"
    expected = 1 if before is None else before.event.sequence + 1
    parents = () if before is None else (before.commit,)
    checks = (
        (raw.message == event.canonical() + "\n", "its event is not in canonical form"),
        (event.sequence == expected, f"it is number {event.sequence}, {expected} comes here"),
        (
            event.previous == (GENESIS if before is None else before.event.digest()),
            "it does not carry the digest of the event before: edited, cut out or reordered",
        ),
        (raw.parents == parents, "its commit does not follow the commit before"),
        (raw.tree == EMPTY_TREE, "its commit holds files"),
        (before is None or event.time >= before.event.time, "it is older than the one before"),
        (
            before is None or raw.signed or not before.signed,
            "it is unsigned, the one before is not",
        ),
    )
    wrong = next((why for holds, why in checks if not holds), None)
    return wrong or Entry(raw.commit, event, raw.signed)


def breaks(raws: Iterable[Raw]) -> tuple[list[Entry], str]:
    """Return the entries up to the first break, and what is wrong there (or nothing)."""
    entries: list[Entry] = []
    for number, raw in enumerate(raws, start=1):
        entry = link(raw, entries[-1] if entries else None)
        if isinstance(entry, str):
            return entries, f"event {number} ({raw.commit[:12]}): {entry}"
        entries.append(entry)
    return entries, ""


def read(base: Path) -> list[Entry]:
    """Return the whole ledger, oldest first; raise `Problem` where its chain is broken."""
    tip = head(base)
    entries, broken = ([], "") if tip is None else breaks(commits(base, tip))
    if broken:
        raise Problem(
            f"the ledger is broken at {broken}; compare with `git log {BRANCH}` elsewhere", 1
        )
    return entries


@contextmanager
def locked(base: Path) -> Generator[None]:
    """Hold the machine's one lock on this repository's ledger; a killed process gives it back."""
    from filelock import FileLock, Timeout

    common = Path(git(base, "rev-parse", "--path-format=absolute", "--git-common-dir"))
    lock = FileLock(common / "governance-ledger.lock", timeout=PATIENCE, is_singleton=True)
    try:
        lock.acquire()
    except Timeout as error:
        raise Problem("another command holds the ledger: wait for it and try again") from error
    try:
        _remove_stale(common / f"{REF}.lock")
        yield
    finally:
        lock.release()


def _remove_stale(path: Path) -> None:
    """Remove what a killed git left behind: nobody else writes while the machine's lock is held."""
    with suppress(FileNotFoundError):
        while path.exists() and time.time() - path.stat().st_mtime < STALE:
            time.sleep(0.05)
        path.unlink(missing_ok=True)


def append(base: Path, action: Action, *, after: str | None = "", **fields: Any) -> Entry:
    """Add one event; `after`: only if this is still the last commit (None: no ledger yet).

    Returns when git has it on disk. Signed where git is configured to sign with SSH.
    """
    with locked(base):
        tip = head(base)
        if after not in ("", tip):
            raise Moved("another event came first: look at `governance status` and try again", 1)
        last = None if tip is None else _last(base, tip)
        event = Event(
            sequence=1 if last is None else last.sequence + 1,
            time=now() if last is None else max(now(), last.time),
            actor=actor(base),
            action=action,
            previous=GENESIS if last is None else last.digest(),
            **fields,
        )
        commit = _commit(base, event, tip)
        moved = attempt(base, *_FSYNC, "update-ref", REF, commit, tip or NOBODY)
        if moved.returncode:
            raise Moved("another event came first: look at `governance status` and try again", 1)
    return Entry(commit, event, signing_key(base) != "")


_FSYNC = ("-c", "core.fsync=committed,reference", "-c", "core.fsyncMethod=fsync")


def _last(base: Path, tip: str) -> Event:
    message = git(base, "cat-file", "commit", tip).partition("\n\n")[2]
    try:
        return Event.model_validate_json(message)
    except ValidationError as error:
        raise Problem(
            f"the ledger's last commit {tip[:12]} is no event: `ledger verify`", 1
        ) from error


def signing_key(base: Path) -> str:
    """Return the SSH key that git signs with, or nothing."""
    if git(base, "config", "--default", "", "gpg.format") != "ssh":
        return ""
    return git(base, "config", "--default", "", "user.signingkey")


def _commit(base: Path, event: Event, parent: str | None) -> str:
    git(base, "hash-object", "-t", "tree", "-w", "--stdin", stdin=b"")
    who = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", event.actor), ("EMAIL", event.actor), ("DATE", event.time))
    }
    words = ["commit-tree", EMPTY_TREE, *(["-p", parent] if parent else [])]
    words += ["-S"] if signing_key(base) else []
    return git(base, *_FSYNC, *words, stdin=f"{event.canonical()}\n".encode(), **who)
