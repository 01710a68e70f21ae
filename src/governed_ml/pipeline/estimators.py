"""Create the estimator that `conf/model` names, and check its package and task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governed_ml.core.config.closed_model import Task
from governed_ml.core.config.model import Model
from governed_ml.core.problem import Problem, first_line
from governed_ml.pipeline import mitigation
from governed_ml.pipeline.boosters import settings
from governed_ml.pipeline.named_classes import named_class, require_settings

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


def estimator(model: Model, task: Task, seed: int) -> BaseEstimator:
    """Instantiate `conf/model`.

    Raise `Problem` for a class that is not allowed or not of the task.
    """
    from hydra.utils import instantiate
    from sklearn.base import BaseEstimator, is_classifier, is_regressor

    targets = model.targets()
    mitigation.require_own(model)
    for name in targets:
        named_class(name, model.packages or ())
    require_settings(model.estimator)
    settings.require_inside(targets, model.estimator)
    target = targets[0]
    try:
        made: Any = instantiate(settings.completed(model.estimator, seed), _convert_="all")
    except Exception as error:  # an estimator's constructor may raise anything
        cause = error.__cause__ or error  # Hydra wraps the cause
        raise Problem(
            f"conf/model: {target} cannot be created: {first_line(cause)}; correct its "
            "settings in conf/model"
        ) from error
    fits = is_classifier if task == "classification" else is_regressor
    plain = mitigation.inner(model, made, task) if model.mitigates else made
    known = isinstance(plain, BaseEstimator) or settings.library(
        {"_target_": type(plain).__module__}
    )
    if not known or not fits(plain):
        raise Problem(
            f"conf/model: {target} is not an estimator for {task}: choose another model in "
            "conf/config.yaml"
        )
    if "random_state" in plain.get_params() and plain.get_params()["random_state"] is None:
        plain.set_params(random_state=seed)
    return made
