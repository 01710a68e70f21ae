"""Approve or reject a version, after its files and today's verdict were looked at again."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..problem import Problem
from . import approvals, bundle, ledger
from .approvals import Approval
from .ledger import Entry
from .lifecycle import Lifecycle, Version, require_legal, trace
from .record import record, synchronise
from .registry import Registry
from .today import Today, judge_again, require_reviewed, sort_approvals, today, why_denied


@dataclass(frozen=True)
class Approved:
    """What was recorded, and the roles that still have to say yes."""

    entry: Entry
    missing: list[str]


def approve(
    base: Path, registry: Registry, number: int, name: str, key: Path, comment: str = ""
) -> Approved:
    """Record a person's yes to a version, signed with an SSH key that is listed for that person."""
    version, life, now = _ready(base, registry, number)
    person = now.approvers.person(name)
    wanted = now.policy.approvals
    roles = [role for role in person.roles if wanted is None or role in wanted.roles]
    made = approvals.local(version, now.policy_digest, person, roles, comment)
    return enter(base, registry, (version, life, now), [approvals.sign(made, key)])


def enter(
    base: Path, registry: Registry, ready: tuple[Version, Lifecycle, Today], new: list[Approval]
) -> Approved:
    """Record approvals that count; one that does not is refused with the reason."""
    version, life, now = ready
    values = [one.model_dump(mode="json") for one in new]
    after = ledger.head(base)
    seen = version.with_approvals(values)
    good, missing, why = sort_approvals(base, seen, life, now)
    for one in new:
        if one not in good:
            reason = next((w for w in reversed(why) if one.approver in w), "it does not count")
            raise Problem(f"not recorded: {reason}", 1)
    entry = record(
        base,
        registry,
        "approved",
        after=after,
        version=version.number,
        subject=version.subject | {"policy": now.policy_digest},
        approvals=values,
        details={"missing": missing},
    )
    return Approved(entry, missing)


def reject(base: Path, registry: Registry, number: int, reason: str) -> Entry:
    """Record a no: the version can never be promoted."""
    synchronise(base)
    after = ledger.head(base)
    version = trace(ledger.read(base)).version(number)
    require_legal("rejected", number, version.state)
    return record(
        base, registry, "rejected", after=after, version=number, subject=version.subject,
        reason=reason,
    )  # fmt: skip


def _ready(base: Path, registry: Registry, number: int) -> tuple[Version, Lifecycle, Today]:
    synchronise(base)
    life = trace(ledger.read(base))
    version = life.version(number)
    require_legal("approved", number, version.state)
    now = today(base)
    require_reviewed(base, version, now)
    with tempfile.TemporaryDirectory() as scratch:
        checked = bundle.fetch(registry, version, now.approvers, now.day, Path(scratch))
        decision = judge_again(checked, now)
    if decision.verdict != "allow":
        raise Problem(
            f"version {number} is denied under today's policy, so there is nothing to approve: "
            f"{why_denied(decision)}",
            1,
        )
    return version, life, now
