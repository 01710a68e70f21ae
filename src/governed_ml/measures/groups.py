"""Groups of people: sensitive attributes, their intersections, and merging cells into groups.

A cell is a tuple of group names, one per sensitive attribute in configured order. Everything is
sorted, so that the same rows give exactly the same numbers.
"""

from __future__ import annotations

import math
from itertools import combinations, islice, product

import numpy as np
import numpy.typing as npt

from governed_ml.core.evidence import NOT_COMPARED, SAME_DECISION, Finding, Metric

Key = tuple[str, ...]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MOST = 1000  # most groups that are compared; an attribute with more needs bins or labels
SHOWN = 5  # most group names in a message; further ones are counted
SAME = {
    "selection_rate": "row is selected",
    "true_positive_rate": "positive is selected",
    "false_positive_rate": "negative is selected",
    "precision": "selected row is positive",
}
"""Rate → what is true of no row (of every row) that it rests on, if it is 0 (1) in every group."""


def intersections(attributes: Key) -> list[Key]:
    """Return each attribute and each intersection of attributes, single attributes first."""
    sizes = range(1, len(attributes) + 1)
    return [names for size in sizes for names in combinations(attributes, size)]


def collapse(keys: list[Key], places: tuple[int, ...]) -> tuple[list[Key], Integers]:
    """Reduce each key to some of its places.

    Return the distinct reduced keys, sorted, and for each original key the index of its reduced
    key.
    """
    short = [tuple(key[place] for place in places) for key in keys]
    distinct = sorted(set(short))
    position = {key: index for index, key in enumerate(distinct)}
    return distinct, np.array([position[key] for key in short], dtype=np.int64)


def label(key: Key) -> str:
    """Return a group's name: `Female`, or `Female*Black` in an intersection."""
    return "*".join(key)


def listed(names: list[str]) -> str:
    """Join names with commas; after the first `SHOWN`, only say how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def incomparable(names: list[str], sizes: Integers) -> str | None:
    """Return why groups cannot be compared, or None. `sizes` are row counts, shape (groups,)."""
    if not sizes.sum():
        return "there are no test rows"
    if len(names) < 2:
        return f"there is one group only: {names[0]}"
    if len(names) > MOST:
        return f"{len(names):,} groups are too many to compare: give the attribute bins or labels"
    empty = [name for name, size in zip(names, sizes, strict=True) if not size]
    return f"no test rows in group {listed(empty)}" if empty else None


def constant(answers: Integers) -> str | None:
    """Return that the decision is the same for every row, or None.

    `answers` are the numbers of rows with decision 0 and 1, shape (2,).
    """
    return None if answers.all() else SAME_DECISION[int(answers[1] > 0)]


def vacuous(measure: str, rates: dict[str, tuple[Integers, Integers]]) -> str | None:
    """Return why equal rates are no sign of fairness, or None.

    `rates` is name → hits and rows of each group. If each rate is 0 in every group, or 1 in every
    group, then the decision does not vary among the rows that the measure rests on.
    """
    told: list[str] = []
    for name, (hits, n) in rates.items():
        if hits.any() and (hits < n).any():
            return None
        told.append(("every " if hits.any() else "no ") + SAME[name])
    return f"{' and '.join(told)}: {measure.replace('_', ' ')} {NOT_COMPARED}"


def remarks(what: str, metric: Metric, columns: Key, keys: list[Key]) -> list[Finding]:
    """Return findings for a reader: the largest gap (or why there is none), and missing groups."""
    where = f"{label(columns)}: {metric.note}"
    shown = what if metric.value is not None else "fairness is not measured"
    sides = [sorted({key[place] for key in keys}) for place in range(len(columns))]
    lost = math.prod(len(side) for side in sides) - len(keys)
    found = [Finding(what=shown, where=where, value=metric.value)]
    if lost:
        known = set(keys)
        names = islice((label(key) for key in product(*sides) if key not in known), SHOWN)
        where = f"{label(columns)}: {', '.join(names)}" + (", …" if lost > SHOWN else "")
        what = "combinations that no row has, not judged"
        found.append(Finding(what=what, where=where, value=float(lost)))
    return found


def extremes(names: list[str], values: Floats) -> str:
    """Return the names of the groups with the lowest and the highest value."""
    low, high = int(values.argmin()), int(values.argmax())
    return f"{names[low]} vs {names[high if high != low else int(low == 0)]}"


def smallest(names: list[str], sizes: Integers, unit: str = "") -> tuple[int, str]:
    """Return the smallest size, and a text that names its group.

    `unit` names what is counted, unless it is rows.
    """
    place = int(sizes.argmin())
    size = int(sizes[place])
    return size, f"smallest group {names[place]} (n={size:,}{' ' + unit if unit else ''})"


def undefined(reason: str, n: int = 0) -> Metric:
    """Return a metric with value null and the reason in its note."""
    return Metric(value=None, n=n, note=reason)


def bounded(value: float, bounds: tuple[Floats, Floats], n: int, note: str) -> Metric:
    """Return a metric with its bounds, widened if rounding put the value outside of them."""
    lower, upper = min(float(bounds[0]), value), max(float(bounds[1]), value)
    return Metric(value=value, lower=lower, upper=upper, n=n, note=note)
