"""Measure how the model treats groups of people, and which features stand in for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from governed_ml.core import tables
from governed_ml.core.config import read
from governed_ml.core.evidence import Finding, Metric
from governed_ml.core.evidence_bodies import Attribute, FairnessBody, Proxy
from governed_ml.core.problem import Problem
from governed_ml.measures import fairness, group_error, proxies
from governed_ml.measures.groups import Key, intersections
from governed_ml.pipeline.recount import require_recounted
from governed_ml.pipeline.stage import record

SECTIONS = ("data", "policy.confidence")
SAMPLE = 20_000  # rows of the training part on which proxies are looked for


def main() -> str:
    """Write the evidence of fairness for every sensitive attribute and intersection."""
    params = read(*SECTIONS)
    data, confidence = params.data, params.policy.confidence
    names = tuple(data.sensitive)
    note = "" if names else data.no_sensitive_reason
    metrics = {"attributes": Metric(value=float(len(names)), note=note)}
    attributes: list[Attribute] = []
    found: list[Proxy] = []
    findings: list[Finding] = []
    require_recounted(data)
    if names:
        attributes, measured, findings = gaps(data.task, names, confidence)
        scores, found, hints = proxies.measure(*proxy_sample(names, data.group))
        metrics |= measured | scores
        findings += hints
    body = FairnessBody(task=data.task, confidence=confidence, attributes=attributes, proxies=found)
    inputs = [tables.RAW, tables.PREDICTIONS, tables.SENSITIVE_TEST, tables.SENSITIVE_TRAIN]
    inputs += [tables.TRAIN]
    record(
        "fairness",
        SECTIONS,
        inputs,
        body,
        metrics,
        findings=findings,
        tools=("fairlearn", "scikit-learn"),
    )
    return summary(data.task, metrics) if names else "no sensitive attribute is configured"


def gaps(
    task: str, names: Key, confidence: float
) -> tuple[list[Attribute], dict[str, Metric], list[Finding]]:
    """Measure every attribute and intersection from one aggregate of the test rows."""
    require_joined()
    attributes: list[Attribute] = []
    findings: list[Finding] = []
    metrics: dict[str, Metric] = {}
    cells, numbers = contingency(names) if task == "classification" else moments(names)
    for columns in intersections(names):
        places = tuple(names.index(name) for name in columns)
        if isinstance(numbers, group_error.Moments):
            part = group_error.regression(columns, places, cells, numbers, confidence)
        else:
            part = fairness.classification(columns, places, cells, numbers, confidence)
        attributes.append(part[0])
        metrics |= {f"{part[0].name}.{name}": metric for name, metric in part[1].items()}
        findings += part[2]
    return attributes, metrics, findings


def require_joined() -> None:
    """Refuse to measure unless every test prediction has its one row of sensitive attributes."""
    row = tables.quoted(tables.ROW)
    predictions = f"FROM {tables.table(tables.PREDICTIONS)} WHERE part = 'test'"
    predicted, known, distinct, both = tables.rows(
        f"SELECT (SELECT count(*) {predictions}), count(*), count(DISTINCT {row}), "
        f"count(*) FILTER ({row} IN (SELECT {row} {predictions})) "
        f"FROM {tables.table(tables.SENSITIVE_TEST)}"
    )[0]
    if not predicted == known == distinct == both:
        raise Problem(
            f"{tables.SENSITIVE_TEST.as_posix()} ({known:,} rows) and the test part of "
            f"{tables.PREDICTIONS.as_posix()} ({predicted:,}) share {both:,} rows only: "
            "run `uv run dvc repro`"
        )


def contingency(names: Key) -> tuple[list[Key], np.ndarray]:
    """Return the cells and their counts, shape (cells, label 0/1, prediction 0/1)."""
    found = aggregate(names, f"{tables.quoted(tables.TARGET)}, prediction, count(*)", grouped_by=2)
    cells = known_cells(names)
    place = {cell: index for index, cell in enumerate(cells)}
    counts = np.zeros((len(cells), 2, 2), dtype=np.int64)
    for *cell, target, prediction, n in found:
        if target not in (0, 1) or prediction not in (0, 1):
            raise Problem(
                f"{tables.PREDICTIONS.as_posix()} holds target {target!r} and prediction "
                f"{prediction!r}, not 0 or 1: run `uv run dvc repro`"
            )
        counts[place[tuple(cell)], int(target), int(prediction)] += n
    return cells, counts


def moments(names: Key) -> tuple[list[Key], group_error.Moments]:
    """Return the cells and their `group_error.Moments`, from one aggregate."""
    target = tables.quoted(tables.TARGET)
    columns = (target, "prediction", f"abs(prediction - {target})", f"prediction - {target}")
    numbers = ", ".join(f"favg({column}), var_pop({column}) * count(*)" for column in columns)
    found = aggregate(names, f"count(*), {numbers}")
    cells = known_cells(names)
    place = {cell: index for index, cell in enumerate(cells)}
    n, values = np.zeros(len(cells), dtype=np.int64), np.zeros((len(cells), 8))
    for row in found:
        index = place[tuple(row[: len(names)])]
        n[index], values[index] = row[len(names)], row[len(names) + 1 :]
    if not np.isfinite(values).all():
        raise Problem(
            f"{tables.PREDICTIONS.as_posix()} holds a prediction or target that is no "
            "finite number: change the model or the table"
        )
    return cells, group_error.Moments(n, values[:, 0::2], values[:, 1::2])


def aggregate(names: Key, numbers: str, grouped_by: int = 0) -> list[tuple[Any, ...]]:
    """Group the test predictions by cell (and the first `grouped_by` numbers), in a fixed order.

    Sums of floats depend on their order: only one thread gives the same last bit every time.
    Counts do not, and use all.
    """
    row, keys = tables.quoted(tables.ROW), ", ".join(cell_columns(names, "s."))
    count = len(names) + grouped_by
    order = ", ".join(str(place + 1) for place in range(count))
    once = "" if grouped_by else "SET threads = 1; "
    return tables.rows(
        f"{once}SELECT {keys}, {numbers} FROM {tables.table(tables.PREDICTIONS)} p "
        f"JOIN {tables.table(tables.SENSITIVE_TEST)} s ON p.{row} = s.{row} "
        f"WHERE p.part = 'test' GROUP BY {order} ORDER BY {order}"
    )


def known_cells(names: Key) -> list[Key]:
    """Return the cells of both parts, sorted: one without test rows will not be judged."""
    keys = ", ".join(cell_columns(names))
    found = tables.rows(
        " UNION ".join(
            f"SELECT {keys} FROM {tables.table(path)}"
            for path in (tables.SENSITIVE_TEST, tables.SENSITIVE_TRAIN)
        )
    )
    return sorted(tuple(row) for row in found)


def cell_columns(names: Key, prefix: str = "") -> list[str]:
    """Return the SQL of each sensitive column as text, null as the group `missing`."""
    texts = (f"CAST({prefix}{tables.quoted(name)} AS VARCHAR)" for name in names)
    return [f"coalesce({text}, 'missing')" for text in texts]


def proxy_sample(names: Key, group: str | None) -> tuple[Any, Any, Any]:
    """Return features, sensitive attributes and persons of at most `SAMPLE` train rows, shuffled.

    A person is a value of the raw column `group`, and keeps its rows together; none without one.
    """
    row = tables.quoted(tables.ROW)
    others = (tables.ROW, tables.TARGET)
    features = [name for name in tables.columns(tables.TRAIN) if name not in others]
    sensitive = tables.table(tables.SENSITIVE_TRAIN)
    chosen = f"(SELECT {row} FROM {sensitive} ORDER BY hash({row}), {row} LIMIT {SAMPLE})"
    keys = [f"{sql} AS s{place}" for place, sql in enumerate(cell_columns(names, "s."))]
    values = [f"t.{tables.quoted(name)} AS f{place}" for place, name in enumerate(features)]
    joined, order = "", f"hash(t.{row}), t.{row}"
    if group:
        raw = f"read_parquet({tables.literal(tables.RAW.as_posix())}, file_row_number = true)"
        joined = f"JOIN {raw} w ON t.{row} = w.file_row_number "
        values.append(f"hash(CAST(w.{tables.quoted(group)} AS VARCHAR)) AS person")
        order = f"person, {order}"
    frame = tables.query(
        f"SELECT {', '.join(keys + values)} FROM {tables.table(tables.TRAIN)} t "
        f"JOIN {sensitive} s ON t.{row} = s.{row} {joined}"
        f"WHERE t.{row} IN {chosen} ORDER BY {order}"
    )
    left = frame[[f"f{place}" for place in range(len(features))]].set_axis(features, axis=1)
    right = frame[[f"s{place}" for place in range(len(names))]].set_axis(list(names), axis=1)
    return left, right, frame["person"].to_numpy() if group else None


def summary(task: str, metrics: dict[str, Metric]) -> str:
    """Say the widest gap in one line, or that none could be measured."""
    regression = task == "regression"
    kind = ".mean_prediction_difference" if regression else ".demographic_parity_difference"
    gaps_found = {name: metric for name, metric in metrics.items() if name.endswith(kind)}
    widest = {name: gap.value for name, gap in gaps_found.items() if gap.value is not None}
    if not widest:
        return f"not measured: {next(iter(gaps_found.values())).note}"
    worst = max(widest, key=lambda name: widest[name])
    what = kind.removeprefix(".").replace("_", " ")
    return f"widest {what} {widest[worst]:.4f} by {worst.removesuffix(kind)}, {metrics[worst].note}"
