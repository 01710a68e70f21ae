"""All alerts of a project, the rules file of Prometheus, and promtool's tests of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from governed_ml.core.config.params import Params
from governed_ml.policy.expected_rules import Scope
from governed_ml.serving.metrics.alerts import record_alerts, service_alerts, window_alerts
from governed_ml.serving.metrics.alerts.alert import Alert

RULES, TESTS = "alerts.yaml", "alerts_test.yaml"


@dataclass(frozen=True)
class AlertGroup:
    """A group of rules, which Prometheus judges together."""

    name: str
    alerts: list[Alert]


def groups(params: Params, job: str) -> list[AlertGroup]:
    """Return the alerts of a project, with limits of its policy and settings."""
    serve, policy, data = params.serve, params.policy, params.data
    scope = Scope(data.task, None, tuple(data.sensitive), classes=tuple(data.class_names))
    found = {
        "service": [
            *service_alerts.reachable(job, serve),
            *service_alerts.answers(job, serve.alerts),
        ],
        "records": [
            *record_alerts.log(job, serve),
            *record_alerts.ledger(job, serve),
            *record_alerts.explained(job, policy.explain, serve.alerts.minutes),
        ],
        "windows": [
            *window_alerts.windows(job, policy.monitoring, scope),
            *window_alerts.events(job),
        ],
    }
    return [AlertGroup(f"{job} {name}", alerts) for name, alerts in found.items()]


def rules(found: list[AlertGroup]) -> dict[str, Any]:
    """Return the content of the rules file."""
    return {
        "groups": [
            {"name": one.name, "rules": [alert.rule() for alert in one.alerts]} for one in found
        ]
    }


def tests(found: list[AlertGroup]) -> dict[str, Any]:
    """Return the tests: each alert fires in its example, and none does if all is well."""
    alerts = [alert for group in found for alert in group.alerts]
    healthy = {one.selector: one.healthy for alert in alerts for one in alert.example}
    looked = 2 * max(alert.minutes for alert in alerts) + 1  # rates are steady
    calm = [_asked(name, looked, []) for name in sorted({alert.name for alert in alerts})]
    return {
        "rule_files": [RULES],
        "evaluation_interval": "1m",
        "tests": [
            _test("all is well", healthy, calm),
            *(_test(*_faulty(alert, looked)) for alert in alerts),
        ],
    }


def _faulty(alert: Alert, looked: int) -> tuple[str, dict[str, str], list[dict[str, Any]]]:
    series = {one.selector: one.faulty for one in alert.example}
    fires = _asked(alert.name, looked, [alert.expected()])
    return f"{alert.name}: {alert.summary}", series, [fires]


def _asked(name: str, minutes: int, expected: list[dict[str, Any]]) -> dict[str, Any]:
    return {"eval_time": f"{minutes}m", "alertname": name, "exp_alerts": expected}


def _test(name: str, series: dict[str, str], asked: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "interval": "15s",
        "input_series": [{"series": key, "values": one} for key, one in series.items()],
        "alert_rule_test": asked,
    }
