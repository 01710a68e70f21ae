"""Find what can replace a library in this process: variables, folders, and hooks at start-up."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from governed_ml.core.code import engine
from governed_ml.core.code.engine import DISTRIBUTION
from governed_ml.core.installation.distributions import Installed, installed
from governed_ml.core.installation.records import MODULES, same


class StandIn(NamedTuple):
    """Something that may replace the engine or a library: its name, the fault, and the fix."""

    where: str
    reason: str
    fix: str


VARIABLES = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE", "PYTHONUSERBASE"),
    *("PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT", "PYTHONOPTIMIZE", "PYTHONWARNINGS"),
    *("LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES"),
)
"""Environment variables that make Python load other code, or skip code such as an `assert`."""
CUSTOM = ("sitecustomize", "usercustomize")
STARTING = (DISTRIBUTION, "coverage", "pywin32", "setuptools")
"""Distributions whose `.pth` file is known and may run each time Python starts."""
KNOWN = ", ".join(STARTING)
OF_ENVIRONMENT = "activate_this.py"
"""A file that uv and virtualenv write beside the console scripts."""


def without(variables: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables without those that change which code runs."""
    return {name: value for name, value in variables.items() if name not in VARIABLES}


def variables(environment: Mapping[str, str]) -> Iterator[StandIn]:
    """Yield each environment variable that changes which code runs."""
    for name in VARIABLES:
        if environment.get(name):
            yield StandIn(name, "is set, so code that is not installed may run", f"unset {name}")


def running() -> Iterator[StandIn]:
    """Yield everything that this process imports from outside the installed environment."""
    who = engine.identity()
    if who.kind == "elsewhere":
        yield StandIn(
            shown(engine.HOME),
            "runs in place of the installed engine",
            "remove it, then run `uv sync`",
        )
    yield from _folders()
    yield from _loaded()


def _folders() -> Iterator[StandIn]:
    """Yield each folder in `sys.path` that is neither the interpreter's nor the environment's."""
    allowed, own = _roots(), _of_windows()
    scripts = Path(sysconfig.get_path("scripts")).resolve()
    for text in sys.path:
        folder = Path(text).resolve()
        if folder == scripts:
            yield from _in_scripts(scripts)
        elif folder.exists() and folder not in own and not _within(folder, allowed):
            yield StandIn(
                shown(folder),
                "is on the search path for modules and does not belong to this environment",
                "start the command as `uv run governance …`, and remove any `.pth` file that "
                "adds a folder",
            )


def _in_scripts(scripts: Path) -> Iterator[StandIn]:
    """Yield modules in the folder of the console scripts, which Python searches first."""
    found = [path for path in scripts.iterdir() if path.name.endswith(MODULES)]
    found = [path for path in found if path.name != OF_ENVIRONMENT]
    found += [path.parent for path in scripts.glob("*/__init__.py")]
    if found:
        known = {line.path for one in installed().values() for line in one.record()}
        for path in found:
            if str(path) not in known and str(path / "__init__.py") not in known:
                yield StandIn(
                    shown(path), "would be imported instead of an installed library", "delete it"
                )


def _loaded() -> Iterator[StandIn]:
    """Yield modules that run each time Python starts, or replace one of the standard library."""
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    roots = _roots()
    for name in [one for one in sys.modules if "." not in one]:
        file = getattr(sys.modules.get(name), "__file__", None)
        if not file:
            continue
        path = Path(file).resolve()
        # A system's Python may bring one in its standard library: Debian's is a link to /etc.
        if name in CUSTOM and Path(file).parent.resolve() != standard:
            yield StandIn(shown(path), "runs each time Python starts", "delete it")
        elif name in sys.stdlib_module_names and not _within(path, roots):
            yield StandIn(shown(path), f"replaces Python's own module {name}", "delete it")


def _within(path: Path, roots: list[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _of_windows() -> set[Path]:
    """Return the folders that Python searches on Windows in addition to `_roots`.

    There, a console script is an executable that contains a zipped script, and is itself in
    `sys.path`.
    """
    if os.name != "nt":
        return set()
    names = (sys.prefix, sys.base_prefix, str(Path(sys.base_prefix) / "DLLs"), sys.argv[0])
    return {Path(name).resolve() for name in names}


def _roots() -> list[Path]:
    """Return the folders that code may come from: Python's, the environment's and the engine's."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    roots = {Path(sysconfig.get_path(name)).resolve() for name in names}
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    roots |= {
        Path(sysconfig.get_path(name, vars=base)).resolve() for name in ("stdlib", "platstdlib")
    }
    if engine.identity().kind == "editable":
        roots.add(engine.HOME.parent.resolve())
    return sorted(roots)


def hooks(
    site_packages: Path | None = None, bringing: Iterable[Installed] | None = None
) -> Iterator[StandIn]:
    """Yield code that runs each time Python starts and was not installed: `.pth`, `sitecustomize`.

    `bringing` are the distributions whose `.pth` files are allowed; by default those in `STARTING`.
    """
    if bringing is None:
        bringing = [one for one in installed().values() if one.name in STARTING]
    some = list(bringing)
    folders = [site_packages] if site_packages else _site_packages()
    names = {f"{name}{suffix}" for name in CUSTOM for suffix in MODULES} | set(CUSTOM)
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.name in names:
                yield StandIn(shown(path), "runs each time Python starts", "delete it")
            elif path.suffix == ".pth" and not _recorded(path, some):
                yield StandIn(
                    shown(path),
                    f"runs each time Python starts, and it was not installed by {KNOWN}",
                    "remove it, or the package that installed it, and run `uv sync`",
                )


def _recorded(path: Path, some: list[Installed]) -> bool:
    """Return whether one of the distributions installed this `.pth` file with this content."""
    for one in some:
        if one.names(path.name):
            for line in one.record():
                if line.path == str(path) and line.digest and same(line.path, line.digest):
                    return True
    return False


def _site_packages() -> list[Path]:
    own = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    if site.ENABLE_USER_SITE:
        own.add(Path(site.getusersitepackages()))
    return sorted(own)


def shown(path: Path) -> str:
    """Return a path for people, relative to the environment or to the current folder."""
    for root in (Path.cwd(), Path(sys.prefix)):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.as_posix()
