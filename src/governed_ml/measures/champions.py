"""Compare the errors of the model and the champion on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.evidence import Metric
from governed_ml.measures import clusters
from governed_ml.measures.bounds import quantiles

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


def champion_difference(
    target: Floats,
    champion: Floats,
    challenger: Floats,
    confidence: float,
    person: npt.NDArray[np.int64] | None = None,
) -> Metric:
    """Return the champion's minus the challenger's mean squared error, in variances of the target.

    A positive value means that the challenger is better. For a classifier's scores this is the
    difference of Brier scores. Both models are compared on the same rows. The interval is the
    normal one of the mean difference or, with `person` (the person of each row), Student's with a
    cluster-robust variance (Liang & Zeger 1986).
    """
    variance = float(target.var())
    if variance == 0:
        return Metric(value=None, note="the target is constant on the test rows")
    gains = ((champion - target) ** 2 - (challenger - target) ** 2) / variance
    return mean_gain(gains, confidence, person)


def mean_gain(
    gains: Floats, confidence: float, person: npt.NDArray[np.int64] | None = None
) -> Metric:
    """Return the mean of each row's gain over the champion, with the interval described above."""
    import numpy as np
    from scipy.special import ndtri

    mean, n = float(gains.mean()), len(gains)
    if person is not None:
        by_person, many = clusters.mean_variance(person, gains)
        if many < 2:
            return Metric(value=None, note="the rows are of one person only")
        quantile = quantiles.student_quantile(confidence, 1, np.array([many - 1.0]))
        half = float(quantile[0] * np.sqrt(by_person))
        note = "positive: better than the champion; bounds by person"
        return Metric(value=mean, lower=mean - half, upper=mean + half, n=n, note=note)
    half = (
        float(ndtri(0.5 + confidence / 2) * np.sqrt(gains.var(ddof=1) / n))
        if n > 1
        else float("inf")
    )
    if not np.isfinite(half):
        return Metric(value=None, note="one test row only")
    return Metric(
        value=mean,
        lower=mean - half,
        upper=mean + half,
        n=n,
        note="positive: better than the champion",
    )
