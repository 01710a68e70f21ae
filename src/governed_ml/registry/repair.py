"""Correct the registry so that it matches the ledger, and record the corrections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from governed_ml.core.problem import Problem
from governed_ml.core.repository import attempt, git, has_remote, last_protected, precedes
from governed_ml.ledger import storage
from governed_ml.ledger.approvers import read
from governed_ml.ledger.remote import Broken, cut_off, fetch, last_seen, push, remote_head
from governed_ml.registry.append_event import record, require_whole, settle, situation
from governed_ml.registry.counted_events import follow, judged
from governed_ml.registry.reconcile import Reconciliation, wanted_tags
from governed_ml.registry.versions import STATUS, Registry


def repair(base: Path, registry: Registry, report: Reconciliation) -> list[str]:
    """Correct what differs from the ledger, and record it in an event; return the corrections."""
    if report.broken:
        raise Problem(report.broken[0], 1)
    changed = _take_remotes(base, registry)
    entries = storage.read(base)
    life = judged(base, registry, entries, read(base, last_protected(base)))
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
    details: dict[str, Any] = {"found": report.differences, "changed": changed}
    details |= {"void": report.void} if report.void else {}
    details |= {"gone": report.gone} if report.gone else {}
    record(base, registry, "reconciled", situation(base, registry), details=details)
    return changed


def _take_remotes(base: Path, registry: Registry) -> list[str]:
    """Discard events that were never pushed, if the remote's ledger continues differently."""
    theirs, ours = remote_head(base) if has_remote(base) else None, storage.head(base)
    if theirs is None or ours is None:
        return []
    try:
        fetch(base, theirs)
    except Broken as broken:
        return _cut_off(base, registry, (theirs, ours), broken)
    if attempt(base, "merge-base", "--is-ancestor", theirs, ours).returncode == 0:
        return []
    git(base, "update-ref", storage.REF, theirs, ours)
    try:
        known = follow(base).versions
        require_whole(base, [*registry.anchors(known), *last_seen(base)])
    except Problem:
        git(base, "update-ref", storage.REF, ours, theirs)
        raise
    return [f"ledger: {ours[:12]} was never pushed to the remote, which is at {theirs[:12]}"]


def _cut_off(base: Path, registry: Registry, heads: tuple[str, str], broken: Broken) -> list[str]:
    """Remove invalid events, and everything after them, from the remote's ledger.

    Raise `Problem` if the registry anchors later events, for example because a newer engine wrote
    them.
    """
    theirs, ours = heads
    whole = broken.whole
    if whole is None or not precedes(base, whole, ours):  # the valid part was pulled before
        raise broken
    require_whole(base, [*registry.anchors(follow(base).versions), *last_seen(base)])
    cut_off(base, theirs, ours)
    return [f"ledger: reset the remote from {theirs[:12]}, which is no event, to {ours[:12]}"]
