"""Which engine and packages a commit installs, and how two commits differ (pure functions).

uv accepts a lock in which a package has another URL with another digest (`uv lock --check` exits
with 0), so the locks are compared entry by entry.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from governed_ml.core.installation import lockfile
from governed_ml.core.installation.lockfile import LOCK, METADATA, Package
from governed_ml.scaffold import pin
from governed_ml.scaffold.manifest import Read

JUDGING_GROUPS = ("pipeline", "github", "tools")
"""Dependency groups of the jobs that measure, judge, move or record something."""
SETTINGS = "uv.toml"  # overrides indexes and versions, and `uv lock --check` accepts it


@dataclass(frozen=True)
class LockedPackage:
    """All entries of a lock for one package."""

    versions: tuple[str, ...]
    sources: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    """URL or path of each file → its digest."""
    judging: frozenset[str] = frozenset()
    """The dependency groups in judging jobs that require it; "" stands for `[project]` itself."""


@dataclass(frozen=True)
class Supply:
    """Everything in a commit that decides which code is installed."""

    name: str
    """The project's name."""
    source: pin.Source
    requirements: tuple[str, ...]
    uv: dict[str, Any]
    """`[tool.uv]` without the engine's source."""
    packages: dict[str, LockedPackage] | None
    settings: bool
    """Whether the file `uv.toml` exists."""


def supply(read: Read) -> Supply:
    """Read the settings, packages and pin of a commit or working tree."""
    text = (read(METADATA) or b"").decode("utf-8", errors="replace")
    project = pin.metadata(text)
    uv = dict(project.get("tool", {}).get("uv", {}))
    uv["sources"] = {k: v for k, v in uv.get("sources", {}).items() if k != pin.ENGINE}
    uv["index"] = [one for one in uv.get("index", []) if one.get("name") != pin.ENGINE]
    table = project.get("project", {})
    listed = table.get("dependencies", [])
    own = tuple(sorted(str(one) for one in listed if str(one).startswith(pin.ENGINE)))
    lock = read(LOCK)
    packages = None if lock is None else locked(lock.decode("utf-8", errors="replace"))
    name = str(table.get("name", ""))
    return Supply(name, pin.source(text), own, uv, packages, read(SETTINGS) is not None)


