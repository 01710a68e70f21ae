"""A template that a test may change, and what changes in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import baked
import pytest

PROJECT = "{{cookiecutter.project_slug}}"


@pytest.fixture
def evolving(template: Path, tmp_path: Path) -> Path:
    """A copy of the template, a repository of its own."""
    return shutil.copytree(template, tmp_path / "template")


def change(template: Path, name: str, old: str, new: str) -> str:
    """Replace text in a file of the project's template, and return the commit."""
    path = template / PROJECT / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")
    return baked.commit_all(template, f"Change {name}")
