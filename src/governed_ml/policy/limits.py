"""Compare a metric with a limit, for decisions and for monitoring."""

from __future__ import annotations

from governed_ml.core.evidence import Metric


def beyond(value: float, limit: float, bound: str) -> bool:
    """Return whether a finite value violates a limit; `bound` is `at_most` or `at_least`."""
    return value > limit if bound == "at_most" else value < limit


def best_and_worst(metric: Metric, bound: str) -> tuple[float, float] | None:
    """Return the ends of a metric's interval, the more favourable first.

    Return None if the metric has no interval.
    """
    if metric.interval is None:
        return None
    lower, upper = metric.interval
    return (lower, upper) if bound == "at_most" else (upper, lower)


def spelled(ends: tuple[float, float]) -> str:
    """Return an interval as text, its lower end first."""
    return f"[{min(ends):.4g}, {max(ends):.4g}]"


def number(value: float) -> str:
    """Return a number as text: four significant digits, integers in full."""
    return f"{value:,.0f}" if value.is_integer() and abs(value) >= 1000 else f"{value:.4g}"
