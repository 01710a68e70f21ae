"""Compare test rows and predictions with the training reference, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from governed_ml.core import tables
from governed_ml.core.config import read
from governed_ml.core.evidence import NO_ORDER, Finding, Metric, load, path_of
from governed_ml.core.evidence_bodies import ColumnDrift, DriftBody
from governed_ml.core.process_settings import importing
from governed_ml.core.terminal import PROGRESS
from governed_ml.measures import binning, drift
from governed_ml.measures.binning import Binned
from governed_ml.measures.multiclass.class_names import named
from governed_ml.pipeline.evaluation.column_shapes import shapes
from governed_ml.pipeline.evidently_report import draw, most_drifted, sample
from governed_ml.pipeline.folds import assignment, fold_drift
from governed_ml.pipeline.folds.fold_drift import FoldDrift
from governed_ml.pipeline.stage_runner import record

SECTIONS = ("seed", "data.task")
REPORT = Path("reports/drift.html")
PREDICTION, TARGET = "prediction", "target"
LARGEST = 3  # columns named in the findings
IN_SAMPLE = "; no column drifts more: the model's scores on its own train rows may be overfitted"


def main() -> str:
    """Measure drift in frozen bins, and write Evidently's report for people."""
    params = read(*SECTIONS)
    split = load("split").body
    numeric, categorical = list(split.numeric), list(split.categorical)
    with importing("evidently", "evidently.presets"):
        binning.require_same_columns(tables.TRAIN, tables.TEST)
        PROGRESS.step("counting the bins of each column")
        asked = numeric, categorical, params.data.task, split.classes or []
        folds = by_fold(*asked) if assignment.used() else {}
        whole = {name: one.counts for name, one in folds.items()}
        found = whole or measure(*asked)
        drawn = most_drifted(found, [*numeric, *categorical])
        shown = [[name for name in names if name in drawn] for names in (numeric, categorical)]
        rows = sample(shown[0], shown[1], params.seed, split.classes or [])
    PROGRESS.step("comparing the values of each column")
    apart = compared(found)
    body = fold_drift.averaged(body_of(found, apart), folds)
    called = [list(map(tables.in_drift, names)) for names in shown]
    called[bool(split.classes)].append(PREDICTION)
    PROGRESS.step("drawing Evidently's report")
    second = draw(*rows, called[0], called[1], REPORT)
    if len(drawn) < len(numeric) + len(categorical):
        second["evidently_columns"] = f"only the {len(drawn)} features with the largest PSI"
    told = shapes(found, numeric, categorical)
    if folds:
        told = {name: one.note + told.get(name, "") for name, one in folds.items()}
    metrics = metrics_of(found, body, told)
    metrics |= apart_metrics(apart, body)
    inputs = [tables.TRAIN, tables.TEST, tables.PREDICTIONS, path_of("split")]
    record(
        "drift",
        SECTIONS,
        [*inputs, tables.FOLDS] if folds else inputs,
        body,
        metrics,
        findings=findings_of(body, metrics),
        tools=("duckdb", "evidently"),
        notes=second,
    )
    worst = metrics["max_psi_quantile10"]
    return (
        f"largest PSI {worst.value:.4f} ({worst.note}) over {len(found)} columns"
        if worst.value is not None
        else worst.note
    )


def measure(
    numeric: list[str], categorical: list[str], task: str, classes: Sequence[str] = ()
) -> dict[str, Binned]:
    """Bin features, prediction and target of the train (reference) and test (current) rows.

    Of several `classes`, given by position, prediction and target are binned by class.
    """
    train, test = tables.table(tables.TRAIN), tables.table(tables.TEST)
    features = binning.binned(train, test, numeric, categorical)
    found = {tables.in_drift(name): column for name, column in features.items()}
    for name in (PREDICTION, TARGET):
        sides = both_sides(name, classes)
        (found[name],) = binning.binned(*sides, *kinds_of(name, task, classes)).values()
    return found


