"""Fairness of a model of three or more classes: of each class against the rest, and the worst.

Point estimates are those of `measures.fairness` (Fairlearn's) for one class against the rest. Over
all classes, a metric is that of the worst class. "Every class is inside the limit" is an
intersection-union test, as it is for pairs of groups (see `group_bounds`), so the bound by which a
rule passes is the worst of the classes' own bounds. "Some class is beyond" searches all pairs and
classes, so that bound holds for all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from governed_ml.core.config.classes import ARROW
from governed_ml.core.evidence import NOT_COMPARED, SAME_CLASS, Finding, Metric
from governed_ml.core.evidence_bodies import Attribute, Group
from governed_ml.measures import fairness
from governed_ml.measures.bounds.rates import rates
from governed_ml.measures.clusters import Persons
from governed_ml.measures.groups import (
    Integers,
    Key,
    bounded,
    collapse,
    incomparable,
    label,
    remarks,
    undefined,
)

SMALLEST = "; smallest group "
Metrics = dict[str, Metric]


def classification(
    classes: list[str],
    columns: Key,
    places: tuple[int, ...],
    cells: list[Key],
    counts: Integers,
    confidence: float,
    persons: Persons | None = None,
) -> tuple[Attribute, Metrics, list[Finding]]:
    """Measure the fairness for one attribute or intersection; `classes` are names by position.

    The other arguments are those of `fairness.classification`; `counts` has the shape (cells,
    label, prediction). Metrics of one class are called `class.NAME.METRIC`.
    """
    keys, position = collapse(cells, places)
    table = np.zeros((len(keys), len(classes), len(classes)), dtype=np.int64)
    np.add.at(table, position, counts)
    names = [label(key) for key in keys]
    merged = None if persons is None else persons.merged(position)
    metrics = measured(names, table, classes, confidence, merged)
    gap = metrics["demographic_parity_difference"]
    findings = remarks("largest gap in selection rate", gap, columns, keys)
    return described(columns, names, table, classes), metrics, findings


def measured(
    names: list[str],
    counts: Integers,
    classes: list[str],
    confidence: float,
    persons: Persons | None = None,
    points_of: Callable[[Integers], fairness.Points] | None = None,
) -> Metrics:
    """Return the metrics of the worst class, and those of each as `class.NAME.METRIC`.

    `counts` has the shape (groups, label, prediction). The other arguments are those of
    `fairness.measured`.
    """
    reason = incomparable(names, counts.sum(axis=(1, 2)))
    predicted = counts.sum(axis=(0, 1))
    if not reason and (predicted > 0).sum() == 1:
        reason = f"{SAME_CLASS}, so fairness {NOT_COMPARED}"
    if reason:
        none = fairness.without_value(reason)
        return none | _named(classes, [none] * len(classes))
    each: list[tuple[Metrics, Metrics]] = []
    for place, name in enumerate(classes):
        if not predicted[place]:
            none = fairness.without_value(f"it is never predicted: its fairness {NOT_COMPARED}")
            each.append((none, none))
            continue
        one, units = against_rest(counts, place), units_of(name)
        mine = None
        if persons is not None:
            values = against_rest(persons.values, place)
            mine = Persons(persons.cell, persons.person, values)
        points = (points_of or fairness.fairlearn_points)(one)
        alone, joint = (
            fairness.compared(names, one, confidence, points, mine, units, many)
            for many in (1, len(classes))
        )
        each.append((alone, joint))
    worst = {
        name: worst_of(name.rpartition("_")[2], classes, [(a[name], b[name]) for a, b in each])
        for name in each[0][0]
    }
    return worst | _named(classes, [alone for alone, _ in each])


def _named(classes: list[str], each: list[Metrics]) -> Metrics:
    return {
        f"class.{name}.{metric}": one
        for name, metrics in zip(classes, each, strict=True)
        for metric, one in metrics.items()
    }


def units_of(name: str) -> tuple[str, str, str]:
    """Return what rows of a class, rows of other classes and rows predicted as it are called."""
    return f"rows of {name!r}", f"rows of other classes than {name!r}", f"rows predicted {name!r}"


def against_rest(counts: Integers, place: int) -> Integers:
    """Return counts of shape (…, classes, classes) as (…, 2, 2): a class (1) and the rest (0)."""
    both = counts[..., place, place]
    mine, chosen = counts[..., place, :].sum(axis=-1), counts[..., :, place].sum(axis=-1)
    rest = counts.sum(axis=(-1, -2)) - mine - chosen + both
    rows = np.stack([rest, chosen - both, mine - both, both], axis=-1)
    return rows.reshape(*counts.shape[:-2], 2, 2)


def worst_of(kind: str, classes: list[str], each: list[tuple[Metric, Metric]]) -> Metric:
    """Return the metric of the worst class, with bounds; null if that of any class is null.

    `each` holds every class's metric, first with bounds of its own, then with bounds for all
    classes at once. `kind` is difference or ratio.
    """
    for name, (alone, _) in zip(classes, each, strict=True):
        if alone.value is None:
            return undefined(f"class {name!r}: {alone.note}", alone.n or 0)
    values = [alone.value or 0.0 for alone, _ in each]
    fewest = min((alone for alone, _ in each), key=lambda one: one.n or 0)
    if kind == "difference":
        place = values.index(max(values))
        lower = max(joint.lower or 0.0 for _, joint in each)
        upper = max(alone.upper or 0.0 for alone, _ in each)
    else:
        place = values.index(min(values))
        lower = min(alone.lower or 0.0 for alone, _ in each)
        upper = min(joint.upper or 0.0 for _, joint in each)
    where, weakest = (
        one.note.rpartition(SMALLEST)[side] for one, side in ((each[place][0], 0), (fewest, 2))
    )
    note = f"class {classes[place]!r}: {where}{SMALLEST}{weakest}"
    return bounded(values[place], (np.array(lower), np.array(upper)), fewest.n or 0, note)


def described(columns: Key, names: list[str], counts: Integers, classes: list[str]) -> Attribute:
    """Return each group's counts, zeros left out, and its rates of each class.

    A rate is called `RATE.CLASS`; one with denominator 0 is null.
    """
    each = [rates(against_rest(counts, place)) for place in range(len(classes))]
    groups = [
        Group(
            name=name,
            n=int(counts[g].sum()),
            counts={
                f"{classes[i]}{ARROW}{classes[j]}": int(counts[g, i, j])
                for i, j in np.argwhere(counts[g])
            },
            rates={
                f"{key}.{one}": float(rate.hits[g] / rate.n[g]) if rate.n[g] else None
                for one, found in zip(classes, each, strict=True)
                for key, rate in found.items()
            },
        )
        for g, name in enumerate(names)
    ]
    return Attribute(name=label(columns), columns=list(columns), groups=groups)
