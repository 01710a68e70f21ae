"""Compare a sample with a reference sample of the same time: rates, slow answers, distributions.

Both are rows of persons, who send several each: bounds count persons, not rows (see `clusters`).
Each function returns a value with two bounds: `lower` holds at the confidence `to_fail`, together
with those of the other comparisons, and `upper` at the confidence `to_pass`, alone. A limit is
surely kept if `upper` is inside, and surely broken if `lower` is beyond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from governed_ml.measures.bounds.quantiles import ALONE_RATES, Estimates, student_tail
from governed_ml.measures.bounds.rates import Rate
from governed_ml.measures.clusters import Worth, design_effect
from governed_ml.measures.drift import population_stability_index
from governed_ml.measures.groups import Floats, Integers

LEAST_PERSONS = 2
LARGE = 700.0  # the exponential of more is infinite
DECILES = 10


class PersonValues(NamedTuple):
    """Aligned values and codes of persons, shape (rows,)."""

    values: npt.NDArray[np.float64]
    person: Integers


@dataclass(frozen=True)
class Sureness:
    """The confidence of a bound to pass by, and of the bounds to fail by of all `comparisons`."""

    to_pass: float
    to_fail: float
    comparisons: int = 1

    @property
    def fail_tail(self) -> float:
        """Return the probability with which a single bound to fail by may be wrong."""
        return (1 - self.to_fail) / self.comparisons / 2

    @property
    def pass_tail(self) -> float:
        """Return the probability with which a bound to pass by may be wrong, alone."""
        return (1 - self.to_pass) * ALONE_RATES


class Bounded(NamedTuple):
    """A value with its bounds, which may be infinite."""

    value: float
    lower: float
    upper: float


class Comparison(NamedTuple):
    """A value with its bounds (infinite if there is none), or null with the reason."""

    value: float | None
    lower: float
    upper: float
    note: str


def missing(note: str) -> Comparison:
    """Return that nothing can be said, and why."""
    return Comparison(None, 0.0, 0.0, note)


def too_few_persons(*samples: PersonValues) -> str | None:
    """Return why samples say nothing: of one person, or empty; None if they do."""
    if any(len(one.person) == 0 for one in samples):
        return "no rows"
    if any(len(np.unique(one.person)) < LEAST_PERSONS for one in samples):
        return "all rows of one subject"
    return None


def rate_difference(reference: PersonValues, current: PersonValues, sure: Sureness) -> Comparison:
    """Return how much larger the rate of 1 among the current values is; values are 0 or 1.

    The bounds of both rates are combined as Newcombe does (1998, Statistics in Medicine 17:873).
    """
    if why := too_few_persons(reference, current):
        return missing(why)
    both = [reference, current]
    worth = [_worth(one.values > 0, one.person) for one in both]
    rate = Rate(
        hits=np.array([int((one.values > 0).sum()) for one in both]),
        n=np.array([len(one.values) for one in both]),
        unit="",
        effect=np.concatenate([one.effect for one in worth]),
        persons=np.concatenate([one.persons for one in worth]),
    )
    joint = rate.limits(sure.to_fail, sure.comparisons)
    single = rate.alone(sure.to_pass)
    before, now = map(float, rate.value)
    low, _ = _difference(*_each(joint))
    _, high = _difference(*_each(single))
    return Comparison(now - before, low, high, f"{now:.2%} against {before:.2%}")


def quantile_ratio(
    reference: PersonValues, current: PersonValues, share: float, sure: Sureness
) -> Comparison:
    """Return the quantile of the current values over that of the reference; values are positive.

    The bounds of each quantile are values of the sample (Woodruff 1952, JASA 47:635, with exact
    binomial ranks). They are combined on the logarithmic scale.
    """
    if why := too_few_persons(reference, current):
        return missing(why)
    old, new = (_log_quantile(one, share, sure.fail_tail) for one in (reference, current))
    low, _ = _difference(old, new)
    old, new = (_log_quantile(one, share, sure.pass_tail) for one in (reference, current))
    _, high = _difference(old, new)
    before, now = math.exp(old.value), math.exp(new.value)
    upper = math.exp(high) if high < LARGE else math.inf
    return Comparison(now / before, math.exp(low), upper, f"{now:.4g} against {before:.4g}")


def index_beyond_chance(
    reference: PersonValues, current: PersonValues, sure: Sureness
) -> Comparison:
    """Return the PSI of bins, less what chance alone is expected to give; values are bin numbers.

    Without drift, PSI / (1/n + 1/m) is approximately χ² distributed; with drift, it is noncentral
    χ², and the bounds are those of the noncentrality. If rows belong to persons, it is a weighted
    sum of such variables (Rao & Scott 1981, JASA 76:221): the mean weight says what chance is
    expected to give, and the bounds are as wide as if all weights were the largest.
    """
    if why := too_few_persons(reference, current):
        return missing(why)
    many = int(max(reference.values.max(), current.values.max())) + 1
    counts = [
        np.bincount(one.values.astype(np.int64), minlength=many) for one in (reference, current)
    ]
    freedom = max(1, int((counts[0] + counts[1] > 0).sum()) - 1)
    mean, most = 0.0, 0.0
    for one in (reference, current):
        weights = _weights(one, many)
        mean += weights[0] / len(one.values)
        most += weights[1] / len(one.values)
    found = population_stability_index(*([int(n) for n in one] for one in counts))
    value = max(0.0, found - freedom * mean)
    statistic = (found + freedom * (most - mean)) / most
    low = _noncentrality(statistic, freedom, 1 - sure.fail_tail * ALONE_RATES) * most
    high = _noncentrality(statistic, freedom, sure.pass_tail) * most
    note = f"PSI {found:.4g}, of which chance is expected to give {freedom * mean:.4g}"
    return Comparison(value, min(low, value), max(high, value), note)


def _weights(sample: PersonValues, many: int) -> tuple[float, float]:
    """Return the mean and the largest design effect on the shares of bins, each at least 1.

    They are the eigenvalues of the shares' covariance, by person, over that of independent rows.
    """
    bins, rows = sample.values.astype(np.int64), len(sample.values)
    _, code = np.unique(sample.person, return_inverse=True)
    persons = int(code.max()) + 1
    table = np.zeros((persons, many))
    np.add.at(table, (code, bins), 1)
    share = table.sum(axis=0) / rows
    table, share = table[:, share > 0], share[share > 0]
    away = (table - table.sum(axis=1, keepdims=True) * share) / np.sqrt(share)
    found = np.linalg.eigvalsh(away.T @ away) / rows * persons / (persons - 1)
    others = found[1:] if len(found) > 1 else np.ones(1)  # the first one is 0
    return max(1.0, float(others.mean())), max(1.0, float(others.max()))


def binned_together(reference: Floats, current: Floats) -> tuple[Floats, Floats]:
    """Return the number of each value's bin, between the deciles of the reference.

    A value that is NaN has a bin of its own. A reference with few values has a bin for each.
    """
    known = reference[~np.isnan(reference)]
    distinct = np.unique(known)
    if len(distinct) > DECILES:
        steps = np.arange(1, DECILES) / DECILES
        edges = np.unique(np.quantile(known, steps, method="inverted_cdf"))
    else:
        edges = distinct[:-1]
    old, new = (
        np.where(np.isnan(one), len(edges) + 1.0, np.searchsorted(edges, one))
        for one in (reference, current)
    )
    return old, new


def _worth(hits: npt.NDArray[np.bool_], person: Integers) -> Worth:
    _, code = np.unique(person, return_inverse=True)
    n = np.bincount(code)
    mine = np.bincount(code, hits).astype(np.int64)
    return design_effect(np.zeros(len(n), dtype=np.int64), mine, n, 1)


def _each(rates: Estimates) -> tuple[Bounded, Bounded]:
    """Return the two rates, the reference's first."""
    parts = zip(rates.value, rates.lower, rates.upper, strict=True)
    old, new = (Bounded(*map(float, one)) for one in parts)
    return old, new


