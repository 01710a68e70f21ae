"""Run checks by name, and print their findings."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

from governed_ml.checks.finding import CheckFinding, tracked
from governed_ml.core.files import root
from governed_ml.core.problem import FOUND, Problem

HOME = "governed_ml.checks"
MODULES = {
    "config": f"{HOME}.config",
    "data-in-git": f"{HOME}.files.data_in_git",
    "engine": f"{HOME}.engine",
    "hygiene": f"{HOME}.files.hygiene",
    "lineage": f"{HOME}.lineage.agreement",
    "notebooks": f"{HOME}.files.notebooks",
    "pii": f"{HOME}.identifiers.pii",
    "pushed": f"{HOME}.pushed_data",
    "removed": f"{HOME}.files.removed",
    "scaffold": f"{HOME}.scaffold",
    "secrets": f"{HOME}.files.secrets",
    "workflows": f"{HOME}.workflows",
}
"""Check → the module with its function `check`."""
CHECKS = tuple(MODULES)


def run(base: Path, name: str, files: list[str]) -> list[CheckFinding]:
    """Run one check by its name on some files."""
    if name not in CHECKS:
        raise Problem(f"there is no check {name!r}: use one of {', '.join(CHECKS)}")
    module = import_module(MODULES[name])
    found: list[CheckFinding] = module.check(base, files)
    return found


def look(names: str, files: list[Path], *, as_json: bool, exactly: bool = False) -> int:
    """Run checks (`pii` or `pii,secrets`), print their findings, and return the exit code.

    Without files, all files that git tracks are checked; with `exactly`, none.
    """
    base = root()
    named = [_relative(base, path) for path in files]
    chosen = named if named or exactly else tracked(base)
    found: dict[str, list[CheckFinding]] = {}
    stopped: list[Problem] = []
    for name in names.split(","):
        try:
            found[name] = run(base, name, chosen)
        except Problem as problem:  # a check that fails must not hide the findings of others
            stopped.append(problem)
    if as_json:
        listed = [{"check": name} | one._asdict() for name, many in found.items() for one in many]
        print(json.dumps({"check": names, "findings": listed}, indent=2))
    for name, many in found.items():
        for one in many:
            print(f"{one.file}: {one.reason}; {one.fix} [{name}]", file=sys.stderr)
    for problem in stopped[1:]:
        print(f"governance check: {problem}", file=sys.stderr)
    if stopped:
        raise stopped[0]
    return FOUND if any(found.values()) else 0


def _relative(base: Path, path: Path) -> str:
    try:
        return path.resolve().relative_to(base.resolve()).as_posix()
    except ValueError:
        raise Problem(f"{path} is not in {base}: name a file of this project") from None
