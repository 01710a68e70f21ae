"""The team's package: where it is, and how the engine loads its modules by path.

`[tool.governed-ml] package` in `pyproject.toml` names it; it lies in `src/<package>/`. Modules are
never found through `sys.path`, so no file of the project can replace a library's module.

A pipeline runs these modules in child processes only (`pipeline/isolated/`), from source held in
memory: `package` reads it, `install` makes it importable there. `load` is for the project's tests.
"""

from __future__ import annotations

import linecache
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec, spec_from_file_location, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from governed_ml.core.installation.lockfile import METADATA
from governed_ml.core.problem import Problem, cause, first_line

SOURCES, FEATURES, TRAINING = "sources", "features", "training"
MODULES_OF_STAGE = {"ingest": (SOURCES,), "train": (FEATURES, TRAINING)}
"""Stage → the team's modules that it calls."""


def name(base: Path = Path()) -> str:
    """Return the name of the team's package; raise `Problem` if `pyproject.toml` lacks it."""
    try:
        settings = tomllib.loads((base / METADATA).read_text(encoding="utf-8"))
        found = settings["tool"]["governed-ml"]["package"]
    except (OSError, ValueError) as error:
        raise Problem(f"{METADATA} cannot be read: {cause(error)}; restore it with git") from error
    except (KeyError, TypeError) as error:
        raise Problem(
            f'{METADATA} has no `package = "…"` under [tool.governed-ml]: add it, with the name '
            "of the folder in src/"
        ) from error
    if not (isinstance(found, str) and found.isidentifier()):
        raise Problem(
            f"{METADATA}: [tool.governed-ml] package {found!r} is not a package name: give the "
            "name of the folder in src/"
        )
    return found


def folder(base: Path = Path()) -> Path:
    """Return the folder of the team's package."""
    return base / "src" / name(base)


def function(module: str, wanted: str, base: Path = Path()) -> Callable[..., Any]:
    """Load one of the team's functions. Raise `Problem` if the module does not define it."""
    where = f"src/{name(base)}/{module}.py"
    found = getattr(load(module, base), wanted, None)
    if not callable(found):
        raise Problem(f"{where} has no function {wanted}: define it there")
    return found


def optional(module: str, wanted: str, base: Path = Path()) -> Callable[..., Any] | None:
    """Load one of the team's functions, or return None if the module does not define it."""
    found = getattr(load(module, base), wanted, None)
    return found if callable(found) else None


def load(module: str, base: Path = Path()) -> ModuleType:
    """Import a module of the team's package by its path."""
    package = name(base)
    here = (folder(base)).resolve()
    _register(package, here)
    try:
        return import_module(f"{package}.{module}")
    except Problem:
        raise
    except Exception as error:  # the team's module may raise anything
        line = error.lineno if isinstance(error, SyntaxError) else None
        at = f", line {line}" if line else ""
        raise Problem(
            f"src/{package}/{module}.py{at} cannot be imported: {type(error).__name__}: "
            f"{first_line(error)}; correct the module"
        ) from error


class TeamPackage(NamedTuple):
    """The source of the team's package, held in memory: path in the package → bytes, sorted."""

    name: str
    files: dict[str, bytes]


def package(base: Path = Path()) -> TeamPackage:
    """Read the source of the team's package. Files that are not Python are left out."""
    home = folder(base)
    found = sorted(home.rglob("*.py"), key=lambda path: path.relative_to(home).as_posix())
    files = {path.relative_to(home).as_posix(): path.read_bytes() for path in found}
    if "__init__.py" not in files:
        raise Problem(f"src/{home.name}/__init__.py is missing: restore it with git")
    _require_free(home.name)
    return TeamPackage(home.name, files)


def install(held: TeamPackage) -> None:
    """Make this process import the package's modules from memory, and from nowhere else.

    Use it only in a child process: the process cannot load another version of the package
    afterwards.
    """
    _require_free(held.name)
    sys.meta_path.insert(0, _Held(held))
    for name_ in [key for key in sys.modules if key.partition(".")[0] == held.name]:
        del sys.modules[name_]


class _Held(MetaPathFinder, Loader):
    """Find and run the modules of one package from sources in memory."""

    def __init__(self, held: TeamPackage) -> None:
        self.package, self.files = held

    def _file(self, fullname: str) -> str | None:
        inner = "/".join(fullname.split(".")[1:])
        candidates = (f"{inner}/__init__.py".lstrip("/"), f"{inner}.py")
        return next((name for name in candidates if name in self.files), None)

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """Find a module of the package. Return None for every other name."""
        if fullname.partition(".")[0] != self.package:
            return None
        name = self._file(fullname)
        if name is None:
            raise ModuleNotFoundError(
                f"no module {fullname}: load it with an `import` statement, so that its code "
                "becomes part of the stage's digest",
                name=fullname,
            )
        is_package = name.endswith("__init__.py")
        return spec_from_loader(fullname, self, is_package=is_package, origin=self._shown(name))

    def create_module(self, spec: ModuleSpec) -> None:
        """Return None, so that Python creates the module itself."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's source. Tracebacks show the file's path in the project."""
        name = self._file(module.__name__) or ""
        shown, source = self._shown(name), self.files[name]
        module.__file__ = shown
        lines = source.decode("utf-8", "replace").splitlines(keepends=True)
        linecache.cache[shown] = (len(source), None, lines, shown)
        exec(compile(source, shown, "exec"), vars(module))  # noqa: S102

    def _shown(self, name: str) -> str:
        return f"src/{self.package}/{name}"


def _require_free(package: str) -> None:
    if package in sys.stdlib_module_names or package == "governed_ml" or _installed(package):
        raise Problem(f"the package {package} has the name of an installed library: rename it")


def _register(package: str, here: Path) -> None:
    """Register the package in `sys.modules`, so that its modules can import each other."""
    known = sys.modules.get(package)
    if known is not None and list(getattr(known, "__path__", [])) == [str(here)]:
        return
    _require_free(package)
    for name_ in [key for key in sys.modules if key.partition(".")[0] == package]:
        del sys.modules[name_]
    init = here / "__init__.py"
    spec = spec_from_file_location(package, init, submodule_search_locations=[str(here)])
    if spec is None or spec.loader is None or not init.is_file():
        raise Problem(f"src/{package}/__init__.py is missing: restore it with git")
    made = module_from_spec(spec)
    sys.modules[package] = made
    try:
        spec.loader.exec_module(made)
    except Exception as error:
        del sys.modules[package]
        raise Problem(
            f"src/{package}/__init__.py cannot be imported: {first_line(error)}; correct it"
        ) from error


def _installed(package: str) -> bool:
    """Return whether the environment has another package of that name."""
    return PathFinder.find_spec(package) is not None
