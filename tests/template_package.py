"""The template's own package, loaded in place under the name `governed`, to test its functions."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

from baked import TEMPLATE

NAME = "governed"
SOURCE = TEMPLATE / "src" / "{{cookiecutter.package}}"


def module(name: str) -> Any:
    """Import a module of the package, as in `module("measures.drift")`."""
    if NAME not in sys.modules:
        _load()
    return importlib.import_module(f"{NAME}.{name}")


def _load() -> None:
    """Import the package from a folder whose name is no identifier; leave no bytecode in it."""
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location(
        NAME, SOURCE / "__init__.py", submodule_search_locations=[str(SOURCE)]
    )
    assert spec, f"{SOURCE} holds no package"
    assert spec.loader, f"{SOURCE} holds no package"
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)
