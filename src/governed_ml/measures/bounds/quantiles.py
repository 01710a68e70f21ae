"""Quantiles, and measures based on them: bounds of a rate, and a robust standard deviation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CENTRAL = (0.50, 0.80, 0.90)
"""Central shares of the values that `robust_spread` tries, until one has a positive width."""
ALONE_RATES, ALONE_MEANS = 0.8, 0.7
"""Shares of the tail 1 − confidence that the one-sided bounds of a single pair leave out.

Combining exact bounds of two rates, and correcting means for skewness, are approximations. With
these shares, a rule passes wrongly in less than 5 % of tables at a confidence of 95 %
(docs/bounds.md); with 1, it would in up to 5.6 % for rates and 6.3 % for means.
"""
ONE_VALUE = "more than nine in ten target values are the same: there is no spread to measure by"


@dataclass(frozen=True)
class Estimates:
    """One estimate per group with its lower and upper confidence bound; shape (..., groups)."""

    value: Floats
    lower: Floats
    upper: Floats


def normal_quantile(confidence: float, comparisons: int) -> float:
    """Return the two-sided quantile of the standard normal distribution.

    Intervals with it hold together for `comparisons` comparisons (Bonferroni correction).
    """
    from scipy.special import ndtri

    return -float(ndtri((1 - confidence) / 2 / max(1, comparisons)))


def student_quantile(confidence: float, comparisons: int, freedom: Floats) -> Floats:
    """Return the two-sided quantile of Student's t for each number of degrees of freedom.

    Intervals with it hold together for `comparisons` comparisons (Bonferroni correction).
    """
    from scipy.special import stdtrit

    tail = (1 - confidence) / 2 / max(1, comparisons)
    return -np.asarray(stdtrit(freedom, tail), dtype=np.float64)


def student_tail(tail: float, freedom: Floats) -> Floats:
    """Return the quantile of Student's t that is exceeded with probability `tail`."""
    from scipy.special import stdtrit

    return -np.asarray(stdtrit(freedom, tail), dtype=np.float64)


def clopper_pearson(hits: npt.ArrayLike, n: npt.ArrayLike, tail: float) -> Estimates:
    """Return rates `hits / n` with exact bounds, each wrong with a probability of at most `tail`.

    Clopper & Pearson 1934, Biometrika 26:404. `hits` and `n` need not be whole numbers (effective
    rows); `n` is positive.
    """
    from scipy.special import betaincinv

    x, rows = np.asarray(hits, dtype=np.float64), np.asarray(n, dtype=np.float64)
    missed, rate = rows - x, x / rows
    none, every = x <= 0, missed <= 0
    lower = np.where(none, 0.0, betaincinv(np.where(none, 1.0, x), missed + 1, tail))
    upper = np.where(every, 1.0, betaincinv(x + 1, np.where(every, 1.0, missed), 1 - tail))
    return Estimates(rate, np.minimum(lower, rate), np.maximum(upper, rate))


def wilson(hits: npt.ArrayLike, n: npt.ArrayLike, z: float | Floats) -> Estimates:
    """Return rates `hits / n` with score bounds (Wilson 1927, JASA 22:209); `n` is at least 1."""
    x, rows = np.asarray(hits, dtype=np.float64), np.asarray(n, dtype=np.float64)
    rate = x / rows
    centre = x + z * z / 2
    half = z * np.sqrt(x * (1 - rate) + z * z / 4)
    lower = np.where(x == 0, 0.0, (centre - half) / (rows + z * z))
    upper = np.where(x == rows, 1.0, (centre + half) / (rows + z * z))
    return Estimates(rate, np.minimum(lower, rate), np.maximum(upper, rate))


def robust_spread(values: Floats) -> float:
    """Return min(σ, interquartile range / 1.349) of the values, or 0 if nearly all are equal.

    Both estimate σ for normal values (Silverman 1986, Density Estimation, section 3.4.2). If the
    interquartile range is 0, the central 80 or 90 % replace it, each divided by its width for the
    standard normal distribution. Return 0 if that range is 0, too.
    """
    from scipy.special import ndtri

    if not len(values):
        return 0.0
    for share in CENTRAL:
        low, high = np.quantile(values, [(1 - share) / 2, (1 + share) / 2])
        if high > low:
            return min(float(values.std()), float((high - low) / (2 * ndtri((1 + share) / 2))))
    return 0.0
