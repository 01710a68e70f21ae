"""Fairness, computed again by Fairlearn on single rows, with bounds group by group, pair by pair.

Nothing here imports the template's package: it is what the package is compared with. The formulas
are written as their sources print them.
"""

from __future__ import annotations

import math
from itertools import combinations, permutations
from typing import NamedTuple

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
from plain_measures import Number
from scipy.stats import binomtest, norm, t
from sklearn.metrics import precision_score


def wilson(hits: int, n: int, z: float) -> tuple[float, float, float]:
    """A rate with its score limits (Wilson 1927)."""
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return p, 0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half


def newcombe(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, float]:
    """Limits of the difference of two rates (Newcombe 1998, method 10)."""
    (p, low, high), (q, floor, top) = one, other
    return p - q - math.hypot(p - low, top - q), p - q + math.hypot(high - p, q - floor)


def donner_zou(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, float]:
    """Limits of the ratio of two numbers (Donner & Zou 2012, MOVER-R)."""
    (p, low, high), (q, floor, top) = one, other

    def limit(mine: float, theirs: float, sign: int) -> float:
        below = theirs * (2 * q - theirs)
        inner = max(0.0, (p * q) ** 2 - mine * theirs * (2 * p - mine) * (2 * q - theirs))
        if abs(below) < 1e-15:
            return mine * (2 * p - mine) / (2 * p * q) if sign < 0 and p * q else math.inf
        return (p * q + sign * math.sqrt(inner)) / below

    return limit(low, top, -1), limit(high, floor, 1) if floor > 0 else math.inf


Parts = list[list[tuple[float, ...]]]


def gaps(joint: Parts, alone: Parts) -> tuple[float, float]:
    """Bounds of the largest difference between two groups in any part."""
    lows, highs = [0.0], []
    for groups in joint:
        for one, other in combinations(groups, 2):
            low, high = newcombe(one, other)
            lows += [low, -high]
    for groups in alone:
        for one, other in combinations(groups, 2):
            highs += [abs(bound) for bound in newcombe(one, other)]
    return max(lows), max(highs)


def ratios(joint: Parts, alone: Parts) -> tuple[float, float]:
    """Bounds of the smallest ratio of two groups in any part."""
    lows = [donner_zou(*pair)[0] for groups in alone for pair in permutations(groups, 2)]
    highs = [donner_zou(*pair)[1] for groups in joint for pair in permutations(groups, 2)]
    return min(lows), min(1.0, *highs)


def exact(hits: int, n: int, tail: float) -> tuple[float, float, float]:
    """A rate with the exact bounds of Clopper and Pearson, as SciPy computes them."""
    found = binomtest(int(hits), int(n)).proportion_ci(1 - 2 * tail, "exact")
    return hits / n, found.low, found.high


