"""The classes that `conf/model` may name: estimators, transformers, calibrators, mitigations.

Hydra calls whatever `_target_` names, with the given arguments. Without this check, a function that
executes its argument (`numpy.testing.runstring`) would run code from a configuration file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from governed_ml.core.installation import extras
from governed_ml.core.plain_model import ESTIMATORS
from governed_ml.core.problem import Problem

PACKAGES = ("sklearn", "fairlearn", *extras.BOOSTERS)
MEMORY = "memory"


def require_named(target: str, packages: Sequence[str] = ()) -> None:
    """Raise `Problem` for a `_target_` from another package, without importing it.

    `packages` are those that the policy lists under `estimator_packages`.
    """
    if not _allowed(target, packages):
        raise Problem(
            f"conf/model: estimator._target_ {target!r} is not from any of "
            f"{', '.join((*PACKAGES, *packages))}: choose a class of these libraries, or ask the "
            "risk owner to list its package under estimator_packages in conf/policy"
        )


def require_installed(targets: Sequence[str]) -> None:
    """Raise `Problem` if the package of a `_target_` is not installed, without importing it."""
    for target in targets:
        extras.require(target.partition(".")[0])


def named_class(target: str, packages: Sequence[str] = ()) -> type:
    """Return the class that a `_target_` names; raise `Problem` unless it is an estimator's class.

    Estimators, transformers and calibrators derive from scikit-learn's `BaseEstimator`, constraints
    of a mitigation from Fairlearn's `Moment`. Of XGBoost, LightGBM and CatBoost, only the
    classifiers and regressors may be named.
    """
    import logging

    from hydra.utils import get_object
    from sklearn.base import BaseEstimator

    require_named(target, packages)
    require_installed([target])
    logging.getLogger("hydra").setLevel(logging.CRITICAL)  # it also logs the errors that it raises
    try:
        found: Any = get_object(target)
    except Exception as error:  # an import may raise anything
        raise Problem(
            f"conf/model: there is no {target}: correct the spelling of _target_"
        ) from error
    kinds: tuple[type, ...] = (BaseEstimator,)
    if target.startswith("fairlearn."):
        from fairlearn.reductions import Moment

        kinds += (Moment,)
    home = str(getattr(found, "__module__", None))
    fits = isinstance(found, type) and issubclass(found, kinds) and _allowed(home, packages)
    if target.partition(".")[0] in extras.BOOSTERS:
        fits = f"{home}.{getattr(found, '__name__', '')}" in ESTIMATORS
    if not fits:
        raise Problem(
            f"conf/model: {target} is not an estimator, transformer or calibrator: name such a "
            f"class from {' or '.join((*PACKAGES, *packages))} in _target_"
        )
    return found


def require_settings(node: object) -> None:
    """Raise `Problem` for settings that make an estimator run code from a file or from text.

    scikit-learn unpickles files in the folder that `memory` names, and a search may set it as
    `clf__memory`. `${…}` is refused, because Hydra would resolve it after this check.
    """
    if isinstance(node, str) and "${" in node:
        raise Problem(f"conf/model: {node!r} is an escaped interpolation: write the value itself")
    if isinstance(node, list):
        for item in node:
            require_settings(item)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        require_settings(key)
        require_settings(value)
        if str(key).rpartition("__")[2] == MEMORY and value is not None:
            raise Problem(
                f"conf/model: {key} names a folder from which scikit-learn loads pickled code: "
                "remove this setting"
            )


def _allowed(name: str, packages: Sequence[str]) -> bool:
    """Return whether a dotted name belongs to an allowed package and has no private part."""
    first, *rest = name.split(".")
    return first in (*PACKAGES, *packages) and not any(part.startswith("__") for part in rest)
