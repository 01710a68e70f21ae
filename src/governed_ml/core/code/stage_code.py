"""The code of a stage: the engine's modules that it imports, and the team's modules that it calls.

`code.json` holds one digest per stage, so `dvc repro` reruns only the stages that an edit affects.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from itertools import accumulate
from pathlib import Path

from governed_ml.core.code import engine, team
from governed_ml.core.files import digest_of, file_digest
from governed_ml.core.problem import Problem, cause

ENGINE = Path(__file__).parents[2]
JUDGES = "decide"
TEMPLATE = ".jinja"
STAGES_FOLDER = ENGINE / "pipeline" / "stages"
OWN_IMPORT = re.compile(
    r"^[ \t]*((?:from|import) governed_ml\b[^(\n]*(?:\([^)]*\))?)", re.MULTILINE
)
"""Matches lines that may import the engine's own modules. Only these are parsed, for speed."""
STAGE = re.compile(r"^def main\(\) *-> *str *:", re.MULTILINE)


def digests(base: Path = Path()) -> dict[str, str]:
    """Return stage → digest of its code. In `dvc.yaml`, each stage depends on its own entry."""
    return {stage: digest(stage, base) for stage in runnable()}


def digest(stage: str, base: Path = Path()) -> str:
    """Return the digest of a stage's code, computed from the path and bytes of each file.

    For `decide`, it also covers the whole engine. With another engine, DVC therefore judges again
    immediately, but repeats only those measurements whose own code changed.
    """
    found = {name: file_digest(path) for name, path in named(stage, base).items()}
    return digest_of(found | ({ENGINE.name: engine.digest()} if stage == JUDGES else {}))


def named(stage: str, base: Path = Path()) -> dict[str, Path]:
    """Return name → file of a stage's code: `governed_ml/…` first, then `src/<package>/…`."""
    parent = ENGINE.parent
    found = {path.relative_to(parent).as_posix(): path for path in modules(stage)}
    for path in team_modules(stage, base):
        found[path.relative_to(base).as_posix()] = path
    return found


def modules(stage: str) -> list[Path]:
    """Return the engine's files behind a stage, sorted: its module, all that this imports, and
    their templates.
    """
    start = {STAGES_FOLDER / f"{stage}.py", ENGINE / "pipeline" / "stage_runner.py"}
    found = _closure(start, ENGINE, ENGINE.name)
    return sorted([*found, *(one for path in found for one in _templates().get(path, ()))])


def team_modules(stage: str, base: Path = Path()) -> list[Path]:
    """Return the team's files that a stage uses, sorted; empty if it calls no code of the team."""
    wanted = team.MODULES_OF_STAGE.get(stage, ())
    if not wanted:
        return []
    folder = team.folder(base)
    start = {folder / f"{name}.py" for name in wanted}
    return _closure({path for path in start if path.is_file()}, folder, folder.name, anew=True)


def package(stage: str, base: Path = Path()) -> team.TeamPackage:
    """Return the team's package, reduced to the modules that a stage uses.

    Modules that the stage's digest does not cover can therefore not be imported in it.
    """
    whole, home = team.package(base), team.folder(base)
    names = {path.relative_to(home).as_posix() for path in team_modules(stage, base)}
    return whole._replace(files={name: whole.files[name] for name in whole.files if name in names})


def runnable() -> list[str]:
    """Return the names of the stages, sorted: the modules in `pipeline/stages/` with a `main`."""
    found = sorted(STAGES_FOLDER.glob("*.py"))
    return [path.stem for path in found if STAGE.search(path.read_text(encoding="utf-8"))]


def _closure(start: set[Path], package: Path, name: str, *, anew: bool = False) -> list[Path]:
    """Return modules and all that they import. With `anew`, nothing is cached: files may change."""
    look = imports.__wrapped__ if anew else imports
    seen: set[Path] = set()
    todo = start | {package / "__init__.py"}
    while todo:
        module = todo.pop()
        seen.add(module)
        todo |= look(module, package, name) - seen
    return sorted(seen)


@cache
def imports(module: Path, package: Path, name: str) -> frozenset[Path]:
    """Return the files of the package that a module imports directly, anywhere in its source.

    Raise `Problem` if a module of the team imports code of the project from outside its package: no
    evidence would record that code.
    """
    there = _files(package) if package == ENGINE else _files.__wrapped__(package)
    found: set[Path] = set()
    for node in ast.walk(_parsed(module, package)):
        for candidate in _imported(module, node, package, name):
            for one in ("", *accumulate(candidate.split("."), "{}.{}".format)):
                found |= there.get(one, frozenset())
    return frozenset(found)


@cache
def _files(package: Path) -> dict[str, frozenset[Path]]:
    """Return dotted name → the files that importing it may load; "" stands for the package."""
    found = defaultdict[str, frozenset[Path]](frozenset)
    for path in engine.files(package):
        if path.suffix == ".py":
            *folders, last = path.relative_to(package).with_suffix("").parts
            found[".".join(folders if last == "__init__" else [*folders, last])] |= {path}
    return dict(found)


@cache
def _templates() -> dict[Path, list[Path]]:
    """Return module → the templates that it fills: `x.md.jinja` belongs to the `x.py` beside it."""
    found = defaultdict[Path, list[Path]](list)
    for path in engine.files(ENGINE):
        if path.suffix == TEMPLATE:
            found[path.with_name(f"{path.name.partition('.')[0]}.py")].append(path)
    return dict(found)


def _imported(module: Path, node: ast.AST, package: Path, name: str) -> list[str]:
    """Return the dotted names in the package that an import statement may refer to."""
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = module.relative_to(package.parent).parts[: -node.level]
            base = ".".join([*above, *base.split(".")]).rstrip(".")
        whole = [base, *(f"{base}.{alias.name}" for alias in node.names)]
    else:
        whole = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    if package != ENGINE:
        _require_own(module, package, {one.partition(".")[0] for one in whole} - {name, ""})
    return [
        rest for first, _, rest in (one.partition(".") for one in whole) if first == name and rest
    ]


def _require_own(module: Path, package: Path, names: set[str]) -> None:
    for folder in (package.parent.parent, package.parent):
        for name in sorted(names):
            if (folder / f"{name}.py").is_file() or any((folder / name).glob("*.py")):
                raise Problem(
                    f"{_shown(module, package)} imports {name}, whose code is not part of any "
                    f"digest in the evidence: move it into src/{package.name}"
                )


def _parsed(module: Path, package: Path) -> ast.Module:
    try:
        text = module.read_text(encoding="utf-8")
        return ast.parse("\n".join(OWN_IMPORT.findall(text)) if package == ENGINE else text)
    except (OSError, ValueError, SyntaxError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        said = error.msg if isinstance(error, SyntaxError) else cause(error)
        raise Problem(f"{_shown(module, package)}{line}: {said}; correct the module") from error


def _shown(module: Path, package: Path) -> str:
    return module.relative_to(package.parent.parent).as_posix()
