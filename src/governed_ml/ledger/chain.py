"""Check that each event follows the one before it: a pure function from commits to entries.

Nothing that git merely reports is trusted: each commit's id is recomputed from its bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from governed_ml.core.problem import Unusable
from governed_ml.ledger.events import Entry, Event

EMPTY_TREES = (
    # pragma: allowlist nextline secret
    "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    # pragma: allowlist nextline secret
    "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",  # in SHA-256 repositories
)
GENESIS = "sha256:" + "0" * 64
_HEADERS = re.compile(
    r"tree (?P<tree>[0-9a-f]+)(?P<parents>(\nparent [0-9a-f]+)*)"
    r"\nauthor [^\n]*\ncommitter [^\n]* (?P<time>\d+) \+0000"
    r"(?P<signature>\ngpgsig(-sha256)? -----BEGIN SSH SIGNATURE-----(\n [^\n]*)*)?"
)


@dataclass(frozen=True)
class Raw:
    """A commit of the ledger's branch that has not been checked yet."""

    commit: str
    body: bytes

    @property
    def genuine(self) -> bool:
        """Return whether the commit's id is the digest of its bytes."""
        content = b"commit %d\0%s" % (len(self.body), self.body)
        sha1 = len(self.commit) == 40
        made = hashlib.sha1(content, usedforsecurity=False) if sha1 else hashlib.sha256(content)
        return made.hexdigest() == self.commit


def link(raw: Raw, before: Entry | None) -> Entry | Unusable:
    """Return the event of a commit that continues the chain, or what is wrong with the commit."""
    if not raw.genuine:
        return Unusable("its content does not match its digest, so somebody edited git's store")
    head, _, message = raw.body.decode("utf-8", errors="surrogateescape").partition("\n\n")
    headers = _HEADERS.fullmatch(head)
    if headers is None:
        return Unusable("its commit does not have the form that the ledger writes")
    if headers["tree"] not in EMPTY_TREES:
        return Unusable("its commit holds files")
    try:
        event = Event.model_validate_json(message)
        canonical, seconds = event.canonical() + "\n", event.moment.timestamp()
    except ValueError:
        return Unusable("its message is not an event")
    number = 1 if before is None else before.event.sequence + 1
    parents = [] if before is None else ["parent", before.commit]
    checks = (
        (message == canonical, "its event is not in canonical form"),
        (event.sequence == number, f"it has number {event.sequence} where {number} was expected"),
        (
            event.previous == (GENESIS if before is None else before.event.digest()),
            (
                "it does not name the digest of the event before it, so an event was edited, "
                "removed or moved"
            ),
        ),
        (headers["parents"].split() == parents, "its commit does not follow the commit before"),
        (seconds == int(headers["time"]), "its commit and its event have different times"),
    )
    wrong = next((why for holds, why in checks if not holds), None)
    if wrong is not None:
        return Unusable(wrong)
    return Entry(raw.commit, event, headers["signature"] is not None)


def breaks(raws: Iterable[Raw]) -> tuple[list[Entry], str | None]:
    """Return the entries before the first broken link, and what is wrong there, if anything."""
    entries: list[Entry] = []
    for number, raw in enumerate(raws, start=1):
        entry = link(raw, entries[-1] if entries else None)
        if isinstance(entry, Unusable):
            return entries, f"event {number} ({raw.commit[:12]}): {entry}"
        entries.append(entry)
    return entries, None
