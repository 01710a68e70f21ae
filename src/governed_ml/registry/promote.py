"""Promote a version: append one event to the ledger, then update the registry to match it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.files import digest_of, read_json, write_json
from governed_ml.core.problem import Problem
from governed_ml.core.repository import signs
from governed_ml.ledger.events import Entry
from governed_ml.ledger.lifecycle import Lifecycle, Version
from governed_ml.ledger.production.canary import CanaryRecord
from governed_ml.policy.decision import Decision
from governed_ml.registry.append_event import Situation, record, settle, situation
from governed_ml.registry.approval.approvals import Approval
from governed_ml.registry.approval.current_rules import summary
from governed_ml.registry.promotable import promotable, require_signed_later
from governed_ml.registry.release import bundle
from governed_ml.registry.release.bundle import Statement
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
    seen: Situation | None = None,
    canary: CanaryRecord | None = None,
) -> Entry | None:
    """Make an approved version champion. Return its event, or None if it is champion already.

    Raise `Problem` with the reason if it may not be promoted. The promotion takes effect when its
    event is appended: before that nothing has changed; afterwards `settle` updates the registry.
    With `seen`, promote only if nothing was recorded since. `canary` is what its last step showed.
    """
    seen = seen or situation(base, registry)
    now, life = seen.now, seen.life
    version = chosen(life, number, registry)
    if version.state == "champion":
        settle(base, registry, life)
        return None
    with tempfile.TemporaryDirectory() as scratch:
        found = promotable(
            base,
            registry,
            version,
            seen,
            lambda: bundle.fetch(registry, version, now.approvers, Path(scratch)),
        )
        if not signs(base):
            require_signed_later(found.approvals)
        release = Release(
            statement=found.checked.statement,
            card=read_json(found.checked.records / "reports/model_card.json"),
            decision=found.decision,
            approvals=found.approvals,
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
        decision=summary(found.decision),
        approvals=[one.model_dump(mode="json") for one in found.approvals],
        details={
            "from": life.champion.number if life.champion else None,
            "protected": now.commit,
            "not_compared": found.unread or "",
        }
        | ({"canary": canary.model_dump(mode="json")} if canary else {}),
    )


def chosen(life: Lifecycle, number: int | None, registry: Registry) -> Version:
    """Return the version with the given number; by default the challenger, else the champion."""
    if number is not None:
        return life.version(number)
    found = life.challenger(registry.versions()) or life.champion
    if found is None:
        raise Problem("there is no challenger: run `uv run governance register` first", 1)
    return found
