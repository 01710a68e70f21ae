"""Promote a version: append one event to the ledger, then update the registry to match it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.evidence import usable
from governed_ml.core.files import digest_of, read_json, write_json
from governed_ml.core.problem import Problem
from governed_ml.core.repository import signs
from governed_ml.ledger.events import Entry
from governed_ml.ledger.lifecycle import Lifecycle, Version, require_legal
from governed_ml.ledger.liveness import unwatched
from governed_ml.ledger.rules_in_force import Today
from governed_ml.policy.decision import Decision
from governed_ml.registry.append_event import record, settle, situation
from governed_ml.registry.approval.approvals import Approval, not_approved
from governed_ml.registry.approval.current_rules import (
    judge_again,
    require_allow,
    require_reviewed,
    sort_approvals,
    summary,
)
from governed_ml.registry.earlier_engine import require_accepted
from governed_ml.registry.release import bundle
from governed_ml.registry.release.bundle import Checked, Statement
from governed_ml.registry.versions import RELEASES, Registry


class Release(Closed):
    """The content of `release.json`: what was released, who approved it, and the decision."""

    schema_version: Literal[1] = 1
    statement: Statement
    card: dict[str, Any]
    decision: Decision
    approvals: list[Approval]


def promote(
    base: Path,
    registry: Registry,
    number: int | None = None,
    happened: Callable[[Entry], None] | None = None,
) -> Entry | None:
    """Make an approved version champion. Return its event, or None if it is champion already.

    Raise `Problem` with the reason if it may not be promoted. The promotion takes effect when its
    event is appended: before that nothing has changed; afterwards `settle` updates the registry.
    """
    seen = situation(base, registry)
    now, life = seen.now, seen.life
    version = chosen(life, number, registry)
    if version.state == "champion":
        settle(base, registry, life)
        return None
    # Approvals of a commit that left `main` are void, so the state would only be "unapproved".
    require_reviewed(base, version, life, now)
    require_legal("promoted", version.number, version.state)
    why = unwatched(life, now.policy, now.day)
    if why:
        raise Problem(why, 1)
    require_accepted(version, now)
    with tempfile.TemporaryDirectory() as scratch:
        checked = bundle.fetch(registry, version, now.approvers, Path(scratch))
        decision = judge_again(checked, now)
        require_allow(version.number, decision)
        # This comes before the comparison, because a revoked key may have made the champion void.
        good = _require_approved(base, version, life, now)
        unread = require_same_rival(registry, checked, life, now)
        if unread is not None:
            decision = judge_again(checked, now, unread)
            require_allow(version.number, decision)
        release = Release(
            statement=checked.statement,
            card=read_json(checked.records / "reports/model_card.json"),
            decision=decision,
            approvals=good,
        )
        values = release.model_dump(mode="json")
        folder = Path(scratch) / "release" / digest_of(values).removeprefix("sha256:")
        write_json(folder / "release.json", values)
        registry.upload(version.run_id, folder.parent, RELEASES)
    return record(
        base,
        registry,
        "promoted",
        seen,
        after=seen.after,
        happened=happened,
        version=version.number,
        subject=version.subject | {"policy": now.policy_digest, "release": digest_of(values)},
        decision=summary(decision),
        approvals=[one.model_dump(mode="json") for one in good],
        details={
            "from": life.champion.number if life.champion else None,
            "protected": now.commit,
            "not_compared": unread or "",
        },
    )


def chosen(life: Lifecycle, number: int | None, registry: Registry) -> Version:
    """Return the version with the given number; by default the challenger, else the champion."""
    if number is not None:
        return life.version(number)
    found = life.challenger(registry.versions()) or life.champion
    if found is None:
        raise Problem("there is no challenger: run `uv run governance register` first", 1)
    return found


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
    if any(one.source != "ssh" for one in good) and not (now.approvers.ledger and signs(base)):
        raise Problem(
            "approvals on GitHub count only in signed events: list a key under ledger in "
            "governance/approvers.yaml, and in git set gpg.format to ssh and user.signingkey "
            "to the key",
            1,
        )
    if missing:
        raise Problem(not_approved(version.number, missing, why), 1)
    return good
