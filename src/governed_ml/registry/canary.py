"""Start a canary, and record what became of it: advanced, held or reverted."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from governed_ml.core.config.production.canary import CanaryTerms
from governed_ml.core.problem import NO_ANSWER, Problem
from governed_ml.core.repository import signs
from governed_ml.ledger.events import Entry
from governed_ml.ledger.lifecycle import Lifecycle, Version
from governed_ml.ledger.production.canary import Canary, CanaryRecord
from governed_ml.ledger.rules_in_force import Today
from governed_ml.registry.append_event import Situation, record, situation
from governed_ml.registry.approval.current_rules import summary
from governed_ml.registry.promotable import Promotable, promotable, require_signed_later
from governed_ml.registry.release import bundle
from governed_ml.registry.versions import Registry

Happened = Callable[[Entry], None] | None
"""Called as soon as an event is final."""


def terms_of(now: Today) -> CanaryTerms:
    """Return the policy's section about canaries; raise `Problem` if it has none."""
    if now.policy.canary is None:
        raise Problem(
            f"policy {now.policy.name} has no section canary: ask the risk owner to add it"
        )
    return now.policy.canary


def running(life: Lifecycle) -> tuple[Canary, Version, Version]:
    """Return the running canary, its version and the champion; raise `Problem` if there is none."""
    if life.canary is None or life.champion is None:
        raise Problem(
            "no version is a canary: start one with `uv run governance canary start VERSION`"
        )
    return life.canary, life.version(life.canary.version), life.champion


def start(base: Path, registry: Registry, number: int, share: int | None = None) -> Entry:
    """Let a version answer a share of the subjects, by default that of the policy's first step.

    The version must be one that could be promoted today, because it answers people. Raise `Problem`
    with the reason otherwise.
    """
    seen = situation(base, registry)
    now, life = seen.now, seen.life
    terms, version = terms_of(now), life.version(number)
    first = terms.steps[0]
    share = first if share is None else share
    if not 1 <= share <= first:
        raise Problem(f"a canary starts with a share of 1 to {first} percent, not {share}")
    if life.champion is None:
        raise Problem("there is no champion to compare a canary with: promote the version", 1)
    if life.canary is not None:
        raise Problem(
            f"version {life.canary.version} is a canary already: judge it with `uv run governance "
            "canary`, or stop it with `uv run governance canary stop`",
            1,
        )
    ready = _promotable(base, registry, seen, version)
    return record(
        base,
        registry,
        "canary_started",
        seen,
        after=seen.after,
        version=number,
        subject=version.subject | {"policy": now.policy_digest},
        decision=summary(ready.decision),
        approvals=[one.model_dump(mode="json") for one in ready.approvals],
        details={"champion": life.champion.number, "share": share, "protected": now.commit},
    )


def advance(
    base: Path,
    registry: Registry,
    seen: Situation,
    judged: CanaryRecord,
    happened: Happened = None,
) -> Entry:
    """Let the canary answer the next share; `judged` says which, and why.

    Raise `Problem` with the reason if the version could not be promoted today.
    """
    _, version, _ = running(seen.life)
    ready = _promotable(base, registry, seen, version)
    return record(
        base,
        registry,
        "canary_advanced",
        seen,
        after=seen.after,
        happened=happened,
        version=version.number,
        subject=version.subject | {"policy": seen.now.policy_digest},
        decision=summary(ready.decision),
        approvals=[one.model_dump(mode="json") for one in ready.approvals],
        reason=_reason(judged),
        details=judged.model_dump(mode="json"),
    )


def hold(
    base: Path,
    registry: Registry,
    seen: Situation,
    judged: CanaryRecord,
    happened: Happened = None,
) -> Entry:
    """Record why the canary neither advances nor ends."""
    _, version, _ = running(seen.life)
    return record(
        base,
        registry,
        "canary_held",
        seen,
        after=seen.after,
        happened=happened,
        version=version.number,
        subject=version.subject | {"policy": seen.now.policy_digest},
        reason=_reason(judged),
        details=judged.model_dump(mode="json"),
    )


def revert(
    base: Path,
    registry: Registry,
    seen: Situation,
    judged: CanaryRecord,
    happened: Happened = None,
) -> Entry:
    """End the canary: the champion answers everybody again."""
    _, version, _ = running(seen.life)
    return record(
        base,
        registry,
        "canary_reverted",
        seen,
        after=seen.after,
        happened=happened,
        version=version.number,
        subject=version.subject | {"policy": seen.now.policy_digest},
        reason=_reason(judged),
        details=judged.model_dump(mode="json"),
    )


def stop(base: Path, registry: Registry, reason: str) -> Entry:
    """End the canary because a person wants it. The version stays approved."""
    if len(reason.split()) < 2:
        raise Problem("give a reason of two words or more with --reason", NO_ANSWER)
    seen = situation(base, registry)
    now, _, champion = running(seen.life)
    stopped = CanaryRecord(
        champion=champion.number,
        share=now.share,
        protected=seen.now.commit,
        since=now.since,
        rows={},
        rules={},
        reasons=[reason[:400]],
        ending="stopped",
    )
    return revert(base, registry, seen, stopped)


def _promotable(base: Path, registry: Registry, seen: Situation, version: Version) -> Promotable:
    """Return what a promotion of the version would rest on; raise `Problem` if it is refused."""
    with tempfile.TemporaryDirectory() as scratch:
        found = promotable(
            base,
            registry,
            version,
            seen,
            lambda: bundle.fetch(registry, version, seen.now.approvers, Path(scratch)),
        )
    if not signs(base):
        require_signed_later(found.approvals)
    return found


def _reason(judged: CanaryRecord) -> str:
    return "; ".join(judged.reasons[:3])
