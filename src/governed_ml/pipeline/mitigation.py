"""A fairer classifier: Fairlearn's grid search, of which one plain estimator is kept.

Agarwal et al. 2018, A Reductions Approach to Fair Classification, ICML. The sensitive attributes
weigh and relabel the training rows; the model that is kept has never seen them, and explains,
stores and predicts as any other. Fairlearn's other ways do not: `ExponentiatedGradient` draws lots
among its models at each prediction, `ThresholdOptimizer` wants the attribute there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.config.model import Model
from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import Mitigation
from governed_ml.core.problem import Problem
from governed_ml.measures import performance

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline

SEARCH = "fairlearn.reductions.GridSearch"
COST = ("accuracy", "roc_auc")  # what the same estimator without mitigation is measured by


def asked(model: Model) -> bool:
    """Return whether `conf/model` wraps its estimator with something of Fairlearn's."""
    return model.targets()[0].startswith("fairlearn.")


def inner(model: Model, made: Any, task: str) -> BaseEstimator:
    """Return the estimator that a grid search wraps; refuse what is no mitigation here."""
    target = model.targets()[0]
    if target != SEARCH:
        raise Problem(
            f"conf/model: {target} does not end in one model that predicts without the sensitive "
            f"attribute: take {SEARCH}"
        )
    if task != "classification":
        raise Problem(
            f"conf/model: {target} mitigates a classification, and this is a {task}: choose "
            "another model in conf/config.yaml"
        )
    return made.estimator


def attributes(model: Model, known: Collection[str]) -> list[str]:
    """Return the sensitive attributes that the model is to be fair to; none if it is plain."""
    if not asked(model):
        if model.attributes:
            raise Problem(
                f"conf/model: {model.name} is made no fairer, so attributes say nothing: take them "
                f"out, or wrap the estimator with {SEARCH}"
            )
        return []
    strangers = [name for name in model.attributes or [] if name not in known]
    if strangers or not known:
        what = f"has no attribute {strangers[0]!r}" if strangers else "names none"
        raise Problem(
            f"conf/model: {model.name} needs a sensitive attribute, and conf/data {what} under "
            f"sensitive ({', '.join(known) or 'empty'}): name it there, or choose another model"
        )
    return model.attributes or list(known)


def groups(names: list[str], frame: pd.DataFrame) -> pd.DataFrame:
    """Return the groups of the training rows, in the order of `frame`."""
    found = tables.read(tables.SENSITIVE_TRAIN, [tables.ROW, *names]).set_index(tables.ROW)
    return found.loc[frame[tables.ROW], names].reset_index(drop=True)


def fit(
    pipeline: Pipeline, features: pd.DataFrame, target: pd.Series, names: pd.DataFrame
) -> tuple[Pipeline, Pipeline, Mitigation]:
    """Return the chosen model, the same estimator without mitigation, and what was done."""
    from sklearn.base import clone
    from sklearn.pipeline import Pipeline

    encode, search = pipeline.named_steps["features"], pipeline.named_steps["estimator"]
    matrix = encode.fit_transform(features)
    # A multiplier is about the groups in the order in which they appear: the smallest first.
    sizes = names.groupby(list(names.columns))[names.columns[0]].transform("size")
    order = sizes.argsort(kind="stable").to_numpy()
    search.fit(matrix[order], target.to_numpy()[order], sensitive_features=names.iloc[order])
    plain = clone(search.estimator).fit(matrix, target)
    made = (search.predictors_[search.best_idx_], plain)
    chosen, without = (Pipeline([("features", encode), ("estimator", one)]) for one in made)
    done = Mitigation(
        method=SEARCH,
        constraint=type(search.constraints).__name__,
        attributes=list(names.columns),
        tried=len(search.predictors_),
        chosen=int(search.best_idx_),
        training_violation=float(search.gammas_.iloc[:, search.best_idx_].max()),
    )
    return chosen, without, done


def cost(without: Pipeline, features: list[str]) -> dict[str, Metric]:
    """Return how well the estimator does on the test rows without mitigation."""
    test = tables.read(tables.TEST)
    label = without.predict(test[features]).astype("float64")
    proba = getattr(without, "predict_proba", None)
    score = label if proba is None else proba(test[features])[:, 1]
    found = performance.classification(test[tables.TARGET].to_numpy("float64"), score, label)
    return {f"unmitigated_{name}": found[name] for name in COST}
