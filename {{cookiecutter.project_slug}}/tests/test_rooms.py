"""Measure, judge: each in its own room. Who imports whom decides who may do what."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, package_name

PACKAGE = ROOT / "src" / package_name()
MODULES = [path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py"))]
BASE = "base"  # the modules beside the rooms: config, tables, evidence, …
MAY_IMPORT = {
    BASE: {BASE},
    "measures": {BASE, "measures"},  # statistics: they neither judge nor run a stage
    "pipeline": {BASE, "measures", "pipeline"},  # stages: they measure, they do not judge
    "governance": {BASE, "governance"},  # judging: from evidence alone, never from a stage
}
EXCEPTIONS = {
    "pipeline/compose.py": "governance",  # refuses an expression that is no CEL, early
    "pipeline/decide.py": "governance",  # the one stage that judges
}


def room_of(module: str) -> str:
    """Return the room of `measures/drift.py`, which is `measures`."""
    return module.partition("/")[0] if "/" in module else BASE


@pytest.mark.parametrize("name", [name for name in MODULES if name != "cli.py"])
def test_a_module_imports_from_its_own_room_and_from_the_base(
    name: str, module: Callable[[str], Any]
) -> None:
    # Given a module, when its imports within the package are read
    room = room_of(name)
    assert room in MAY_IMPORT, f"tests/test_rooms.py does not know {room}/: say what it may import"
    allowed = MAY_IMPORT[room] | {EXCEPTIONS.get(name, room)}
    imports = {
        path.relative_to(PACKAGE).as_posix() for path in module("closure").imports(PACKAGE / name)
    }
    # Then none is the command line, and each is from a room that this one may use
    if "cli.py" in imports:
        pytest.fail(f"{name} imports cli.py: move what it needs into the base", pytrace=False)
    strangers = [target for target in imports if room_of(target) not in allowed]
    if strangers:
        worst = max(strangers, key=lambda target: not target.endswith("__init__.py"))
        pytest.fail(
            f"{name} imports {worst}, but {room} may import from {', '.join(sorted(allowed))} "
            "only: pass the value as an argument, or move the function",
            pytrace=False,
        )


@pytest.mark.parametrize("name", MODULES)
def test_imports_within_the_package_are_relative(name: str) -> None:
    # Given a module, when its absolute imports are read
    tree = ast.parse(Path(PACKAGE / name).read_text(encoding="utf-8"))
    absolute = {
        imported
        for node in ast.walk(tree)
        for imported in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and node.level == 0
            else []
        )
    }
    # Then none is of the package: dependencies of stages are found by relative imports
    own = [imported for imported in absolute if imported.partition(".")[0] == PACKAGE.name]
    assert not own, f"{name} imports {own[0]}: write a relative import"
