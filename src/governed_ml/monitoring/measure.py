"""Measure one window of a champion: drift, fairness, performance."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from governed_ml.core import tables
from governed_ml.core.config.policy_schema import Monitoring
from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import Attribute, ColumnDrift
from governed_ml.core.work_folder import work_folder
from governed_ml.measures import fairness, fairness_regression, performance
from governed_ml.measures.bounds import performance_bounds
from governed_ml.measures.bounds.quantiles import robust_spread
from governed_ml.measures.clusters import Persons, mean_effect
from governed_ml.measures.drift import KS, WASSERSTEIN
from governed_ml.measures.groups import Floats, Integers, Key, intersections, label, listed
from governed_ml.monitoring.judge_window import expected
from governed_ml.monitoring.label_values import named
from governed_ml.monitoring.reference import EXCESS, against
from governed_ml.policy.expected_rules import Scope

if TYPE_CHECKING:
    import pandas as pd

    from governed_ml.core.config.data import Data
    from governed_ml.core.evidence_bodies import DriftBody
    from governed_ml.monitoring.window_rows import WindowRows

PREDICTION, TARGET = "prediction", "target"  # their names in the evidence of drift


@dataclass
class Measured:
    """Metrics by name, data for reports (`columns`, `groups`), and what the window lacks."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    columns: list[ColumnDrift] = field(default_factory=list)
    groups: list[Attribute] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)


def drifted(reference: DriftBody, rows: WindowRows, target: pd.Series, data: Data) -> Measured:
    """Measure the drift of features, answers and labels against the version's frozen bins.

    The answers are scores; with three or more classes, they and the labels are names of classes.
    Labels may belong to earlier rows than the features.
    """
    answers, labels = rows.score, target.dropna()
    if data.multiclass:
        answers = named(rows.prediction, data)
        labels = named(labels, data)
    else:
        labels = labels.astype("float64" if data.task == "regression" else "int64")
    with work_folder() as folder:
        every, labelled = folder / "rows.parquet", folder / "labelled.parquet"
        frame = rows.features.rename(columns=tables.in_drift)
        frame[PREDICTION] = answers
        tables.write(frame, every)
        tables.write(labels.to_frame(TARGET), labelled)
        relations = dict.fromkeys(frame.columns, tables.table(every))
        columns, metrics = against(reference, relations | {TARGET: tables.table(labelled)})
    if not target.notna().any():
        for what in (EXCESS, KS, WASSERSTEIN):
            metrics[f"{TARGET}.{what}"] = Metric(value=None, n=0, note="no labels yet")
    return Measured({f"drift.{name}": metric for name, metric in metrics.items()}, columns)


def nothing(monitoring: Monitoring, scope: Scope, why: str) -> Measured:
    """Return each metric that the rules need, without a value."""
    wanted = (source for _, _, source in expected(monitoring, scope))
    return Measured({source: Metric(value=None, note=why) for source in wanted})


def performed(
    target: pd.Series,
    score: pd.Series,
    prediction: pd.Series,
    task: str,
    confidence: float,
    person: pd.Series | None = None,
) -> Measured:
    """Measure performance on the rows with labels, with bounds for the metrics that rules judge.

    All series are aligned. `person` is the person of each row, if rows belong to persons.
    """
    known = target.notna().to_numpy()
    n = int(known.sum())
    truth = target.to_numpy("float64")[known]
    why = "no labels yet" if not n else "one labelled row only" if n < 2 else ""
    if task == "classification" and not why and truth.min() == truth.max():
        why = f"all {n} labels are of one class: are they written as the target is?"
    if why:
        names = ("roc_auc", "expected_calibration_error", "r2", "mean_absolute_error")
        return Measured(
            {f"performance.{name}": Metric(value=None, n=n, note=why) for name in names}
        )
    scores = score.to_numpy("float64")[known]
    whose = None if person is None else person.to_numpy("int64")[known]
    if task == "classification":
        answers = prediction.to_numpy("float64")[known]
        effect = mean_effect(whose, truth - scores)
        found = performance.classification(truth, scores, answers, confidence, effect)
        head, bounds = "roc_auc", performance_bounds.roc_auc
    else:
        found = performance.regression(truth, scores)
        head, bounds = "r2", performance_bounds.r2
    whole = found[head].value
    if whole is not None:
        low, high = bounds(truth, scores, whole, confidence, whose)
        found[head] = found[head].model_copy(update={"lower": low, "upper": high})
    return Measured({f"performance.{name}": metric for name, metric in found.items()})


