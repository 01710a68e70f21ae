"""Compare the registry with the ledger, and print the differences."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pydantic import Field

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.problem import NO_ANSWER, Problem
from governed_ml.core.repository import has_remote, last_protected
from governed_ml.core.terminal import screen
from governed_ml.ledger import approvers, storage
from governed_ml.ledger.events import Anchor, Entry
from governed_ml.ledger.lifecycle import KEEPS_STATE, Lifecycle, Version
from governed_ml.ledger.liveness import last_window
from governed_ml.ledger.remote import Vanished, pull
from governed_ml.ledger.rules_in_force import today
from governed_ml.registry.append_event import Unanchored, require_anchored
from governed_ml.registry.approval.approvals import not_approved
from governed_ml.registry.approval.current_rules import sort_approvals
from governed_ml.registry.counted_events import follow, gone, judged, void_lines
from governed_ml.registry.release import bundle
from governed_ml.registry.versions import ANCHOR, CHALLENGER, CHAMPION, STATUS, Listed, Registry

TAGS = {"model": "model_digest", "data": "data_digest", "policy": "policy_digest",
        "decision": "decision_digest", "engine": "engine_digest", "commit": "commit"}  # fmt: skip


class VersionRow(Closed):
    """One version, as recorded in the ledger."""

    version: int
    state: str
    since: str
    aliases: list[str]
    model: str
    commit: str
    engine: str = ""


class Reconciliation(Closed):
    """All versions and all differences. `broken` lists those that no command can correct."""

    name: str
    rows: list[VersionRow]
    differences: list[str] = Field(default_factory=list)
    broken: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list, description="what would stop a promotion today")
    known: list[str] = Field(
        default_factory=list, description="what `reconcile --apply` has recorded and cannot change"
    )
    void: list[str] = Field(
        default_factory=list, description="void events that are not reconciled yet"
    )
    gone: list[int] = Field(default_factory=list, description="versions that the registry lost")
    watched: str = Field(default="", description="the champion's last window")


def compare(base: Path, registry: Registry) -> Reconciliation:
    """Compare ledger, anchors, aliases, versions and tags, with the ledger locked."""
    with storage.locked(base):
        entries, differences, broken = _chain(base, registry)
        aliases, listed = registry.aliases(), registry.versions()
    life = judged(base, registry, entries, approvers.read(base, last_protected(base)))
    new, old = void_lines(life)
    lost = {n: f"version {n} is gone from the registry" for n in life.versions if n not in listed}
    before = gone(life)
    differences += broken + new + _aliases(life, aliases, listed) + _tags(life, listed)
    differences += [line for n, line in lost.items() if n not in before]
    differences += [
        f"version {n} is not in the ledger: its registration was interrupted, or it was forged"
        for n, one in listed.items()
        if n not in life.versions and one.tags.get(STATUS) != "quarantined"
    ]
    if life.champion is not None and life.champion.number in listed:
        differences += _files(base, registry, life.champion)
    rows = [_row(one.entries, one.number, one.state, aliases) for one in life.versions.values()]
    return Reconciliation(
        name=registry.name,
        rows=rows,
        differences=differences,
        broken=broken,
        notes=_notes(base, life),
        known=[*old, *(line for n, line in lost.items() if n in before)],
        void=[one.entry.commit for one in life.void if str(one) in new],
        gone=[n for n in lost if n not in before],
        watched=last_window(life.champion) if life.champion else "",
    )


def _files(base: Path, registry: Registry, champion: Version) -> list[str]:
    """Return why the champion's files cannot be used; empty if they can."""
    now = approvers.read(base, last_protected(base))
    with tempfile.TemporaryDirectory() as scratch:
        try:
            bundle.fetch(registry, champion, now, Path(scratch))
        except Problem as problem:
            return [f"the champion's files: {problem}"]
    return []


def _notes(base: Path, life: Lifecycle) -> list[str]:
    """Return, for each approved version, which approval is missing or no longer counts."""
    found: list[str] = []
    waiting = [one for one in life.versions.values() if one.state == "approved"]
    if not waiting:
        return []
    now = today(base)
    for version in waiting:
        try:
            _, missing, why = sort_approvals(base, version, life, now)
        except Problem as problem:
            found.append(f"version {version.number}: {problem}")
            continue
        if missing:
            found.append(not_approved(version.number, missing, why))
    return found


