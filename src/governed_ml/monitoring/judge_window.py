"""Judge a window by the policy's rules, and decide which action is required."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.config.production.policy import Monitoring, MonitoringRule
from governed_ml.core.evidence import Metric
from governed_ml.ledger.production.windows import Level, WindowRecord
from governed_ml.policy.expected_rules import Scope, metric_of
from governed_ml.policy.limits import best_and_worst, beyond, number, spelled

WORSE: tuple[Level, ...] = ("healthy", "warn", "retrain", "rollback")
BEHAVIOUR = ("drift.", "fairness.", "performance.")  # a window needs a metric of one of these


class Judged(Closed):
    """The verdict of one rule about a window, and the reason."""

    id: str
    verdict: Level
    value: float | None
    interval: tuple[float, float] | None = None
    bound: Literal["at_most", "at_least"] = "at_most"
    limits: dict[str, float]
    reason: str


def expected(monitoring: Monitoring, scope: Scope) -> list[tuple[str, MonitoringRule, str]]:
    """Return the rules that apply as (id, rule, metric), expanded for all that `each` names."""
    names = {
        "feature": scope.features or (),
        "numeric": scope.numeric or (),
        "sensitive": scope.sensitive,
        "class": scope.classes,
    }
    return [
        (f"{rule.id}[{name}]" if rule.each else rule.id, rule, metric_of(rule.metric, name))
        for rule in monitoring.rules
        if rule.task in (None, scope.task)
        for name in (names[rule.each] if rule.each else ("",))
    ]


def judge(
    monitoring: Monitoring, scope: Scope, metrics: Mapping[str, Metric]
) -> tuple[list[Judged], bool]:
    """Judge every rule that applies; also return whether any metric of the model was measured."""
    found: list[Judged] = []
    measured = False
    for name, rule, source in expected(monitoring, scope):
        lost = f"there is no metric {source}"
        if rule.each == "sensitive":
            lost = "no row has its group: neither a column of the batch nor monitor.sensitive"
        metric = metrics.get(source) or Metric(value=None, note=lost)
        level, reason = judged(rule, metric)
        measured = measured or (level != "not_measured" and source.startswith(BEHAVIOUR))
        found.append(
            Judged(
                id=name,
                verdict=level,
                value=metric.value,
                interval=metric.interval,
                bound=rule.bound,
                limits={str(level): limit for level, limit in rule.limits.items()},
                reason=reason,
            )
        )
    return found, measured


def judged(rule: MonitoringRule, metric: Metric) -> tuple[Level, str]:
    """Judge one metric by one rule; return the level and the reason.

    If the metric has bounds, even the more favourable bound must exceed the limit, so that chance
    in a small group raises no alarm. If only the value exceeds the limit, the level is
    `not_measured`: the data can neither show a fault nor exclude one.
    """
    if metric.value is None:
        return "not_measured", metric.note
    if rule.minimum_n is not None and (metric.n or 0) < rule.minimum_n:
        return (
            "not_measured",
            f"rests on {metric.n or 0} rows, at least {rule.minimum_n} wanted; {metric.note}",
        )
    ends = best_and_worst(metric, rule.bound)
    sure = ends[0] if ends else metric.value
    found: Level = "healthy"
    for level, limit in rule.limits.items():
        if beyond(sure, limit, rule.bound):
            found = level
    astray = any(beyond(metric.value, limit, rule.bound) for limit in rule.limits.values())
    shown = number(metric.value) + (f" in {spelled(ends)}" if ends else "")
    if found == "healthy" and astray:
        return "not_measured", f"{shown}, which chance may do: more rows wanted; {metric.note}"
    if found != "healthy":
        shown += f", {rule.bound.replace('_', ' ')} {rule.limits[found]:g} for {found}"
    return found, shown + (f"; {metric.note}" if metric.note else "")


def worst(rules: Sequence[Judged]) -> Level:
    """Return the worst level of the rules that were measured; `not_measured` if none was."""
    found: Level = "not_measured"
    for level in WORSE:
        if any(rule.verdict == level for rule in rules):
            found = level
    return found


def reasons(rules: Sequence[Judged], lacks: Sequence[str] = ()) -> list[str]:
    """Return the reasons for the level: failed rules (worst first), `lacks`, and unmeasured rules.

    The ledger and messages show the first reason only.
    """
    bad = [rule for rule in rules if rule.verdict in WORSE[1:]]
    bad.sort(key=lambda rule: -WORSE.index(rule.verdict))
    unknown: dict[str, list[str]] = {}
    for rule in rules:
        if rule.verdict == "not_measured":
            unknown.setdefault(rule.reason, []).append(rule.id)
    return [
        *(f"{rule.id}: {rule.reason}" for rule in bad),
        *lacks,
        *(f"{_and_more(names)}: not measured: {why}" for why, names in unknown.items()),
    ]


def _and_more(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def in_a_row(windows: Sequence[WindowRecord], level: Level = "rollback") -> int:
    """Return how many consecutive windows, up to the last one, were at a level.

    Some windows neither count nor interrupt the sequence: those that were not measured, and milder
    ones in which a rule that asked for the level could not be measured (labels come late). A batch
    that only grew counts once.
    """
    row: list[WindowRecord] = []
    for window in windows:
        asked = {rule for one in row for rule in one.asking}
        if window.level == level:
            row = [one for one in row if not _grown(one, window)] + [window]
        elif window.level != "not_measured" and not asked & set(window.unknown):
            row = []
    return len(row)


def _grown(before: WindowRecord, window: WindowRecord) -> bool:
    """Return whether a window is an earlier one with more rows: same feed, overlapping time."""
    if before.to is None or window.since is None:
        return False
    more = (window.batch, window.rows > before.rows) == (before.batch, True)
    return more and window.since <= before.to  # both are ISO 8601 in UTC


def due(
    windows: Sequence[WindowRecord], monitoring: Monitoring
) -> tuple[Level | Literal["none"], int]:
    """Return the action that is due after the last window, and the number of rollback windows.

    Until `rollback_windows` consecutive windows have asked for a rollback, a retraining is due
    instead.
    """
    row = in_a_row(windows)
    level = windows[-1].level if windows else "not_measured"
    if level in ("healthy", "not_measured"):
        return "none", row
    if level == "rollback" and row < monitoring.rollback_windows:
        return "retrain", row
    return level, row


def windows_of(details: Sequence[dict[str, Any]]) -> list[WindowRecord]:
    """Return the windows in events' details, in order; of repeated measurements the latest."""
    found = {said.window: said for said in map(WindowRecord.model_validate, details)}
    return [found[number] for number in sorted(found)]
