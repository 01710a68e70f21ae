"""What the tests share: the project's root, and its package under whatever name it has."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def package_name() -> str:
    """Return the name of the one package under `src/`."""
    found = [path.parent.name for path in sorted((ROOT / "src").glob("*/__init__.py"))]
    assert len(found) == 1, f"src/ must hold one package, it holds {found or 'none'}"
    return found[0]


def import_module(name: str) -> Any:
    """Import a module of the package, as in `import_module("governance.policy")`."""
    return importlib.import_module(f"{package_name()}.{name}")


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root; the tests write nothing below it."""
    return ROOT


@pytest.fixture(scope="session")
def package() -> Path:
    """The package's folder."""
    return ROOT / "src" / package_name()


@pytest.fixture(scope="session")
def module() -> Callable[[str], Any]:
    """Import a module of the package by its name in it."""
    return import_module
