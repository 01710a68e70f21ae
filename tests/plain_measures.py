"""What the line measures, computed again in plain NumPy, pandas and Fairlearn on single rows.

Nothing here imports the template's package: it is what the package is compared with. The formulas
are written as their sources print them, group by group and pair by pair.
"""

from __future__ import annotations

import math
from itertools import combinations, permutations
from typing import NamedTuple

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
from scipy.stats import norm, t
from sklearn.metrics import precision_score, roc_auc_score


class Number(NamedTuple):
    """A metric: its value (None: undefined), its bounds, and the rows that it rests on."""

    value: float | None
    lower: float | None = None
    upper: float | None = None
    n: int | None = None


def population_stability_index(reference: pd.Series, current: pd.Series) -> float:
    """PSI over the reference's bins, an empty bin counting as 1e-4 (Siddiqi 2006)."""
    number = pd.api.types.is_numeric_dtype(reference)
    binned = (deciles if number else categories)(reference, current)
    left, right = (np.maximum(counts / counts.sum(), 1e-4) for counts in binned)
    return float(((right - left) * np.log(right / left)).sum())


def deciles(reference: pd.Series, current: pd.Series) -> list[np.ndarray]:
    """Count in at most ten quantile bins; a bin for each value if there are at most ten."""
    known = np.sort(reference.dropna().to_numpy(float))
    few = len(np.unique(known)) <= 10
    edges = np.unique(known) if few else quantile_edges(known, 10)
    sides = []
    for side in (reference, current):
        x = side.dropna().to_numpy(float)
        if few:
            inside = [(x == value).sum() for value in edges]
        else:
            inside = [((x > a) & (x <= b)).sum() for a, b in zip(edges, edges[1:], strict=False)]
            inside[0] += (x == edges[0]).sum()
        beyond = [(x < edges[0]).sum(), (x > edges[-1]).sum(), side.isna().sum()]
        between = len(side) - sum(inside) - sum(beyond)
        sides.append(np.array([*inside, *beyond, between], dtype=float))
    return sides


def quantile_edges(known: np.ndarray, bins: int) -> np.ndarray:
    """Return minimum, quantiles (the inverse of the empirical distribution) and maximum."""
    n = len(known)
    upper = sorted({known[-(-n * k // bins) - 1] for k in range(1, bins + 1)})
    return np.array([-np.inf if upper[0] == known[0] else known[0], *upper])


def categories(reference: pd.Series, current: pd.Series) -> list[np.ndarray]:
    """Count the fifty most frequent reference categories, the rare ones, new ones and nulls."""
    ranked = sorted(reference.value_counts().items(), key=lambda item: (-item[1], item[0]))
    names = [name for name, _ in ranked]
    sides = []
    for side in (reference, current):
        counts = side.value_counts()
        known = [counts.get(name, 0) for name in names]
        new = len(side) - sum(known) - side.isna().sum()
        sides.append(np.array([*known[:50], sum(known[50:]), new, side.isna().sum()], dtype=float))
    return sides


def leak(x: tuple[pd.Series, pd.Series], y: tuple[pd.Series, pd.Series], task: str) -> float:
    """How well one feature alone predicts the target: bins scored on train, judged on test."""
    keys = [side.astype("object").where(side.notna(), "null") for side in x]
    if pd.api.types.is_numeric_dtype(x[0]):
        known = np.sort(x[0].dropna().to_numpy(float))
        bins = max(2, min(50, len(x[0]) // 20))
        if len(np.unique(known)) > bins:
            edges = quantile_edges(known, bins)
            keys = [in_bins(side, edges, known[0]) for side in x]
    mean = y[0].groupby(keys[0]).mean()
    score = keys[1].map(mean).astype(float).fillna(y[0].mean()).to_numpy()
    if task == "classification":
        area = roc_auc_score(y[1], score)
        return float(max(area, 1 - area))
    return float(np.corrcoef(score, y[1])[0, 1] ** 2) if score.std() > 1e-12 else 0.0


def in_bins(x: pd.Series, edges: np.ndarray, low: float) -> pd.Series:
    """Number each value's bin; below the lowest, above the highest and null have their own."""
    place = np.searchsorted(edges[1:], x.to_numpy(float), side="left").astype(object)
    place[x.to_numpy(float) < low] = "below"
    place[x.isna().to_numpy()] = "null"
    return pd.Series(place, index=x.index)


def calibration_error(target: np.ndarray, score: np.ndarray) -> float:
    """Expected calibration error over ten bins of equal size (Naeini et al. 2015)."""
    order = np.argsort(score, kind="stable")
    size, more = divmod(len(order), 10)
    total, start = 0.0, 0
    for k in range(10):
        part = order[start : start + size + (k < more)]
        total += abs(score[part].sum() - target[part].sum())
        start += len(part)
    return total / len(order)


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
    groups: pd.DataFrame, known: pd.DataFrame, target: pd.Series, prediction: pd.Series, level: float
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
    groups: pd.DataFrame, known: pd.DataFrame, target: pd.Series, prediction: pd.Series, level: float
) -> dict[str, Number]:
    """Gaps of a regression in standard deviations of the target (Welch 1947), and their ratio."""
    spread = target.std(ddof=0)
    values = pd.DataFrame({"prediction": prediction, "error": (prediction - target).abs()})
    parts = [part for _, part in values.groupby([groups[name] for name in groups])]
    names = {"prediction": "mean_prediction_difference", "error": "mean_absolute_error_difference"}
    if len(parts) < max(2, len(keys_of(known))) or min(map(len, parts)) < 2:
        return {name: Number(None) for name in (*names.values(), "mean_absolute_error_ratio")}
    comparisons, n = math.comb(len(parts), 2), min(map(len, parts))
    tail = (1 - level) / 2 / comparisons
    found: dict[str, Number] = {}
    for column, name in names.items():
        lows, highs, gap = [0.0], [], 0.0
        for one, other in combinations([part[column] / spread for part in parts], 2):
            a, b = one.var() / len(one), other.var() / len(other)
            freedom = (a + b) ** 2 / (a * a / (len(one) - 1) + b * b / (len(other) - 1))
            half, apart = t.isf(tail, freedom) * math.sqrt(a + b), abs(one.mean() - other.mean())
            lows.append(apart - half)
            highs.append(apart + half)
            gap = max(gap, apart)
        found[name] = Number(gap, max(lows), max(highs), n)
    limits = []
    for part in parts:
        mean, size = part["error"].mean(), len(part)
        half = t.isf(tail, size - 1) * part["error"].std() / math.sqrt(size)
        limits.append((mean, max(0.0, mean - half), mean + half))
    means = [mean for mean, _, _ in limits]
    bounds = ratios([limits])
    found["mean_absolute_error_ratio"] = Number(min(means) / max(means), *bounds, n)
    return found
