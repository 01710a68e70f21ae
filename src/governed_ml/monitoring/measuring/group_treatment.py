"""Fairness between groups in one window of a champion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import Attribute
from governed_ml.measures import fairness, fairness_regression
from governed_ml.measures.bounds.quantiles import robust_spread
from governed_ml.measures.clusters import Persons
from governed_ml.measures.groups import Floats, Integers, Key, intersections, label, listed
from governed_ml.measures.multiclass import fairness as class_fairness
from governed_ml.monitoring.measure import Measured

if TYPE_CHECKING:
    from governed_ml.monitoring.window_rows import WindowRows

SELECTION = "selection_rate"


def treated(
    rows: WindowRows,
    task: str,
    confidence: float,
    minimum: int,
    *,
    late: bool,
    classes: Sequence[str] = (),
) -> Measured:
    """Measure fairness between groups; leave out and name groups with fewer than `minimum` rows.

    With `late`, include the measures that need labels. `classes` are the names of three or more
    classes, by position.
    """
    found = Measured()
    inside = rows.groups.notna().all(axis=1)
    for names in intersections(tuple(rows.groups.columns)):
        keys = reduce(lambda one, other: one + "*" + other, (rows.groups[name] for name in names))
        sizes = keys[inside].value_counts().sort_index()
        kept = [str(name) for name in sizes.index[sizes >= minimum]]
        small = [f"{name} (n={n})" for name, n in sizes.items() if n < minimum]
        note = f"; too small to compare: {listed(small)}" if small else ""
        place = keys.where(inside).map({name: index for index, name in enumerate(kept)}).dropna()
        chosen = Outcomes(
            place.to_numpy("int64"),
            rows.target[place.index].to_numpy("float64"),
            rows.prediction[place.index].to_numpy("float64"),
            kept,
            None if rows.person is None else rows.person[place.index].to_numpy("int64"),
            tuple(classes),
        )
        metrics = _gaps(chosen, task, confidence)
        if kept and task == "classification":
            found.groups.append(_described(names, chosen))
        found.metrics |= {
            f"fairness.{label(names)}.{name}": one.model_copy(update={"note": one.note + note})
            for name, one in metrics.items()
            if late or _without_labels(name)
        }
    return found


@dataclass(frozen=True)
class Outcomes:
    """Each row's group (index into `names`), label (NaN if missing), prediction and person.

    All arrays have the shape (rows,). `classes` are the names of three or more classes; otherwise
    label and prediction are 0 or 1.
    """

    place: Integers
    target: Floats
    prediction: Floats
    names: list[str]
    person: Integers | None = None
    classes: tuple[str, ...] = ()

    @property
    def many(self) -> int:
        """Return the number of classes."""
        return len(self.classes) or 2

    def persons(self, *, every: bool = False) -> Persons | None:
        """Return the counts of `counts` per person, or None if rows do not belong to persons."""
        if self.person is None:
            return None
        known = ~np.isnan(self.target) | every
        target = np.nan_to_num(self.target[known]).astype("int64")
        each = np.zeros((len(target), self.many, self.many), dtype=np.int64)
        each[np.arange(len(target)), target, self.prediction[known].astype("int64")] = 1
        whole = Persons(self.place[known], self.person[known], each)
        return whole.merged(np.arange(len(self.names)))

    def counts(self, *, every: bool = False) -> Integers:
        """Return counts (groups, label, prediction); with `every`, a missing label counts as 0."""
        counts = np.zeros((len(self.names), self.many, self.many), dtype=np.int64)
        known = ~np.isnan(self.target) | every
        target = np.nan_to_num(self.target[known]).astype("int64")
        np.add.at(counts, (self.place[known], target, self.prediction[known].astype("int64")), 1)
        return counts


def _gaps(rows: Outcomes, task: str, confidence: float) -> dict[str, Metric]:
    known = ~np.isnan(rows.target)
    if task == "classification":
        metrics = _compared(rows, confidence, every=True)
        if known.any() and not known.all():
            parity = {name: one for name, one in metrics.items() if _without_labels(name)}
            metrics = _compared(rows, confidence, every=False) | parity
    else:
        truth, guess = rows.target[known], rows.prediction[known]
        four = np.stack([truth, guess, np.abs(guess - truth), guess - truth], axis=1)
        none = np.zeros_like(four)
        cells = fairness_regression.Moments(np.ones(len(four), dtype=np.int64), four, none, none)
        merged = cells.merged(rows.place[known], len(rows.names))
        if rows.person is not None:
            values = np.column_stack([np.ones(len(four)), four])
            each = Persons(rows.place[known], rows.person[known], values)
            merged = merged.by_person(each.merged(np.arange(len(rows.names))))
        metrics = fairness_regression.measured(rows.names, merged, robust_spread(truth), confidence)
    return {
        name: one
        if known.any() or _without_labels(name)
        else Metric(value=None, n=0, note="no labels yet")
        for name, one in metrics.items()
    }


def _compared(rows: Outcomes, confidence: float, *, every: bool) -> dict[str, Metric]:
    counts, persons = rows.counts(every=every), rows.persons(every=every)
    if rows.classes:
        return class_fairness.measured(rows.names, counts, list(rows.classes), confidence, persons)
    return fairness.measured(rows.names, counts, confidence, fairness.plain_points, persons)


def _without_labels(name: str) -> bool:
    """Return whether a metric, of one class or of all, needs predictions only."""
    return name.rpartition(".")[2].startswith(fairness.WITHOUT_LABELS)


def _described(columns: Key, rows: Outcomes) -> Attribute:
    """Return the groups' rates: the selection rate over all rows, others over labelled rows."""
    every, known = (_rates(columns, rows, every=both) for both in (True, False))
    groups = [
        two.model_copy(update={"n": one.n, "rates": two.rates | _selection(one.rates)})
        for one, two in zip(every.groups, known.groups, strict=True)
    ]
    return every.model_copy(update={"groups": groups})


def _rates(columns: Key, rows: Outcomes, *, every: bool) -> Attribute:
    counts = rows.counts(every=every)
    if rows.classes:
        return class_fairness.described(columns, rows.names, counts, list(rows.classes))
    return fairness.described(columns, rows.names, counts)


def _selection(rates: dict[str, float | None]) -> dict[str, float | None]:
    return {name: rate for name, rate in rates.items() if name.partition(".")[0] == SELECTION}
