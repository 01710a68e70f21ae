"""Bounds on the largest difference and the smallest ratio between groups.

Each bound holds with the stated confidence, and each gets what its claim needs:

- "Some pair is beyond the limit" searches all pairs for the worst, so the bound nearer to equality
  comes from intervals that hold at once for all pairs (Bonferroni correction).
- "Every pair is inside the limit" is an intersection-union test (Berger 1982, Technometrics
  24:295). It is wrong only if the pair with the true extreme is judged wrongly, so the bound away
  from equality comes from one-sided bounds of each pair alone.

A percentile bootstrap of max − min has no such guarantee: its interval never covers zero.

Groups are on the last axis of arrays. Earlier axes (simulations) are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from governed_ml.measures.bounds.quantiles import (
    ALONE_MEANS,
    Estimates,
    Floats,
    student_quantile,
    student_tail,
)

FLAT = 1e-6  # a smaller absolute skewness is treated as 0


@dataclass(frozen=True)
class Means:
    """Each group's mean, with the variance, third cumulant and degrees of freedom of that mean.

    Each array has the shape (..., groups).
    """

    value: Floats
    variance: Floats
    third: Floats
    freedom: Floats


def pairs(groups: int) -> int:
    """Return the number of pairs of groups."""
    return groups * (groups - 1) // 2


def student(means: Means, confidence: float) -> Estimates:
    """Return means of non-negative numbers with bounds for one pair alone, the lower at least 0.

    The bounds are corrected for skewness.
    """
    return _above_zero(means, student_tail((1 - confidence) * ALONE_MEANS, means.freedom))


def student_for_all(means: Means, confidence: float, comparisons: int) -> Estimates:
    """Return the same as `student` with bounds for `comparisons` pairs at once."""
    return _above_zero(means, student_quantile(confidence, comparisons, means.freedom))


def _above_zero(means: Means, quantile: Floats) -> Estimates:
    low, high = _limits(means.value, means.variance, means.third, quantile)
    return Estimates(means.value, np.maximum(low, 0.0), high)


def largest_difference(joint: list[Estimates], alone: list[Estimates]) -> tuple[Floats, Floats]:
    """Bound the largest absolute difference between two groups, over all parts.

    Each part holds the groups' estimates of one rate or mean: `joint` with bounds that hold for all
    pairs at once, `alone` with bounds for each pair alone. The interval of a pair combines both
    groups' bounds as Newcombe does (1998, Statistics in Medicine 17:873, method 10). Return the
    lower and the upper bound, each of shape (...).
    """
    lowers: list[Floats] = []
    uppers: list[Floats] = []
    for part, single in zip(joint, alone, strict=True):
        low, high = _gaps(part)
        lowers.append(np.maximum(np.maximum(low, -high), 0.0).max(axis=-1))
        low, high = _gaps(single)
        uppers.append(np.maximum(np.abs(low), np.abs(high)).max(axis=-1))
    return np.max(lowers, axis=0), np.max(uppers, axis=0)


def smallest_ratio(joint: list[Estimates], alone: list[Estimates]) -> tuple[Floats, Floats]:
    """Bound the smallest ratio between two groups, over all parts; it is at most 1.

    `joint` and `alone` are as in `largest_difference`. Taking both orders of a pair needs no
    further correction, because their intervals are reciprocal. Return the lower and the upper
    bound, each of shape (...).
    """
    lowers: list[Floats] = []
    uppers: list[Floats] = []
    for part, single in zip(joint, alone, strict=True):
        for above, below in _both_orders(part):
            uppers.append(ratio(above, below)[1].min(axis=-1))
        for above, below in _both_orders(single):
            lowers.append(ratio(above, below)[0].min(axis=-1))
    return np.min(lowers, axis=0), np.minimum(np.min(uppers, axis=0), 1.0)


def ratio(above: Estimates, below: Estimates) -> tuple[Floats, Floats]:
    """Bound `above / below`, both at least 0, by the method of variance estimates recovery.

    MOVER-R: Donner & Zou 2012, Statistical Methods in Medical Research 21:347. The bounds are the
    values r at which the interval of `above − r · below` touches 0. The equation is solved without
    the cancellation of the printed formula. The upper bound is infinite if the interval of `below`
    has 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = above.value * below.value
        square = below.upper * (2 * below.value - below.upper)
        constant = above.lower * (2 * above.value - above.lower)
        root = np.sqrt(np.maximum(middle * middle - square * constant, 0.0))
        low = np.where(constant > 0, constant / (middle + root), 0.0)
        square = below.lower * (2 * below.value - below.lower)
        constant = above.upper * (2 * above.value - above.upper)
        root = np.sqrt(np.maximum(middle * middle - square * constant, 0.0))
        high = np.where(square > 0, (middle + root) / square, np.inf)
    return low, high


def largest_mean_difference(means: Means, confidence: float) -> tuple[Floats, Floats]:
    """Bound the largest absolute difference between the means of two groups.

    The interval of each pair is Welch's (1947, Biometrika 34:28), with Satterthwaite's degrees of
    freedom and a correction for skewness (Hall's transformation; Zhou & Dinh 2005, Biostatistics
    6:187).
    """
    i, j = np.triu_indices(means.value.shape[-1], k=1)
    both = means.variance[..., i] + means.variance[..., j]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = means.variance * means.variance / means.freedom
        freedom = both * both / (shares[..., i] + shares[..., j])
    freedom = np.where(both > 0, freedom, 1.0)
    gap = means.value[..., i] - means.value[..., j]
    third = means.third[..., i] - means.third[..., j]
    low, high = _limits(gap, both, third, student_quantile(confidence, len(i), freedom))
    lower = np.maximum(np.maximum(low, -high), 0.0).max(axis=-1)
    low, high = _limits(gap, both, third, student_tail((1 - confidence) * ALONE_MEANS, freedom))
    return lower, np.maximum(np.abs(low), np.abs(high)).max(axis=-1)


def _limits(
    value: Floats, variance: Floats, third: Floats, quantile: Floats
) -> tuple[Floats, Floats]:
    """Return confidence bounds of an estimate by Hall's transformation (1992, JRSS B 54:221).

    g(T) = T + aT²/3 + a²T³/27 + a/6 of Student's T is closer to normal than T. Here a is the
    estimate's skewness: its third cumulant over the cube of its standard error. The bounds are
    found by inverting g. If a is 0, they are Student's.
    """
    error = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        skewness = np.where(variance > 0, third / (variance * error), 0.0)
    flat = np.abs(skewness) < FLAT
    a = np.where(flat, 1.0, skewness)

    def back(x: Floats) -> Floats:
        return np.where(flat, x, 3 / a * (np.cbrt(1 + a * (x - a / 6)) - 1))

    return value - error * back(quantile), value - error * back(-quantile)


def _gaps(part: Estimates) -> tuple[Floats, Floats]:
    """Return the lower and the upper bound of each pair's difference, shape (..., pairs)."""
    one, other = _pairs(part)
    gap = one.value - other.value
    low = gap - np.hypot(one.value - one.lower, other.upper - other.value)
    return low, gap + np.hypot(one.upper - one.value, other.value - other.lower)


def _both_orders(part: Estimates) -> list[tuple[Estimates, Estimates]]:
    one, other = _pairs(part)
    return [(one, other), (other, one)]


def _pairs(part: Estimates) -> tuple[Estimates, Estimates]:
    i, j = np.triu_indices(part.value.shape[-1], k=1)
    one = Estimates(part.value[..., i], part.lower[..., i], part.upper[..., i])
    return one, Estimates(part.value[..., j], part.lower[..., j], part.upper[..., j])