def kinds_of(name: str, task: str, classes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the column with the prediction or the target, as a numeric or a categorical one."""
    column = name if name == PREDICTION or classes else tables.TARGET
    category = classes or (name == TARGET and task == "classification")
    return ([], [column]) if category else ([column], [])


def by_fold(
    numeric: list[str], categorical: list[str], task: str, classes: Sequence[str] = ()
) -> dict[str, FoldDrift]:
    """Return the same columns as `measure`, each compared fold by fold."""
    _, every = both_sides(TARGET)
    features = fold_drift.binned(every, numeric, categorical)
    found = {tables.in_drift(name): column for name, column in features.items()}
    for name in (PREDICTION, TARGET):
        every = both_sides(name, classes)[1]
        (found[name],) = fold_drift.binned(every, *kinds_of(name, task, classes)).values()
    return found


def both_sides(name: str, classes: Sequence[str] = ()) -> tuple[str, str]:
    """Return the relations with the train and the test rows of a column, as `measure` names it.

    Of several `classes`, prediction and target are names of classes.
    """
    value = "score"
    if classes and name in (PREDICTION, TARGET):
        value = named("prediction" if name == PREDICTION else tables.quoted(tables.TARGET), classes)
    elif name != PREDICTION:
        return tables.table(tables.TRAIN), tables.table(tables.TEST)
    predictions = tables.table(tables.PREDICTIONS)
    train, test = (
        f"(SELECT {tables.quoted(tables.ROW)}, {value} AS {name} FROM {predictions} "
        f"WHERE part = '{part}')"
        for part in ("train", "test")
    )
    return train, test


@dataclass(frozen=True)
class Apart:
    """A numeric column's distances, and what stands for its reference rows in a later window."""

    metrics: dict[str, Metric]
    spread: float
    quantiles: list[float]


def compared(found: dict[str, Binned]) -> dict[str, Apart]:
    """Compare the values of each numeric column; one column at a time is in memory."""
    apart: dict[str, Apart] = {}
    for name in (name for name, column in found.items() if column.kind == "numeric"):
        column = tables.TARGET if name == TARGET else tables.from_drift(name)
        relations = both_sides(name)
        if assignment.used():
            every = binning.ascending(relations[1], column)
            spread = drift.spread_of(every)
            moved = fold_drift.distances(relations[1], column, spread)
            apart[name] = Apart(moved, spread, drift.summary(every))
            continue
        train, test = (binning.ascending(relation, column) for relation in relations)
        spread = drift.spread_of(train)
        sides = drift.SortedValues(train, len(train), spread), drift.SortedValues(test, len(test))
        apart[name] = Apart(drift.distances(*sides), spread, drift.summary(train))
    return apart


def apart_metrics(apart: dict[str, Apart], body: DriftBody) -> dict[str, Metric]:
    """Return both distances of every column; those of a category have no value."""
    none = dict.fromkeys((drift.KS, drift.WASSERSTEIN), Metric(value=None, note=NO_ORDER))
    metrics: dict[str, Metric] = {}
    for name in (column.name for column in body.columns):
        both = apart[name].metrics if name in apart else none
        metrics[f"{name}.ks_statistic"] = both[drift.KS]
        metrics[f"{name}.wasserstein_normed"] = both[drift.WASSERSTEIN]
    return metrics


def body_of(found: dict[str, Binned], apart: dict[str, Apart] | None = None) -> DriftBody:
    """Turn counts into shares and distances; without rows on one side, they are left out."""
    target = found[TARGET]
    return DriftBody(
        reference_rows=sum(target.reference),
        current_rows=sum(target.current),
        share_floor=drift.FLOOR,
        columns=[_column(name, column, (apart or {}).get(name)) for name, column in found.items()],
    )


def _column(name: str, column: Binned, apart: Apart | None = None) -> ColumnDrift:
    reference, current = column.reference, column.current
    measured = sum(reference) > 0 and sum(current) > 0
    return ColumnDrift(
        name=name,
        kind=column.kind,
        bins=column.bins,
        edges=column.edges,
        reference=drift.shares(reference) if sum(reference) else [],
        current=drift.shares(current) if sum(current) else [],
        population_stability_index=drift.population_stability_index(reference, current)
        if measured
        else None,
        jensen_shannon_distance=drift.jensen_shannon_distance(reference, current)
        if measured
        else None,
        ks_statistic=apart.metrics[drift.KS].value if apart else None,
        wasserstein_normed=apart.metrics[drift.WASSERSTEIN].value if apart else None,
        spread=apart.spread if apart else None,
        quantiles=apart.quantiles if apart else None,
    )


def metrics_of(
    found: dict[str, Binned], body: DriftBody, told: dict[str, str] | None = None
) -> dict[str, Metric]:
    """Return two metrics per column, the largest ones, and the row counts of both sides.

    `told` is column → what to say beside its drift.
    """
    n = min(body.reference_rows, body.current_rows)
    side = "training reference" if not body.reference_rows else "test part"
    note = "" if n else f"the {side} has no rows"
    metrics = {
        "rows_reference": Metric(value=float(body.reference_rows)),
        "rows_current": Metric(value=float(body.current_rows)),
    }
    values = {column.name: column.population_stability_index for column in body.columns}
    for column in body.columns:
        index = column.population_stability_index
        why = most_of_it(found[column.name], column) if index else note
        why += (told or {}).get(column.name, "") if index else ""
        most = index and index >= max(v or 0 for v in values.values())
        if column.name == PREDICTION and most and not assignment.used():
            why += IN_SAMPLE
        metrics[f"{column.name}.psi_quantile10"] = Metric(value=index, n=n, note=why)
        metrics[f"{column.name}.jensen_shannon"] = Metric(
            value=column.jensen_shannon_distance, n=n, note=note
        )
    finite = {name: value for name, value in values.items() if value is not None}
    name, value = drift.largest(finite) if len(finite) == len(values) else (note, None)
    return metrics | {"max_psi_quantile10": Metric(value=value, n=n, note=name)}


def most_of_it(counts: Binned, column: ColumnDrift) -> str:
    """Return the bin with the largest part of a column's drift, and its share on both sides."""
    parts = drift.contributions(counts.reference, counts.current)
    place = parts.index(max(parts))
    return (
        f"most of it in bin '{column.bins[place]}': "
        f"{column.reference[place]:.2%} of the reference rows, "
        f"{column.current[place]:.2%} of the current ones"
    )


def findings_of(body: DriftBody, metrics: dict[str, Metric]) -> list[Finding]:
    """Return findings about the most drifted columns, with the bin that drifted most."""
    measured = [column for column in body.columns if column.population_stability_index]
    measured.sort(key=lambda column: (-(column.population_stability_index or 0), column.name))
    return [
        Finding(
            what=f"drift, {metrics[f'{column.name}.psi_quantile10'].note}",
            where=column.name,
            value=column.population_stability_index,
        )
        for column in measured[:LARGEST]
    ]
