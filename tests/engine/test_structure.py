"""How the engine is built: packages in an order, modules in no circle, one name for one thing.

Everything is read from the source, so nothing of the engine is imported here.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest
from baked import ROOT
from engine_source import ENGINE, Import, imports, modules, parsed, targets

MODULES_IN_A_FOLDER, LINES_IN_A_MODULE = 14, 260
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "scaffold": {"core"},
    "measures": {"core"},
    "policy": {"core"},
    "pipeline": {"core", "measures", "policy"},
    "init_data": {"core", "measures", "pipeline"},
    "ledger": {"core"},
    "github": {"core", "policy", "ledger", "scaffold"},
    "registry": {"core", "policy", "pipeline", "ledger", "github"},
    "lineage": {"core", "policy", "ledger", "registry"},
    "monitoring": {"core", "measures", "policy", "pipeline", "ledger", "github", "registry"},
    "serving": {
        *("core", "measures", "policy", "pipeline", "ledger", "github", "registry", "monitoring"),
    },
    "page": {"core", "policy", "ledger", "registry", "lineage"},
    "checks": {"core", "policy", "pipeline", "github", "registry", "scaffold"},
    "doctor": {"core", "pipeline", "ledger", "github", "registry", "scaffold"},
    "drill": {"core", "pipeline", "ledger", "registry"},
    "cli": {
        *("core", "policy", "pipeline", "ledger", "github", "registry", "lineage", "monitoring"),
        *("page", "scaffold", "checks", "doctor", "drill", "init_data", "serving"),
    },
    "testing": {"core"},
    "__main__": {"core", "pipeline", "checks", "cli"},
}
"""Package → packages that it may import. The order of the rows is the order of the packages."""

TOP = {"__main__", "testing"}
"""Modules beside the packages."""

BY_NAME = {("pipeline.stage_runner", "page.draw")}
"""Imports by a text, which are seen by no table: how a page looks is no part of a stage's code."""


def circles(edges: Iterable[Import]) -> list[set[str]]:
    """Modules that import one another, directly or by others (each set is one knot)."""
    after: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        after[edge.source].add(edge.target)
    reached = {name: reachable(name, after) for name in after}
    knots = {
        frozenset(other for other in seen if name in reached.get(other, ()))
        for name, seen in reached.items()
        if name in seen
    }
    return [set(knot) for knot in knots]


def reachable(start: str, after: dict[str, set[str]]) -> set[str]:
    """Everything that can be reached by at least one import."""
    found, todo = set[str](), set(after[start])
    while todo:
        name = todo.pop()
        found.add(name)
        todo |= after.get(name, set()) - found
    return found


def against_the_table(edges: Iterable[Import]) -> list[str]:
    """The imports between packages that the table does not allow."""
    return sorted(
        f"{edge.source} imports {edge.target}"
        for edge in edges
        if (parts := edge.packages)[0] != parts[1] and parts[1] not in MAY_IMPORT[parts[0]]
    )


def test_the_table_has_every_package_and_goes_one_way() -> None:
    # Given the packages of the engine, when the table is held against them
    packages = {path.parent.name for path in ENGINE.glob("*/__init__.py")}
    # Then it has each, and each imports only packages above it
    assert set(MAY_IMPORT) == packages | TOP
    order = list(MAY_IMPORT)
    for package, allowed in MAY_IMPORT.items():
        assert allowed <= set(order[: order.index(package)]), package


def test_packages_import_what_the_table_allows() -> None:
    # Given every import of the engine, lazy ones too, when they are held against the table
    # Then none is against it
    assert not against_the_table(imports())


def test_the_table_has_no_row_that_nobody_needs() -> None:
    # Given the imports that are there, when the table is held against them
    used = {one.packages for one in imports()}
    allowed = {(one, other) for one, others in MAY_IMPORT.items() for other in others}
    # Then it allows no more, but for what is left to the designs of registry and start
    assert allowed - used <= {("registry", "pipeline"), ("__main__", "core")}


