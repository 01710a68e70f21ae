"""Quantiles, and measures based on them: bounds of a rate, and a robust standard deviation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CENTRAL = (0.50, 0.80, 0.90)
"""Central shares of the values that `robust_spread` tries, until one has a positive width."""
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
