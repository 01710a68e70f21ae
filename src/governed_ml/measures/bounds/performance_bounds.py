"""Confidence bounds on metrics of a model's performance: calibration error, ROC AUC, R²."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from governed_ml.core.evidence_bodies import Bin
from governed_ml.measures.bounds.quantiles import normal_quantile, student_quantile, wilson
from governed_ml.measures.clusters import mean_variance

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bounds = tuple[float, float]


def calibration_error_bounds(table: list[Bin], confidence: float, effect: float = 1.0) -> Bounds:
    """Bound the expected calibration error over a table's bins; `effect` is the design effect.

    The observed rate of bin i differs from the true one by a random error eᵢ. This inflates the
    observed calibration error: even for a perfect model it is Σ w|e|. The lower bound therefore
    subtracts an upper quantile of Σ w|e|, a sum of half-normals (Cornish & Fisher 1938). The true
    error is Σ w|d| of true gaps d, and |d + e| ≥ sign(d)(d + e), so the upper bound adds a quantile
    of Σ w sign(d) e.
    """
    n = np.array([row.n for row in table], dtype=np.float64)
    observed = np.array([row.observed or 0.0 for row in table])
    predicted = np.array([row.predicted or 0.0 for row in table])
    weight = n / n.sum()
    rate = (observed * n + 1) / (n + 2)  # Laplace smoothing: rates of 0 and 1 are uncertain, too
    error = weight * np.sqrt(rate * (1 - rate) / n * effect)
    z, seen = normal_quantile(confidence, 1), float((weight * np.abs(predicted - observed)).sum())
    spread = np.sqrt((error**2).sum() * (1 - 2 / np.pi))
    third = (error**3).sum() * np.sqrt(2 / np.pi) * (4 / np.pi - 1)
    noise = np.sqrt(2 / np.pi) * error.sum() + spread * (z + (z * z - 1) / 6 * third / spread**3)
    return max(0.0, seen - float(noise)), min(1.0, seen + z * float(np.sqrt((error**2).sum())))


def roc_auc(
    target: Floats, score: Floats, value: float, confidence: float, person: Integers | None = None
) -> Bounds:
    """Bound the ROC AUC on the logit scale, with DeLong's variance (1988, Biometrics 44:837).

    `value` is the AUC. With `person` (the person of each row), variance components are summed by
    person (Obuchowski 1997, Biometrics 53:567). If the classes are perfectly separated, the bounds
    are Wilson's for as many rows as the rarer class has.
    """
    from scipy.stats import rankdata

    one = target == 1
    above, below = score[one], score[~one]
    z = normal_quantile(confidence, 1)
    weakest = min(len(above), len(below))
    if not 0 < value < 1 or weakest < 2:
        found = wilson(value * weakest, weakest, z)
        return float(found.lower), float(found.upper)
    ranks = rankdata(score)
    beats = (ranks[one] - rankdata(above)) / len(below)
    beaten = (ranks[~one] - rankdata(below)) / len(above)
    variance = beats.var(ddof=1) / len(above) + beaten.var(ddof=1) / len(below)
    if person is not None:
        variance, z = by_person(person, influence_of(target, score, value), confidence)
    return on_logit_scale(value, variance, z)


def influence_of(target: Floats, score: Floats, value: float) -> Floats:
    """Return how much each row moves the ROC AUC `value`, shape (rows,); the mean is 0.

    The variance of the mean of these is DeLong's, up to the degrees of freedom.
    """
    from scipy.stats import rankdata

    one, found = target == 1, np.empty(len(target))
    ranks, above, below = rankdata(score), score[one], score[~one]
    beats = (ranks[one] - rankdata(above)) / len(below)
    beaten = (ranks[~one] - rankdata(below)) / len(above)
    found[one] = (beats - value) / len(above) * len(target)
    found[~one] = (1 - beaten - value) / len(below) * len(target)
    return found


def on_logit_scale(value: float, variance: float, z: float) -> Bounds:
    """Return a normal interval for a number between 0 and 1, made on the logit scale."""
    reach = z * np.sqrt(variance) / (value * (1 - value))
    logit = np.log(value / (1 - value))
    low, high = (float(1 / (1 + np.exp(-(logit + side * reach)))) for side in (-1, 1))
    return low, high


def by_person(person: Integers, influence: Floats, confidence: float) -> tuple[float, float]:
    """Return the variance of a mean, clustered by person, and Student's quantile for it."""
    variance, many = mean_variance(person, influence)
    return variance, float(student_quantile(confidence, 1, np.array([max(many - 1.0, 1.0)]))[0])


def r2(
    target: Floats,
    prediction: Floats,
    value: float,
    confidence: float,
    person: Integers | None = None,
) -> Bounds:
    """Bound R² = 1 − mean squared error / variance by the nonparametric delta method.

    `value` is R². Its standard error is that of the mean of the influence values (Davison & Hinkley
    1997, Bootstrap Methods and their Application, section 2.7.2), with Student's quantile.
    """
    error, away = (target - prediction) ** 2, (target - target.mean()) ** 2
    influence = (error - (1 - value) * away) / away.mean()
    each = np.arange(len(target)) if person is None else person
    variance, quantile = by_person(each, influence, confidence)
    half = quantile * float(np.sqrt(variance))
    return value - half, min(1.0, value + half)
