"""What each section of the page shows, as plain rows for its template. Pure: records in, rows out.

Long lists are cut, so that the page stays small whatever the table; what was cut is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from governed_ml.core.bodies import Attribute, ColumnDrift
from governed_ml.core.config import Rule
from governed_ml.core.evidence import AnyEvidence, Metric
from governed_ml.lineage import graph as lineage_graph
from governed_ml.page import marks
from governed_ml.page.records import Records
from governed_ml.page.standing import Standing, standing
from governed_ml.policy.decision import LETS_THROUGH, RuleResult, alike, closest
from governed_ml.policy.judge import number

ROWS, PICTURES = 600, 40  # of one table; of columns that are drawn, the most drifted first
Row = dict[str, Any]


class Cut(NamedTuple):
    """A list that may be long: its beginning, and how many are left out."""

    rows: list[Any]
    left: int


def cut(rows: Iterable[Any], most: int = ROWS) -> Cut:
    """Return the beginning of a list."""
    found = list(rows)
    return Cut(found[:most], max(0, len(found) - most))


def view(records: Records) -> Row:
    """Return everything that the template asks for."""
    stand = standing(records)
    return {
        "records": records,
        "stand": stand,
        "project": None if isinstance(records.params, str) else records.params.project,
        "facts": facts(records),
        "why": why(records),
        "rules": rules(records),
        "performance": performance(records),
        "attributes": attributes(records),
        "drift": drift(records),
        "importance": importance(records),
        "graph": graph(records),
        "notices": notices(records, stand),
        "gaps": cut(gaps(records)),
    }


def notices(records: Records, stand: Standing) -> dict[str, str]:
    """Return gate → what a reader of its section has to know first."""
    return {
        gate: "" if isinstance(records.evidence[gate], str) else why
        for gate, why in stand.foreign.items()
        if gate in records.evidence
    }


def facts(records: Records) -> list[tuple[str, str]]:
    """Return what the verdict is about."""
    decision, life = records.decision, records.life
    train, ingest = records.evidence["train"], records.evidence["ingest"]
    found: list[tuple[str, str]] = []
    if not isinstance(decision, str):
        found += [
            ("judged on", str(decision.volatile.get("judged_on") or "no record")),
            ("policy", _short(decision.policy_digest)),
        ]
        by = decision.subject.engine
        found += [("engine", f"{by.version}, {_short(by.digest)}")] if by else []
        risk = decision.model_dump().get("risk")
        found += [] if risk is None else [("risk score", number(float(risk)))]
    if not isinstance(train, str):
        commit = (train.volatile.commit or "no record")[:12]
        dirty = ", with changes that were not committed" if train.volatile.dirty else ""
        found += [
            ("model", f"{train.body.model}, {_short(train.subject.model)}"),
            (
                "trained",
                f"{train.volatile.started[:16].replace('T', ' ')} UTC on commit {commit}{dirty}",
            ),
        ]
    if not isinstance(ingest, str):
        found.append(("data", f"{ingest.body.uri}, {ingest.body.rows:,} rows"))
    if not isinstance(records.told, str):
        here = records.told.version
        state = f"version {here.number}, {here.state.replace('_', ' ')}" if here else "not there"
        found.append(("in the ledger", state))
    if not isinstance(life, str):
        champion = life.champion
        found.append(("champion", f"version {champion.number}" if champion else "none yet"))
    return found


def why(records: Records) -> tuple[str, list[Row]]:
    """Return the rules that deny; where none does, those that come nearest to their limit."""
    decision = records.decision
    if isinstance(decision, str):
        return "", []
    bad = [rule for rule in decision.by_weight() if rule.verdict not in LETS_THROUGH]
    if bad:
        return "What denies", [_said(*row) for row in alike(bad)[:12]]
    return "Nearest to a limit", [_said(rule) for rule in closest(decision.by_weight())]


def _said(rule: RuleResult, *others: RuleResult) -> Row:
    more = f" and {len(others)} more" if others else ""
    return {"id": rule.id + more, "verdict": rule.verdict, "reason": rule.reason}


def rules(records: Records) -> Cut:
    """Return a row for every rule, those that deny first, with its picture."""
    if isinstance(records.decision, str):
        return Cut([], 0)
    known: dict[str, Rule] = {}
    if not isinstance(records.params, str):
        known = {rule.id: rule for rule in records.params.policy.rules}
    found = cut(records.decision.by_weight())
    return Cut([_rule(one, known.get(one.id.partition("[")[0])) for one in found.rows], found.left)


def _rule(found: RuleResult, rule: Rule | None) -> Row:
    row: Row = {"found": found, "owner": rule.owner if rule else "", "limits": [], "mark": ""}
    if rule is None or rule.metric is None:
        return row | {"limits": [] if found.limit is None else [f"{found.limit:g}"]}
    side = "above" if rule.bound == "at_most" else "below"
    named = (("warns", rule.warn), ("denies", rule.block))
    row["limits"] = [f"{what} {side} {number(one)}" for what, one in named if one is not None]
    drawn = marks.limits(
        found.value, found.interval, rule.warn, rule.block, rule.bound == "at_most"
    )
    return row | {"mark": drawn}


def _good(records: Records, gate: str) -> AnyEvidence | None:
    found = records.evidence[gate]
    return None if isinstance(found, str) else found


def performance(records: Records) -> Row | None:
    """Return metrics, curves and the confusion matrix."""
    found = _good(records, "evaluate")
    if found is None:
        return None
    body, regression = found.body, found.body.task == "regression"
    bins = [(one.predicted, one.observed) for one in body.calibration]
    known = [(x, y) for x, y in bins if x is not None and y is not None]
    return {
        "body": body,
        "metrics": {n: m for n, m in found.metrics.items() if not n.startswith("leak.")},
        "curve": "" if isinstance(records.curve, str) else _curve(records.curve, regression),
        "calibration": _calibration(known, regression),
        "confusion": body.confusion,
    }


def _curve(points: list[marks.Point], regression: bool) -> Markup:
    if regression:
        top = (max((x for x, _ in points), default=1.0), 1.0)
        half = next((x for x, y in points if y >= 0.5), top[0])
        said = f"Share of test rows within an absolute error; half of them within {half:.4g}"
        axes = ("absolute error (unit of the target)", "share of rows within it")
        return marks.plot(points, axes, said, top=top, diagonal=False)
    axes = ("false positive rate", "true positive rate")
    best = max(points, key=lambda one: one[1] - one[0], default=(0.0, 0.0))
    said = (
        f"ROC curve of {len(points)} points; farthest from chance at {best[0]:.2f}, {best[1]:.2f}"
    )
    return marks.plot(points, axes, said)


def _calibration(points: list[marks.Point], regression: bool) -> Markup:
    if not points:
        return Markup("")
    ends = [one for point in points for one in point]
    start, top = (min(ends), max(ends)) if regression else (0.0, 1.0)
    said = f"Predicted against observed mean in {len(points)} groups of equal size; table beside it"
    return marks.plot(
        points,
        ("mean prediction", "mean observation"),
        said,
        top=(top, top),
        start=(start, start),
        dots=True,
    )


def attributes(records: Records) -> list[Row]:
    """Return each sensitive attribute and intersection: its groups' rates, its disparities."""
    found = _good(records, "fairness")
    if found is None:
        return []
    return [
        {
            "name": one.name,
            "rates": list(one.groups[0].rates) if one.groups else [],
            "groups": cut(_groups(one, found.body.task == "regression"), ROWS // 2),
            "metrics": _under(found.metrics, f"{one.name}."),
        }
        for one in found.body.attributes
    ]


def _groups(attribute: Attribute, regression: bool) -> list[Row]:
    """Return a row a group; a bar is of 1, in a regression of the largest in its column."""
    seen: dict[str, list[float]] = {}
    for group in attribute.groups:
        for rate, value in group.rates.items():
            seen.setdefault(rate, []).append(value or 0.0)

    def drawn(rate: str, value: float | None) -> Markup:
        if value is None:
            return Markup("")
        share = value / (max(map(abs, seen[rate])) or 1.0) if regression else value
        signed = min(seen[rate]) < 0
        return marks.bar_of_sign(share, 70) if signed else marks.bar(share, width=70)

    return [
        {
            "group": group,
            "cells": [(value, drawn(rate, value)) for rate, value in group.rates.items()],
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
    if not isinstance(records.decision, str):
        verdicts = {rule.id: rule.verdict for rule in records.decision.rules}
    rows = most_drifted(found.body.columns)
    for row in rows:
        name = row["column"].name
        row["verdict"] = verdicts.get(f"drift.data[{name}]", verdicts.get(f"drift.{name}", ""))
    return {"body": found.body, "columns": cut(rows), "drawn": rows[:PICTURES]}


def most_drifted(columns: Sequence[ColumnDrift]) -> list[Row]:
    """Return a row a column, the most drifted first; the first of them with a picture."""
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
    """Return the bins in which some row lies, on either side."""
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
    return marks.pairs(
        [one for _, one, _ in bins], [one for _, _, one in bins], (short[0], short[1]), said
    )


def importance(records: Records) -> Cut:
    """Return features, the most important first, with a bar."""
    found = _good(records, "explain")
    values = found.body.importance if found else {}
    ranked = sorted(values.items(), key=lambda one: -one[1])
    most = max([abs(value) for value in values.values()], default=0.0) or 1.0
    return cut([(name, value, marks.bar(value / most, width=220)) for name, value in ranked])


def graph(records: Records) -> Markup | str:
    """Return the lineage graph, in the page's own colours."""
    if isinstance(records.told, str) or isinstance(records.line, str):
        return ""
    found = lineage_graph.graph(records.line, records.told.version)
    return Markup(lineage_graph.svg(found, "From the source to the decision", style=""))  # noqa: S704


def gaps(records: Records) -> Sequence[tuple[str, str]]:
    """Return every number that could not be measured, with the reason."""
    return [
        (f"{gate}.{name}", metric.note)
        for gate, found in records.evidence.items()
        if not isinstance(found, str)
        for name, metric in found.metrics.items()
        if metric.value is None
    ]


def _short(digest: str | None) -> str:
    return "no record" if not digest else digest[:19]
