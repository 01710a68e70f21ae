"""Verify the ledger: its chain is intact, nothing is missing, and signatures are valid.

A chain proves the order of events, but not that they are complete. Truncating the ledger, or
rewriting it from its start, can only be detected with an *anchor*: a commit that somebody outside
this clone has recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from pydantic import Field

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.problem import FOUND, NO_ANSWER, Problem
from governed_ml.core.repository import REMOTE, has_remote
from governed_ml.ledger.chain import Raw, breaks
from governed_ml.ledger.events import Anchor, Entry, Void
from governed_ml.ledger.remote import last_seen, remote
from governed_ml.ledger.signatures import Signer, signatures
from governed_ml.ledger.storage import TAKE, commits, head
from governed_ml.ledger.void_events import dubious, future

FindVoid = Callable[[Sequence[Entry]], tuple[list[str], list[str]]]
"""Returns descriptions of void events: those not yet reconciled, and those already reconciled."""


class Verification(Closed):
    """The result of a verification. `ok` is true only if everything was checked and is correct."""

    ok: bool
    events: int
    genesis: str | None = Field(description="the first commit")
    head: str | None = Field(description="the last commit")
    anchored_to: int = Field(
        description="number of the last event that is known outside this clone"
    )
    unanchored: int = Field(description="number of events after it")
    problems: list[str]
    unchecked: list[str] = Field(description="what could not be checked")
    notes: list[str]

    @property
    def exit_code(self) -> int:
        """Return 0 if the ledger is intact, 1 if something is wrong, 2 if a check failed to run."""
        return FOUND if self.problems else NO_ANSWER if self.unchecked else 0


def verify(
    base: Path,
    anchors: Sequence[Anchor],
    signers: Sequence[Signer],
    unasked: Sequence[str] = (),
    look: FindVoid | None = None,
) -> Verification:
    """Check the chain, the anchors, and which events are void.

    The remote's branch is added to the anchors. `unasked` says why further anchors were not
    available. Without `look`, only times and signatures can make an event void.
    """
    tip = head(base)
    raws = [] if tip is None else commits(base, tip)
    entries, broken = breaks(raws)
    problems = [f"the chain is broken at {broken}"] if broken else []
    unchecked = list(unasked)
    known = [*anchors, *last_seen(base)]
    try:
        known += remote(base, raws)
    except Problem as problem:
        (problems if problem.exit_code == FOUND else unchecked).append(str(problem))
    problems += [said for anchor in known if (said := lost(anchor, raws))]
    held = [anchor for anchor in known if not lost(anchor, raws)]
    last = max(held, key=lambda anchor: anchor.sequence, default=None)
    notes = (
        []
        if unchecked or has_remote(base)
        else [
            (
                f"there is no remote {REMOTE} to push the ledger to: add one with `git remote add "
                f"{REMOTE} URL`"
            )
        ]
    )
    notes += _extent(last, len(raws))
    try:
        new, old = look(entries) if look else (_void(base, entries, signers), [])
        problems, notes = problems + new, [*notes, *old, *_unproven(entries, signers)]
        notes += _disordered(entries)
    except Problem as problem:
        unchecked.append(str(problem))
    anchored = 0 if last is None else last.sequence
    return Verification(
        ok=not problems and not unchecked,
        events=len(raws),
        genesis=raws[0].commit if raws else None,
        head=tip,
        anchored_to=anchored,
        unanchored=len(raws) - anchored,
        problems=list(dict.fromkeys(problems)),
        unchecked=list(dict.fromkeys(unchecked)),
        notes=notes,
    )


def lost(anchor: Anchor, raws: Sequence[Raw]) -> str | None:
    """Return what is wrong if the anchor's commit is missing at its position, or None."""
    what = f"{anchor.where} has event {anchor.sequence} ({anchor.commit[:12]})"
    if not raws:
        return (
            f"this clone has no event of the ledger, but {what}: the ledger was not fetched, or it "
            f"was emptied; run {TAKE}"
        )
    if len(raws) < anchor.sequence:
        ends = f"this ledger ends at event {len(raws)}"
        return f"the ledger was truncated or made elsewhere: {what}, and {ends}; run {TAKE}"
    here = raws[anchor.sequence - 1].commit
    if here != anchor.commit:
        return (
            f"the ledger was rewritten: {what}, and this ledger has {here[:12]} instead; "
            "compare the two"
        )
    return None


def _extent(last: Anchor | None, events: int) -> list[str]:
    if last is None:
        line = (
            "nothing outside this clone names an event, so a truncated ledger would not be noticed"
        )
        return [line]
    known = (
        f"complete up to event {last.sequence}, the last anchor ({last.where}); "
        "events after it, if there were any, cannot be known"
    )
    tail = events - last.sequence
    later = [f"the last {tail} of {events} events are not anchored yet"] if tail else []
    return [known, *later]


def _void(base: Path, entries: Sequence[Entry], signers: Sequence[Signer]) -> list[str]:
    found = signatures(base, [entry.commit for entry in entries], signers)
    wrong = dubious(entries, found, signers)
    return [str(Void(one, wrong[one.commit])) for one in entries if one.commit in wrong]


def _disordered(entries: Sequence[Entry]) -> list[str]:
    pairs = pairwise(entries)
    return [
        f"event {two.event.sequence} has an earlier time than the previous event, whose time counts"
        for one, two in pairs
        if two.event.time < one.event.time and not future(one.event)
    ]


def _unproven(entries: Sequence[Entry], signers: Sequence[Signer]) -> list[str]:
    if signers or not entries:
        return []
    where = "no key is listed under `ledger` in governance/approvers.yaml"
    return [f"{where}, so nobody can prove who wrote an event"]