def treated(
    rows: WindowRows, task: str, confidence: float, minimum: int, *, late: bool
) -> Measured:
    """Measure fairness between groups; leave out and name groups with fewer than `minimum` rows.

    With `late`, include the measures that need labels.
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
        )
        metrics = _gaps(chosen, task, confidence)
        if kept and task == "classification":
            found.groups.append(_described(names, chosen))
        found.metrics |= {
            f"fairness.{label(names)}.{name}": one.model_copy(update={"note": one.note + note})
            for name, one in metrics.items()
            if late or name.startswith(fairness.WITHOUT_LABELS)
        }
    return found


@dataclass(frozen=True)
class Outcomes:
    """Each row's group (index into `names`), label (NaN if missing), prediction and person.

    All arrays have the shape (rows,).
    """

    place: Integers
    target: Floats
    prediction: Floats
    names: list[str]
    person: Integers | None = None

    def persons(self, *, every: bool = False) -> Persons | None:
        """Return the counts of `counts` per person, or None if rows do not belong to persons."""
        if self.person is None:
            return None
        known = ~np.isnan(self.target) | every
        target = np.nan_to_num(self.target[known]).astype("int64")
        each = np.zeros((len(target), 2, 2), dtype=np.int64)
        each[np.arange(len(target)), target, self.prediction[known].astype("int64")] = 1
        whole = Persons(self.place[known], self.person[known], each)
        return whole.merged(np.arange(len(self.names)))

    def counts(self, *, every: bool = False) -> Integers:
        """Return counts (groups, label, prediction); with `every`, a missing label counts as 0."""
        counts = np.zeros((len(self.names), 2, 2), dtype=np.int64)
        known = ~np.isnan(self.target) | every
        target = np.nan_to_num(self.target[known]).astype("int64")
        np.add.at(counts, (self.place[known], target, self.prediction[known].astype("int64")), 1)
        return counts


def _gaps(rows: Outcomes, task: str, confidence: float) -> dict[str, Metric]:
    known = ~np.isnan(rows.target)
    if task == "classification":
        every = rows.counts(every=True)
        quick, each = fairness.plain_points, rows.persons(every=True)
        metrics = fairness.measured(rows.names, every, confidence, quick, each)
        if known.any() and not known.all():
            parity = {
                name: one
                for name, one in metrics.items()
                if name.startswith(fairness.WITHOUT_LABELS)
            }
            counts, each = rows.counts(), rows.persons()
            told = fairness.measured(rows.names, counts, confidence, quick, each)
            metrics = told | parity
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
        if known.any() or name.startswith(fairness.WITHOUT_LABELS)
        else Metric(value=None, n=0, note="no labels yet")
        for name, one in metrics.items()
    }


def _described(columns: Key, rows: Outcomes) -> Attribute:
    """Return the groups' rates: the selection rate over all rows, others over labelled rows."""
    every = fairness.described(columns, rows.names, rows.counts(every=True))
    known = fairness.described(columns, rows.names, rows.counts())
    groups = [
        two.model_copy(
            update={
                "n": one.n,
                "rates": two.rates | {"selection_rate": one.rates["selection_rate"]},
            }
        )
        for one, two in zip(every.groups, known.groups, strict=True)
    ]
    return every.model_copy(update={"groups": groups})
