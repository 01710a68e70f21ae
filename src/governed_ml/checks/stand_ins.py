"""Find files of the project that Python would import instead of the engine or a library.

The engine's commands never search the project for modules. But `python`, notebooks and scripts that
run there do, so a file named like a library is an attack or a mistake.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from importlib.machinery import all_suffixes
from pathlib import Path

from governed_ml.checks.finding import CheckFinding
from governed_ml.core.installation.replaced_libraries import CUSTOM

SUFFIXES = tuple(sorted(all_suffixes(), key=len, reverse=True))  # longest ending first
OWN = "governed_ml"


def findings(base: Path, package: str, locked: set[str]) -> Iterator[CheckFinding]:
    """Yield each module in the root or in `src/` that is named like a library.

    `package` is the team's own package; `locked` are the distributions in `uv.lock`.
    """
    libraries = installed() | {name.replace("-", "_").lower() for name in locked}
    regular = {name for name, whole in libraries_of_site().items() if whole}
    for folder in (base, base / "src"):
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            name = module_of(path, regular)
            if name is None or (folder != base and name == package):
                continue
            where = path.relative_to(base).as_posix()
            if name in CUSTOM:
                yield CheckFinding(where, "it runs each time Python starts", "delete it")
            elif name in libraries or name.lower() in libraries:
                yield CheckFinding(
                    where, f"it has the name of the library {name}", "rename or delete it"
                )


def module_of(path: Path, regular: set[str]) -> str | None:
    """Return the name by which Python would import a file or folder, or None.

    A folder without `__init__` is never imported in place of a regular package of the same name,
    but it adds to a namespace package.
    """
    if path.is_dir():
        if any((path / f"__init__{suffix}").is_file() for suffix in SUFFIXES):
            return path.name
        holds = any(one.name.endswith(SUFFIXES) for one in path.iterdir())
        return (
            path.name if holds and path.name not in regular and path.name.isidentifier() else None
        )
    suffix = next((one for one in SUFFIXES if path.name.endswith(one)), None)
    return path.name.removesuffix(suffix) if suffix else None


def installed() -> set[str]:
    """Return the names of all installed modules, including the standard library."""
    return {OWN, *sys.stdlib_module_names, *libraries_of_site()}


def libraries_of_site() -> dict[str, bool]:
    """Return module in site-packages → whether it is a regular one, not a namespace package."""
    found: dict[str, bool] = {}
    for site in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for path in Path(site).iterdir() if Path(site).is_dir() else []:
            suffix = next((one for one in SUFFIXES if path.name.endswith(one)), "")
            name = path.name.removesuffix(suffix) if suffix else path.name
            if name.isidentifier() and (suffix or path.is_dir()) and name != "__pycache__":
                found[name] = bool(suffix) or (path / "__init__.py").is_file()
    return found
