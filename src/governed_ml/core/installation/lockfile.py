"""`uv.lock`: the packages that it pins, their sources, and which of them a project needs."""

from __future__ import annotations

import tomllib
from typing import Any

from governed_ml.core.problem import Problem, cause

METADATA, LOCK = "pyproject.toml", "uv.lock"
Package = dict[str, Any]


def parse(text: str, where: str = LOCK) -> list[Package]:
    """Return the package tables of a lock file."""
    try:
        found: list[Package] = tomllib.loads(text)["package"]
        if all(isinstance(one["name"], str) and isinstance(one["source"], dict) for one in found):
            return found
    except (ValueError, KeyError, TypeError) as error:
        raise Problem(f"{where} cannot be read ({cause(error)}): run `uv lock`", 1) from error
    raise Problem(f"{where} cannot be read: run `uv lock`", 1)


def versions(packages: list[Package]) -> dict[str, set[str]]:
    """Return name → the locked versions. There may be several, for different Pythons or systems."""
    found: dict[str, set[str]] = {}
    for one in packages:
        found.setdefault(one["name"], set()).add(str(one.get("version", "")))
    return found


def needed(packages: list[Package], groups: tuple[str, ...]) -> set[str]:
    """Return all direct and indirect requirements of the project and these dependency groups.

    An extra of a package is followed only if a requirement names it.
    """
    by_name: dict[str, list[Package]] = {}
    for one in packages:
        by_name.setdefault(one["name"], []).append(one)
    own = next((one for one in packages if is_project(one)), Package())
    todo = [*own.get("dependencies", [])]
    todo += [one for group in groups for one in own.get("dev-dependencies", {}).get(group, [])]
    seen: set[tuple[str, str]] = set()
    while todo:
        asked = todo.pop()
        for extra in ("", *asked.get("extra", [])):
            if (asked["name"], extra) in seen:
                continue
            seen.add((asked["name"], extra))
            for one in by_name.get(asked["name"], []):
                more = one.get("optional-dependencies", {}).get(extra, [])
                todo += more if extra else one.get("dependencies", [])
    return {name for name, _ in seen}


def is_project(package: Package) -> bool:
    """Return whether a locked package is the project itself."""
    return "." in (package["source"].get("virtual"), package["source"].get("editable"))
