"""Fairness of a regression: differences between groups in mean prediction and mean errors.

The measures are differences of the mean prediction, the mean signed error (prediction minus target)
and the mean absolute error, and the ratio of the smallest to the largest mean absolute error. The
signed error shows which groups get predictions that are too high or too low, even if the other
means agree. Differences are in robust standard deviations of the target over all test rows
(`spread`, treated as known). Each cell's row count, means, and sums of squared and cubed deviations
suffice to compute them, because these can be merged exactly into coarser groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from governed_ml.core.evidence import NOT_COMPARED, Finding, Metric
from governed_ml.core.evidence_bodies import Attribute, Group
from governed_ml.measures.bounds.group_bounds import (
    Means,
    largest_mean_difference,
    pairs,
    smallest_ratio,
    student,
    student_for_all,
)
from governed_ml.measures.bounds.quantiles import ONE_VALUE
from governed_ml.measures.clusters import Persons
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

RATIO = "mean_absolute_error_ratio"
TARGET, PREDICTION, ERROR, SIGNED = 0, 1, 2, 3  # positions in the last axis of `Moments`
GAPS = {
    "mean_prediction_difference": PREDICTION,
    "mean_signed_error_difference": SIGNED,
    "mean_absolute_error_difference": ERROR,
}
SKEWED = 0.4  # skewness / √n of a group, above which bounds are unreliable


@dataclass(frozen=True)
class Moments:
    """Row counts, shape (groups,), and means, squares and cubes, shape (groups, 4), of groups.

    The last axis is target, prediction, absolute error, and signed error (prediction minus target).
    `squares` and `cubes` are sums of powers of deviations from the group's mean. If `persons`, the
    number of persons in each group, is set, the deviations are first summed for each person.
    """

    n: Integers
    mean: Floats
    squares: Floats
    cubes: Floats
    persons: Integers | None = None

    @property
    def units(self) -> Integers:
        """Return the number of independent units in each group: persons if known, else rows."""
        return self.n if self.persons is None else self.persons

    def merged(self, position: Integers, groups: int) -> Moments:
        """Merge cells into groups (Pébay 2008, SAND2008-6212). An empty group has mean 0."""
        n = np.zeros(groups, dtype=np.int64)
        np.add.at(n, position, self.n)
        sums, squares, cubes = np.zeros((3, groups, self.mean.shape[1]))
        np.add.at(sums, position, self.n[:, None] * self.mean)
        mean = sums / np.maximum(n, 1)[:, None]
        away, rows = self.mean - mean[position], self.n[:, None]
        np.add.at(squares, position, self.squares + rows * away**2)
        np.add.at(cubes, position, self.cubes + 3 * away * self.squares + rows * away**3)
        return Moments(n, mean, squares, cubes)

    def by_person(self, persons: Persons) -> Moments:
        """Return the moments with deviations summed by person.

        `persons.values` holds each person's row count and sums of the four quantities. The variance
        of a mean is then cluster-robust (Liang & Zeger 1986, Biometrika 73:13), times persons /
        (persons − 1), and Student's T has persons − 1 degrees of freedom.
        """
        rows, sums = persons.values[:, :1], persons.values[:, 1:]
        away = sums - rows * self.mean[persons.cell]
        squares, cubes = np.zeros_like(self.mean), np.zeros_like(self.mean)
        np.add.at(squares, persons.cell, away**2)
        np.add.at(cubes, persons.cell, away**3)
        many = np.bincount(persons.cell, minlength=len(self.n))
        return Moments(self.n, self.mean, squares, cubes, many)

    def means(self, place: int, spread: float) -> Means:
        """Return the means of one of the four quantities, in units of `spread`."""
        n, units = self.n.astype(np.float64), self.units.astype(np.float64)
        variance = units / (units - 1) * self.squares[:, place] / n**2 / spread**2
        third = self.cubes[:, place] / n**3 / spread**3
        return Means(self.mean[:, place] / spread, variance, third, units - 1)

    def skewness(self, place: int) -> Floats:
        """Return each group's skewness over the square root of its rows (persons), shape (groups,).

        It measures how skewed Student's T is. Because a small sample of a skewed distribution may
        look symmetric, it is the larger of the group's own value and that of all groups' pooled
        deviations.
        """
        squares, cubes = self.squares[:, place], np.abs(self.cubes[:, place])
        rounding = 1e-20 * self.n * self.mean[:, place] ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            own = np.where(squares > rounding, cubes / squares**1.5, 0.0)
        if not (squares > rounding).any():
            return own
        every = self.units.sum()
        shared = abs(self.cubes[:, place].sum()) / every / (squares.sum() / every) ** 1.5
        return np.maximum(own, shared / np.sqrt(self.units))


def regression(
    columns: Key,
    places: tuple[int, ...],
    cells: list[Key],
    moments: Moments,
    spread: float,
    confidence: float,
    persons: Persons | None = None,
) -> tuple[Attribute, dict[str, Metric], list[Finding]]:
    """Measure the fairness of a regression for one attribute or intersection.

    The arguments are those of `fairness.classification`, with `moments` of the cells in place of
    counts. `spread` is the robust standard deviation of the target over all test rows.
    """
    keys, position = collapse(cells, places)
    names = [label(key) for key in keys]
    grouped = moments.merged(position, len(keys))
    if persons is not None:
        grouped = grouped.by_person(persons.merged(position))
    metrics = measured(names, grouped, spread, confidence)
    findings = remarks(
        "largest gap in mean prediction", metrics["mean_prediction_difference"], columns, keys
    )
    return described(columns, names, grouped), metrics, findings


def measured(
    names: list[str], grouped: Moments, spread: float, confidence: float
) -> dict[str, Metric]:
    """Return the four metrics of groups, each with bounds or the reason for null."""
    reason = incomparable(names, grouped.n)
    single = [name for name, n in zip(names, grouped.units, strict=True) if n < 2]
    if not reason and single:
        unit = "row" if grouped.persons is None else "person"
        reason = f"one {unit} only in group {listed(single)}"
    if not reason and not spread > 0:
        reason = ONE_VALUE
    if reason:
        return {name: undefined(reason) for name in (*GAPS, RATIO)}
    unit = "" if grouped.persons is None else "persons"
    size, weakest = smallest(names, grouped.units, unit)
    result: dict[str, Metric] = {}
    for name, place in GAPS.items():
        if why := same_prediction(grouped, place) or too_skewed(names, grouped, place):
            result[name] = undefined(why, size)
            continue
        means = grouped.means(place, spread)
        bounds = largest_mean_difference(means, confidence)
        note = f"{extremes(names, means.value)}; {weakest}"
        result[name] = bounded(float(np.ptp(means.value)), bounds, size, note)
    errors = grouped.means(ERROR, spread)
    if not errors.value.any():
        return result | {RATIO: undefined("no group has any error: no ratio", size)}
    if why := too_skewed(names, grouped, ERROR):
        return result | {RATIO: undefined(why, size)}
    joint = student_for_all(errors, confidence, pairs(len(names)))
    bounds = smallest_ratio([joint], [student(errors, confidence)])
    note = f"{extremes(names, errors.value)}; {weakest}"
    value = float(errors.value.min() / errors.value.max())
    return result | {RATIO: bounded(value, bounds, size, note)}


def same_prediction(grouped: Moments, place: int) -> str | None:
    """Return why equal mean predictions are no sign of fairness, or None."""
    mean = grouped.mean[:, PREDICTION]
    rounding = 1e-20 * grouped.n * mean**2
    varies = (grouped.squares[:, PREDICTION] > rounding).any()
    if place != PREDICTION or varies or np.ptp(mean) > 1e-9 * np.abs(mean).max():
        return None
    return f"the model predicts the same number for every row: the mean prediction {NOT_COMPARED}"


def too_skewed(names: list[str], grouped: Moments, place: int) -> str | None:
    """Return why bounds would be unreliable (a few values decide a group's mean), or None.

    Without a correction, Cochran 1977, Sampling Techniques, section 2.15, requires a sample of 25
    times the squared skewness. With the correction in `group_bounds`, a quarter of that is enough.
    """
    skewness = grouped.skewness(place)
    worst = int(skewness.argmax())
    if skewness[worst] <= SKEWED:
        return None
    many = grouped.units[worst]
    wanted = int(np.ceil(many * (skewness[worst] / SKEWED) ** 2))
    unit = "rows" if grouped.persons is None else "persons"
    return (
        f"a few extreme values decide the mean of group {names[worst]} (n={many:,}): bounds would "
        f"need about {wanted:,} {unit}; take more, or a target on another scale, such as its "
        "logarithm"
    )


def described(columns: Key, names: list[str], grouped: Moments) -> Attribute:
    """Return each group's row count and means for the report, in the target's unit."""
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
