"""Bounds on the mean ROC AUC of classes, each against the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from governed_ml.measures.bounds import performance_bounds
from governed_ml.measures.bounds.quantiles import normal_quantile

if TYPE_CHECKING:
    from governed_ml.measures.bounds.performance_bounds import Bounds, Integers
    from governed_ml.measures.multiclass.performance import ClassAnswers


def mean_roc_auc(found: ClassAnswers, confidence: float, person: Integers | None = None) -> Bounds:
    """Bound the mean over the classes on the logit scale; every class and its rest have rows.

    A row counts in the AUC of every class, so the influences of a row are averaged before their
    variance is taken (DeLong 1988, Biometrics 44:837). With `person`, these are summed by person
    (Obuchowski 1997, Biometrics 53:567). If classes are perfectly separated or have one row, the
    bounds are the means of the bounds of each class, which are wider, because the standard error of
    a mean is at most the mean of the standard errors.
    """
    from sklearn.metrics import roc_auc_score

    pairs = [found.one(place) for place in range(len(found.names))]
    values = [float(roc_auc_score(*pair)) for pair in pairs]
    if any(not 0 < value < 1 for value in values) or found.counts().min() < 2:
        each = [
            performance_bounds.roc_auc(*pair, value, confidence, person)
            for pair, value in zip(pairs, values, strict=True)
        ]
        low, high = np.mean(each, axis=0)
        return float(low), float(high)
    influence = np.mean(
        [
            performance_bounds.influence_of(*pair, value)
            for pair, value in zip(pairs, values, strict=True)
        ],
        axis=0,
    )
    value, z = float(np.mean(values)), normal_quantile(confidence, 1)
    variance = float(influence.var(ddof=1)) / len(influence)
    if person is not None:
        variance, z = performance_bounds.by_person(person, influence, confidence)
    return performance_bounds.on_logit_scale(value, variance, z)
