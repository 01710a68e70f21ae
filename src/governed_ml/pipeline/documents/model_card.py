"""The model card for people, in sentences and tables. Sections after Mitchell et al. 2019."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from governed_ml.core.bodies import confusion, ingested
from governed_ml.core.config.data import Data
from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import Attribute
from governed_ml.measures.explanations.wrapped_estimators import BEFORE
from governed_ml.pipeline.cards import Evidences, ModelCard
from governed_ml.pipeline.documents import card_labels, markdown
from governed_ml.pipeline.documents.card_labels import GAPS, PERFORMANCE, RATES, TRUST, CardLabel
from governed_ml.pipeline.documents.templates import fill

CLASS = "class."  # before a class, in the name of its metric
CHAMPIONS = "champions"  # how many there are: the gain over the champion says so, too
METHODS = {"shap": "SHAP", "shap_permutation": "SHAP's permutation method"}
OUTPUTS = {
    "decision_function": "the decision function",
    "predict_proba": "the predicted probability",
    "predict": "the prediction",
    f"decision_function{BEFORE}": "the decision function before calibration",
    f"predict_proba{BEFORE}": "the predicted probability before calibration",
}
WIDEST = 12  # most classes in the table of all answers
OF_EACH = "selection_rate."  # before a class: the one of its rates that the card shows by group
MISTAKES = 5  # most kinds of mistakes that are listed
OF_CLASS = ("roc_auc", "precision", "recall", "f1", "expected_calibration_error")
"""Metrics that the card shows of each of three or more classes."""
TOP = 3  # features that the sentence about explanations names


class MetricRow(NamedTuple):
    """One metric of the card."""

    words: CardLabel
    metric: Metric


class GapRow(NamedTuple):
    """One fairness measure of an attribute: the difference between groups, and the ratio."""

    words: CardLabel
    difference: Metric | None
    ratio: Metric | None


class GroupTable(NamedTuple):
    """One sensitive attribute or intersection with all that the card says about it."""

    attribute: Attribute
    rates: list[tuple[str, CardLabel]]
    gaps: list[GapRow]
    widest: GapRow | None
    why_none: str
    proxy: Metric | None


class Unmeasured(NamedTuple):
    """Metrics of one gate that could not be measured for one reason."""

    gate: str
    names: list[str]
    why: str


def text(card: ModelCard, data: Data, found: Evidences) -> str:
    """Return the card; `data` needs name, target and no_sensitive_reason only."""
    explain = found["explain"].body
    classes = ingested.class_names(found["ingest"].body)
    values = {
        "card": card,
        "parameters": {name: one for name, one in card.parameters.items() if name != "_target_"},
        "data": data,
        "about": ingested.about(found["ingest"].body),
        "classes": classes,
        "by_class": _by_class(card.performance, classes),
        "of_class": [card_labels.of(name, PERFORMANCE) for name in OF_CLASS],
        "matrix": confusion.matrix(card.confusion, classes) if len(classes) <= WIDEST else [],
        "mistakes": confusion.mistakes(card.confusion, classes)[:MISTAKES],
        "confidence": found["fairness"].body.confidence,
        "split": found["split"].body,
        "overlap": found["split"].metrics.get("overlapping_rows"),
        "method": METHODS.get(explain.method, explain.method),
        "output": OUTPUTS.get(explain.output, explain.output),
        "explained": explain.rows,
        "performance": _rows(card.performance, PERFORMANCE),
        "majority": _sentence(card.performance.get("errors_avoided")),
        "trust": _rows(card.performance, TRUST, others=PERFORMANCE),
        "groups": [_group(one, card.fairness) for one in card.groups],
        "drift": _descending(card.drift),
        "importance": _descending(card.importance),
        "top": TOP,
        "costs": [(card_labels.of(one.metric, PERFORMANCE), one) for one in card.mitigation_cost],
        "unmeasured": unmeasured(found),
    }
    filters = {"code": markdown.code}
    template = Path(__file__).with_suffix(".md.jinja")
    return fill(template, markdown.escaped, values, filters)


def _sentence(metric: Metric | None) -> str:
    """Return a metric's note as the start of a sentence, or "" without the metric."""
    return metric.note[:1].upper() + metric.note[1:] if metric else ""


def unmeasured(found: Evidences) -> list[Unmeasured]:
    """Return what could not be measured; metrics of a gate with one reason are together."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for gate, evidence in sorted(found.items()):
        for name, metric in sorted(evidence.metrics.items()):
            if metric.value is None:
                reasons.setdefault((gate, metric.note), []).append(name)
    return [Unmeasured(gate, names, why) for (gate, why), names in reasons.items()]


def _rows(
    metrics: dict[str, Metric],
    known: dict[str, CardLabel],
    others: dict[str, CardLabel] | None = None,
) -> list[MetricRow]:
    """Return metrics in the order of `known`. With `others`: also those that neither knows."""
    names = [name for name in known if name in metrics]
    if others is not None:
        apart = {**known, **others, CHAMPIONS: None}
        names += [name for name in metrics if name not in apart and not name.startswith(CLASS)]
    return [MetricRow(card_labels.of(name, known), metrics[name]) for name in names]


def _by_class(
    metrics: dict[str, Metric], classes: list[str]
) -> list[tuple[str, list[Metric | None]]]:
    """Return each class with its metrics, in the order of `OF_CLASS`."""
    return [
        (name, [metrics.get(f"{CLASS}{name}.{metric}") for metric in OF_CLASS]) for name in classes
    ]


def _group(attribute: Attribute, metrics: dict[str, Metric]) -> GroupTable:
    own = _of(attribute, metrics)
    measures = list(dict.fromkeys(_measure(name) for name in own if _measure(name) != name))
    gaps = [
        GapRow(card_labels.of(one, GAPS), own.get(f"{one}_difference"), own.get(f"{one}_ratio"))
        for one in sorted(measures, key=[*GAPS, *measures].index)
    ]
    known = [one for one in gaps if one.difference and one.difference.value is not None]
    notes = dict.fromkeys(one.difference.note for one in gaps if one.difference)
    return GroupTable(
        attribute=attribute,
        rates=[(name, card_labels.of(name, RATES)) for name in _rates(attribute)],
        gaps=gaps,
        widest=max(known, key=_width, default=None),
        why_none="; ".join(notes) or "no gap was measured",
        proxy=own.get("proxy_auc"),
    )


def _of(attribute: Attribute, metrics: dict[str, Metric]) -> dict[str, Metric]:
    """Return the metrics of an attribute; another one may be called like it, with a dot after."""
    prefix = f"{attribute.name}."
    found = {name.partition(prefix): one for name, one in metrics.items()}
    return {name: one for (before, _, name), one in found.items() if not before and "." not in name}


def _measure(name: str) -> str:
    return name.removesuffix("_difference").removesuffix("_ratio")


def _rates(attribute: Attribute) -> list[str]:
    found = dict.fromkeys(
        rate
        for group in attribute.groups
        for rate in group.rates
        if "." not in rate or rate.startswith(OF_EACH)
    )
    if len(found) > WIDEST:
        return []
    return sorted(found, key=[*RATES, *found].index)


def _width(gap: GapRow) -> float:
    return (gap.difference.value or 0.0) if gap.difference else 0.0


def _descending(values: dict[str, Any]) -> Sequence[tuple[str, float | None]]:
    """Return the largest first; what was not measured last."""
    return sorted(values.items(), key=lambda one: (one[1] is None, -(one[1] or 0.0), one[0]))
