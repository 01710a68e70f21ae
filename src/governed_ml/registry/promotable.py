"""Whether a version may be promoted: every condition, judged today. Nothing is recorded."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from governed_ml.core.evidence import usable
from governed_ml.core.problem import Problem
from governed_ml.ledger.lifecycle import Lifecycle, Version, require_legal
from governed_ml.ledger.liveness import unwatched
from governed_ml.ledger.rules_in_force import Today
from governed_ml.policy.decision import Decision
from governed_ml.registry.append_event import Situation
from governed_ml.registry.approval.approvals import Approval, not_approved
from governed_ml.registry.approval.current_rules import (
    judge_again,
    require_allow,
    require_reviewed,
    sort_approvals,
)
from governed_ml.registry.earlier_engine import require_accepted
from governed_ml.registry.release import bundle
from governed_ml.registry.release.bundle import Checked
from governed_ml.registry.versions import Registry


class NotApproved(Problem):
    """Approvals are missing: the roles, and why given approvals do not count."""

    def __init__(self, number: int, roles: list[str], why: list[str]) -> None:
        super().__init__(not_approved(number, roles, why), 1)
        self.roles = roles


@dataclass(frozen=True)
class Promotable:
    """What a promotion rests on; `unread` is why today's champion could not be compared with."""

    checked: Checked
    decision: Decision
    approvals: list[Approval]
    unread: str | None


def promotable(
    base: Path,
    registry: Registry,
    version: Version,
    seen: Situation,
    fetched: Callable[[], Checked],
) -> Promotable:
    """Judge a version as a promotion does; raise `Problem` with the reason if it is refused.

    `fetched` returns the version's verified files. It is called after the conditions that need
    none.
    """
    now, life = seen.now, seen.life
    # Approvals of a commit that left `main` are void, so the state would only be "unapproved".
    require_reviewed(base, version, life, now)
    require_legal("promoted", version.number, version.state)
    why = unwatched(life, now.policy, now.day)
    if why:
        raise Problem(why, 1)
    require_accepted(version, now)
    checked = fetched()
    decision = judge_again(checked, now)
    require_allow(version.number, decision)
    # This comes before the comparison, because a revoked key may have made the champion void.
    good = _require_approved(base, version, life, now)
    unread = require_same_rival(registry, checked, life, now)
    if unread is not None:
        decision = judge_again(checked, now, unread)
        require_allow(version.number, decision)
    return Promotable(checked, decision, good, unread)


def require_same_rival(
    registry: Registry, checked: Checked, life: Lifecycle, now: Today
) -> str | None:
    """Refuse a challenger that was not compared with today's champion.

    If today's champion cannot be read, return the reason, for the judgement; otherwise return None.
    """
    evaluated = usable(checked.evidence()).get("evaluate")
    rival = None if evaluated is None else evaluated.body.champion
    champion = life.champion
    if rival == (champion.subject["model"] if champion else None):
        return None
    why = _unreadable(registry, life, now)
    if why is not None:
        return why
    today = champion.subject["model"] if champion else "none"
    raise Problem(
        f"version {checked.statement.version} was compared with "
        f"{(rival or 'no champion')[:18]}, but today's champion is {today[:18]}: register the "
        "model again, so that it is compared with that champion",
        1,
    )


def _unreadable(registry: Registry, life: Lifecycle, now: Today) -> str | None:
    """Return why today's champion cannot be read. None if it can, or if there is no champion."""
    if life.champion is None:
        return None
    try:
        with tempfile.TemporaryDirectory() as scratch:
            bundle.fetch(registry, life.champion, now.approvers, Path(scratch))
    except Problem as problem:
        return f"not compared with the champion: {problem}"
    return None


def _require_approved(base: Path, version: Version, life: Lifecycle, now: Today) -> list[Approval]:
    good, missing, why = sort_approvals(base, version, life, now)
    if not now.approvers.ledger:
        require_signed_later(good)
    if missing:
        raise NotApproved(version.number, missing, why)
    return good


def require_signed_later(good: list[Approval]) -> None:
    """Raise `Problem` if approvals were given on GitHub, for when no key will sign the event."""
    if any(one.source != "ssh" for one in good):
        raise Problem(
            "approvals on GitHub count only in signed events: list a key under ledger in "
            "governance/approvers.yaml, and in git set gpg.format to ssh and user.signingkey "
            "to the key",
            1,
        )
