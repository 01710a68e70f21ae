"""Load a model by alias, never by path, and only after every check."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from governed_ml.core.problem import NO_ANSWER, Problem
from governed_ml.core.repository import last_protected
from governed_ml.ledger import approvers, storage
from governed_ml.ledger.lifecycle import Lifecycle, Version
from governed_ml.ledger.remote import Broken, last_seen, pull
from governed_ml.registry.append_event import require_whole
from governed_ml.registry.counted_events import follow, judged, void_lines
from governed_ml.registry.release import bundle
from governed_ml.registry.release.bundle import Checked
from governed_ml.registry.release.scored_alike import require_scored_alike
from governed_ml.registry.versions import CHALLENGER, CHAMPION, Registry


@contextmanager
def loaded(base: Path, registry: Registry, alias: str) -> Generator[tuple[Version, Checked]]:
    """Provide the version behind an alias with its checked files, which are deleted at the end.

    The alias must match the ledger. The files must be the ones that were signed and recorded.
    """
    people = approvers.read(base, last_protected(base))
    with storage.locked(base):
        try:
            pull(base)
        except Problem as problem:
            if problem.exit_code != NO_ANSWER and not isinstance(problem, Broken):
                raise
            print(f"note: {problem}; using this clone's ledger", file=sys.stderr)
        entries = storage.read(base)
        known = follow(base, entries).versions
        require_whole(base, [*registry.anchors(known), *last_seen(base)])
        shown, listed = registry.aliases().get(alias), registry.versions()
    life = judged(base, registry, entries, people)
    wanted = {CHAMPION: life.champion, CHALLENGER: life.challenger(listed)}
    if alias not in wanted:
        raise Problem(f"there is no alias {alias!r}: use {CHAMPION} or {CHALLENGER}")
    version = wanted[alias]
    if version is None and shown is None:
        raise Problem(f"there is no {alias} yet: `uv run governance status` lists the versions", 1)
    if version is not None and shown is None and version.number not in listed:
        print(f"note: version {version.number} is gone from the registry", file=sys.stderr)
    elif version is None or shown != version.number:
        says = f"version {version.number}" if version else "no version"
        raise Problem(
            f"alias {alias} names {f'version {shown}' if shown else 'no version'}, the ledger "
            f"says {says}: run `uv run governance reconcile`{_why(life)}",
            1,
        )
    with tempfile.TemporaryDirectory() as scratch:
        checked = bundle.fetch(registry, version, people, Path(scratch))
        require_scored_alike(checked.statement)
        yield version, checked


def _why(life: Lifecycle) -> str:
    """Return the last void event that is not reconciled, in brackets, or ""."""
    new, _ = void_lines(life)
    return f" ({new[-1]})" if new else ""
