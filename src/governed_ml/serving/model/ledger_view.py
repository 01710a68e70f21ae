"""What the ledger and the rules of the protected branch say now, read again for each refresh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from governed_ml.core.problem import NO_ANSWER, Problem
from governed_ml.core.repository import known_protected
from governed_ml.ledger import storage
from governed_ml.ledger.events import Anchor
from governed_ml.ledger.lifecycle import Lifecycle
from governed_ml.ledger.remote import Broken, last_seen, pull
from governed_ml.ledger.rules_in_force import Today, rules_of, today
from governed_ml.registry.append_event import require_whole
from governed_ml.registry.counted_events import follow, judged
from governed_ml.registry.versions import Registry


@dataclass(frozen=True)
class LedgerView:
    """The ledger's versions, the rules in force, and the registry's aliases.

    `trouble` says why the remote or the registry did not answer; then this is what the clone has.
    """

    head: str | None
    now: Today
    life: Lifecycle
    aliases: dict[str, int]
    trouble: str | None


def read(base: Path, registry: Registry) -> LedgerView:
    """Read ledger, rules and aliases; from the clone alone if remote or registry do not answer.

    Raise `Problem` with exit code 1 if the ledger differs from what other copies remember.
    """
    troubles: list[str] = []
    try:
        now = today(base)
    except Problem as problem:
        _require_no_answer(problem)
        troubles.append(str(problem))
        now = rules_of(base, known_protected(base))
    with storage.locked(base):
        try:
            pull(base)
        except Problem as problem:
            if not isinstance(problem, Broken):
                _require_no_answer(problem)
            troubles.append(str(problem))
        entries, head = storage.read(base), storage.head(base)
        known = follow(base, entries, tip=now.commit).versions
        anchors, aliases = list[Anchor](), dict[str, int]()
        try:
            anchors, aliases = registry.anchors(known), registry.aliases()
        except Problem as problem:
            _require_no_answer(problem)
            troubles.append(str(problem))
        require_whole(base, [*anchors, *last_seen(base)])
    life = judged(base, registry, entries, now.approvers)
    return LedgerView(head, now, life, aliases, "; ".join(troubles) or None)


def _require_no_answer(problem: Problem) -> None:
    """Raise a problem again unless it says that something did not answer."""
    if problem.exit_code != NO_ANSWER:
        raise problem
