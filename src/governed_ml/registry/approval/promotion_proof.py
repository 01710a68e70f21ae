"""Whether a promotion that the ledger tells of was one: approved, under the rules of its day.

Who may write to the ledger's branch may write "promoted" into it. An approval carries its own
proof, so it is looked at again, here, whenever a champion is shown or loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from governed_ml.core.problem import Problem
from governed_ml.core.repository import PROTECTED, last_protected, precedes
from governed_ml.ledger import approvers as people
from governed_ml.ledger.approvers import Approvers
from governed_ml.ledger.chain import Entry
from governed_ml.ledger.lifecycle import Lifecycle, Version, trace
from governed_ml.ledger.rules_in_force import rules_of
from governed_ml.ledger.signatures import signatures
from governed_ml.registry.approval.approvals import Approval, barred, missing, refused


def doubts(base: Path, entries: Sequence[Entry]) -> list[str]:
    """Return what is illegal in a whole chain, and why its champion is none."""
    try:
        life = trace(entries)
        champion = life.champion
        why = unfounded(base, life, champion) if champion else ""
    except Problem as problem:
        return [str(problem)]
    return [f"version {champion.number} is no champion: {why}"] if champion and why else []


def unfounded(base: Path, life: Lifecycle, version: Version) -> str:
    """Return why the last promotion of a version is not to be believed, or nothing.

    Its event names the commit of the protected branch by whose policy and approvers it went.
    """
    told = [one for one in version.entries if one.event.action == "promoted"]
    own = [one for one in told if one.event.version == version.number]
    if not own:
        return "the ledger tells of no promotion"
    entry, now = own[-1], last_protected(base)
    commit = str(entry.event.details.get("protected"))
    if not precedes(base, commit, now):
        return f"its promotion names no commit of {PROTECTED} by whose rules it went"
    rules = rules_of(base, commit)
    wanted = rules.policy.approvals
    if wanted is None or entry.event.subject.get("policy") != rules.policy_digest:
        return f"its promotion went by another policy than {PROTECTED}'s at {commit[:12]}"
    before = life.versions.get(entry.event.details.get("from") or 0)
    since = before.subject["commit"] if before else None
    barring = barred(base, version, since, rules.approvers)
    good: list[Approval] = []
    why: list[str] = []
    for values in entry.event.approvals:
        try:
            approval = Approval.model_validate(values)
        except ValidationError:
            return "what its promotion has for an approval is none"
        reason = refused(
            *(approval, version, rules.policy_digest, rules.approvers, wanted, barring),
            moment=entry.event.moment,
            stolen=_stolen(people.read(base, now), approval),
        )
        if approval.source != "ssh" and not reason:
            reason = _unsigned(base, entry, people.read(base, now))
        good += [] if reason else [approval]
        why += [f"{approval.approver}: {reason}"] if reason else []
    lost = missing(wanted, good)
    because = f" ({'; '.join(why)})" if why else ""
    return f"nobody approved it as {' and '.join(lost)}{because}" if lost else ""


def _stolen(now: Approvers, approval: Approval) -> frozenset[str]:
    """Return the keys of which it is known today that they did not count when it was given."""
    keys = [key for person in now.people for key in person.keys]
    return frozenset(key.bare for key in keys if not key.counts(approval.moment.date()))


def _unsigned(base: Path, entry: Entry, now: Approvers) -> str:
    """Return why an approval on GitHub is not proven: only who recorded it can vouch for it."""
    found = signatures(base, [entry.commit], now.signers())[entry.commit]
    return "" if found.state == "good" else "given on GitHub, and no listed key signed the event"
