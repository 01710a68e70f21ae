"""Distances between two samples of one column.

Most are computed from the rows in each bin: both samples are counted over the same bins (see
`binning`). Two are computed from the sorted values themselves. No function here knows limits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from governed_ml.core.evidence import Metric
from governed_ml.core.problem import Problem

if TYPE_CHECKING:
    from governed_ml.measures.bounds.quantiles import Floats

CHANCE = 0.01  # probability that `beyond_chance` is positive without drift, or a bound is wrong
KS, WASSERSTEIN = "ks_statistic", "wasserstein_normed"
SUMMARY, EACH = 100, 10  # most values of a summary; least number of rows behind each of them
FLOOR = 1e-4  # least share of a bin, because the logarithm of 0 is undefined


def shares(counts: Sequence[int]) -> list[float]:
    """Turn bin counts into shares that sum to 1.

    Raise `Problem` if a count is negative or if there are no rows.
    """
    total = sum(counts)
    if total <= 0 or min(counts) < 0:
        raise Problem(
            "drift needs the number of rows in each bin: none may be negative, and one must "
            "be above 0"
        )
    return [count / total for count in counts]


def population_stability_index(reference: Sequence[int], current: Sequence[int]) -> float:
    """Return PSI = Σ (c − r) · ln(c / r) over bin shares, each share at least `FLOOR`; 0 or more.

    It is the symmetrised Kullback–Leibler divergence in nats (Siddiqi 2006, "Credit Risk
    Scorecards", chapter 8). `reference` and `current` are row counts over the same bins.
    """
    return math.fsum(contributions(reference, current))


def contributions(reference: Sequence[int], current: Sequence[int]) -> list[float]:
    """Return each bin's contribution to the population stability index; each is 0 or more."""
    pairs = zip(*_paired(reference, current), strict=True)
    floored = ((max(r, FLOOR), max(c, FLOOR)) for r, c in pairs)
    return [(c - r) * math.log(c / r) for r, c in floored]


def jensen_shannon_distance(reference: Sequence[int], current: Sequence[int]) -> float:
    """Return the Jensen–Shannon distance in base 2: from 0 (equal shares) to 1 (no common bin).

    It is the square root of the divergence, and a metric (Endres & Schindelin 2003, IEEE
    Transactions on Information Theory 49:1858). Arguments are row counts over the same bins, which
    may be empty.
    """
    terms: list[float] = []
    for r, c in zip(*_paired(reference, current), strict=True):
        middle = (r + c) / 2
        terms += [share * math.log2(share / middle) for share in (r, c) if share > 0]
    return math.sqrt(min(1.0, max(0.0, math.fsum(terms) / 2)))


def expected_without_drift(bins: int, reference_rows: int, current_rows: int) -> float:
    """Return the expected PSI if nothing drifts: (bins − 1) · (1/n + 1/m).

    `bins` is the number of bins that have rows; n and m are the rows of the two samples. Without
    drift, PSI / (1/n + 1/m) is approximately χ² distributed with bins − 1 degrees of freedom
    (Yurdakul & Naranjo 2020, "Statistical properties of the population stability index").
    """
    return max(0, bins - 1) * (1 / reference_rows + 1 / current_rows)


def beyond_chance(reference: Sequence[int], current: Sequence[int]) -> float:
    """Return the part of PSI that exceeds its 99 % quantile without drift, or 0.

    The quantile is that of the χ² distribution in `expected_without_drift`. Because of it, small
    samples raise no false alarm. `reference` and `current` are row counts over the same bins.
    """
    from scipy.special import chdtri

    bins = sum(r + c > 0 for r, c in zip(reference, current, strict=True))
    share = float(chdtri(max(1, bins - 1), CHANCE)) * (1 / sum(reference) + 1 / sum(current))
    return max(0.0, population_stability_index(reference, current) - share)


def largest(values: Mapping[str, float]) -> tuple[str, float]:
    """Return the name and value of the largest item; raise `Problem` if any value is not finite."""
    if not values:
        raise Problem(
            "no column has a drift value, so none is the largest: give the drift of at least one "
            "column"
        )
    for name, value in values.items():
        if not math.isfinite(value):
            raise Problem(f"the drift of column {name!r} is {value}, not a finite number")
    return max(values.items(), key=lambda item: (item[1], item[0]))


@dataclass(frozen=True)
class SortedValues:
    """A numeric column's values, ascending and without nulls, and the rows that they stand for.

    `spread` is the column's standard deviation by which distances are divided, or 0.
    """

    values: Floats
    rows: int
    spread: float = 0.0

    @property
    def step(self) -> float:
        """Return by how much the distribution function of a summary may be wrong, else 0."""
        return 0.5 / len(self.values) if len(self.values) < self.rows else 0.0


def spread_of(values: Floats) -> float:
    """Return the robust standard deviation; where that is 0, the standard deviation.

    It is 0 if all values are equal, and if it cannot be computed (infinite or too large values).
    """
    import numpy as np

    from governed_ml.measures.bounds.quantiles import robust_spread

    if not len(values) or values[0] == values[-1]:
        return 0.0
    with np.errstate(all="ignore"):
        found = robust_spread(values) or float(values.std())
    return found if math.isfinite(found) else 0.0


def summary(values: Floats) -> list[float]:
    """Return the quantiles that stand for ascending values where the rows are not at hand.

    They are at most `SUMMARY` values of the column, of which each stands for at least `EACH` rows:
    the medians of as many equally large parts. The distribution function that they make differs by
    at most 0.5 / their number.
    """
    import numpy as np

    kept = values[np.isfinite(values)]
    count = min(SUMMARY, len(kept) // EACH)
    if not count:
        return []
    at = (np.arange(count) + 0.5) / count
    return [float(one) + 0.0 for one in np.quantile(kept, at, method="inverted_cdf")]


def distances(reference: SortedValues, current: SortedValues) -> dict[str, Metric]:
    """Return the Kolmogorov-Smirnov and the Wasserstein distance of two samples of numbers.

    The first is the largest difference of the distribution functions; its bounds hold with a
    probability of 99 % (Massart 1990, Annals of Probability 18:1269) for independent rows. The
    second is divided by the reference's standard deviation. A missing value is part of neither.
    """
    n = min(reference.rows, current.rows)
    if not len(reference.values) or not len(current.values):
        side = "reference" if not len(reference.values) else "current table"
        none = Metric(value=None, n=0, note=f"the {side} has no value of this column")
        return {KS: none, WASSERSTEIN: none}
    return {
        KS: _kolmogorov_smirnov(reference, current).model_copy(update={"n": n}),
        WASSERSTEIN: _wasserstein(reference, current).model_copy(update={"n": n}),
    }


def _kolmogorov_smirnov(reference: SortedValues, current: SortedValues) -> Metric:
    import numpy as np
    from scipy.stats import ks_2samp

    with np.errstate(all="ignore"):  # in its p-value, which is not used
        found = ks_2samp(reference.values, current.values, method="asymp")
    value, place = float(found.statistic), float(found.statistic_location)
    rows = (reference.rows, current.rows)
    wrong = sum(math.sqrt(math.log(4 / CHANCE) / 2 / n) for n in rows)
    wrong += reference.step + current.step
    shares = [float((one.values <= place).mean()) for one in (reference, current)]
    return Metric(
        value=value,
        lower=max(0.0, value - wrong),
        upper=min(1.0, value + wrong),
        note=f"widest at {place:.6g}: {shares[0]:.1%} of the reference values are at most that, "
        f"{shares[1]:.1%} of the current ones",
    )


def _wasserstein(reference: SortedValues, current: SortedValues) -> Metric:
    import numpy as np
    from scipy.stats import wasserstein_distance

    ends = [one.values[end] for one in (reference, current) for end in (0, -1)]
    if not np.isfinite(ends).all():
        return Metric(value=None, note="a value is infinite, so the mean shift has no size")
    with np.errstate(all="ignore"):
        moved = float(wasserstein_distance(reference.values, current.values))
    if moved and math.isfinite(moved) and not reference.spread:
        return Metric(value=None, note="the reference has no spread to divide by")
    value = moved / reference.spread if reference.spread else moved  # which is 0 or infinite
    if not math.isfinite(value):
        return Metric(value=None, note="the values are too large to subtract")
    return Metric(
        value=value, note=f"{moved:.4g}, in standard deviations of {reference.spread:.4g}"
    )


def _paired(reference: Sequence[int], current: Sequence[int]) -> tuple[list[float], list[float]]:
    if len(reference) != len(current):
        raise Problem(
            f"drift needs the same bins on both sides: the reference has {len(reference)}, "
            f"the current table {len(current)}"
        )
    return shares(reference), shares(current)