def _difference(old: Bounded, new: Bounded) -> tuple[float, float]:
    """Return the bounds of new − old, by the method of variance estimates recovery."""
    gap = new.value - old.value
    low = gap - math.hypot(new.value - new.lower, old.upper - old.value)
    return low, gap + math.hypot(new.upper - new.value, old.value - old.lower)


def _log_quantile(sample: PersonValues, share: float, tail: float) -> Bounded:
    """Return the logarithm of a quantile, with bounds that are each wrong with probability tail."""
    from scipy.special import bdtrik

    logs = np.log(sample.values)
    ordered, rows = np.sort(logs), len(logs)
    value = float(ordered[math.ceil(share * rows) - 1])
    worth = _worth(logs > value, sample.person)
    freedom = worth.persons.astype(np.float64) - 1
    exact = student_tail(tail, np.full_like(freedom, np.inf)) / student_tail(tail, freedom)
    units = float(rows / worth.effect[0] * exact[0] ** 2)
    least, most = (float(bdtrik(one, units, share)) for one in (tail, 1 - tail))
    low, high = -math.inf, math.inf
    if math.isfinite(least):
        first = math.floor((math.floor(least) + 1) / units * rows)
        low = float(ordered[first - 1]) if first > 0 else low
    if math.isfinite(most):
        last = math.ceil((math.ceil(most) + 1) / units * rows)
        high = float(ordered[last - 1]) if last <= rows else high
    return Bounded(value, min(low, value), max(high, value))


def _noncentrality(statistic: float, freedom: int, share: float) -> float:
    """Return the noncentrality at which χ² stays below the statistic with probability `share`."""
    from scipy.special import chndtr, chndtrinc

    if chndtr(statistic, freedom, 0.0) <= share:
        return 0.0
    return float(chndtrinc(statistic, freedom, share))