def _chain(base: Path, registry: Registry) -> tuple[list[Entry], list[str], list[str]]:
    """Return the entries, the differences between ledger and anchors, and those beyond repair."""
    differences: list[str] = []
    remotes: list[Anchor] = []
    try:
        remotes = pull(base)
    except Vanished as problem:
        return storage.read(base), [], [str(problem)]
    except Problem as problem:
        if problem.exit_code == NO_ANSWER:
            raise
        differences.append(str(problem))
    entries = storage.read(base)
    try:
        life = follow(base, entries)
        require_anchored(base, remotes, registry.anchors(life.versions), life)
    except Unanchored as problem:
        differences.append(str(problem))
    except Problem as problem:
        if has_remote(base) and remotes and remotes[0].sequence == len(entries):
            differences.append(str(problem))  # the remote agrees, so the tag is wrong
        else:
            return entries, differences, [str(problem)]
    return entries, differences, []


def _row(entries: list[Entry], number: int, state: str, aliases: dict[str, int]) -> VersionRow:
    return VersionRow(
        version=number,
        state=state,
        since=[one for one in entries if one.event.action not in KEEPS_STATE][-1].event.time,
        aliases=sorted(alias for alias, n in aliases.items() if n == number),
        model=entries[0].event.subject["model"],
        commit=entries[0].event.subject["commit"],
        engine=entries[0].event.subject.get("engine_version", ""),
    )


def _aliases(life: Lifecycle, aliases: dict[str, int], listed: dict[int, Listed]) -> list[str]:
    found: list[str] = []
    wanted = {CHAMPION: life.champion, CHALLENGER: life.challenger(listed)}
    for alias, version in wanted.items():
        ledgers = version.number if version and version.number in listed else None
        registrys = aliases.get(alias)
        if ledgers != registrys:
            found.append(
                f"alias {alias} names {_named(registrys)}, the ledger says {_named(ledgers)}"
            )
    return found


def _named(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"


def _tags(life: Lifecycle, listed: dict[int, Listed]) -> list[str]:
    found: list[str] = []
    for number, version in life.versions.items():
        if number not in listed:
            continue
        tags = listed[number].tags
        wanted = wanted_tags(version) | {STATUS: version.state}
        found += [
            f"version {number}: tag {tag} says {tags.get(tag, 'nothing')[:24]!r}, the ledger "
            f"{value[:24]!r}"
            for tag, value in wanted.items()
            if tags.get(tag) != value
        ]
        if listed[number].run_id != version.run_id:
            found.append(f"version {number} names another MLflow run than the ledger")
    return found


def wanted_tags(version: Version) -> dict[str, str]:
    """Return the tags that a version should have according to the ledger."""
    last = [one for one in version.entries if one.event.version == version.number][-1]
    tags = {TAGS[name]: digest for name, digest in version.subject.items() if name in TAGS}
    return tags | {ANCHOR: f"{last.event.sequence} {last.commit}"}


def show(report: Reconciliation, fixed: list[str], *, every: bool) -> None:
    """Print the versions, the corrections and the remaining differences."""
    from rich.markup import escape
    from rich.table import Table

    console = screen()
    if every:
        table = Table(box=None, pad_edge=False)
        for name in ("version", "state", "since", "aliases", "model", "commit", "engine"):
            table.add_column(name)
        for row in report.rows:
            values: list[Any] = [row.version, row.state, row.since, ", ".join(row.aliases)]
            table.add_row(*map(str, values), row.model[:19], row.commit[:12], row.engine)
        console.print(table if report.rows else f"the ledger has no version of {report.name}")
        if report.watched:
            console.print(escape(report.watched), soft_wrap=True)
    for line in fixed:
        console.print(f"[green]fixed[/] {escape(line)}")
    for line in report.known:
        console.print(f"known {escape(line)}", soft_wrap=True)
    for line in report.notes:
        console.print(f"[yellow]today[/] {escape(line)}")
    for line in report.differences:
        console.print(f"[red]differs[/] {escape(line)}")
    if report.differences:
        console.print("`uv run governance reconcile --apply` corrects what it can")
    else:
        console.print("registry and ledger agree")
