"""Which events of the ledger count. The others are void: they are shown and have no effect.

Nothing outside of git is asked, so every clone with the same ledger and the same protected branch
comes to the same answer. `judged` then looks at the champion's evidence, which the registry keeps.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from governed_ml.core.problem import Problem
from governed_ml.core.repository import PROTECTED, known_protected, last_protected
from governed_ml.ledger import storage
from governed_ml.ledger.approvers import Approvers
from governed_ml.ledger.events import Entry
from governed_ml.ledger.lifecycle import Lifecycle, Version, trace
from governed_ml.ledger.liveness import reign
from governed_ml.ledger.protected_history import signers
from governed_ml.ledger.rules_in_force import Today
from governed_ml.ledger.signatures import Signature, Signer, signatures
from governed_ml.ledger.void_events import dubious
from governed_ml.policy.judge import judge
from governed_ml.registry.approval.current_rules import why_denied
from governed_ml.registry.approval.event_proof import Proof
from governed_ml.registry.release import bundle
from governed_ml.registry.release.bundle import Checked
from governed_ml.registry.versions import Registry


@dataclass(frozen=True)
class Memory:
    """What was found out in this process, by an event's commit (it stands for all before it)."""

    answers: dict[tuple[str, ...], str | None] = field(default_factory=dict)
    signatures: dict[str, Signature] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)
    denied: dict[str, str | None] = field(default_factory=dict)
    went_by: dict[str, Today] = field(default_factory=dict)


def follow(
    base: Path,
    entries: Sequence[Entry] | None = None,
    also: Mapping[str, str] | None = None,
    tip: str | None = None,
) -> Lifecycle:
    """Follow the ledger through the events that count; every other one is in `void`.

    `also`: more that are void, by commit. `tip`: the protected branch, by default asked for now.
    """
    entries = storage.read(base) if entries is None else entries
    if not entries:
        return Lifecycle()
    tip = tip or last_protected(base)
    keys = signers(base, tip)
    memory = _memory(base, tip)
    found = _signatures(base, entries, keys, memory)
    wrong = dubious(entries, found, keys) | dict(also or {})
    memory.signed.update(commit for commit, one in found.items() if one.state == "good")
    proof = Proof(base, tip, memory.signed, memory.went_by)

    def doubt(life: Lifecycle, entry: Entry) -> str | None:
        if entry.commit in wrong:
            return wrong[entry.commit]
        key = (entry.commit, *(one.entry.commit for one in life.void))
        if key not in memory.answers:
            memory.answers[key] = proof.doubt(life, entry)
        return memory.answers[key]

    return trace(entries, doubt)


def follow_here(base: Path, entries: Sequence[Entry] | None = None) -> Lifecycle:
    """Follow by this clone's copy of the protected branch, for commands that only show."""
    entries = storage.read(base) if entries is None else entries
    return follow(base, entries, tip=known_protected(base)) if entries else Lifecycle()


@cache
def _memory(_base: Path, _tip: str) -> Memory:
    return Memory()


def _signatures(
    base: Path, entries: Sequence[Entry], keys: Sequence[Signer], memory: Memory
) -> dict[str, Signature]:
    """Return the signatures; git is asked once about each event that has one."""
    known = memory.signatures
    known |= {entry.commit: Signature("unsigned") for entry in entries if not entry.signed}
    known |= signatures(base, [one.commit for one in entries if one.commit not in known], keys)
    return {entry.commit: known[entry.commit] for entry in entries}


def reconciled(life: Lifecycle) -> set[str]:
    """Return the commits of void events that somebody has looked at: `reconcile` recorded them."""
    return {str(commit) for commit in _recorded(life, "void")}


def gone(life: Lifecycle) -> set[int]:
    """Return the versions of which `reconcile` recorded that the registry lost them."""
    return {number for number in _recorded(life, "gone") if isinstance(number, int)}


def _recorded(life: Lifecycle, name: str) -> list[object]:
    told = [one.event.details.get(name) for one in life.counted if one.event.action == "reconciled"]
    return [one for values in told if isinstance(values, list) for one in values]


def void_lines(life: Lifecycle) -> tuple[list[str], list[str]]:
    """Return the void events that nobody has reconciled yet, and those that somebody has."""
    known = reconciled(life)
    lines = [(one.entry.commit in known, str(one)) for one in life.void]
    return [line for old, line in lines if not old], [line for old, line in lines if old]


def judged(
    base: Path, registry: Registry, entries: Sequence[Entry], people: Approvers
) -> Lifecycle:
    """Follow the ledger, and judge its champion again, by the rules of the day of its promotion.

    A champion whose evidence is denied was made by somebody who did not judge: that event is void,
    too. One whose files cannot be read keeps its place: using them is refused elsewhere.
    """
    also: dict[str, str] = {}
    while True:
        life = follow(base, entries, also)
        champion = life.champion
        if champion is None or not unsigned_move(base, champion):
            return life
        moved, known = reign(champion)[0].commit, _memory(base, last_protected(base)).denied
        if moved not in known:
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    checked = bundle.fetch(registry, champion, people, Path(scratch))
                except Problem:
                    return life
                known[moved] = denied(base, champion, checked)
        why = known[moved]
        if why is None:
            return life
        also[moved] = why


def unsigned_move(base: Path, champion: Version) -> bool:
    """Return whether nobody vouches for the judging: no listed key signed the champion's event."""
    return reign(champion)[0].commit not in _memory(base, last_protected(base)).signed


def denied(base: Path, champion: Version, checked: Checked) -> str | None:
    """Return why the rules of its day deny a champion, or None."""
    rules = _memory(base, last_protected(base)).went_by[reign(champion)[0].commit]
    params = checked.params().model_copy(update={"policy": rules.policy})
    decision = judge(params, checked.evidence(), rules.day)
    if decision.verdict == "allow":
        return None
    policy = f"the policy of {PROTECTED} at {rules.commit[:12]}"
    return (
        f"version {champion.number} cannot be champion, because {policy} denies it: "
        f"{why_denied(decision)}"
    )