MEASURES = {
    "demographic_parity": ("selection_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "equal_opportunity": ("true_positive_rate",),
    "predictive_parity": ("precision",),
}


def fairness(
    groups: pd.DataFrame,
    known: pd.DataFrame,
    target: pd.Series,
    prediction: pd.Series,
    level: float,
) -> dict[str, Number]:
    """Fairlearn's numbers on the rows, with bounds; `known` has all rows' groups."""
    y, p, found = target.to_numpy(), prediction.to_numpy(), {}
    where = dict(tuple(groups.assign(place=range(len(groups))).groupby(list(groups))["place"]))
    rows = [where.get(key, pd.Series(dtype=int)).to_numpy(int) for key in keys_of(known)]
    hits_and_n = {
        "selection_rate": [(p[r].sum(), len(r)) for r in rows],
        "true_positive_rate": [((p[r] * y[r]).sum(), y[r].sum()) for r in rows],
        "false_positive_rate": [((p[r] * (1 - y[r])).sum(), (1 - y[r]).sum()) for r in rows],
        "precision": [((p[r] * y[r]).sum(), p[r].sum()) for r in rows],
    }
    nothing = len(rows) < 2 or not p.any() or p.all() or not all(len(r) for r in rows)
    for measure, names in MEASURES.items():
        parts = [hits_and_n[name] for name in names]
        n = int(min(n for part in parts for _, n in part))
        comparisons = math.comb(len(rows), 2) * len(parts)
        for kind, bound in (("difference", gaps), ("ratio", ratios)):
            key = f"{measure}_{kind}"
            never = kind == "ratio" and any(not any(hit for hit, _ in part) for part in parts)
            same = all(sum(hit for hit, _ in one) in (0, sum(m for _, m in one)) for one in parts)
            if nothing or not n or never or same:
                found[key] = Number(None)
                continue
            z = norm.isf((1 - level) / 2 / comparisons)
            joint = [[wilson(*pair, z) for pair in part] for part in parts]
            alone = [[exact(*pair, 0.8 * (1 - level)) for pair in part] for part in parts]
            bounds = bound(joint, alone)
            found[key] = Number(fairlearn_value(measure, kind, groups, y, p), *bounds, n)
    return found


def keys_of(known: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the combinations of groups that occur, sorted."""
    return sorted(set(known.itertuples(index=False, name=None)))


def fairlearn_value(
    measure: str, kind: str, groups: pd.DataFrame, y: np.ndarray, p: np.ndarray
) -> float:
    """Ask Fairlearn, with the sensitive columns as they are."""
    if measure == "predictive_parity":

        def precision(true: np.ndarray, predicted: np.ndarray) -> float:
            return precision_score(true, predicted, zero_division=0.0)

        frame = fl.MetricFrame(metrics=precision, y_true=y, y_pred=p, sensitive_features=groups)
        return float(getattr(frame, kind)())
    return float(getattr(fl, f"{measure}_{kind}")(y, p, sensitive_features=groups))


def group_error(
    groups: pd.DataFrame,
    known: pd.DataFrame,
    target: pd.Series,
    prediction: pd.Series,
    level: float,
    person: pd.Series | None = None,
) -> dict[str, Number]:
    """Gaps of a regression in robust standard deviations of the target, and the errors' ratio.

    Welch 1947 and Student, corrected for skewness (Hall 1992, Zhou & Dinh 2005); by person with
    cluster-robust variances (Liang & Zeger 1986), where every row is not a person of its own. A
    rule fails by a bound for all pairs at once, and passes by a one-sided bound for one pair alone.
    """
    spread = robust(target)
    signed = prediction - target
    values = pd.DataFrame({"prediction": prediction, "signed": signed, "error": signed.abs()})
    values["person"] = np.arange(len(values)) if person is None else person.to_numpy()
    parts = [part for _, part in values.groupby([groups[name] for name in groups])]
    names = {
        "prediction": "mean_prediction_difference",
        "signed": "mean_signed_error_difference",
        "error": "mean_absolute_error_difference",
    }
    persons = [part["person"].nunique() for part in parts]
    if len(parts) < max(2, len(keys_of(known))) or min(persons) < 2:
        return {name: Number(None) for name in (*names.values(), "mean_absolute_error_ratio")}
    comparisons, n = math.comb(len(parts), 2), min(persons)
    every, one_pair = (1 - level) / 2 / comparisons, 0.7 * (1 - level)
    found: dict[str, Number] = {}
    for column, name in names.items():
        if too_skewed(parts, column):
            found[name] = Number(None, n=n)
            continue
        lows, highs, gap = [0.0], [], 0.0
        for one, other in combinations([mean_of(part, column, spread) for part in parts], 2):
            a, b = one.variance, other.variance
            freedom = (a + b) ** 2 / (a * a / (one.persons - 1) + b * b / (other.persons - 1))
            apart, error = one.mean - other.mean, math.sqrt(a + b)
            third = one.third - other.third
            low, high = hall(apart, error, third, t.isf(every, freedom))
            lows += [low, -high]
            highs += [abs(end) for end in hall(apart, error, third, t.isf(one_pair, freedom))]
            gap = max(gap, abs(apart))
        found[name] = Number(gap, max(lows), max(highs), n)
    if too_skewed(parts, "error"):
        return found | {"mean_absolute_error_ratio": Number(None, n=n)}
    errors = [mean_of(part, "error", 1.0) for part in parts]
    joint, alone = ([limited(one, tail) for one in errors] for tail in (every, one_pair))
    means, bounds = [one.mean for one in errors], ratios([joint], [alone])
    found["mean_absolute_error_ratio"] = Number(min(means) / max(means), *bounds, n)
    return found


class Mean(NamedTuple):
    """A mean, with variance and third cumulant of the mean, and the persons behind it."""

    mean: float
    variance: float
    third: float
    persons: int


def limited(one: Mean, tail: float) -> tuple[float, float, float]:
    """A mean of numbers that are not negative, with bounds that are each wrong in `tail` cases."""
    quantile = t.isf(tail, one.persons - 1)
    low, high = hall(one.mean, math.sqrt(one.variance), one.third, quantile)
    return one.mean, max(0.0, low), high


def sums(part: pd.DataFrame, column: str) -> pd.Series:
    """The sum of each person's deviations from the mean of the rows."""
    return (part[column] - part[column].mean()).groupby(part["person"]).sum()


def mean_of(part: pd.DataFrame, column: str, spread: float) -> Mean:
    """A mean in units of `spread`."""
    away, rows = sums(part, column) / spread, len(part)
    persons = len(away)
    variance = persons / (persons - 1) * (away**2).sum() / rows**2
    third = (away**3).sum() / rows**3
    return Mean(part[column].mean() / spread, variance, third, persons)


def robust(values: pd.Series) -> float:
    """The smaller of standard deviation and interquartile range / 1.349 (Silverman 1986)."""
    apart = float(values.quantile(0.75) - values.quantile(0.25))
    assert apart > 0, "a table for which the quartiles do is wanted here"
    return min(float(values.std(ddof=0)), apart / (2 * norm.ppf(0.75)))


def hall(value: float, error: float, third: float, quantile: float) -> tuple[float, float]:
    """Limits of an estimate by Hall's transformation; `third` is its third cumulant."""
    a = third / error**3

    def back(x: float) -> float:
        return 3 / a * (float(np.cbrt(1 + a * (x - a / 6))) - 1)

    return value - error * back(quantile), value - error * back(-quantile)


def too_skewed(parts: list[pd.DataFrame], column: str) -> bool:
    """Whether a few values decide a group's mean: skewness over the root of its persons."""
    each = [sums(part, column) for part in parts]
    shared = skewness(pd.concat(each))
    return any(max(shared, skewness(one)) > 0.4 * math.sqrt(len(one)) for one in each)


def skewness(values: pd.Series) -> float:
    """The size of the skewness of values whose mean is 0."""
    return abs(float((values**3).mean())) / float((values**2).mean()) ** 1.5
