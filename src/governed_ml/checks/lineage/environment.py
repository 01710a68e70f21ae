"""Check that the pipeline ran with the versions in `uv.lock`, and that it fits `pyproject.toml`.

Evidence records the versions of the packages that measured it. For the packages that these require,
the current `uv.lock` is compared with that of the commit that added the evidence.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from governed_ml.checks.finding import CheckFinding
from governed_ml.core.code.engine import DISTRIBUTION
from governed_ml.core.evidence import Collected, path_of, usable
from governed_ml.core.installation import lockfile
from governed_ml.core.installation.lockfile import LOCK, METADATA
from governed_ml.core.problem import Problem, cause
from governed_ml.core.repository import attempt, content, git

PYTHON = ".python-version"
GROUP = "pipeline"  # the pipeline's dependency group
ASKED = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*([^;@]*)")
LOCKED = re.compile(r'\{ name = "([^"]+)"[^}]*?(?:specifier = "([^"]*)" )?\}')
VERSION = re.compile(r'^name = "([^"]+)"\nversion = "([^"]+)"', re.MULTILINE)

Versions = dict[str, set[str]]  # package → its versions, one or more, for different Pythons


def check(base: Path, evidence: Collected) -> Iterator[CheckFinding]:
    """Report each package whose version differs from the one that the evidence was made with."""
    if not (base / LOCK).is_file():
        yield CheckFinding(
            LOCK, "it is missing, but evidence must name its environment", "run `uv lock`"
        )
        return
    text = (base / LOCK).read_text(encoding="utf-8")
    yield from _asked(base, text)
    moved: dict[tuple[str, str], list[str]] = {}
    for gate, file, what in (*_recorded(text, evidence), *_remembered(base, text, evidence)):
        moved.setdefault((file, what), []).append(gate)
    for (file, what), gates in moved.items():
        since = ", ".join(dict.fromkeys(gates))
        yield CheckFinding(file, f"{what} since {since} ran", "run `uv run dvc repro --force`")


def _recorded(text: str, evidence: Collected) -> Iterator[tuple[str, str, str]]:
    """Compare the versions in the evidence with the lock."""
    now = versions(text)
    for gate, found in usable(evidence).items():
        for tool, version in found.tools.items():
            name = _canonical(tool)
            if version not in now.get(name, set()):
                yield gate, LOCK, _moved(name, {version}, now.get(name, set()))


def _remembered(base: Path, text: str, evidence: Collected) -> Iterator[tuple[str, str, str]]:
    """Compare the lock of the commit that added the evidence with the current one."""
    done = attempt(base, "diff", "--name-only", "-z", "HEAD", "--", path_of("").parent.as_posix())
    if done.returncode:
        return  # there is no commit
    made_now = done.stdout.decode().split("\0")
    measured = usable(evidence)
    named = {_canonical(tool) for one in measured.values() for tool in one.tools}
    python = _text(base / PYTHON)
    locks: dict[str, tuple[str | None, str | None]] = {}
    for gate in measured:
        path = path_of(gate).as_posix()
        if path in made_now:
            continue
        commit = git(base, "log", "-1", "--format=%H", "--", path)
        if commit not in locks:
            locks[commit] = _then(base, commit, LOCK), _then(base, commit, PYTHON)
        before, interpreter = locks[commit]
        if interpreter and interpreter.split() != python.split():
            yield gate, PYTHON, f"{interpreter.strip()} → {python.strip() or 'gone'}"
        if before is None or before == text:
            continue
        old, new, needed = versions(before), versions(text), _needed(text)
        for name in sorted(needed):
            if name in old and name not in named and old[name] != new.get(name):
                yield gate, LOCK, _moved(name, old[name], new.get(name, set()))
        for name in _exchanged(before, text, needed):
            yield gate, LOCK, f"the files of {name} changed under the same version"


def _then(base: Path, commit: str, path: str) -> str | None:
    raw = content(base, commit, path) if commit else None
    return None if raw is None else raw.decode("utf-8", errors="replace")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else ""
    except (OSError, ValueError) as error:
        raise Problem(f"{path.name} cannot be read ({cause(error)}): fix it") from error


def _exchanged(before: str, now: str, needed: set[str]) -> list[str]:
    """Return the packages whose version is the same but whose files or origin changed.

    An additional file (a wheel for another system) is no change.
    """
    old, new = _origins(before), _origins(now)
    return sorted(
        {
            name
            for (name, version), files in old.items()
            if name in needed and (then := new.get((name, version))) is not None
            if any(files[one] != then[one] for one in files.keys() & then.keys())
            or not (files.keys() & then.keys() or files == then)
        }
    )


def _origins(text: str) -> dict[tuple[str, str], dict[str, str]]:
    """Return (package, version) → file → digest; for a package without files, its source."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for one in tomllib.loads(text)["package"]:
        files = [*([one["sdist"]] if "sdist" in one else []), *one.get("wheels", [])]
        named = {str(f.get("url") or f.get("path") or f.get("filename")): f for f in files}
        plain = {name.rpartition("/")[2]: str(f.get("hash")) for name, f in named.items()}
        key = (str(one["name"]), str(one.get("version", "")))
        found[key] = plain or {"source": str(sorted(one["source"].items()))}
    return found


def versions(text: str) -> Versions:
    """Return package → its versions in a `uv.lock`."""
    found: Versions = {}
    for name, version in VERSION.findall(text):
        found.setdefault(name, set()).add(version)
    return found


def _needed(text: str) -> set[str]:
    """Return the packages that the pipeline runs with, without the team's tools and the engine.

    Each stage's code digest already covers the engine's code, so a new engine makes only the stages
    run again whose code it changed.
    """
    return lockfile.needed(lockfile.parse(text), (GROUP,)) - {DISTRIBUTION}


def _asked(base: Path, text: str) -> Iterator[CheckFinding]:
    """Compare the requirements in `pyproject.toml` with those recorded in `uv.lock`."""
    try:
        whole = tomllib.loads(_text(base / METADATA))
    except ValueError as error:
        raise Problem(f"pyproject.toml cannot be read ({cause(error)}): fix it") from error
    project = whole.get("project", {})
    lists = [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    lists += whole.get("dependency-groups", {}).values()
    asked = [ASKED.match(one) for many in lists for one in many if isinstance(one, str)]
    wanted = {(_canonical(one[1]), _bounds(one[2])) for one in asked if one}
    _, _, metadata = text.partition("\n[package.metadata]\n")
    made_for = LOCKED.findall(metadata.partition("\n[[package]]\n")[0])
    locked = {(name, _bounds(bounds)) for name, bounds in made_for}
    # For a git or path source, uv records the source in place of the version bounds.
    sourced = {_canonical(name) for name in whole.get("tool", {}).get("uv", {}).get("sources", {})}
    for name, bounds in sorted(wanted - locked):
        if name in sourced and (name, "") in locked:
            continue
        what = f"it asks for {name} {bounds}".rstrip()
        yield CheckFinding(
            "pyproject.toml", f"{what}, and {LOCK} was made before that", "run `uv lock`"
        )


def _bounds(text: str) -> str:
    return ",".join(sorted(re.sub(r"[\s()]", "", part) for part in text.split(",")))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _moved(name: str, old: set[str], new: set[str]) -> str:
    """Return which versions of a package were removed and which were added, as text."""
    return f"{name} {'/'.join(sorted(old - new))} → {'/'.join(sorted(new - old)) or 'gone'}"
