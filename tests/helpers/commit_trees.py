"""The files of a commit that say what measured it, and a program in the place of uv."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from governed_ml.core.code import engine
from governed_ml.core.code.engine import Identity
from governed_ml.registry.remeasure import environment_cache, environments

COMMIT = "a" * 40
PIN = f'{{ git = "https://example.org/template?rev={COMMIT}#{COMMIT}" }}'
PROJECT = """
[project]
name = "loans"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = []
[dependency-groups]
pipeline = []
[tool.uv]
package = false
[tool.governed-ml]
package = "loans"
"""
BEFORE = """
[project]
name = "loans"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = []
[project.scripts]
governance = "loans.cli:main"
[dependency-groups]
line = []
"""
LOCK = """version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "governed-ml"
version = "0.2.0"
source = {pin}

[[package]]
name = "loans"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [{{ name = "governed-ml" }}]

[package.dev-dependencies]
pipeline = [{{ name = "pandas" }}, {{ name = "pydantic" }}]
dev = [{{ name = "ruff" }}]

[[package]]
name = "pandas"
version = "{pandas}"
source = {{ registry = "https://index.example.com/simple" }}

[[package]]
name = "pydantic"
version = "{pydantic}"
source = {{ registry = "https://index.example.com/simple" }}
dependencies = [{{ name = "typing-extensions" }}]

[package.optional-dependencies]
email = [{{ name = "email-validator" }}]
timezone = [{{ name = "tzdata" }}]

[[package]]
name = "typing-extensions"
version = "{typing}"
source = {{ registry = "https://index.example.com/simple" }}

[[package]]
name = "email-validator"
version = "0.0.1"
source = {{ registry = "https://index.example.com/simple" }}

[[package]]
name = "tzdata"
version = "0.0.1"
source = {{ registry = "https://index.example.com/simple" }}

[[package]]
name = "ruff"
version = "0.0.1"
source = {{ registry = "https://index.example.com/simple" }}
"""
EMPTY = """version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "loans"
version = "0.1.0"
source = { virtual = "." }
"""

Tree = Callable[..., Path]


@pytest.fixture(name="tree")
def tree_of(tmp_path: Path) -> Tree:
    """Make the files of a commit."""

    def make(project: str = PROJECT, pin: str = PIN, **versions: str) -> Path:
        folder = tmp_path / "tree"
        folder.mkdir(exist_ok=True)
        names = {"pandas": "pandas", "pydantic": "pydantic", "typing": "typing-extensions"}
        found = {key: versions.get(key) or version(name) for key, name in names.items()}
        (folder / "pyproject.toml").write_text(project, encoding="utf-8")
        (folder / "uv.lock").write_text(LOCK.format(pin=pin, **found), encoding="utf-8")
        return folder

    return make


@pytest.fixture(name="cache")
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for the test."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(environment_cache, "folder", lambda: folder)
    return folder


def runs(monkeypatch: pytest.MonkeyPatch, kind: engine.Kind = "git", **more: str) -> None:
    """Say which engine is running."""
    found = Identity("0.2.0", "sha256:0", kind, more.get("address", ""), more.get("commit", COMMIT))
    monkeypatch.setattr(environments, "identity", lambda: found)


def silent(line: str) -> None:
    """Say nothing."""


def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Put a Python program in the place of uv."""
    program = tmp_path / "stub.py"
    program.write_text(code, encoding="utf-8")
    if os.name == "nt":
        file = tmp_path / "uv.cmd"
        file.write_text(f'@"{sys.executable}" "{program}" %*\n', encoding="utf-8")
    else:
        file = tmp_path / "uv"
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n', encoding="utf-8")
        file.chmod(0o755)
    monkeypatch.setenv("UV", str(file))
