"""The panels about the champion's last window, with the limits of the policy."""

from __future__ import annotations

from governed_ml.core.config.params import Params
from governed_ml.serving.metrics import names
from governed_ml.serving.metrics.dashboards.panel import JOB, Panel, Query
from governed_ml.serving.metrics.promql import chosen, grouped, number

DAY = 86400


def window(params: Params) -> list[Panel]:
    """Return the panels: level, age, and the values of each kind of rules."""
    monitoring = params.policy.monitoring
    level = f"{grouped('max', 'level', chosen(names.WINDOW_LEVEL, JOB))} == 1"
    measured = grouped("max", "job", chosen(names.MONITORED, JOB))
    return [
        Panel(
            "Level",
            "table",
            "none",
            "The level of the last window.",
            (Query(level, "{{level}}", instant=True),),
        ),
        Panel(
            "Days since a window was measured",
            "stat",
            "d",
            "Since the promotion, if there was no window. The policy has the limit.",
            (Query(f"(time() - {measured}) / {DAY}", "days"),),
            monitoring.liveness_days if monitoring else None,
        ),
        *(_values(params, kind) for kind in ("drift", "fairness", "performance")),
    ]


def _values(params: Params, kind: str) -> Panel:
    """Return the panel of one kind of metrics, with the mildest limit of each rule."""
    monitoring, task = params.policy.monitoring, params.data.task
    rules = monitoring.rules if monitoring else []
    shown = [
        one for one in rules if one.task in (None, task) and one.metric.partition(".")[0] == kind
    ]
    values = grouped("max", "rule, group", chosen(names.WINDOW_VALUE, JOB, {"kind": kind}))
    limits: dict[tuple[str, float], list[str]] = {}
    for rule in shown:
        limits.setdefault(next(iter(rule.limits.items())), []).append(rule.id)
    return Panel(
        f"{kind.capitalize()} of the last window",
        "timeseries",
        "short",
        "The values that the policy judged, and the limits beyond which it asks people to look.",
        (
            Query(values, "{{rule}} {{group}}"),
            *(
                Query(f"vector({number(limit)})", f"limit ({level}): {', '.join(rules)}")
                for (level, limit), rules in limits.items()
            ),
        ),
    )
