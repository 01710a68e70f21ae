"""Which environment measures a commit again: the running one, or the commit's own.

A commit is measured by the engine that it pins, with the packages that its `uv.lock` fixes. Where
that is what runs now, the running environment is used; else the commit's own environment is made.
A project that was generated before the engine was a library has the measuring code in its own
package: such a commit is measured by that code.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from governed_ml.core.code.engine import DISTRIBUTION, Identity, identity
from governed_ml.core.installation import lockfile
from governed_ml.core.installation.distributions import canonical
from governed_ml.core.installation.lockfile import LOCK, METADATA, Package
from governed_ml.core.problem import Problem, cause
from governed_ml.registry.remeasure import environment_cache

GROUP, GROUP_BEFORE = "pipeline", "line"  # the dependency group that the stages need
Say = Callable[[str], None]


@dataclass(frozen=True)
class Pinned:
    """What a commit is measured with."""

    engine: str
    """The engine for people: version and commit; of an older project, whose code it is."""
    group: str
    packages: list[Package]
    package: str = ""
    """The project's own package, where that holds the measuring code."""

    def pin(self) -> Package:
        """Return the lock's entry of the engine; empty for a project with its own code."""
        return next((one for one in self.packages if one["name"] == DISTRIBUTION), Package())


@dataclass(frozen=True)
class StageEnvironment:
    """A Python, and how it runs the stages of a copy of the project."""

    python: Path
    engine: str
    own: bool = False
    """Whether it was made for the commit."""
    package: str = ""

    def stage(self, name: str) -> list[str]:
        """Return the command of a stage; it runs in the copy's root."""
        if self.package:
            return [str(self.python), "-P", "-m", f"{self.package}.stage", name]
        return [str(self.python), "-P", "-m", "governed_ml", "stage", name]

    def variables(self, tree: Path) -> dict[str, str]:
        """Return what a process in the copy gets beside its surroundings.

        Its temporary folder lies beside the copy: what a killed process leaves is removed with it.
        """
        path = os.pathsep.join([str(self.python.parent), os.environ.get("PATH", "")])
        temporary = tree.with_name("tmp")
        temporary.mkdir(exist_ok=True)
        places = dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(temporary))
        own = {"PYTHONPATH": str(tree / "src")} if self.package else {}
        return {"PATH": path} | places | own


RUNNING = StageEnvironment(Path(sys.executable), "the running engine")


def of(tree: Path, say: Say) -> StageEnvironment:
    """Return the environment for a commit whose files are in `tree`; make it if need be."""
    wanted = read(tree)
    if not wanted.package and not difference(wanted):
        return StageEnvironment(Path(sys.executable), wanted.engine)
    python = environment_cache.python(tree, wanted.group, wanted.engine, say)
    return StageEnvironment(python, wanted.engine, own=True, package=wanted.package)


def require_running(tree: Path) -> StageEnvironment:
    """Return the running environment; refuse an engine that is not the one that `tree` pins."""
    wanted = read(tree)
    if wanted.package:
        raise Problem(
            "this commit was generated before the engine was a library: register it with its own "
            "`governance register`, or bring the project up to date with `governance update`",
            1,
        )
    why = other_engine(wanted.pin(), identity())
    if why:
        raise Problem(f"the running engine is not the one of the commit: {why}; run `uv sync`", 1)
    return StageEnvironment(Path(sys.executable), wanted.engine)


def read(tree: Path) -> Pinned:
    """Read what a commit is measured with from its `pyproject.toml` and `uv.lock`."""
    try:
        project: dict[str, Any] = tomllib.loads((tree / METADATA).read_text("utf-8"))
        text = (tree / LOCK).read_text("utf-8")
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        raise Problem(
            f"the commit has no {name}, which names the engine that measured it: commit {name}", 1
        ) from error
    except (OSError, ValueError) as error:
        raise Problem(f"the commit's {METADATA} cannot be read ({cause(error)})", 1) from error
    packages = lockfile.parse(text, f"the commit's {LOCK}")
    if "governed-ml" in project.get("tool", {}):
        pin = next((one for one in packages if one["name"] == DISTRIBUTION), None)
        if pin is None:
            raise Problem(f"the commit's {LOCK} has no {DISTRIBUTION}: run `uv lock`", 1)
        return Pinned(_shown(pin), GROUP, packages)
    package = str(project.get("project", {}).get("scripts", {}).get("governance", "")).split(".")[0]
    if not (tree / "src" / package / "stage.py").is_file() or not package:
        raise Problem(
            f"the commit's {METADATA} names no engine ([tool.governed-ml]), and its src/ has no "
            "stages: nothing can measure it",
            1,
        )
    return Pinned(f"the project's own code (src/{package})", GROUP_BEFORE, packages, package)


def difference(wanted: Pinned) -> str | None:
    """Return how the running environment differs from a commit's, or None."""
    why = other_engine(wanted.pin(), identity())
    if why:
        return why
    locked = lockfile.versions(wanted.packages)
    asked = lockfile.needed(wanted.packages, (wanted.group,)) - {DISTRIBUTION}
    for one in distributions():
        name = canonical(one.metadata["Name"] or "")
        if name in asked and one.version not in locked[name]:
            return f"{name} {one.version} runs, {' or '.join(sorted(locked[name]))} is locked"
    return None


def other_engine(pin: Package, running: Identity) -> str | None:
    """Return how an engine differs from a lock's entry, or None. Pure.

    A lock says nothing about what was in a folder: of two folders only the address is compared.
    """
    source: dict[str, str] = pin["source"]
    version = str(pin.get("version", ""))
    if "git" in source:
        same = running.kind == "git" and running.commit == source["git"].partition("#")[2]
    elif "registry" in source:
        same = running.kind == "index" and running.version == version
    elif "path" in source or "url" in source:
        same = running.kind == "archive" and running.version == version
    else:
        folder = Path(source.get("directory") or source.get("editable") or "").absolute()
        same = running.kind in ("folder", "editable") and running.address == folder.as_uri()
    return None if same else f"engine {running} runs, but {_shown(pin)} is pinned"


def _shown(pin: Package) -> str:
    commit = pin["source"].get("git", "").partition("#")[2]
    return f"engine {pin.get('version', '')}" + (f" of commit {commit[:12]}" if commit else "")
