"""Which modules a stage consists of: its own and all that it imports within the package."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from .files import digest_of, file_digest
from .problem import Problem, cause

PACKAGE = Path(__file__).parent
STAGE = re.compile(r"^def main\(\) *-> *str *:", re.MULTILINE)
PROJECT = PACKAGE.parent.parent if PACKAGE.parent.name == "src" else None


@cache
def imports(module: Path) -> frozenset[Path]:
    """Return the package's own files that a module imports directly, wherever in it.

    Code of the project outside of the package has no digest in any evidence: `Problem`.
    """
    found: set[Path] = set()
    for node in ast.walk(_parsed(module)):
        for candidate in _imported(module, node):
            if candidate.with_suffix(".py").is_file():
                found.add(candidate.with_suffix(".py"))
            elif (candidate / "__init__.py").is_file():
                found.add(candidate / "__init__.py")
    return frozenset(found)


def _imported(module: Path, node: ast.AST) -> list[Path]:
    """Return what an import may name: a module without its suffix, a package, or neither."""
    if isinstance(node, ast.ImportFrom) and node.level:
        base = module.parents[node.level - 1].joinpath(*(node.module or "").split("."))
        return [base, *(base.joinpath(alias.name) for alias in node.names)]
    if isinstance(node, ast.ImportFrom):
        whole = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        whole = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    _require_own(module, {name.partition(".")[0] for name in whole} - {PACKAGE.name})
    parts = [name.split(".") for name in whole]
    return [PACKAGE.joinpath(*rest) for first, *rest in parts if first == PACKAGE.name and rest]


def _require_own(module: Path, names: set[str]) -> None:
    for folder in (PROJECT, PACKAGE.parent) if PROJECT else ():
        for name in names:
            if (folder / f"{name}.py").is_file() or any((folder / name).glob("*.py")):
                where = module.relative_to(PACKAGE).as_posix()
                raise Problem(
                    f"{where} imports {name}, which no evidence speaks of: move it into "
                    f"src/{PACKAGE.name}"
                )


def _parsed(module: Path) -> ast.Module:
    try:
        return ast.parse(module.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        name = module.relative_to(PACKAGE).as_posix()
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        said = error.msg if isinstance(error, SyntaxError) else cause(error)
        raise Problem(f"{name}{line}: {said}; mend the module") from error


def modules(stage: str) -> list[Path]:
    """Return the files behind a stage, sorted: its module and, transitively, what that imports."""
    start = PACKAGE / "pipeline" / f"{stage}.py"
    seen: set[Path] = set()
    todo = {start, PACKAGE / "pipeline/__init__.py", PACKAGE / "__init__.py", PACKAGE / "stage.py"}
    while todo:
        module = todo.pop()
        seen.add(module)
        todo |= imports(module) - seen
    return sorted(seen)


def runnable() -> list[str]:
    """Return the modules under `pipeline/` that are stages: those with a `main`, sorted."""
    found = sorted((PACKAGE / "pipeline").glob("*.py"))
    return [path.stem for path in found if STAGE.search(path.read_text(encoding="utf-8"))]


def digests() -> dict[str, str]:
    """Return stage → digest of its code. `dvc.yaml` depends on it stage by stage."""
    return {stage: digest(stage) for stage in runnable()}


def digest(stage: str) -> str:
    """Return the digest of a stage's code: relative path → digest of the bytes."""
    files = {path.relative_to(PACKAGE).as_posix(): file_digest(path) for path in modules(stage)}
    return digest_of(files)
