"""Samples of the files that start Prometheus and Alertmanager, for people to complete."""

from __future__ import annotations

from typing import Any

from governed_ml.core.config.production.serve import Serve, TokenIssuer
from governed_ml.serving.metrics.alerts.alert import OPERATIONS
from governed_ml.serving.metrics.alerts.rule_files import RULES, AlertGroup

EVERY = "15s"
SECRET = "governed-ml-client-secret"  # noqa: S105 - the name of a file
WORSE = ("ServiceDown", "ServiceNotReady")
"""Alerts that make others superfluous."""


def prometheus(settings: Serve, job: str, target: str, alertmanager: str) -> dict[str, Any]:
    """Return Prometheus's configuration: it scrapes `target` (host and port), judges the rules."""
    return {
        "global": {"scrape_interval": EVERY, "evaluation_interval": EVERY},
        "rule_files": [RULES],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {
                "job_name": job,
                "metrics_path": "/metrics",
                **_access(settings.authentication),
                "static_configs": [{"targets": [target]}],
            }
        ],
    }


def _access(found: TokenIssuer | str | None) -> dict[str, Any]:
    """Return how Prometheus gets a token with the scope that `/metrics` needs."""
    if not isinstance(found, TokenIssuer):
        return {}
    return {
        "oauth2": {
            "client_id": "prometheus",
            "client_secret_file": SECRET,
            "token_url": f"{found.issuer.rstrip('/')}/token",
            "scopes": ["model:read"],
            "endpoint_params": {"audience": found.audience},
        }
    }


def alertmanager(groups: list[AlertGroup], webhook: str) -> dict[str, Any]:
    """Return Alertmanager's configuration: one receiver for each owner of alerts."""
    owners = sorted({alert.owner for group in groups for alert in group.alerts})
    receiver = {"url": webhook, "send_resolved": True}
    return {
        "route": {
            "receiver": OPERATIONS,
            "group_by": ["alertname", "job"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [
                {"receiver": one, "matchers": [f'owner="{one}"']}
                for one in owners
                if one != OPERATIONS
            ],
        },
        "receivers": [
            {"name": one, "webhook_configs": [receiver]} for one in sorted({*owners, OPERATIONS})
        ],
        "inhibit_rules": [
            {
                "source_matchers": [f'alertname=~"{"|".join(WORSE)}"'],
                "target_matchers": ['alertname=~"RequestsFail|PredictionsSlow"'],
                "equal": ["job"],
            }
        ],
    }
