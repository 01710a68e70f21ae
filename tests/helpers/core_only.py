"""Run `governance` as if only the engine's core dependencies were installed.

    python core_only.py gate --rehashed

Modules of every other distribution in this environment cannot be imported.
"""

from __future__ import annotations

import re
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions, requires


def canonical(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(name: str) -> set[str]:
    """A distribution, and what it requires without any extra."""
    from packaging.requirements import Requirement

    found, todo = set[str](), {name}
    while todo:
        one = todo.pop()
        found.add(one)
        for text in requires(one) or []:
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                todo |= {canonical(wanted.name)} - found
    return found


def barred() -> set[str]:
    """The modules of all distributions that are no part of the core."""
    core = closure("governed-ml")
    return {
        module
        for module, distributions in packages_distributions().items()
        if not any(canonical(one) in core for one in distributions)
    } - {*sys.stdlib_module_names, "governed_ml", "_distutils_hack"}


class NotInstalled:
    """A finder that says of barred modules that they are not there."""

    def __init__(self) -> None:
        self.barred = barred()

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Refuse a barred module; leave any other to the finders that follow."""
        if name.partition(".")[0] in self.barred:
            raise ModuleNotFoundError(f"No module named {name!r} (core only)", name=name)
        return None


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    sys.meta_path.insert(0, NotInstalled())  # type: ignore[arg-type]
    from governed_ml.__main__ import main

    main()
