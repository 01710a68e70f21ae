"""Approve or reject a version, after checking its files and judging it again today."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from governed_ml.core.problem import Problem
from governed_ml.ledger.events import Entry
from governed_ml.ledger.lifecycle import Version, require_legal
from governed_ml.registry.append_event import Situation, record, situation
from governed_ml.registry.approval import approvals
from governed_ml.registry.approval.approvals import Approval
from governed_ml.registry.approval.current_rules import (
    judge_again,
    on_github,
    require_reviewed,
    roles_of,
    sort_approvals,
    why_denied,
)
from governed_ml.registry.earlier_engine import require_accepted
from governed_ml.registry.release import bundle
from governed_ml.registry.versions import Registry


@dataclass(frozen=True)
class Approved:
    """The event that was recorded (None: it existed already), and the roles still missing."""

    entry: Entry | None
    missing: list[str]


def approve(
    base: Path, registry: Registry, number: int, name: str, key: Path, comment: str = ""
) -> Approved:
    """Record a person's approval of a version, signed with an SSH key listed for that person."""
    seen = situation(base, registry)
    version = _ready(base, registry, seen, number)
    person = seen.now.approvers.person(name)
    wanted = seen.now.policy.approvals
    roles = [role for role in person.roles if wanted is None or role in wanted.roles]
    made = approvals.of(version, seen.now.policy_digest, person, roles, comment)
    return _enter(base, registry, seen, version, [approvals.sign(made, key)])


def approve_from_github(base: Path, registry: Registry, number: int, source: str) -> Approved:
    """Record approvals that people gave on GitHub, in `github:run:ID` or `github:pull:N`."""
    seen = situation(base, registry)
    known = {one.source for one in approvals.given(seen.life.version(number))}
    if source in known and seen.life.version(number).state in ("approved", "champion"):
        return Approved(None, [])  # a repeated run of a workflow's job
    version = _ready(base, registry, seen, number)
    wanted = seen.now.policy.approvals
    started = {os.environ.get(f"GITHUB_{who}", "").lower() for who in ("ACTOR", "TRIGGERING_ACTOR")}
    words = [one for one in on_github(base, source) if one.login.lower() not in started]
    no = next((one for one in words if one.state == "rejected"), None)
    if no is not None:
        raise Problem(f"{no.login} rejected this version on GitHub ({source})", 1)
    new: list[Approval] = []
    for person in seen.now.approvers.people:
        mine = [one for one in words if one.login.lower() == (person.github or "").lower()]
        roles = [] if wanted is None else roles_of(mine, person, wanted)
        if roles:
            made = approvals.of(version, seen.now.policy_digest, person, roles, mine[-1].comment)
            said = {"source": source, "commit": mine[-1].commit}
            said |= {"time": mine[-1].time} if mine[-1].time else {}
            new.append(made.model_copy(update=said))
    known = {(one.approver, one.source) for one in approvals.given(version)}
    again = next((one.approver for one in new if (one.approver, one.source) in known), None)
    if again is not None:
        raise Problem(
            f"the ledger already has the approval by {again} from {source}, and its validity does "
            "not start again",
            1,
        )
    if not new:
        raise Problem(f"nobody with a role that the policy asks for has approved in {source}", 1)
    return _enter(base, registry, seen, version, new)


def reject(base: Path, registry: Registry, number: int, reason: str) -> Entry:
    """Record a rejection. The version can never be promoted."""
    seen = situation(base, registry)
    version = seen.life.version(number)
    require_legal("rejected", number, version.state)
    return record(
        base,
        registry,
        "rejected",
        seen,
        after=seen.after,
        version=number,
        subject=version.subject,
        reason=reason,
    )


def _ready(base: Path, registry: Registry, seen: Situation, number: int) -> Version:
    """Return a version that may be approved: on the protected branch, intact, and allowed today."""
    version, now = seen.life.version(number), seen.now
    require_legal("approved", number, version.state)
    require_reviewed(base, version, seen.life, now)
    require_accepted(version, now)
    with tempfile.TemporaryDirectory() as scratch:
        checked = bundle.fetch(registry, version, now.approvers, Path(scratch))
        decision = judge_again(checked, now)
    if decision.verdict != "allow":
        raise Problem(
            f"version {number} is denied under today's policy, so there is nothing to approve: "
            f"{why_denied(decision)}",
            1,
        )
    return version


def _enter(
    base: Path, registry: Registry, seen: Situation, version: Version, new: list[Approval]
) -> Approved:
    """Record approvals that count. Raise `Problem` with the reason if one does not."""
    values = [one.model_dump(mode="json") for one in new]
    good, missing, why = sort_approvals(base, version.with_approvals(values), seen.life, seen.now)
    for one in new:
        if one not in good:
            reason = next((w for w in reversed(why) if one.approver in w), "it does not count")
            raise Problem(f"the approval was not recorded: {reason}", 1)
    entry = record(
        base,
        registry,
        "approved",
        seen,
        after=seen.after,
        version=version.number,
        subject=version.subject | {"policy": seen.now.policy_digest},
        approvals=values,
        details={"missing": missing, "protected": seen.now.commit},
    )
    return Approved(entry, missing)
