"""The page's sections about each gate's evidence, as plain rows (pure functions).

Long lists are cut, so that the page stays small for any table. The number of omitted items is
shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from governed_ml.core.bodies import confusion, ingested, trained
from governed_ml.core.drawing import svg
from governed_ml.core.evidence import AnyEvidence, Metric, usable
from governed_ml.core.evidence_bodies import Attribute, ColumnDrift
from governed_ml.core.problem import Unusable
from governed_ml.page.records import Records

ROWS, PICTURES = 600, 40  # of one table; of columns that are drawn, the most drifted first
RATES, OF_EACH = 20, "selection_rate."  # most rates of a group; that of each class
Row = dict[str, Any]


class Cut(NamedTuple):
    """The beginning of a list that may be long, and the number of omitted items."""

    rows: list[Any]
    left: int


def cut(rows: Iterable[Any], most: int = ROWS) -> Cut:
    """Return the first `most` items of a list."""
    found = list(rows)
    return Cut(found[:most], max(0, len(found) - most))


def _good(records: Records, gate: str) -> AnyEvidence | None:
    return usable(records.evidence).get(gate)


def performance(records: Records) -> Row | None:
    """Return metrics, curves and the confusion matrix."""
    found = _good(records, "evaluate")
    if found is None:
        return None
    body, regression = found.body, found.body.task == "regression"
    bins = [(one.predicted, one.observed) for one in body.calibration]
    known = [(x, y) for x, y in bins if x is not None and y is not None]
    gain = found.metrics.get("errors_avoided")
    train = _good(records, "train")
    ingest = _good(records, "ingest")
    names = ingested.class_names(ingest.body) if ingest else []
    return {
        "probabilities": trained.about(train.body) if train else [],
        "body": body,
        "majority": gain.note if gain else "",
        "folds": folds(records),
        "metrics": {n: m for n, m in found.judged().items() if not n.startswith("leak.")},
        "curve": "" if isinstance(records.curve, Unusable) else _curve(records.curve, regression),
        "calibration": _calibration(known, regression),
        "confusion": body.confusion,
        "classes": names,
        "matrix": confusion.matrix(body.confusion, names),
    }


def folds(records: Records) -> int:
    """Return the number of folds, or 0 without cross-validation."""
    split = _good(records, "split")
    return len(split.body.folds or []) if split else 0


def _curve(points: list[svg.Point], regression: bool) -> Markup:
    if regression:
        top = (max((x for x, _ in points), default=1.0), 1.0)
        half = next((x for x, y in points if y >= 0.5), top[0])
        said = f"Share of test rows within an absolute error; half of them within {half:.4g}"
        axes = ("absolute error (unit of the target)", "share of rows within it")
        return svg.plot(points, axes, said, top=top, diagonal=False)
    axes = ("false positive rate", "true positive rate")
    best = max(points, key=lambda one: one[1] - one[0], default=(0.0, 0.0))
    said = (
        f"ROC curve of {len(points)} points; farthest from chance at {best[0]:.2f}, {best[1]:.2f}"
    )
    return svg.plot(points, axes, said)


def _calibration(points: list[svg.Point], regression: bool) -> Markup:
    if not points:
        return Markup("")
    ends = [one for point in points for one in point]
    start, top = (min(ends), max(ends)) if regression else (0.0, 1.0)
    said = f"Predicted against observed mean in {len(points)} groups of equal size; table beside it"
    return svg.plot(
        points,
        ("mean prediction", "mean observation"),
        said,
        top=(top, top),
        start=(start, start),
        dots=True,
    )


def attributes(records: Records) -> list[Row]:
    """Return each sensitive attribute and intersection with its groups' rates and disparities."""
    found = _good(records, "fairness")
    if found is None:
        return []
    return [
        {
            "name": one.name,
            "rates": _shown(one),
            "groups": cut(_groups(one, found.body.task == "regression"), ROWS // 2),
            "metrics": _under(found.metrics, f"{one.name}."),
        }
        for one in found.body.attributes
    ]


def _shown(attribute: Attribute) -> list[str]:
    """Return the rates that are shown; of several classes, how often each is predicted."""
    found = attribute.groups[0].rates if attribute.groups else {}
    return [one for one in found if "." not in one or one.startswith(OF_EACH)][:RATES]


def _groups(attribute: Attribute, regression: bool) -> list[Row]:
    """Return one row per group.

    Bars are relative to 1 or, in a regression, to the column's maximum.
    """
    seen: dict[str, list[float]] = {}
    shown = {*_shown(attribute)}
    for group in attribute.groups:
        for rate, value in group.rates.items():
            seen.setdefault(rate, []).append(value or 0.0)

    def drawn(rate: str, value: float | None) -> Markup:
        if value is None:
            return Markup("")
        share = value / (max(map(abs, seen[rate])) or 1.0) if regression else value
        signed = min(seen[rate]) < 0
        return svg.bar_of_sign(share, 70) if signed else svg.bar(share, width=70)

    return [
        {
            "group": group,
            "cells": [
                (value, drawn(rate, value)) for rate, value in group.rates.items() if rate in shown
            ],
        }
        for group in attribute.groups
    ]


def _under(metrics: dict[str, Metric], prefix: str) -> dict[str, Metric]:
    return {n.removeprefix(prefix): m for n, m in metrics.items() if n.startswith(prefix)}


def drift(records: Records) -> Row | None:
    """Return the columns, the most drifted first, with both distributions."""
    found = _good(records, "drift")
    if found is None:
        return None
    verdicts: dict[str, str] = {}
    if not isinstance(records.decision, Unusable):
        verdicts = {rule.id: rule.verdict for rule in records.decision.rules}
    rows = most_drifted(found.body.columns)
    for row in rows:
        name = row["column"].name
        row["verdict"] = verdicts.get(f"drift.data[{name}]", verdicts.get(f"drift.{name}", ""))
    return {"body": found.body, "columns": cut(rows), "drawn": rows[:PICTURES]}


def most_drifted(columns: Sequence[ColumnDrift]) -> list[Row]:
    """Return one row per column, the most drifted first; only the first ones have a picture."""
    ranked = sorted(
        columns,
        key=lambda one: -1.0 if one.population_stability_index is None
        else one.population_stability_index,
        reverse=True,
    )  # fmt: skip
    return [
        {
            "column": one,
            "bins": _bins(one),
            "mark": _distributions(one) if place < PICTURES else "",
        }
        for place, one in enumerate(ranked)
    ]


def _bins(column: ColumnDrift) -> list[tuple[str, float, float]]:
    """Return the bins that have rows in at least one of the distributions."""
    whole = zip(column.bins, column.reference, column.current, strict=False)
    return [one for one in whole if one[1] > 0 or one[2] > 0]


def _distributions(column: ColumnDrift) -> Markup:
    bins = _bins(column)
    if not bins:
        return Markup("")
    name, old, new = max(bins, key=lambda one: abs(one[1] - one[2]))
    said = (
        f"{column.name}: shares of rows in {len(bins)} bins; the widest gap is in {name}, "
        f"reference {old:.1%}, current {new:.1%}"
    )
    ends = (bins[0][0], bins[-1][0])
    short = tuple(one if len(one) < 22 else one[:21] + "…" for one in ends)
    return svg.pairs(
        [one for _, one, _ in bins], [one for _, _, one in bins], (short[0], short[1]), said
    )


def importance(records: Records) -> Cut:
    """Return the features with a bar, the most important first."""
    found = _good(records, "explain")
    values = found.body.importance if found else {}
    ranked = sorted(values.items(), key=lambda one: -one[1])
    most = max([abs(value) for value in values.values()], default=0.0) or 1.0
    return cut([(name, value, svg.bar(value / most, width=220)) for name, value in ranked])
