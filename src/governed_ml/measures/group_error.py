"""Fairness of a regression: gaps between groups in mean prediction, mean error, absolute error.

Mean error is signed, prediction minus target: it shows who is promised too much and who too little,
where predictions are the same for all and errors as large for all. Gaps are in standard deviations
of the target over all test rows (taken as known); the ratio is the smallest mean absolute error of
a group over the largest. Everything follows from each cell's rows, means and squared deviations,
which add up exactly to coarser groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from governed_ml.core.evidence import Finding, Metric
from governed_ml.core.evidence_bodies import Attribute, Group
from governed_ml.measures.groups import (
    Floats,
    Integers,
    Key,
    bounded,
    collapse,
    extremes,
    incomparable,
    label,
    listed,
    remarks,
    smallest,
    undefined,
)
from governed_ml.measures.intervals import largest_mean_difference, pairs, smallest_ratio, student

RATIO = "mean_absolute_error_ratio"
TARGET, PREDICTION, ERROR, SIGNED = 0, 1, 2, 3  # the last axis of `Moments`
GAPS = {
    "mean_prediction_difference": PREDICTION,
    "mean_signed_error_difference": SIGNED,
    "mean_absolute_error_difference": ERROR,
}


@dataclass(frozen=True)
class Moments:
    """Rows of each group, shape (groups,); means and sums of squared deviations, (groups, 4).

    The four are target, prediction, absolute error, and error: prediction minus target.
    """

    n: Integers
    mean: Floats
    squares: Floats

    def merged(self, position: Integers, groups: int) -> Moments:
        """Add cells up to groups (Chan, Golub & LeVeque 1983); an empty group has mean 0."""
        n = np.zeros(groups, dtype=np.int64)
        np.add.at(n, position, self.n)
        sums, squares = np.zeros((2, groups, self.mean.shape[1]))
        np.add.at(sums, position, self.n[:, None] * self.mean)
        mean = sums / np.maximum(n, 1)[:, None]
        apart = self.squares + self.n[:, None] * (self.mean - mean[position]) ** 2
        np.add.at(squares, position, apart)
        return Moments(n, mean, squares)


def regression(
    columns: Key, places: tuple[int, ...], cells: list[Key], moments: Moments, confidence: float
) -> tuple[Attribute, dict[str, Metric], list[Finding]]:
    """Measure one attribute or intersection; arguments as in `fairness.classification`."""
    keys, position = collapse(cells, places)
    names = [label(key) for key in keys]
    grouped = moments.merged(position, len(keys))
    metrics = measured(names, grouped, target_spread(moments), confidence)
    findings = remarks(
        "largest gap in mean prediction", metrics["mean_prediction_difference"], columns, keys
    )
    return described(columns, names, grouped), metrics, findings


def target_spread(moments: Moments) -> float:
    """Return the standard deviation of the target over all rows (divided by n); 0 without rows."""
    total = moments.merged(np.zeros(len(moments.n), dtype=np.int64), 1)
    return math.sqrt(total.squares[0, TARGET] / total.n[0]) if total.n[0] else 0.0


def measured(
    names: list[str], grouped: Moments, spread: float, confidence: float
) -> dict[str, Metric]:
    """Return the four metrics of groups, each with simultaneous bounds or a reason."""
    reason = incomparable(names, grouped.n)
    single = [name for name, n in zip(names, grouped.n, strict=True) if n < 2]
    if not reason and single:
        reason = f"one row only in group {listed(single)}"
    if not reason and not spread > 0:
        reason = "the target is constant on the test rows"
    if reason:
        return {name: undefined(reason) for name in (*GAPS, RATIO)}
    n = grouped.n.astype(np.float64)
    variance = grouped.squares / (n - 1)[:, None]
    size, weakest = smallest(names, grouped.n)
    result: dict[str, Metric] = {}
    for name, place in GAPS.items():
        mean = grouped.mean[:, place] / spread
        bounds = largest_mean_difference(mean, variance[:, place] / spread**2, n, confidence)
        note = f"{extremes(names, mean)}; {weakest}"
        result[name] = bounded(float(mean.max() - mean.min()), bounds, size, note)
    error = grouped.mean[:, ERROR]
    if not error.any():
        return result | {RATIO: undefined("no group has any error: no ratio", size)}
    limits = student(error, variance[:, ERROR], n, confidence, pairs(len(names)))
    note = f"{extremes(names, error)}; {weakest}"
    value = float(error.min() / error.max())
    return result | {RATIO: bounded(value, smallest_ratio([limits]), size, note)}


def described(columns: Key, names: list[str], grouped: Moments) -> Attribute:
    """Return rows and means of each group for the report, in the target's own unit."""
    parts = {
        "mean_target": TARGET,
        "mean_prediction": PREDICTION,
        "mean_signed_error": SIGNED,
        "mean_absolute_error": ERROR,
    }
    groups = [
        Group(
            name=name,
            n=int(grouped.n[g]),
            counts={},
            rates={
                key: float(grouped.mean[g, place]) if grouped.n[g] else None
                for key, place in parts.items()
            },
        )
        for g, name in enumerate(names)
    ]
    return Attribute(name=label(columns), columns=list(columns), groups=groups)
