"""Fairness, computed again by Fairlearn on single rows, with bounds group by group, pair by pair.

Nothing here imports the template's package: it is what the package is compared with. The formulas
are written as their sources print them.
"""

from __future__ import annotations

import math
from itertools import combinations, permutations

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
from plain_measures import Number
from scipy.stats import norm, t
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


def gaps(parts: list[list[tuple[float, ...]]]) -> tuple[float, float]:
    """Bounds of the largest difference between two groups in any part."""
    lows, highs = [0.0], []
    for groups in parts:
        for one, other in combinations(groups, 2):
            low, high = newcombe(one, other)
            lows += [low, -high]
            highs.append(max(abs(low), abs(high)))
    return max(lows), max(highs)


def ratios(parts: list[list[tuple[float, ...]]]) -> tuple[float, float]:
    """Bounds of the smallest ratio of two groups in any part."""
    pairs = [donner_zou(*pair) for groups in parts for pair in permutations(groups, 2)]
    return min(low for low, _ in pairs), min(1.0, *(high for _, high in pairs))


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
    """Fairlearn's numbers on the rows, with simultaneous bounds; `known` has all rows' groups."""
    y, p, found = target.to_numpy(), prediction.to_numpy(), {}
    where = dict(tuple(groups.assign(place=range(len(groups))).groupby(list(groups))["place"]))
    rows = [where.get(key, pd.Series(dtype=int)).to_numpy(int) for key in keys_of(known)]
    hits_and_n = {
        "selection_rate": [(p[r].sum(), len(r)) for r in rows],
        "true_positive_rate": [((p[r] * y[r]).sum(), y[r].sum()) for r in rows],
        "false_positive_rate": [((p[r] * (1 - y[r])).sum(), (1 - y[r]).sum()) for r in rows],
        "precision": [((p[r] * y[r]).sum(), p[r].sum()) for r in rows],
    }
    nothing = len(rows) < 2 or not p.any() or not all(len(r) for r in rows)
    for measure, names in MEASURES.items():
        parts = [hits_and_n[name] for name in names]
        n = int(min(n for part in parts for _, n in part))
        comparisons = math.comb(len(rows), 2) * len(parts)
        for kind, bound in (("difference", gaps), ("ratio", ratios)):
            key = f"{measure}_{kind}"
            never = kind == "ratio" and any(not any(hit for hit, _ in part) for part in parts)
            if nothing or not n or never:
                found[key] = Number(None)
                continue
            z = norm.isf((1 - level) / 2 / comparisons)
            bounds = bound([[wilson(*pair, z) for pair in part] for part in parts])
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
) -> dict[str, Number]:
    """Gaps of a regression in robust standard deviations of the target, and the errors' ratio.

    Welch 1947 and Student, corrected for skewness (Hall 1992, Zhou & Dinh 2005).
    """
    spread = robust(target)
    signed = prediction - target
    values = pd.DataFrame({"prediction": prediction, "signed": signed, "error": signed.abs()})
    parts = [part for _, part in values.groupby([groups[name] for name in groups])]
    names = {
        "prediction": "mean_prediction_difference",
        "signed": "mean_signed_error_difference",
        "error": "mean_absolute_error_difference",
    }
    if len(parts) < max(2, len(keys_of(known))) or min(map(len, parts)) < 2:
        return {name: Number(None) for name in (*names.values(), "mean_absolute_error_ratio")}
    comparisons, n = math.comb(len(parts), 2), min(map(len, parts))
    tail = (1 - level) / 2 / comparisons
    found: dict[str, Number] = {}
    for column, name in names.items():
        if too_skewed([part[column] for part in parts]):
            found[name] = Number(None, n=n)
            continue
        lows, highs, gap = [0.0], [], 0.0
        for one, other in combinations([part[column] / spread for part in parts], 2):
            a, b = one.var() / len(one), other.var() / len(other)
            freedom = (a + b) ** 2 / (a * a / (len(one) - 1) + b * b / (len(other) - 1))
            third = third_moment(one) / len(one) ** 2 - third_moment(other) / len(other) ** 2
            apart = one.mean() - other.mean()
            low, high = hall(apart, math.sqrt(a + b), third, t.isf(tail, freedom))
            lows += [low, -high]
            highs += [abs(low), abs(high)]
            gap = max(gap, abs(apart))
        found[name] = Number(gap, max(lows), max(highs), n)
    if too_skewed([part["error"] for part in parts]):
        return found | {"mean_absolute_error_ratio": Number(None, n=n)}
    limits = []
    for part in parts:
        error, size = part["error"], len(part)
        third, scale = third_moment(error) / size**2, error.std() / math.sqrt(size)
        low, high = hall(error.mean(), scale, third, t.isf(tail, size - 1))
        limits.append((error.mean(), max(0.0, low), high))
    means = [mean for mean, _, _ in limits]
    bounds = ratios([limits])
    found["mean_absolute_error_ratio"] = Number(min(means) / max(means), *bounds, n)
    return found


def robust(values: pd.Series) -> float:
    """The smaller of standard deviation and interquartile range / 1.349 (Silverman 1986)."""
    apart = float(values.quantile(0.75) - values.quantile(0.25))
    assert apart > 0, "a table for which the quartiles do is wanted here"
    return min(float(values.std(ddof=0)), apart / (2 * norm.ppf(0.75)))


def third_moment(values: pd.Series) -> float:
    """The third central moment."""
    return float(((values - values.mean()) ** 3).mean())


def hall(value: float, error: float, third: float, quantile: float) -> tuple[float, float]:
    """Limits of an estimate by Hall's transformation; `third` is its third cumulant."""
    a = third / error**3

    def back(x: float) -> float:
        return 3 / a * (float(np.cbrt(1 + a * (x - a / 6))) - 1)

    return value - error * back(quantile), value - error * back(-quantile)


def too_skewed(parts: list[pd.Series]) -> bool:
    """Whether a few values decide a group's mean: its skewness over the root of its rows."""
    every = pd.concat([part - part.mean() for part in parts])
    shared = third_moment(every) / (every**2).mean() ** 1.5
    return any(
        max(abs(shared), abs(third_moment(part)) / part.var(ddof=0) ** 1.5) > 0.4 * len(part) ** 0.5
        for part in parts
    )
