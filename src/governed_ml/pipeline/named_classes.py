"""Which classes `conf/model` may name: estimators, transformers, calibrators, mitigations.

Hydra calls whatever `_target_` names, with the arguments beside it: a function that runs its
argument (`numpy.testing.runstring`) would run code from a configuration file.
"""

from __future__ import annotations

from typing import Any

from governed_ml.core.problem import Problem

PACKAGES = ("sklearn", "fairlearn")


def require_named(target: str) -> None:
    """Refuse a `_target_` from another package, without an import."""
    if not _allowed(target):
        raise Problem(
            f"conf/model: estimator._target_ {target!r} is not from {', '.join(PACKAGES)}"
        )


def named_class(target: str) -> type:
    """Return the class that a `_target_` names; anything but an estimator's class is refused.

    Estimators, transformers and calibrators are scikit-learn's `BaseEstimator`; what a mitigation
    is constrained by is Fairlearn's `Moment`.
    """
    import logging

    from hydra.utils import get_object
    from sklearn.base import BaseEstimator

    require_named(target)
    logging.getLogger("hydra").setLevel(logging.CRITICAL)  # it logs what it raises, too
    try:
        found: Any = get_object(target)
    except Exception as error:  # whatever an import raises
        raise Problem(
            f"conf/model: there is no {target}: correct the spelling of _target_"
        ) from error
    kinds: tuple[type, ...] = (BaseEstimator,)
    if target.startswith("fairlearn."):
        from fairlearn.reductions import Moment

        kinds += (Moment,)
    home = str(getattr(found, "__module__", None))
    if not isinstance(found, type) or not issubclass(found, kinds) or not _allowed(home):
        raise Problem(
            f"conf/model: {target} is no estimator, transformer or calibrator: name such a class "
            f"of {' or '.join(PACKAGES)} in _target_"
        )
    return found


def _allowed(name: str) -> bool:
    """Return whether a dotted name lies in an allowed package, and names nothing private."""
    first, *rest = name.split(".")
    return first in PACKAGES and not any(part.startswith("__") for part in rest)
