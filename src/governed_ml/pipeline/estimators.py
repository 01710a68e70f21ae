"""The estimator that `conf/model` names: made by Hydra, of an allowed package, and of the task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governed_ml.core import model_file
from governed_ml.core.config.closed_model import Task
from governed_ml.core.config.model import Model
from governed_ml.core.problem import Problem, first_line
from governed_ml.pipeline import mitigation

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


def estimator(model: Model, task: Task, seed: int) -> BaseEstimator:
    """Instantiate `conf/model`: an estimator from an allowed package, and of the task."""
    from hydra.utils import instantiate
    from sklearn.base import BaseEstimator, is_classifier, is_regressor

    for name in model.targets():
        found = _known(name)
        if name == model.targets()[0] and not isinstance(found, type):
            raise Problem(f"conf/model: {name} is no class: name an estimator's class in _target_")
    target = model.targets()[0]
    try:
        made: Any = instantiate(model.estimator, _convert_="all")
    except Exception as error:  # an estimator's constructor may raise anything
        cause = error.__cause__ or error  # Hydra wraps it
        raise Problem(
            f"conf/model: {target} cannot be made: {first_line(cause)}; correct its settings"
        ) from error
    fits = is_classifier if task == "classification" else is_regressor
    plain = mitigation.inner(model, made, task) if mitigation.asked(model) else made
    if not isinstance(plain, BaseEstimator) or not fits(plain):
        raise Problem(
            f"conf/model: {target} is no estimator for {task}: choose another in conf/config.yaml"
        )
    if "random_state" in plain.get_params() and plain.get_params()["random_state"] is None:
        plain.set_params(random_state=seed)
    return made


def _known(target: str) -> object:
    """Return what a `_target_` names; refuse what is from elsewhere or cannot be called."""
    import logging

    from hydra.utils import get_object

    logging.getLogger("hydra").setLevel(logging.CRITICAL)  # it logs what it raises, too
    if not model_file.allowed(target):
        raise Problem(f"conf/model: {target!r} is not from {', '.join(model_file.PACKAGES)}")
    try:
        found: Any = get_object(target)
    except Exception as error:  # whatever an import raises
        raise Problem(
            f"conf/model: there is no {target}: correct the spelling of _target_"
        ) from error
    home = str(getattr(found, "__module__", None))
    if not callable(found) or not model_file.allowed(home):
        raise Problem(f"conf/model: {target} is no class of {', '.join(model_file.PACKAGES)}")
    return found
