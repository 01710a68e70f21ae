"""Which events of the ledger count. The others are void: they are shown but have no effect.

This uses only git, so every clone with the same ledger and protected branch gets the same answer.
`judged` also uses the champion's evidence, which the registry stores.
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
    """A process's cache of results by event commit, which also identifies all earlier events."""

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
    """Replay the ledger with the events that count; all others are listed in `void`.

    `also` is further void events: commit → reason. `tip` is the protected branch's commit, by
    default fetched from the remote.
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
    """Replay the ledger with this clone's copy of the protected branch, without network access.

    Commands that only show something use it.
    """
    entries = storage.read(base) if entries is None else entries
    return follow(base, entries, tip=known_protected(base)) if entries else Lifecycle()


@cache
def _memory(_base: Path, _tip: str) -> Memory:
    return Memory()


def _signatures(
    base: Path, entries: Sequence[Entry], keys: Sequence[Signer], memory: Memory
) -> dict[str, Signature]:
    """Return commit → signature. Each signed event is verified only once per process."""
    known = memory.signatures
    known |= {entry.commit: Signature("unsigned") for entry in entries if not entry.signed}
    known |= signatures(base, [one.commit for one in entries if one.commit not in known], keys)
    return {entry.commit: known[entry.commit] for entry in entries}


def reconciled(life: Lifecycle) -> set[str]:
    """Return the commits of void events that `reconcile` has already recorded."""
    return {str(commit) for commit in _recorded(life, "void")}


def gone(life: Lifecycle) -> set[int]:
    """Return the versions that the registry lost, as recorded by `reconcile`."""
    return {number for number in _recorded(life, "gone") if isinstance(number, int)}


def _recorded(life: Lifecycle, name: str) -> list[object]:
    told = [one.event.details.get(name) for one in life.counted if one.event.action == "reconciled"]
    return [one for values in told if isinstance(values, list) for one in values]


def void_lines(life: Lifecycle) -> tuple[list[str], list[str]]:
    """Return the void events that are not yet reconciled, and those that are, as lines of text."""
    known = reconciled(life)
    lines = [(one.entry.commit in known, str(one)) for one in life.void]
    return [line for old, line in lines if not old], [line for old, line in lines if old]


def judged(
    base: Path, registry: Registry, entries: Sequence[Entry], people: Approvers
) -> Lifecycle:
    """Replay the ledger, and judge its champion again under the rules in force at its promotion.

    If these rules deny the champion's evidence, its promotion is void. If its files cannot be read,
    the champion stays: commands that use its files refuse them.
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
    """Return whether no listed key signed the event that made this version champion."""
    return reign(champion)[0].commit not in _memory(base, last_protected(base)).signed


def denied(base: Path, champion: Version, checked: Checked) -> str | None:
    """Return why the rules in force at its promotion deny a champion, or None."""
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
