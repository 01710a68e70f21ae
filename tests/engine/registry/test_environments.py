"""Which environment measures a commit: the running one where it is the commit's, else its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commit_trees import (
    BEFORE,
    COMMIT,
    EMPTY,
    PIN,
    Tree,
    runs,
    silent,
    tree_of,  # noqa: F401 - a fixture
)

from governed_ml.core.code import engine
from governed_ml.core.code.engine import Identity
from governed_ml.core.problem import Problem
from governed_ml.registry.remeasure import environments


def test_the_running_environment_measures_a_commit_that_pins_it(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a commit whose engine and packages are those that run; what is locked for its tools
    # (ruff), and for extras that nobody asks for, is another version
    runs(monkeypatch)
    found = environments.of(tree(), silent)
    # Then nothing is made
    assert not found.own
    assert found.stage("train") == [sys.executable, "-P", "-m", "governed_ml", "stage", "train"]
    assert "PYTHONPATH" not in found.variables(tree())


@pytest.mark.parametrize(
    ("pin", "kind", "more", "same"),
    [
        (PIN, "git", {}, True),
        (PIN, "git", {"commit": "b" * 40}, False),
        (PIN, "index", {}, False),
        (PIN, "editable", {}, False),
        (PIN, "elsewhere", {}, False),
        ('{ registry = "https://index.example.com/simple" }', "index", {}, True),
        ('{ registry = "https://index.example.com/simple" }', "git", {}, False),
        ('{ path = "vendor/governed_ml.whl" }', "archive", {}, True),
        ('{ path = "vendor/governed_ml.whl" }', "index", {}, False),
        ('{ url = "https://example.org/governed_ml.whl" }', "archive", {}, True),
        ('{ directory = "/template" }', "folder", {"address": Path("/template").as_uri()}, True)
        if os.name != "nt"
        else ('{ directory = "C:/t" }', "folder", {"address": "file:///C:/t"}, True),
        ('{ directory = "/template" }', "folder", {"address": "file:///elsewhere"}, False),
    ],
)
def test_an_engine_is_the_pinned_one_by_where_it_came_from(
    tree: Tree, pin: str, kind: engine.Kind, more: dict[str, str], same: bool
) -> None:
    entry = environments.read(tree(pin=pin)).pin()
    running = Identity(
        "0.2.0", "sha256:0", kind, more.get("address", ""), more.get("commit", COMMIT)
    )
    assert (environments.other_engine(entry, running) is None) is same


def test_an_index_has_the_pinned_engine_only_in_the_pinned_version(tree: Tree) -> None:
    entry = environments.read(tree(pin='{ registry = "https://index.example.com/simple" }')).pin()
    why = environments.other_engine(entry, Identity("0.2.1", "sha256:0", "index")) or ""
    assert "engine 0.2.1" in why
    assert "engine 0.2.0 is pinned" in why


@pytest.mark.parametrize(
    ("versions", "cause"),
    [
        ({"pandas": "0.1"}, "pandas"),
        ({"typing": "0.1"}, "typing-extensions"),  # what a package of the group needs
    ],
)
def test_another_package_than_the_locked_one_needs_an_environment_of_its_own(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, versions: dict[str, str], cause: str
) -> None:
    runs(monkeypatch)
    why = environments.difference(environments.read(tree(**versions))) or ""
    assert why.startswith(cause)
    assert "0.1 is locked" in why


def test_registering_refuses_an_engine_that_the_commit_does_not_pin(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(monkeypatch)
    assert environments.require_running(tree()).python == Path(sys.executable)
    runs(monkeypatch, commit="b" * 40)
    with pytest.raises(Problem, match=r"commit bbbbbbbbbbbb.*commit aaaaaaaaaaaa is pinned") as one:
        environments.require_running(tree())
    assert one.value.exit_code == 1


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (lambda folder: (folder / "uv.lock").unlink(), "has no uv.lock"),
        (lambda folder: (folder / "pyproject.toml").unlink(), "has no pyproject.toml"),
        (lambda folder: (folder / "uv.lock").write_text("package = 1"), "uv.lock cannot be read"),
        (lambda folder: (folder / "pyproject.toml").write_text("["), "cannot be read"),
        (lambda folder: (folder / "uv.lock").write_text(EMPTY), "has no governed-ml"),
        (lambda folder: (folder / "pyproject.toml").write_text(BEFORE), "names no engine"),
    ],
)
def test_a_commit_without_a_pinned_engine_is_refused(
    tree: Tree, broken: Callable[[Path], object], cause: str
) -> None:
    folder = tree()
    broken(folder)
    with pytest.raises(Problem, match=cause):
        environments.of(folder, silent)
