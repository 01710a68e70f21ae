"""Gauges and score counts that a scrape reads at once: each family is replaced as a whole."""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections.abc import Generator, Iterable, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from governed_ml.serving.metrics.names import Family

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Values = Mapping[tuple[str, ...], float]
"""Values of a family's labels, in order → the value of the series."""


class Gauges:
    """The values of gauges. A family that is replaced loses the series that it had before."""

    def __init__(self) -> None:
        self._values: dict[Family, Values] = {}
        self._lock = threading.Lock()

    def replace(self, family: Family, values: Values) -> None:
        """Set every series of a family; the others disappear. None is shown without values."""
        bounded = {family.bounded(*labels): float(value) for labels, value in values.items()}
        with self._lock:
            self._values[family] = bounded

    def collect(self) -> Generator[Metric]:
        """Yield the families, as `prometheus_client` asks for them."""
        from prometheus_client.core import GaugeMetricFamily

        with self._lock:
            shown = list(self._values.items())
        for family, values in shown:
            found = GaugeMetricFamily(family.name, family.help, labels=tuple(family.labels))
            for labels, value in values.items():
                found.add_metric(labels, value)
            yield found


class Scores:
    """A histogram that counts many values at once; `Histogram` takes two locks for each value."""

    def __init__(self, family: Family) -> None:
        self._family, self._lock = family, threading.Lock()
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def start(self, *labels: str) -> None:
        """Show a series before its first value."""
        with self._lock:
            self._counts.setdefault(labels, [0] * (len(self._family.buckets) + 1))
            self._sums.setdefault(labels, 0.0)

    def observe(self, values: Iterable[float], *given: str) -> None:
        """Count values; a number that is not finite would spoil the sum, and is left out."""
        labels = self._family.bounded(*given)
        kept = [one for one in values if math.isfinite(one)]
        places = [bisect_left(self._family.buckets, one) for one in kept]
        if labels not in self._counts:
            self.start(*labels)
        with self._lock:
            counts = self._counts[labels]
            for place in places:
                counts[place] += 1
            self._sums[labels] += sum(kept)

    def collect(self) -> Generator[Metric]:
        """Yield the family, as `prometheus_client` asks for it."""
        from prometheus_client.core import HistogramMetricFamily

        family = self._family
        with self._lock:
            counts = {labels: list(accumulate(own)) for labels, own in self._counts.items()}
            sums = dict(self._sums)
        found: Any = HistogramMetricFamily(family.name, family.help, labels=tuple(family.labels))
        bounds = [*map(str, family.buckets), "+Inf"]
        for labels, own in counts.items():
            found.add_metric(labels, list(zip(bounds, own, strict=True)), sums[labels])
        yield found