@pytest.mark.parametrize("only_at_start", [True, False], ids=["at-start", "lazy-too"])
def test_no_module_imports_itself_by_way_of_others(only_at_start: bool) -> None:
    # Given the imports that happen at start, or all of them, when circles are looked for
    chosen = [one for one in imports() if one.at_start or not only_at_start]
    assert len(chosen) > 300
    # Then there is none
    assert not circles(chosen)


def test_the_searches_find_what_they_look_for() -> None:
    # Given imports that are wrong, when they are looked at, then each is found
    assert against_the_table([Import("policy.judge", "ledger.events", False)])
    assert circles([Import("a", "b", True), Import("b", "c", True), Import("c", "a", True)])
    assert not circles([Import("a", "b", True), Import("a", "c", True), Import("b", "c", True)])
    # And an import is seen wherever it stands
    text = (
        "def f():\n    from governed_ml.core import files\n"
        "if TYPE_CHECKING:\n    import governed_ml.core.problem\n"
        "from governed_ml.core.config import Params\n"
    )
    assert set(targets("x", ast.parse(text), True)) == {
        ("core.files", False),
        ("core.problem", False),
        ("core.config", True),
    }


def test_modules_imported_by_name_are_listed_here() -> None:
    # Given the texts in the engine that are a module's name, when they are collected
    found = {
        (source, node.value.removeprefix("governed_ml."))
        for source, path in modules().items()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith("governed_ml.")
        and node.value.removeprefix("governed_ml.") in modules()
    }
    # Then those that go to another package are known
    assert {one for one in found if len({name.partition(".")[0] for name in one}) > 1} <= BY_NAME


def test_a_package_is_small_enough_to_be_read() -> None:
    # Given the modules of each folder, when they are counted
    counts = Counter(path.parent for path in ENGINE.rglob("*.py") if path.name != "__init__.py")
    large = {
        folder.relative_to(ENGINE).as_posix(): count
        for folder, count in counts.items()
        if count > MODULES_IN_A_FOLDER
    }
    # Then none has more than about a dozen
    assert not large


def test_a_module_is_one_idea() -> None:
    # Given every module, when its lines are counted
    lines = {
        name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()
    }
    long = {name: count for name, count in lines.items() if count > LINES_IN_A_MODULE}
    # Then it is short enough to be read at once
    assert not long


def test_no_two_classes_have_one_name() -> None:
    # Given every class of the engine, when their names are collected
    where: dict[str, list[str]] = defaultdict(list)
    for name, path in modules().items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                where[node.name].append(name)
    # Then each is there once
    assert len(where) > 100
    assert not {name: found for name, found in where.items() if len(found) > 1}


VAGUE = {
    *("base", "common", "data", "helpers", "items", "looks", "misc", "object", "state", "states"),
    *("stuff", "things", "today", "utils", "values"),
}


def test_a_module_is_named_for_what_is_in_it() -> None:
    # Given the names of modules, when they are held against words that say nothing
    vague = {name for name in modules() if name.rpartition(".")[2] in VAGUE}
    # Then none is among them, but for what stands in a package that says the rest
    assert vague == {"core.config.data", "drill.faults.data", "pipeline.data"}


def test_every_module_and_package_says_what_it_is_for() -> None:
    # Given every module, when its docstring is read, then it begins with one line of its own
    for name, path in modules().items():
        first = (ast.get_docstring(parsed(path)) or "").partition("\n")[0]
        assert first.endswith((".", ":", "?")), name
        assert len(first) > 15, name


def test_documents_name_existing_files() -> None:
    # Given the files that documents name by a path, of the engine or of this repository
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    named = {
        (document.name, name)
        for document in documents
        if document.name not in ("CHANGELOG.md", "migrate.md")  # of earlier layouts
        for name in re.findall(r"`((?:\w+/)+\w+\.py)`", document.read_text(encoding="utf-8"))
    }
    assert len(named) > 20
    # When they are looked for, then each is there (what is the team's is only in the template)
    team = ROOT / "{{cookiecutter.project_slug}}"
    assert not {
        one for one in named if not any((home / one[1]).is_file() for home in (ENGINE, ROOT, team))
    }
