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
from governed_ml.measures.spread import robust_spread
from governed_ml.pipeline.stage import record

SECTIONS = ("data", "policy.confidence")
ANSWER = (tables.quoted(tables.TARGET), "prediction")
ERRORS = (*ANSWER, f"abs({ANSWER[1]} - {ANSWER[0]})", f"{ANSWER[1]} - {ANSWER[0]}")
SAMPLE = 20_000  # rows of the training part on which proxies are looked for,
LEAST = 100  # and so many of each group, where it has them


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
    if names:
        attributes, measured, findings = gaps(data.task, names, confidence)
        scores, found, hints = proxies.measure(*proxy_sample(names, data.group))
        metrics |= measured | scores
        findings += hints
    body = FairnessBody(task=data.task, confidence=confidence, attributes=attributes, proxies=found)
    inputs = [tables.PREDICTIONS, tables.SENSITIVE_TEST, tables.SENSITIVE_TRAIN, tables.TRAIN]
    inputs += [tables.RAW] if names and data.group else []
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
    spread = robust_spread(test_targets()) if task == "regression" else 0.0
    for columns in intersections(names):
        places = tuple(names.index(name) for name in columns)
        if isinstance(numbers, group_error.Moments):
            part = group_error.regression(columns, places, cells, numbers, spread, confidence)
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
    keys = ", ".join(f"k{place}" for place in range(len(names)))
    found = tables.rows(
        f"SELECT {keys}, x0, x1, count(*) FROM ({test_rows(names, ANSWER)}) GROUP BY ALL"
    )
    cells = known_cells(names)
    place = {cell: index for index, cell in enumerate(cells)}
    counts = np.zeros((len(cells), 2, 2), dtype=np.int64)
    for *cell, target, prediction, n in found:
        require_answer(target, prediction)
        counts[place[tuple(cell)], int(target), int(prediction)] += n
    return cells, counts


def require_answer(target: float, prediction: float) -> None:
    """Refuse an answer that is not one of two."""
    if target not in (0, 1) or prediction not in (0, 1):
        raise Problem(
            f"{tables.PREDICTIONS.as_posix()} holds target {target!r} and prediction "
            f"{prediction!r}, not 0 or 1: run `uv run dvc repro`"
        )


def moments(names: Key) -> tuple[list[Key], group_error.Moments]:
    """Return the cells and their `group_error.Moments`: means, then deviations from them.

    Sums of floats depend on their order: only one thread gives the same last bit every time.
    """
    keys = ", ".join(f"k{place}" for place in range(len(names)))
    four = range(len(ERRORS))
    means = ", ".join(f"favg(x{k}) AS m{k}" for k in four)
    deviations = [f"fsum(power(x{k} - m{k}, {exponent}))" for exponent in (2, 3) for k in four]
    numbers = ", ".join(["any_value(n)", *(f"any_value(m{k})" for k in four), *deviations])
    found = tables.rows(
        f"SET threads = 1; WITH v AS ({test_rows(names, ERRORS)}), "
        f"m AS (SELECT {keys}, count(*) AS n, {means} FROM v GROUP BY {keys}) "
        f"SELECT {keys}, {numbers} FROM v JOIN m USING ({keys}) GROUP BY {keys} ORDER BY {keys}"
    )
    cells = known_cells(names)
    place = {cell: index for index, cell in enumerate(cells)}
    n, values = np.zeros(len(cells), dtype=np.int64), np.zeros((len(cells), 3, len(ERRORS)))
    for row in found:
        index = place[tuple(row[: len(names)])]
        n[index] = row[len(names)]
        values[index] = np.reshape(row[len(names) + 1 :], (3, len(ERRORS)))
    require_finite(values)
    return cells, group_error.Moments(n, values[:, 0], values[:, 1], values[:, 2])


def require_finite(values: np.ndarray) -> None:
    """Refuse sums that are no finite number."""
    if not np.isfinite(values).all():
        raise Problem(
            f"{tables.PREDICTIONS.as_posix()} holds a prediction or target that is no "
            "finite number: change the model or the table"
        )


def test_targets() -> np.ndarray:
    """Return the target of every test row."""
    target = tables.quoted(tables.TARGET)
    found = tables.query(
        f"SELECT {target} FROM {tables.table(tables.PREDICTIONS)} WHERE part = 'test'"
    )
    return found[tables.TARGET].to_numpy("float64")


def test_rows(names: Key, numbers: Key) -> str:
    """Return the SQL of the test rows: a cell's names as k0, k1, …, numbers as x0, x1, …"""
    row = tables.quoted(tables.ROW)
    chosen = [f"{sql} AS k{place}" for place, sql in enumerate(cell_columns(names, "s."))]
    chosen += [f"{sql} AS x{place}" for place, sql in enumerate(numbers)]
    return (
        f"SELECT {', '.join(chosen)} FROM {tables.table(tables.PREDICTIONS)} p "
        f"JOIN {tables.table(tables.SENSITIVE_TEST)} s ON p.{row} = s.{row} WHERE p.part = 'test'"
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
    """Return features, sensitive attributes and persons of `SAMPLE` train rows, shuffled.

    A group that has fewer than `LEAST` rows in the sample gets so many. A person is a value of the
    raw column `group`, and keeps its rows together; none without one.
    """
    row = tables.quoted(tables.ROW)
    others = (tables.ROW, tables.TARGET)
    features = [name for name in tables.columns(tables.TRAIN) if name not in others]
    sensitive = tables.table(tables.SENSITIVE_TRAIN)
    order = f"ORDER BY hash({row}), {row}"
    ranks = [
        f"row_number() OVER ({part}{order}) <= {most}"
        for part, most in [
            ("", SAMPLE),
            *((f"PARTITION BY {k} ", LEAST) for k in cell_columns(names)),
        ]
    ]
    chosen = f"(SELECT {row} FROM {sensitive} QUALIFY {' OR '.join(ranks)})"
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
