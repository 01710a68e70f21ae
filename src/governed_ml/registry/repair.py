"""Bring the registry to what the ledger says, and record what was changed."""

from __future__ import annotations

from pathlib import Path

from governed_ml.core.problem import Problem
from governed_ml.core.repository import attempt, git, has_remote
from governed_ml.ledger import storage
from governed_ml.ledger.lifecycle import trace
from governed_ml.ledger.remote import fetch, last_seen, push, remote_head
from governed_ml.registry.reconcile import Reconciliation, wanted_tags
from governed_ml.registry.record import record, require_whole, settle, situation
from governed_ml.registry.versions import STATUS, Registry


def repair(base: Path, registry: Registry, report: Reconciliation) -> list[str]:
    """Put the ledger's word into effect, and record what was corrected."""
    if report.broken:
        raise Problem(report.broken[0], 1)
    changed = _take_remotes(base, registry)
    entries = storage.read(base)
    life = trace(entries)
    if entries:
        push(base)
        registry.anchor(entries[-1].event.sequence, entries[-1].commit, None)
    changed += settle(base, registry, life)
    listed = registry.versions()
    for number, one in listed.items():
        if number not in life.versions and one.tags.get(STATUS) != "quarantined":
            registry.tag(number, **{STATUS: "quarantined"})
            changed.append(f"version {number}: quarantined, the ledger does not know it")
    for number, version in life.versions.items():
        if number in listed:
            tags = listed[number].tags
            wrong = {
                tag: value for tag, value in wanted_tags(version).items() if tags.get(tag) != value
            }
            registry.tag(number, **wrong)
            changed += [f"version {number}: {tag} = {value}" for tag, value in wrong.items()]
    details = {"found": report.differences, "changed": changed}
    record(base, registry, "reconciled", situation(base, registry), details=details)
    return changed


def _take_remotes(base: Path, registry: Registry) -> list[str]:
    """Give up events that were never pushed where the remote went another way."""
    theirs, ours = remote_head(base) if has_remote(base) else None, storage.head(base)
    if theirs is None or ours is None:
        return []
    fetch(base, theirs)
    if attempt(base, "merge-base", "--is-ancestor", theirs, ours).returncode == 0:
        return []
    git(base, "update-ref", storage.REF, theirs, ours)
    try:
        require_whole(base, [*registry.anchors(), *last_seen(base)])
    except Problem:
        git(base, "update-ref", storage.REF, ours, theirs)
        raise
    return [f"ledger: {ours[:12]} was never accepted by the remote, which is at {theirs[:12]}"]
