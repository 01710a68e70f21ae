"""The engine as its source has it: modules, and which imports which. Nothing of it is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from baked import ROOT

ENGINE = ROOT / "src" / "governed_ml"


class Import(NamedTuple):
    """One module imports another."""

    source: str
    target: str
    at_start: bool
    """Whether it happens when the module is imported, and not in a function or for types only."""

    @property
    def packages(self) -> tuple[str, str]:
        """The packages of both."""
        return self.source.partition(".")[0], self.target.partition(".")[0]


@cache
def modules() -> dict[str, Path]:
    """Name → file, without the engine's own name: `policy.judge`; a package's is its folder's."""
    found: dict[str, Path] = {}
    for path in sorted(ENGINE.rglob("*.py")):
        parts = path.relative_to(ENGINE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def parsed(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports() -> frozenset[Import]:
    """Every import of a module of the engine by another."""
    return frozenset(
        Import(source, target, at_start)
        for source, path in modules().items()
        for target, at_start in targets(source, parsed(path), True)
        if target != source
    )


def targets(source: str, node: ast.AST, at_start: bool) -> Iterator[tuple[str, bool]]:
    """The engine's modules that are imported in a part of a module."""
    for child in ast.iter_child_nodes(node):
        later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
            isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        )
        if isinstance(child, ast.ImportFrom):
            assert not child.level, f"{source}: imports are absolute"
            for alias in child.names:
                yield from known([f"{child.module}.{alias.name}", f"{child.module}"], at_start)
        elif isinstance(child, ast.Import):
            for alias in child.names:
                yield from known([alias.name], at_start)
        else:
            yield from targets(source, child, at_start and not later)


def known(names: Iterable[str], at_start: bool) -> Iterator[tuple[str, bool]]:
    """The first of the names that is a module of the engine."""
    for name in names:
        top, _, rest = name.partition(".")
        if top == "governed_ml" and rest in modules():
            yield rest, at_start
            return
