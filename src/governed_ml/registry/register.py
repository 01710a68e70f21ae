"""Register a version: measure again, judge, sign, create a model version, record the event."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from governed_ml.core import tables
from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.evidence import collect, load
from governed_ml.core.files import file_digest
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import head, require_clean
from governed_ml.core.work_folder import work_folder
from governed_ml.ledger.approvers import read as read_approvers
from governed_ml.ledger.events import Entry
from governed_ml.ledger.lifecycle import Version
from governed_ml.policy.decision import Decision, save
from governed_ml.policy.gate import recheck
from governed_ml.policy.judge import judge
from governed_ml.registry.append_event import Situation, record, situation
from governed_ml.registry.approval.current_rules import summary
from governed_ml.registry.release import bundle, signing
from governed_ml.registry.release.bundle import Statement
from governed_ml.registry.remeasure.fetch import run_dvc
from governed_ml.registry.remeasure.recompute import recompute
from governed_ml.registry.versions import BUNDLE, SIGNATURE, STATUS, Registry


@dataclass(frozen=True)
class Registered:
    """The result of a registration."""

    entry: Entry
    decision: Decision


def register(base: Path, registry: Registry, say: Callable[[str], None]) -> Registered:
    """Register the current commit's model: as challenger if it is allowed, else as quarantined."""
    require_clean(base)
    commit = head(base)
    key = signing.private_key(base)
    signing.require_listed(key, read_approvers(base))
    seen = situation(base, registry)
    life = seen.life
    require_in_remote(base)
    day = datetime.now(UTC).date()
    with work_folder() as work:
        scratch, folder = work / "copy", work / "bundle"
        scratch.mkdir()
        rival, unread = _rival(registry, seen, work / "champion", say)
        recompute(base, commit, rival, scratch, say)
        params = compose(scratch / CONF)
        checked = recheck(scratch, params, collect(scratch))
        decision = judge(params, checked, day, unread=unread)
        save(decision, scratch)
        statement = _statement(registry.name, commit, decision)
        _require_new(life.versions.values(), statement)
        say("signing and uploading")
        bundle.build(scratch, folder)
        parts = (folder, work / SIGNATURE, key)
        return _enter(base, registry, seen, statement, decision, parts)


def _rival(
    registry: Registry, seen: Situation, folder: Path, say: Callable[[str], None]
) -> tuple[Path | None, str | None]:
    """Return the champion's model to compare with, and why it cannot be read (None if it can)."""
    champion = seen.life.champion
    if champion is None:
        return None, None
    try:
        return bundle.fetch(registry, champion, seen.now.approvers, folder).model, None
    except Problem as problem:
        say(f"not compared with the champion: {problem}")
        return None, f"not compared with the champion: {problem}"


def require_in_remote(base: Path) -> None:
    """Raise `Problem` if the data or the model are only on this machine."""
    done = run_dvc(base, "status", "--cloud", "--json")
    try:
        lost = json.loads(done.stdout) if done.returncode == 0 else None
    except ValueError:
        lost = None
    if lost is None:
        said = first_line(ValueError(done.stderr.strip().rpartition("\n")[2]), 200)
        raise Problem(
            f"cannot list what is in DVC's remote: {said}; check it with `uv run dvc remote list`"
        )
    if lost:
        raise Problem(f"{min(lost)} is not in DVC's remote: run `uv run dvc push`", 1)


def _statement(name: str, commit: str, decision: Decision) -> Statement:
    data = decision.subject.inputs.get(tables.RAW.as_posix())
    by = decision.subject.engine
    if decision.subject.model is None or data is None or decision.policy_digest is None:
        raise Problem(
            "lineage is missing, because the evidence names no model or no table: run `uv run "
            "dvc repro` and commit what it writes",
            1,
        )
    return Statement(
        name=name,
        version=0,
        commit=commit,
        model=decision.subject.model,
        data=data,
        policy=decision.policy_digest,
        decision=decision.digest(),
        engine=by.digest if by else None,
        engine_version=by.version if by else None,
    )


def _require_new(versions: Iterable[Version], statement: Statement) -> None:
    same = next((one for one in versions if one.subject == statement.subject()), None)
    if same is not None:
        raise Problem(
            f"this model is already version {same.number}, which is "
            f"{same.state.replace('_', ' ')}: run `uv run governance status`",
            0 if same.state not in ("quarantined", "rejected") else 1,
        )


def _isolation(folder: Path) -> dict[str, str]:
    """Return how the training was isolated from the test rows, as recorded in its evidence."""
    found = load("train", folder / bundle.RECORDS).volatile.notes.get("isolation")
    return {"isolation": str(found)} if found else {}


def _enter(
    base: Path,
    registry: Registry,
    seen: Situation,
    statement: Statement,
    decision: Decision,
    parts: tuple[Path, Path, Path],
) -> Registered:
    """Create the model version, add the statement, sign and upload its files, record the event."""
    folder, signatures, key = parts
    allowed = decision.verdict == "allow"
    status = "pending_review" if allowed else "quarantined"
    subject = statement.subject()
    named = ("model", "data", "policy", "decision", "engine")
    tags = {f"{name}_digest": subject[name] for name in named if name in subject}
    tags |= {"commit": statement.commit, STATUS: status}
    number, run_id = registry.create(tags)
    while number in seen.life.taken:  # used by a deleted registered model or a void event
        registry.tag(number, **{STATUS: "quarantined"})
        number, run_id = registry.create(tags)
    statement = statement.model_copy(update={"version": number})
    bundle.state(folder, statement, signatures / bundle.SIGNED, key)
    registry.upload(run_id, folder, BUNDLE)
    registry.upload(run_id, signatures, SIGNATURE)
    registry.finish(run_id)
    entry = record(
        base,
        registry,
        "registered" if allowed else "quarantined",
        seen,
        version=number,
        subject=subject,
        decision=summary(decision),
        details={"run_id": run_id, "signature": file_digest(signatures / bundle.SIGNED)}
        | _isolation(folder),
    )
    return Registered(entry, decision)
