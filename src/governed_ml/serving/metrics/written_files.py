"""Write the files of alerts and dashboard into a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governed_ml.core.config.params import Params
from governed_ml.core.files import write_text
from governed_ml.serving.metrics.alerts import samples
from governed_ml.serving.metrics.alerts.rule_files import RULES, TESTS, groups, rules, tests
from governed_ml.serving.metrics.dashboards.dashboard import dashboard

DASHBOARD, PROMETHEUS, ALERTMANAGER = "dashboard.json", "prometheus.yml", "alertmanager.yml"
WRITTEN = (
    "# Written by `governance alerts`: change policy or settings instead, and write it again.\n"
)
SAMPLE = "# A sample, written by `governance alerts`: complete it, and keep it elsewhere.\n"


@dataclass(frozen=True)
class Addresses:
    """Where things are: the service (host and port), Alertmanager, and a receiver of alerts."""

    service: str
    alertmanager: str = "127.0.0.1:9093"
    webhook: str = "http://127.0.0.1:9095/"


def write(params: Params, job: str, where: Addresses, folder: Path) -> list[Path]:
    """Write rules, their tests, the dashboard and the two samples; return their paths."""
    found = groups(params, job)
    content = {
        RULES: WRITTEN + _yaml(rules(found)),
        TESTS: WRITTEN + _yaml(tests(found)),
        DASHBOARD: json.dumps(dashboard(params, job), indent=2, ensure_ascii=False) + "\n",
        PROMETHEUS: SAMPLE
        + _yaml(samples.prometheus(params.serve, job, where.service, where.alertmanager)),
        ALERTMANAGER: SAMPLE + _yaml(samples.alertmanager(found, where.webhook)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        write_text(folder / name, text)
    return [folder / name for name in content]


def _yaml(values: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=10_000)
