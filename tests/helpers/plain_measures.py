"""Drift, leaks and calibration, computed again in plain NumPy and pandas on single rows.

Nothing here imports the template's package: it is what the package is compared with.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import halfnorm, norm
from sklearn.metrics import roc_auc_score


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
            inside = [((x > a) & (x <= b)).sum() for a, b in pairwise(edges)]
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


def calibration_bounds(target: np.ndarray, score: np.ndarray, level: float) -> tuple[float, float]:
    """Bounds of the error: half-normal noise taken off (Cornish & Fisher 1938), or added."""
    seen = calibration_error(target, score)
    parts = np.array_split(target[np.argsort(score, kind="stable")], 10)
    rates = [(part.sum() + 1) / (len(part) + 2) for part in parts]
    errors = np.array(
        [
            len(part) / len(target) * np.sqrt(rate * (1 - rate) / len(part))
            for part, rate in zip(parts, rates, strict=True)
        ]
    )
    z = norm.isf((1 - level) / 2)
    moments = [float(halfnorm.stats(moments=kind)) for kind in "mvs"]
    mean, spread = moments[0] * errors.sum(), np.sqrt(moments[1] * (errors**2).sum())
    skewness = moments[2] * moments[1] ** 1.5 * (errors**3).sum() / spread**3
    noise = mean + spread * (z + (z * z - 1) / 6 * skewness)
    return max(0.0, seen - noise), min(1.0, seen + z * float(np.sqrt((errors**2).sum())))
