"""Measure how the model treats groups of people, and which features are proxies for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

from governed_ml.core import tables
from governed_ml.core.config import read
from governed_ml.core.evidence import Finding, Metric
from governed_ml.core.evidence_bodies import Attribute, FairnessBody, Proxy
from governed_ml.core.problem import Problem
from governed_ml.core.process_settings import importing
from governed_ml.core.terminal import PROGRESS
from governed_ml.measures import fairness, fairness_regression, proxies
from governed_ml.measures.bounds.cross_validated import widened
from governed_ml.measures.bounds.quantiles import robust_spread
from governed_ml.measures.groups import Key, intersections
from governed_ml.measures.multiclass import fairness as class_fairness
from governed_ml.pipeline.folds import assignment
from governed_ml.pipeline.group_rows import (
    by_person,
    cell_columns,
    contingency,
    moments,
    require_joined,
    targets,
)
from governed_ml.pipeline.raw_rows import require_recounted
from governed_ml.pipeline.stage_runner import record

SECTIONS = ("data", "policy.confidence")
SAMPLE = 20_000  # training rows in the sample for measuring proxies
LEAST = 100  # least rows of each group in it, if there are as many


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
    with importing(*(("fairlearn.metrics", "sklearn.ensemble") if names else ())):
        require_recounted(data)
        sample = proxy_sample(names) if names else None
    if sample is not None:
        PROGRESS.step("computing bounds between groups")
        attributes, measured, findings = gaps(data.task, names, confidence, data.class_names)
        PROGRESS.step("searching for proxies")
        scores, found, hints = proxies.measure(*sample)
        metrics |= (widened(measured) if assignment.used() else measured) | scores
        findings += hints
    body = FairnessBody(task=data.task, confidence=confidence, attributes=attributes, proxies=found)
    inputs = [tables.RAW, tables.PREDICTIONS, tables.SENSITIVE_TEST, tables.SENSITIVE_TRAIN]
    inputs += [tables.TRAIN]
    inputs += [tables.PERSONS] if names and tables.PERSONS.is_file() else []
    inputs += [tables.FOLDS] if assignment.used() else []
    record(
        "fairness",
        SECTIONS,
        inputs,
        body,
        metrics,
        findings=findings,
        tools=("fairlearn", "scikit-learn"),
    )
    if not names:
        return "no sensitive attribute is configured"
    return summary(data.task, metrics, [one.name for one in attributes])


def gaps(
    task: str, names: Key, confidence: float, classes: Sequence[str] = ()
) -> tuple[list[Attribute], dict[str, Metric], list[Finding]]:
    """Measure every attribute and intersection from one aggregate of the test rows.

    `classes` are the classes by position, if there are three or more.
    """
    require_joined()
    attributes: list[Attribute] = []
    findings: list[Finding] = []
    metrics: dict[str, Metric] = {}
    many = len(classes) or 2
    cells, numbers = contingency(names, many) if task == "classification" else moments(names)
    persons = by_person(names, cells, task, many)
    spread = robust_spread(targets()) if task == "regression" else 0.0
    for columns in intersections(names):
        places = tuple(names.index(name) for name in columns)
        if isinstance(numbers, fairness_regression.Moments):
            measure = partial(
                fairness_regression.regression, columns, places, cells, numbers, spread
            )
        elif classes:
            known = list(classes)
            measure = partial(class_fairness.classification, known, columns, places, cells, numbers)
        else:
            measure = partial(fairness.classification, columns, places, cells, numbers)
        part = measure(confidence, persons)
        attributes.append(part[0])
        mine = {f"{part[0].name}.{name}": metric for name, metric in part[1].items()}
        require_other_names(mine, metrics)
        metrics |= mine
        findings += part[2]
    return attributes, metrics, findings


def require_other_names(new: Iterable[str], known: Iterable[str]) -> None:
    """Raise `Problem` if metrics of two attributes have one name: of `a`, and of `a.class.x`."""
    both = sorted({*new} & {*known})
    if both:
        raise Problem(
            f"two metrics of fairness are called {both[0]}, because of the names of an attribute "
            "and a class: rename the column, or the class with spellings"
        )


def proxy_sample(names: Key) -> tuple[Any, Any, Any]:
    """Return features, sensitive attributes and persons of `SAMPLE` train rows, shuffled.

    Groups with fewer than `LEAST` rows in the sample get more. The rows of a person stay together.
    Persons are None if rows do not belong to persons.
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
    of_persons = tables.PERSONS.is_file()
    if of_persons:
        joined = f"JOIN {tables.table(tables.PERSONS)} w ON t.{row} = w.{row} "
        values.append(f"hash(w.{tables.quoted(tables.PERSON)}) AS person")
        order = f"person, {order}"
    frame = tables.query(
        f"SELECT {', '.join(keys + values)} FROM {tables.table(tables.TRAIN)} t "
        f"JOIN {sensitive} s ON t.{row} = s.{row} {joined}"
        f"WHERE t.{row} IN {chosen} ORDER BY {order}"
    )
    left = frame[[f"f{place}" for place in range(len(features))]].set_axis(features, axis=1)
    right = frame[[f"s{place}" for place in range(len(names))]].set_axis(list(names), axis=1)
    return left, right, frame["person"].to_numpy() if of_persons else None


def summary(task: str, metrics: dict[str, Metric], attributes: Collection[str]) -> str:
    """Return the largest gap in one line, or that none could be measured."""
    regression = task == "regression"
    kind = ".mean_prediction_difference" if regression else ".demographic_parity_difference"
    gaps_found = {f"{name}{kind}": metrics[f"{name}{kind}"] for name in attributes}
    widest = {name: gap.value for name, gap in gaps_found.items() if gap.value is not None}
    if not widest:
        return f"not measured: {next(iter(gaps_found.values())).note}"
    worst = max(widest, key=lambda name: widest[name])
    what = kind.removeprefix(".").replace("_", " ")
    return f"widest {what} {widest[worst]:.4f} by {worst.removesuffix(kind)}, {metrics[worst].note}"
