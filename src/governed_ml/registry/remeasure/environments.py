"""Which environment measures a commit again: the running one, or the commit's own.

A commit is measured with the engine that it pins and the packages in its `uv.lock`. If the running
environment has these, it is used; otherwise the commit's own environment is made. Projects
generated before the engine was a library hold the measuring code in their own package. Their
commits are measured with that code.
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

GROUP, GROUP_BEFORE = "pipeline", "line"  # the stages' dependency group, now and earlier
Say = Callable[[str], None]


@dataclass(frozen=True)
class Pinned:
    """The engine and packages with which a commit is measured."""

    engine: str
    """The engine's version and commit, as text for people; for an early project, the owner of its
    code.
    """
    group: str
    packages: list[Package]
    package: str = ""
    """The project's own package, if it holds the measuring code."""

    def pin(self) -> Package:
        """Return the lock's entry for the engine; empty for a project with its own code."""
        return next((one for one in self.packages if one["name"] == DISTRIBUTION), Package())


@dataclass(frozen=True)
class StageEnvironment:
    """A Python environment, and how it runs the stages in a copy of the project."""

    python: Path
    engine: str
    own: bool = False
    """Whether this environment was made for the commit."""
    package: str = ""

    def stage(self, name: str) -> list[str]:
        """Return the command that runs a stage; it must run in the copy's root."""
        if self.package:
            return [str(self.python), "-P", "-m", f"{self.package}.stage", name]
        return [str(self.python), "-P", "-m", "governed_ml", "stage", name]

    def variables(self, tree: Path) -> dict[str, str]:
        """Return additional environment variables for processes in the copy.

        Their temporary folder is beside the copy, so that it is removed with it, even after a kill.
        """
        path = os.pathsep.join([str(self.python.parent), os.environ.get("PATH", "")])
        temporary = tree.with_name("tmp")
        temporary.mkdir(exist_ok=True)
        places = dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(temporary))
        own = {"PYTHONPATH": str(tree / "src")} if self.package else {}
        return {"PATH": path} | places | own


RUNNING = StageEnvironment(Path(sys.executable), "the running engine")


def of(tree: Path, say: Say) -> StageEnvironment:
    """Return the environment for the commit whose files are in `tree`; make it if it is missing."""
    wanted = read(tree)
    if not wanted.package and not difference(wanted):
        return StageEnvironment(Path(sys.executable), wanted.engine)
    python = environment_cache.python(tree, wanted.group, wanted.engine, say)
    return StageEnvironment(python, wanted.engine, own=True, package=wanted.package)


def require_running(tree: Path) -> StageEnvironment:
    """Return the running environment; raise `Problem` if `tree` pins another engine."""
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
    """Read the engine and packages of a commit from its `pyproject.toml` and `uv.lock`."""
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
            f"the commit's {METADATA} names no engine ([tool.governed-ml]), and its src/ has "
            "no stages, so nothing can measure it: register a newer commit",
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
            return f"{name} {one.version} runs, but {' or '.join(sorted(locked[name]))} is locked"
    return None


def other_engine(pin: Package, running: Identity) -> str | None:
    """Return how the running engine differs from a lock's entry, or None.

    A lock does not record the content of a folder, so of two folders only the paths are compared.
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
