"""Measure one window of a champion: drift, fairness, performance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.config.production.policy import Monitoring
from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import Attribute, ColumnDrift
from governed_ml.core.work_folder import work_folder
from governed_ml.measures import performance
from governed_ml.measures.bounds import performance_bounds
from governed_ml.measures.clusters import mean_effect
from governed_ml.measures.drift import KS, WASSERSTEIN
from governed_ml.measures.groups import Floats, Integers
from governed_ml.monitoring.judge_window import expected
from governed_ml.monitoring.label_values import named
from governed_ml.monitoring.measuring import class_performance
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
    rows: WindowRows, task: str, confidence: float, classes: Sequence[str] = ()
) -> Measured:
    """Measure performance on the rows with labels, with bounds for the metrics that rules judge.

    `classes` are the names of three or more classes, by position.
    """
    known = rows.target.notna().to_numpy()
    n = int(known.sum())
    truth = rows.target.to_numpy("float64")[known]
    why = "no labels yet" if not n else "one labelled row only" if n < 2 else ""
    if task == "classification" and not why and truth.min() == truth.max():
        why = f"all {n} labels are of one class: are they written as the target is?"
    if why:
        names = ("roc_auc", "expected_calibration_error", "r2", "mean_absolute_error")
        return Measured(
            {f"performance.{name}": Metric(value=None, n=n, note=why) for name in names}
        )
    whose = None if rows.person is None else rows.person.to_numpy("int64")[known]
    if classes:
        found = class_performance.measured(rows, known, classes, confidence, whose)
    else:
        scores = rows.score.to_numpy("float64")[known]
        answers = rows.prediction.to_numpy("float64")[known]
        found = _bounded(truth, scores, answers, task, confidence, whose)
    return Measured({f"performance.{name}": metric for name, metric in found.items()})


def _bounded(
    truth: Floats,
    scores: Floats,
    answers: Floats,
    task: str,
    confidence: float,
    person: Integers | None,
) -> dict[str, Metric]:
    """Return the metrics of a regression or of two classes; all arrays have the shape (rows,)."""
    if task == "classification":
        effect = mean_effect(person, truth - scores)
        found = performance.classification(truth, scores, answers, confidence, effect)
        head, bounds = "roc_auc", performance_bounds.roc_auc
    else:
        found = performance.regression(truth, scores)
        head, bounds = "r2", performance_bounds.r2
    whole = found[head].value
    if whole is not None:
        low, high = bounds(truth, scores, whole, confidence, person)
        found[head] = found[head].model_copy(update={"lower": low, "upper": high})
    return found
