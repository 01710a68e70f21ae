"""Train a fairer classifier with Fairlearn's grid search, and keep one plain estimator.

Agarwal et al. 2018, A Reductions Approach to Fair Classification, ICML. The sensitive attributes
weight and relabel the training rows. The kept model never gets them, and is explained, stored and
used like any other. Fairlearn's other methods are not supported: `ExponentiatedGradient` chooses
randomly among its models at each prediction, `ThresholdOptimizer` needs the attributes there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from governed_ml.core import tables
from governed_ml.core.config.model import Model
from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import Mitigation
from governed_ml.core.problem import Problem
from governed_ml.measures import performance

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    from sklearn.base import BaseEstimator

SEARCH = "fairlearn.reductions.GridSearch"
COST = ("accuracy", "roc_auc")  # metrics of the same estimator without mitigation


class Unmitigated(NamedTuple):
    """Targets of test rows, and the scores and labels of the estimator without mitigation.

    All have the shape (rows,).
    """

    target: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    label: npt.NDArray[np.float64]


def inner(model: Model, made: Any, task: str) -> BaseEstimator:
    """Return the estimator inside a grid search; raise `Problem` for another class of Fairlearn."""
    target = model.targets()[0]
    if target != SEARCH:
        raise Problem(
            f"conf/model: {target} does not end in one model that predicts without the "
            f"sensitive attribute: use {SEARCH}"
        )
    if task != "classification":
        raise Problem(
            f"conf/model: {target} mitigates classifications only, and the task is {task}: "
            "choose another model in conf/config.yaml"
        )
    return made.estimator


def require_own(model: Model) -> None:
    """Raise `Problem` if a mitigation wraps a class of a package that the policy lists.

    The engine's own process runs the search, and loads no code of such packages.
    """
    for target in model.targets() if model.mitigates else []:
        if target.partition(".")[0] in (model.packages or ()):
            raise Problem(
                f"conf/model: {SEARCH} runs in the engine's own process, which loads no {target}: "
                "wrap another estimator"
            )


def attributes(model: Model, known: Collection[str]) -> list[str]:
    """Return the sensitive attributes that the mitigation uses; empty without a mitigation."""
    if not model.mitigates:
        if model.attributes:
            raise Problem(
                f"conf/model: {model.name} has no mitigation, so attributes have no effect: "
                f"remove them, or wrap the estimator with {SEARCH}"
            )
        return []
    strangers = [name for name in model.attributes or [] if name not in known]
    if strangers or not known:
        what = f"has no attribute {strangers[0]!r}" if strangers else "names none"
        raise Problem(
            f"conf/model: {model.name} needs a sensitive attribute, and conf/data {what} "
            f"under sensitive ({', '.join(known) or 'empty'}): add it there, or choose "
            "another model"
        )
    return model.attributes or list(known)


def groups(names: list[str], frame: pd.DataFrame) -> pd.DataFrame:
    """Return the groups of the training rows, in the order of `frame`."""
    found = tables.read(tables.SENSITIVE_TRAIN, [tables.ROW, *names]).set_index(tables.ROW)
    return found.loc[frame[tables.ROW], names].reset_index(drop=True)


def search(
    made: Any, matrix: npt.NDArray[np.float64], target: pd.Series, names: pd.DataFrame
) -> tuple[BaseEstimator, BaseEstimator, Mitigation]:
    """Return the chosen estimator, the one without mitigation, and the record of the search.

    `made` is the grid search; `matrix` the encoded training rows, shape (rows, columns).
    """
    from sklearn.base import clone

    # Multipliers refer to groups in order of appearance; put the smallest first.
    sizes = names.groupby(list(names.columns))[names.columns[0]].transform("size")
    order = sizes.argsort(kind="stable").to_numpy()
    made.fit(matrix[order], target.to_numpy()[order], sensitive_features=names.iloc[order])
    plain: Any = clone(made.estimator)
    plain.fit(matrix, target)
    chosen = made.predictors_[made.best_idx_]
    done = Mitigation(
        method=SEARCH,
        constraint=type(made.constraints).__name__,
        attributes=list(names.columns),
        tried=len(made.predictors_),
        chosen=int(made.best_idx_),
        training_violation=float(made.gammas_.iloc[:, made.best_idx_].max()),
    )
    return chosen, plain, done


def unmitigated(without: Any, matrix: npt.NDArray[np.float64], target: pd.Series) -> Unmitigated:
    """Return what the estimator without mitigation answers for the encoded test rows."""
    label = without.predict(matrix).astype("float64")
    proba = getattr(without, "predict_proba", None)
    score = label if proba is None else proba(matrix)[:, 1]
    return Unmitigated(target.to_numpy("float64"), score, label)


def cost(parts: list[Unmitigated]) -> dict[str, Metric]:
    """Return metrics of the estimator without mitigation, on the test rows of all parts."""
    import numpy as np

    target, score, label = (np.concatenate(column) for column in zip(*parts, strict=True))
    found = performance.classification(target, score, label)
    return {f"unmitigated_{name}": found[name] for name in COST}
