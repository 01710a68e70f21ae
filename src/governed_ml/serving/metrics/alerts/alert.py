"""One alert: when it fires, how grave it is, who is told, and an example that makes it fire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from governed_ml.serving.metrics.names import Family
from governed_ml.serving.metrics.promql import chosen, number, quoted

Severity = Literal["critical", "warning"]
OPERATIONS = "operations"
"""The owner of alerts about the service. Alerts about windows have the owner of the policy's rule.
"""
INSTANCE = "one"  # of examples
STEADY, NEVER, ALWAYS = "0+60x1200", "0x1200", "1x1200"
"""Values of examples: a counter that grows, and constants."""


@dataclass(frozen=True)
class ExampleSeries:
    """A series in a test of an alert: its values if all is well, and with the fault.

    They are in promtool's notation: `0+60x30` is 0, 60, 120 …
    """

    selector: str
    healthy: str
    faulty: str


@dataclass(frozen=True)
class Alert:
    """An alert rule of Prometheus, and its example.

    `found` are the labels of what it finds in the example, and `value` is what it prints.
    """

    name: str
    expr: str
    severity: Severity
    summary: str
    fix: str
    example: tuple[ExampleSeries, ...]
    found: dict[str, str]
    value: float
    minutes: int = 0
    owner: str = OPERATIONS
    rule_id: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels that the alert rule adds; `rule` is the policy's rule, if it is one."""
        more = {"rule": self.rule_id} if self.rule_id else {}
        return {"severity": self.severity, "owner": self.owner} | more

    def rule(self) -> dict[str, Any]:
        """Return the rule as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expr,
            **({"for": f"{self.minutes}m"} if self.minutes else {}),
            "labels": self.labels,
            "annotations": self._annotations('{{ $value | printf "%.4g" }}'),
        }

    def expected(self) -> dict[str, Any]:
        """Return the alert that the example raises, as promtool compares it."""
        annotations = self._annotations(f"{self.value:.4g}")
        return {"exp_labels": self.labels | self.found, "exp_annotations": annotations}

    def _annotations(self, value: str) -> dict[str, str]:
        return {"summary": self.summary, "value": value, "fix": self.fix}


def constant(value: float) -> str:
    """Return values of an example that stay the same."""
    return f"{number(value)}x1200"


def example(
    family: Family, job: str, healthy: str, faulty: str, part: str = "", **labels: str
) -> ExampleSeries:
    """Return a series of a family for an example."""
    where = f'job={quoted(job)},instance="{INSTANCE}"'
    return ExampleSeries(chosen(family, where, labels, part=part), healthy, faulty)
