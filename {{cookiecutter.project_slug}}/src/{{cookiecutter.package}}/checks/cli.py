"""`governance check`: what pre-commit and CI run."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from ..problem import Problem
from .finding import Finding, tracked

CHECKS = ("config", "data-in-git", "governed-files", "lineage", "notebooks", "pii", "workflows")
"""The checks; each is the function `check` of the module of its name."""


def run(base: Path, name: str, files: list[str]) -> list[Finding]:
    """Run one check by its name over some files."""
    if name not in CHECKS:
        raise Problem(f"no check {name!r}: there are {', '.join(CHECKS)}")
    module = import_module(f".{name.replace('-', '_')}", __package__)
    found: list[Finding] = module.check(base, files)
    return found


def check(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(CHECKS)}.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Only these files; by default all that git tracks.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Look for what must not be committed: exit 0 nothing, 1 something, 2 could not look."""
    from ..files import root

    base = root()
    names = tracked(base) if files is None else [_relative(base, path) for path in files]
    found = run(base, name, names)
    if as_json:
        print(json.dumps({"check": name, "findings": [one._asdict() for one in found]}, indent=2))
    for one in found:
        print(f"{one.file}: {one.reason}; {one.mend}", file=sys.stderr)
    raise typer.Exit(1 if found else 0)


def _relative(base: Path, path: Path) -> str:
    try:
        return path.resolve().relative_to(base.resolve()).as_posix()
    except ValueError:
        raise Problem(f"{path} is not in {base}: name a file of this project") from None
