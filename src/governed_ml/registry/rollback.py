"""Roll back: make an earlier champion the champion again, or record why this is impossible."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from governed_ml.core.problem import Problem
from governed_ml.ledger.events import Entry
from governed_ml.ledger.lifecycle import Lifecycle, Version, require_legal
from governed_ml.ledger.liveness import reign
from governed_ml.ledger.rules_in_force import Today
from governed_ml.policy.rehash import current_run
from governed_ml.registry.append_event import Situation, record, settle, situation
from governed_ml.registry.approval.current_rules import (
    judge_earlier_champion,
    measured_otherwise,
    require_allow,
)
from governed_ml.registry.notify import Lost
from governed_ml.registry.release import bundle
from governed_ml.registry.versions import Registry


def rollback(
    base: Path,
    registry: Registry,
    reason: str,
    to: int | None = None,
    only_from: int | None = None,
    happened: Callable[[Entry], None] | None = None,
) -> Entry:
    """Make an earlier champion champion again: the given one, or the last that is compliant.

    If there is none, a `rollback_failed` event is recorded and `Problem` is raised. With
    `only_from`, roll back only if that version is champion. A workflow run that is repeated
    continues after its own rollback instead of rolling back twice.
    """
    if len(reason.split()) < 2:
        raise Problem("a rollback needs a reason of two words or more: give one with --reason", 2)
    seen = situation(base, registry)
    now, life = seen.now, seen.life
    champion = life.champion
    run = current_run()
    last = reign(champion)[0] if champion is not None else None
    if last and run and (last.event.action, last.event.details.get("run")) == ("rolled_back", run):
        settle(base, registry, life)
        if happened is not None:
            happened(last)
        return last
    if champion is None:
        raise Problem("there is no champion to roll back from", 1)
    if only_from not in (None, champion.number):
        text = f"version {only_from} is not the champion (version {champion.number} is)"
        raise Problem(f"{text}, so nothing was rolled back", 1)
    if to is not None:
        require_legal("rolled_back", to, life.version(to).state)
    try:
        target, otherwise, skipped = _compliant(registry, life, now, to)
    except Problem as problem:
        raise _failed(base, registry, seen, champion, reason, problem) from problem
    return record(
        base,
        registry,
        "rolled_back",
        seen,
        after=seen.after,
        happened=happened,
        version=target.number,
        subject=target.subject | {"policy": now.policy_digest},
        reason=reason,
        details={
            "from": champion.number,
            "skipped": skipped,
            "measured_otherwise": otherwise,
            "protected": now.commit,
        }
        | ({"run": run} if run else {}),
    )


def require_champion(base: Path, registry: Registry, number: int) -> None:
    """Raise `Problem` if a version is not the champion in the current ledger."""
    champion = situation(base, registry).life.champion
    if champion is None or champion.number != number:
        found = "no version is" if champion is None else f"version {champion.number} is"
        raise Problem(f"version {number} is not the champion, {found}: it will not be deployed", 1)


def undeployed(
    base: Path, registry: Registry, reason: str, number: int | None, why: str
) -> NoReturn:
    """Record that the new champion of a rollback is not in production; always raise `Problem`."""
    seen = situation(base, registry)
    champion = seen.life.champion
    if champion is None or number != champion.number:
        raise Problem(
            f"version {number} is not the champion: give the champion's number with --from", 1
        )
    problem = Problem(f"version {number} is champion again but not in production: {why}", 1)
    raise _failed(base, registry, seen, champion, reason, problem)


def _failed(
    base: Path,
    registry: Registry,
    seen: Situation,
    champion: Version,
    reason: str,
    problem: Problem,
) -> Problem:
    """Record why a rollback failed; return the problem, including a failed notification."""
    try:
        record(
            base,
            registry,
            "rollback_failed",
            seen,
            after=seen.after,
            version=champion.number,
            subject=champion.subject | {"policy": seen.now.policy_digest},
            reason=reason,
            details={"why": str(problem)},
        )
    except Lost as lost:  # a failed notification must not hide the first problem
        return Problem(f"{problem}; {lost}", problem.exit_code)
    return problem


def _compliant(
    registry: Registry, life: Lifecycle, now: Today, to: int | None
) -> tuple[Version, dict[str, str], list[str]]:
    """Return the version to roll back to, its deviating parameters, and the versions skipped."""
    champion = life.champion.number if life.champion else None
    earlier = list(dict.fromkeys(n for n in reversed(life.champions) if n != champion))
    if to is not None:
        earlier = [to]
    skipped: list[str] = []
    for number in earlier:
        version = life.version(number)
        try:
            require_legal("rolled_back", number, version.state)
            with tempfile.TemporaryDirectory() as scratch:
                checked = bundle.fetch(registry, version, now.approvers, Path(scratch))
                require_allow(number, judge_earlier_champion(checked, now))
                otherwise = measured_otherwise(checked, now)
        except Problem as problem:
            skipped.append(str(problem))
            continue
        return version, otherwise, skipped
    why = "; ".join(skipped) or "no version was champion before"
    raise Problem(f"there is nothing to roll back to: {why}", 1)
