"""The engine's extras for libraries of estimators, and what to do if one is missing."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from governed_ml.core.problem import Problem

BOOSTERS = ("xgboost", "lightgbm", "catboost")
"""Extras of the engine that no project installs by default; each has the name of its package."""
DISTRIBUTIONS = {"xgboost": ("xgboost-cpu", "xgboost")}
"""Package → its possible distributions, if there are several."""


def require(package: str) -> None:
    """Raise `Problem` if a package that `conf/model` or a model file names is not installed."""
    if find_spec(package) is not None:
        return
    if package in BOOSTERS:
        raise Problem(missing(package))
    raise Problem(
        f"{package} is not installed: run `uv add --group pipeline NAME`, where NAME is the "
        f"distribution that has the package {package}"
    )


def missing(package: str) -> str:
    """Return what to do if a package in `BOOSTERS` is not installed."""
    return (
        f"{package} is not installed: add the extra `{package}` to the group pipeline in "
        f'pyproject.toml, as in "governed-ml[pipeline,{package}]", and run `uv sync`'
    )


def distribution(package: str) -> str:
    """Return the name of the installed distribution of a package in `BOOSTERS`."""
    from importlib.metadata import PackageNotFoundError, version

    names = DISTRIBUTIONS.get(package, (package,))
    for name in names:
        try:
            version(name)
        except PackageNotFoundError:
            continue
        return name
    return names[-1]


def named(names: Iterable[str]) -> list[str]:
    """Return the packages in `BOOSTERS` to which dotted names belong, sorted."""
    found = {name.partition(".")[0] for name in names}
    return sorted(found.intersection(BOOSTERS))
