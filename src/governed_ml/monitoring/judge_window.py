"""Judge a window by the policy's rules, and say which action they require. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.config.policy_schema import Monitoring, MonitoringRule
from governed_ml.core.evidence import Metric
from governed_ml.ledger.windows import Level, WindowRecord
from governed_ml.policy.expected_rules import Scope
from governed_ml.policy.limits import best_and_worst, beyond, number, spelled

WORSE: tuple[Level, ...] = ("healthy", "warn", "retrain", "rollback")
BEHAVIOUR = ("drift.", "fairness.", "performance.")  # without one of these nothing was measured


class Judged(Closed):
    """One rule of a window: how bad, and why."""

    id: str
    verdict: Level
    value: float | None
    interval: tuple[float, float] | None = None
    bound: Literal["at_most", "at_least"] = "at_most"
    limits: dict[str, float]
    reason: str


def expected(monitoring: Monitoring, scope: Scope) -> list[tuple[str, MonitoringRule, str]]:
    """Spell out the rules for a task, its features and sensitive attributes: id, rule, metric."""
    names = {"feature": scope.features or (), "sensitive": scope.sensitive}
    return [
        (f"{rule.id}[{name}]" if rule.each else rule.id, rule, rule.metric.replace("{each}", name))
        for rule in monitoring.rules
        if rule.task in (None, scope.task)
        for name in (names[rule.each] if rule.each else ("",))
    ]


def judge(
    monitoring: Monitoring, scope: Scope, metrics: Mapping[str, Metric]
) -> tuple[list[Judged], bool]:
    """Judge every rule that is expected, and say whether anything of the model was measured."""
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
    """Hold one metric against one rule.

    Where there are bounds, the one nearer to the limit has to be beyond it: chance in a small group
    alarms nobody. A value that is beyond, when its bound is not, says too little to be healthy.
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
    """Return the worst level of what was measured; `not_measured` if nothing was."""
    found: Level = "not_measured"
    for level in WORSE:
        if any(rule.verdict == level for rule in rules):
            found = level
    return found


def reasons(rules: Sequence[Judged], lacks: Sequence[str] = ()) -> list[str]:
    """Return why the level is what it is: bad rules, worst first, what is lacking, what is unknown.

    The first reason stands for all of them in the ledger and in messages.
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
    """Return how many windows up to the last were at a level, one after the other.

    One that was not measured neither breaks the row nor makes it longer, nor does one that is
    milder because a rule that asked could not be measured (labels come late). A feed that has only
    grown since is no other window.
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
    """Return whether a window is an earlier one with more rows: of one feed, of the same time."""
    if before.to is None or window.since is None:
        return False
    more = (window.batch, window.rows > before.rows) == (before.batch, True)
    return more and window.since <= before.to  # ISO 8601, all UTC


def due(
    windows: Sequence[WindowRecord], monitoring: Monitoring
) -> tuple[Level | Literal["none"], int]:
    """Return what the last window asks for by now, and how many in a row are at the last level.

    Until there are enough of them in a row, the last level asks for what the one before it does.
    """
    row = in_a_row(windows)
    level = windows[-1].level if windows else "not_measured"
    if level in ("healthy", "not_measured"):
        return "none", row
    if level == "rollback" and row < monitoring.rollback_windows:
        return "retrain", row
    return level, row


def windows_of(details: Sequence[dict[str, Any]]) -> list[WindowRecord]:
    """Return the windows that events tell of, in order; one measured again as it is now."""
    found = {said.window: said for said in map(WindowRecord.model_validate, details)}
    return [found[number] for number in sorted(found)]
