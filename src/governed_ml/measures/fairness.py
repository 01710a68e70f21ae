"""Fairness of a classifier, computed from one contingency table: cell × label × prediction.

Point estimates are Fairlearn's, with the counts as sample weights, so they equal those computed on
the rows. Bounds account for the number of pairs of groups (see `group_bounds`). If rows belong to
persons, bounds account for that (see `clusters`). Fairlearn returns 0 for a rate with denominator
0; here such a rate is null, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from governed_ml.core.evidence import NOT_COMPARED, Finding, Metric
from governed_ml.core.evidence_bodies import Attribute, Group
from governed_ml.measures.bounds.group_bounds import largest_difference, pairs, smallest_ratio
from governed_ml.measures.bounds.rates import UNITS, Rate, rates
from governed_ml.measures.clusters import Persons, design_effect
from governed_ml.measures.groups import (
    Integers,
    Key,
    bounded,
    collapse,
    constant,
    extremes,
    incomparable,
    label,
    listed,
    remarks,
    smallest,
    undefined,
    vacuous,
)

MEASURES = {
    "demographic_parity": ("selection_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "equal_opportunity": ("true_positive_rate",),
    "predictive_parity": ("precision",),
}
KINDS = ("difference", "ratio")
WITHOUT_LABELS = ("demographic_parity",)
"""The measures in `MEASURES` that need predictions only."""
OUTCOMES = ("true_negative", "false_positive", "false_negative", "true_positive")


def classification(
    columns: Key,
    places: tuple[int, ...],
    cells: list[Key],
    counts: Integers,
    confidence: float,
    persons: Persons | None = None,
) -> tuple[Attribute, dict[str, Metric], list[Finding]]:
    """Measure the fairness of a classifier for one attribute or intersection.

    `cells` are all groups of the finest intersection; `counts` has the shape (cells, label,
    prediction). `columns` are the attributes of this measurement, `places` their positions in a
    cell. `persons` holds each person's counts, if rows belong to persons.
    """
    keys, position = collapse(cells, places)
    table = np.zeros((len(keys), 2, 2), dtype=np.int64)
    np.add.at(table, position, counts)
    names = [label(key) for key in keys]
    by_person = None if persons is None else persons.merged(position)
    metrics = measured(names, table, confidence, persons=by_person)
    gap = metrics["demographic_parity_difference"]
    findings = remarks("largest gap in selection rate", gap, columns, keys)
    return described(columns, names, table), metrics, findings


Points = dict[str, dict[str, float]]


def measured(
    names: list[str],
    counts: Integers,
    confidence: float,
    points_of: Callable[[Integers], Points] | None = None,
    persons: Persons | None = None,
) -> dict[str, Metric]:
    """Return `_difference` and `_ratio` of each measure, with bounds or with the reason for null.

    `counts` has the shape (groups, label, prediction). `points_of` computes the point estimates
    from the counts; by default it is `fairlearn_points`. With `persons`, whose cells are the
    groups, bounds account for rows of the same person.
    """
    reason = incomparable(names, counts.sum(axis=(1, 2)))
    if not reason and (same := constant(counts.sum(axis=(0, 1)))):
        reason = f"{same}, so fairness {NOT_COMPARED}"
    if reason:
        return without_value(reason)
    return compared(names, counts, confidence, (points_of or fairlearn_points)(counts), persons)


def without_value(reason: str) -> dict[str, Metric]:
    """Return all metrics with a null, for this reason."""
    return {f"{measure}_{kind}": undefined(reason) for measure in MEASURES for kind in KINDS}


def compared(
    names: list[str],
    counts: Integers,
    confidence: float,
    points: Points,
    persons: Persons | None = None,
    units: tuple[str, str, str] = UNITS,
    classes: int = 1,
) -> dict[str, Metric]:
    """Return the same for a decision that varies and groups that have rows.

    `points` are the point estimates, and `units` is as in `rates`. The bounds that hold for all
    pairs at once hold for so many `classes`, too, each against the rest.
    """
    found, each = rates(counts, units), rates(persons.values, units) if persons else {}
    result: dict[str, Metric] = {}
    for measure, parts in MEASURES.items():
        chosen = {name: found[name] for name in parts}
        if persons is not None:
            chosen = {name: by_person(found[name], each[name], persons) for name in parts}
        for kind in KINDS:
            values = {name: points[kind][name] for name in parts}
            metric = _metric(kind, names, chosen, values, confidence, classes)
            why = vacuous(measure, {name: (one.hits, one.n) for name, one in chosen.items()})
            lost = metric.value is None or why is None
            result[f"{measure}_{kind}"] = metric if lost else undefined(str(why), metric.n or 0)
    return result


def by_person(whole: Rate, each: Rate, persons: Persons) -> Rate:
    """Return `whole` with its design effect; `each` has one entry for each entry of `persons`."""
    worth = design_effect(persons.cell, each.hits, each.n, len(whole.n))
    return replace(whole, effect=worth.effect, persons=worth.persons)


def _metric(
    kind: str,
    names: list[str],
    parts: dict[str, Rate],
    values: dict[str, float],
    confidence: float,
    classes: int,
) -> Metric:
    for part in parts.values():
        lost = [name for name, n in zip(names, part.n, strict=True) if not n]
        if lost:
            return undefined(f"no {part.unit} in group {listed(lost)}")
        alone = [name for name, n in zip(names, part.units, strict=True) if n < 2]
        if part.persons is not None and alone:
            return undefined(f"one person only in group {listed(alone)}")
    n, weakest = min(smallest(names, part.units, part.counted) for part in parts.values())
    never = [name for name, part in parts.items() if not part.hits.any()]
    if kind == "ratio" and never:
        return undefined(f"the {never[0].replace('_', ' ')} is 0 in every group: no ratio", n)
    comparisons = pairs(len(names)) * len(parts) * classes
    joint = [part.limits(confidence, comparisons) for part in parts.values()]
    alone = [part.alone(confidence) for part in parts.values()]
    pick, bounds = (max, largest_difference) if kind == "difference" else (min, smallest_ratio)
    worst = pick(values, key=lambda name: values[name])
    which = f"{worst.replace('_', ' ')}, " if len(parts) > 1 else ""
    note = f"{which}{extremes(names, parts[worst].value)}; {weakest}"
    return bounded(values[worst], bounds(joint, alone), n, note)


def plain_points(counts: Integers) -> Points:
    """Return the same as `fairlearn_points`, computed from the rates alone, for speed.

    A rate with denominator 0 counts as 0, as in Fairlearn. Callers do not show it.
    """
    found = {name: one.hits / np.maximum(one.n, 1) for name, one in rates(counts).items()}
    return {
        "difference": {name: float(one.max() - one.min()) for name, one in found.items()},
        "ratio": {name: float(one.min() / (one.max() or 1.0)) for name, one in found.items()},
    }


def fairlearn_points(counts: Integers) -> Points:
    """Return `difference` and `ratio` between groups of each rate, as Fairlearn computes them."""
    from functools import partial

    from fairlearn import metrics as fl
    from sklearn.metrics import precision_score

    group, true, predicted = counts.nonzero()
    weight = {"sample_weight": counts[group, true, predicted]}
    functions = {
        "selection_rate": fl.selection_rate,
        "true_positive_rate": fl.true_positive_rate,
        "false_positive_rate": fl.false_positive_rate,
        "precision": partial(precision_score, zero_division=0.0),
    }
    frame = fl.MetricFrame(
        metrics=functions,
        y_true=true,
        y_pred=predicted,
        sensitive_features=group,
        sample_params=dict.fromkeys(functions, weight),
    )
    difference, ratio = frame.difference(), frame.ratio()
    return {
        "difference": {name: float(difference[name]) for name in functions},
        "ratio": {name: float(ratio[name]) for name in functions},
    }


def described(columns: Key, names: list[str], counts: Integers) -> Attribute:
    """Return each group's counts and rates for the report; a rate with denominator 0 is null."""
    found = rates(counts)
    groups = [
        Group(
            name=name,
            n=int(counts[g].sum()),
            counts={outcome: int(n) for outcome, n in zip(OUTCOMES, counts[g].flat, strict=True)},
            rates={
                key: float(rate.hits[g] / rate.n[g]) if rate.n[g] else None
                for key, rate in found.items()
            },
        )
        for g, name in enumerate(names)
    ]
    return Attribute(name=label(columns), columns=list(columns), groups=groups)
