"""Alerts about the champion's last window, and about what the ledger did; limits: the policy."""

from __future__ import annotations

from governed_ml.core.config.production.policy import Monitoring, MonitoringRule
from governed_ml.ledger.events import Action
from governed_ml.ledger.production.windows import Level
from governed_ml.policy.expected_rules import Scope
from governed_ml.serving.metrics import names
from governed_ml.serving.metrics.alerts.alert import (
    ALWAYS,
    NEVER,
    Alert,
    Severity,
    constant,
    example,
)
from governed_ml.serving.metrics.promql import chosen, grouped, number, quoted

DAY = 86400
DUE = "`uv run governance status` says what is due"
LOOK = "`uv run governance ledger show` lists the windows with their reasons"
KIND_NAMES = {
    "drift": "WindowDrift",
    "fairness": "WindowFairness",
    "performance": "WindowPerformance",
}
"""First part of a rule's metric → the alert about its value; others are `WindowData`."""
LEVELS: dict[Level, tuple[str, Severity, str]] = {
    "retrain": (
        "WindowAsksForRetraining",
        "warning",
        DUE,
    ),
    "rollback": (
        "WindowAsksForRollback",
        "critical",
        DUE,
    ),
    "not_measured": ("WindowNotMeasured", "warning", "monitor a better batch"),
}
EVENTS: dict[Action, tuple[str, Severity, str, str]] = {
    "rolled_back": (
        "RolledBack",
        "warning",
        "the champion was rolled back in the last day",
        "train and promote a better version; `uv run governance ledger show` has the reason",
    ),
    "rollback_failed": (
        "RollbackFailed",
        "critical",
        "a rollback failed in the last day, so the champion is still served",
        "run `uv run governance rollback`; `uv run governance ledger show` has the reason",
    ),
    "canary_reverted": (
        "CanaryReverted",
        "warning",
        "a canary was ended in the last day, so the champion answers everybody",
        "train a better version; `uv run governance ledger show` has the reason",
    ),
}


def windows(job: str, monitoring: Monitoring | None, scope: Scope) -> list[Alert]:
    """Return the alerts about the last window; none if the policy has no section monitoring."""
    if monitoring is None:
        return []
    rules = [one for one in monitoring.rules if one.task in (None, scope.task)]
    return [
        *(_beyond(job, rule, scope) for rule in rules),
        *(_level(job, level, rules[0].owner) for level in LEVELS),
        _too_old(job, monitoring.liveness_days, rules[0].owner),
    ]


def events(job: str) -> list[Alert]:
    """Return the alerts about what the ledger says happened in the last day."""
    found: list[Alert] = []
    for action, (name, severity, summary, fix) in EVENTS.items():
        at = chosen(names.LEDGER_EVENT, f"job={quoted(job)}", {"action": action})
        found.append(
            Alert(
                name,
                f"time() - {grouped('max', 'job', at)} < {DAY}",
                severity,
                summary,
                fix,
                (
                    example(
                        names.LEDGER_EVENT,
                        job,
                        constant(-2 * DAY),
                        "-60+15x1200",
                        action=action,
                    ),
                ),
                {"job": job},
                60,
            )
        )
    return found


def _beyond(job: str, rule: MonitoringRule, scope: Scope) -> Alert:
    """Return the alert about one rule, whose value is worse than the mildest limit.

    The service shows no value that chance may explain, so a value beyond a limit is one that the
    policy judged so.
    """
    level, limit = next(iter(rule.limits.items()))
    kind = rule.metric.partition(".")[0]
    group = next(iter(scope.sensitive), "") if rule.each == "sensitive" else ""
    where = f"job={quoted(job)}"
    value = chosen(names.WINDOW_VALUE, where, {"rule": rule.id})
    worst, sign = ("max", ">") if rule.bound == "at_most" else ("min", "<")
    bad = limit + 1 if rule.bound == "at_most" else limit - 1
    most = rule.bound.replace("_", " ")
    labels = {"kind": kind, "rule": rule.id, "group": group}
    return Alert(
        KIND_NAMES.get(kind, "WindowData"),
        f"{grouped(worst, 'job, group', value)} {sign} {number(limit)}",
        "warning",
        f"in the last window, {rule.id} is not {most} {limit:g}, the limit for {level}",
        LOOK,
        (
            example(
                names.WINDOW_VALUE, job, f"{number(limit)}x1200", f"{number(bad)}x1200", **labels
            ),
        ),
        {"job": job} | ({"group": group} if group else {}),
        bad,
        owner=rule.owner,
        rule_id=rule.id,
    )


def _level(job: str, level: Level, owner: str) -> Alert:
    name, severity, fix = LEVELS[level]
    one = chosen(names.WINDOW_LEVEL, f"job={quoted(job)}", {"level": level})
    said = level.replace("_", " ")
    return Alert(
        name,
        f"{grouped('max', 'job', one)} == 1",
        severity,
        f"the level of the champion's last window is {said}",
        f"{fix}; {LOOK}",
        (example(names.WINDOW_LEVEL, job, NEVER, ALWAYS, level=level),),
        {"job": job},
        1,
        owner=owner,
    )


def _too_old(job: str, days: int, owner: str) -> Alert:
    at = grouped("max", "job", chosen(names.MONITORED, f"job={quoted(job)}"))
    late = (days + 1) * DAY
    return Alert(
        "WindowTooOld",
        f"(time() - {at}) / {DAY} > {days}",
        "warning",
        f"no window of the champion was measured in the last {days} days, so no version can be "
        "promoted",
        "run `uv run governance monitor` on new rows",
        (example(names.MONITORED, job, "0+15x1200", f"-{late}+15x1200"),),
        {"job": job},
        days + 1,
        owner=owner,
    )
