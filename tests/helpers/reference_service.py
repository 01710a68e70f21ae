"""docs/serving-metrics.md: every metric of the service, its labels, and every alert."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import policies
from reference_pages import WRITTEN, document, sentence, table, wrapped

from governed_ml.core.config.production.policy import ServedExplanations
from governed_ml.core.config.production.serve import Serve
from governed_ml.serving.metrics import names
from governed_ml.serving.metrics.alerts import rule_files
from governed_ml.serving.metrics.names import Family

INTRO = (
    "`GET /metrics` of [the service](serving.md) shows these metrics in Prometheus's text format "
    "or as OpenMetrics, whichever is asked for. [Watch the service](alerts.md) says how to use "
    "them."
)
LABELS = (
    "No request can make a new series: a label has the values of this table, and what is not "
    f"listed counts as `{names.OTHER}`. After a reload, the series of the earlier version is gone."
)
WINDOW = (
    "The values of a window are those that the policy judged. A value that chance may explain is "
    "left out, so a value beyond a limit is beyond it by the policy's own judgement. If a rule is "
    "repeated for features or classes, the worst value is shown; the ledger names the feature."
)
ALERTS = (
    "`governance alerts` writes these. The limits here are the defaults of the settings `serve` "
    "and of the tier high. An alert about a rule of the policy has the rule's owner, and the rule "
    "in the label `rule`; the table shows one rule of each kind."
)
FEW = 8  # values that a table lists


def page() -> str:
    """Return the page."""
    return document(
        "Metrics and alerts of the service",
        wrapped(INTRO),
        wrapped(WRITTEN),
        "## Metrics",
        table(("metric", "type", "labels", "meaning"), map(_family, names.FAMILIES)),
        wrapped(WINDOW),
        "## Labels",
        wrapped(LABELS),
        table(("label", "values"), _labels()),
        "## Alerts",
        wrapped(ALERTS),
        table(("alert", "severity", "owner", "lasts", "fires if"), _alerts()),
    )


def _family(family: Family) -> tuple[str, ...]:
    labels = ", ".join(f"`{one}`" for one in family.labels)
    return f"`{family.name}`", family.kind, labels, sentence(family.help)


def _labels() -> list[tuple[str, str]]:
    """Label → its values; where families differ, with the metric."""
    found: dict[str, dict[str, str]] = {}
    for family in names.FAMILIES:
        for label, values in family.labels.items():
            found.setdefault(label, {}).setdefault(_values(label, values), family.name)
    return [
        (f"`{label}`" + (f" of `{metric}`" if len(said) > 1 else ""), values)
        for label, said in found.items()
        for values, metric in said.items()
    ]


def _values(label: str, values: Any) -> str:
    if isinstance(values, str):
        return sentence(values)
    if label == "action":
        return "The names of [the ledger's events](events.md)."
    shown = ", ".join(f"`{one}`" for one in values[:FEW])
    return shown + (f" and {len(values) - FEW} more" if len(values) > FEW else "")


def _alerts() -> list[tuple[str, ...]]:
    """The alerts of the tier high, one for each name."""
    policy = policies.of_template("high")
    explain = ServedExplanations(serve="all")
    params: Any = SimpleNamespace(
        serve=Serve(),
        policy=policy.model_copy(update={"explain": explain}),
        data=SimpleNamespace(task="classification", sensitive=["sex"], class_names=[]),
    )
    found: dict[str, tuple[str, ...]] = {}
    for group in rule_files.groups(params, "model"):
        for one in group.alerts:
            lasts = f"{one.minutes} min" if one.minutes else "at once"
            said = (f"`{one.name}`", one.severity, one.owner, lasts, sentence(one.summary))
            found.setdefault(one.name, said)
    return list(found.values())
