"""What `calibration` and `threshold` of `conf/model` cannot be combined with."""

from __future__ import annotations

from governed_ml.core.config.closed_model import Task
from governed_ml.core.config.model import LATER, Model
from governed_ml.core.problem import Problem


def require_possible(model: Model, task: Task, classes: int) -> None:
    """Raise `Problem` if task, classes or mitigation exclude what `conf/model` asks for.

    `classes` is the number of classes that `conf/data` lists, 0 without a list.
    """
    if model.mitigates and classes:
        raise Problem(
            f"conf/model: {model.name} mitigates answers of yes or no, and conf/data lists "
            f"{classes} classes: choose a model without mitigation in conf/config.yaml"
        )
    keys = [key for key in LATER if getattr(model, key) is not None]
    if not keys:
        return
    named = " and ".join(keys)
    where = f"conf/model: {model.name}: "
    if task != "classification":
        raise Problem(
            f"{where}{named} is about probabilities, and the task is {task}: remove {named}"
        )
    if model.threshold is not None and classes:
        raise Problem(
            f"{where}threshold tells yes from no, and conf/data lists {classes} classes: remove "
            "threshold"
        )
    if model.mitigates:
        raise Problem(
            f"{where}{named} would change the answers that the mitigation has made fairer: remove "
            f"{named}, or choose a model without mitigation"
        )
