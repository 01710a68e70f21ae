"""One panel of the dashboard: what it shows, by which queries, in which unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from governed_ml.serving.metrics.names import Family
from governed_ml.serving.metrics.promql import chosen, grouped, rate

JOB = 'job="$job"'
"""The job that the person chooses."""
RATE = "$__rate_interval"
"""The time over which Grafana lets rates be taken."""


@dataclass(frozen=True)
class Query:
    """A query of a panel. In `legend`, `{{label}}` stands for a label's value."""

    expr: str
    legend: str
    instant: bool = False


@dataclass(frozen=True)
class Panel:
    """A panel. Beyond `limit`, values are red; below it if `least`."""

    title: str
    kind: Literal["stat", "timeseries", "heatmap", "table"]
    unit: str
    about: str
    queries: tuple[Query, ...]
    limit: float | None = None
    least: bool = False


def each(family: Family, legend: str, by: str = "instance") -> Query:
    """Return a query of a gauge, by instance or another label."""
    return Query(grouped("max", by, chosen(family, JOB)), legend)


def per_second(family: Family, by: str) -> str:
    """Return the increase of a counter per second, by a label."""
    return grouped("sum", by, rate(chosen(family, JOB), RATE))