def resolved(name: str) -> dict[str, LockedPackage] | None:
    """Return the packages in the lock file of the running environment, if it is this project's.

    In the job `policy`, that is the base branch's environment. If the base commit has no lock, uv
    has just made one, using this machine's index.
    """
    path = Path(sys.prefix).parent / LOCK
    found = locked(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found if name in found and _is_project(found[name]) else None


def locked(text: str) -> dict[str, LockedPackage]:
    """Return the packages of a `uv.lock`."""
    found: dict[str, list[Package]] = {}
    parsed = lockfile.parse(text)
    for entry in parsed:
        found.setdefault(entry["name"], []).append(entry)
    needed = {"": lockfile.needed(parsed, ())}
    needed |= {group: lockfile.needed(parsed, (group,)) - needed[""] for group in JUDGING_GROUPS}
    return {
        name: _package(many, frozenset(group for group, all_ in needed.items() if name in all_))
        for name, many in found.items()
    }


def _package(entries: list[Package], judging: frozenset[str]) -> LockedPackage:
    files: dict[str, str] = {}
    for entry in entries:
        for one in [*entry.get("wheels", []), *([entry["sdist"]] if "sdist" in entry else [])]:
            place = str(one.get("url") or one.get("path") or one.get("filename"))
            files[place] = str(one.get("hash", ""))
    sources = {f"{kind} {at}" for one in entries for kind, at in one.get("source", {}).items()}
    versions = {str(one.get("version", "")) for one in entries}
    return LockedPackage(tuple(sorted(versions)), tuple(sorted(sources)), files, judging)


def differences(old: Supply, new: Supply) -> Iterator[tuple[str, str]]:
    """Yield each difference in what is installed, as (what, change)."""
    yield from _engine(old, new)
    if new.settings and not old.settings:
        yield SETTINGS, "it is new, and it overrides where packages come from"
    for key in sorted(old.uv.keys() | new.uv.keys()):
        before, after = old.uv.get(key), new.uv.get(key)
        if (before or None) != (after or None):
            yield f"{METADATA} [tool.uv] {key}", f"{_short(before)} → {_short(after)}"
    yield from _lock(old.packages, new.packages)


def _engine(old: Supply, new: Supply) -> Iterator[tuple[str, str]]:
    one, two = _entry(old), _entry(new)
    if old.source != new.source:
        yield "engine.source", f"{pin.described(old.source)} → {pin.described(new.source)}"
    if old.requirements != new.requirements:
        yield "engine.requirement", f"{_listed(old.requirements)} → {_listed(new.requirements)}"
    if one is None or two is None:
        return
    if one.versions != two.versions:
        yield "engine.version", f"{_listed(one.versions)} → {_listed(two.versions)}"
    if one.sources != two.sources and old.source == new.source:
        yield "engine.lock", f"{_listed(one.sources)} → {_listed(two.sources)}"
    elif one.files != two.files and (one.versions, one.sources) == (two.versions, two.sources):
        yield "engine.lock", f"the files or digests of version {_listed(two.versions)} have changed"


def _entry(one: Supply) -> LockedPackage | None:
    return None if one.packages is None else one.packages.get(pin.ENGINE)


def _lock(
    old: dict[str, LockedPackage] | None, new: dict[str, LockedPackage] | None
) -> Iterator[tuple[str, str]]:
    """Yield packages from sources that the base's lock does not use, and additions to judging jobs.

    Additions to judging jobs matter because their code can run there.
    """
    if new is None:
        if old is not None:
            yield LOCK, "it was deleted, so nothing fixes which packages are installed"
        return
    if old is None:
        yield LOCK, "it is new, so there is no earlier one to compare it with"
        return
    known = old
    registries = {one for package in known.values() for one in package.sources if _registry(one)}
    hosts = {_host(place) for package in known.values() for place in package.files}
    hosts |= {_host(one.removeprefix("registry ")) for one in registries}
    for name in sorted(new.keys() - {pin.ENGINE}):
        before, now = known.get(name), new[name]
        if before is None and _is_project(now):
            continue  # the project itself was renamed
        if not set(now.sources) <= (set(before.sources) if before else registries):
            was = _listed(before.sources) if before else "nothing"
            yield f"{LOCK} {name}", f"{was} → {_listed(now.sources)}"
        elif moved := {_host(place) for place in now.files} - hosts:
            yield f"{LOCK} {name}", f"its files come from {_listed(sorted(moved))}"
        elif before and (other := _rehashed(before, now)):
            yield f"{LOCK} {name}", f"the digest of {other} has changed"
        elif added := now.judging - (before.judging if before else frozenset()):
            yield (
                f"{LOCK} {name}",
                f"it is new where models are judged, and comes from {_asking(added)}",
            )


def _rehashed(before: LockedPackage, now: LockedPackage) -> str | None:
    """Return the name of a file whose digest changed, or None."""
    names = {_name(place): digest for place, digest in before.files.items()}
    return next((_name(p) for p, one in now.files.items() if names.get(_name(p), one) != one), None)


def _asking(groups: frozenset[str]) -> str:
    named = ["[project] dependencies"] if "" in groups else []
    named += [f"the group {group}" for group in JUDGING_GROUPS if group in groups]
    return " and ".join(named)


def _is_project(package: LockedPackage) -> bool:
    return set(package.sources) <= {"virtual .", "editable ."}


def _registry(source: str) -> bool:
    return source.startswith("registry ")


def _host(place: str) -> str:
    return urlsplit(place).netloc or "this machine"


def _name(place: str) -> str:
    return urlsplit(place).path.rpartition("/")[2]


def _listed(values: tuple[str, ...] | list[str]) -> str:
    return ", ".join(values) or "nothing"


def _short(value: Any) -> str:
    text = "nothing" if value is None or value == [] or value == {} else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
