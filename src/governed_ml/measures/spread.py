"""How widely a target's values are spread, in a way that a few extreme values cannot inflate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CENTRAL = (0.50, 0.80, 0.90)  # shares of the values in the middle; the first with a width counts
ONE_VALUE = "more than nine in ten target values are the same: there is no spread to measure by"


def robust_spread(values: Floats) -> float:
    """Return the smaller of the standard deviation and the interquartile range / 1.349; or 0.

    Silverman 1986, Density Estimation, section 3.4.2: min(σ, IQR / 1.34). For normal values both
    are σ. Where half of the values are the same, the central 80 or 90 % take the quartiles' place,
    each divided by what it is in normal standard deviations; 0 if these are one value, too.
    """
    from scipy.special import ndtri

    if not len(values):
        return 0.0
    for share in CENTRAL:
        low, high = np.quantile(values, [(1 - share) / 2, (1 + share) / 2])
        if high > low:
            return min(float(values.std()), float((high - low) / (2 * ndtri((1 + share) / 2))))
    return 0.0
