"""Count what the service does, and show it to Prometheus in its text format."""

from __future__ import annotations

import threading
import time
from collections import Counter as Tally
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, get_args

from governed_ml.core.config.closed_model import as_code
from governed_ml.ledger.production.windows import Level
from governed_ml.serving.metrics import names
from governed_ml.serving.metrics.gauges import Gauges, Scores
from governed_ml.serving.metrics.last_window import last_window
from governed_ml.serving.metrics.names import Arm, Family, LogStore

if TYPE_CHECKING:
    from governed_ml.core.config.production.policy import Monitoring
    from governed_ml.ledger.lifecycle import Lifecycle

SHOWN = ("200", "400", "401", "403", "413", "415", "422", "429", "500", "503")
"""Statuses that are shown before the first such answer: `rate` sees no first increment."""


class MetricsRecorder:
    """The metrics of one service. Every method may be called by several threads."""

    def __init__(self, routes: Collection[str] = names.ROUTES) -> None:
        """Start at zero. A request for a path that is not in `routes` counts as `other`."""
        from prometheus_client import CollectorRegistry, disable_created_metrics

        disable_created_metrics()  # a second series for each counter, which nobody reads
        self.registry = CollectorRegistry(auto_describe=False)
        self._routes = frozenset(routes)
        self._series: dict[tuple[str, ...], Any] = {}
        self._metrics = {one: self._metric(one) for one in names.FAMILIES if one.kind == "counter"}
        self._metrics[names.SECONDS_OF_REQUESTS] = self._metric(names.SECONDS_OF_REQUESTS)
        self._scores, self._gauges = Scores(names.SCORES), Gauges()
        self.registry.register(self._scores)
        self.registry.register(self._gauges)
        self._lock = threading.Lock()
        self._models: dict[Arm, tuple[str, ...]] = {}
        self._classes: dict[Arm, frozenset[str]] = {}
        self._log_values: dict[Family, dict[tuple[str, ...], float]] = {}
        self._start()

    # What the service does, as it happens.

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered; `route` is the path of the route, without values."""
        known = route if route in self._routes else names.OTHER
        self._of(names.REQUESTS, known, method, str(status)).inc()
        self._of(names.SECONDS_OF_REQUESTS, known).observe(seconds)

    def refused(self, kind: str) -> None:
        """Count a problem document by its kind."""
        self._of(names.REFUSED, kind).inc()

    def predicted(
        self, arm: Arm, labels: Sequence[object], scores: Iterable[float], *, explained: int
    ) -> None:
        """Count one request's predictions that were logged: their classes and scores.

        `explained` is the number of its rows with an explanation.
        """
        classes = self._classes.get(arm, frozenset())
        for label, rows in Tally(labels).items():
            known = as_code(label) if classes else names.ALL
            shown = known if known in classes or not classes else names.OTHER
            self._of(names.PREDICTIONS, arm, shown).inc(rows)
        if classes:
            self._scores.observe(scores, arm)
        if explained:
            self._of(names.EXPLAINED, arm).inc(explained)
        self._of(names.ANSWERS, arm, names.YES_NO[0 if explained else 1]).inc()

    def logged(self, store: LogStore, rows: int) -> None:
        """Count rows that were appended to a log just now."""
        self._of(names.LOGGED, store).inc(rows)
        self._logs({names.LOG_WRITTEN: time.time()}, store)

    def unwritable(self, store: LogStore) -> None:
        """Count a failed attempt to write a log."""
        self._of(names.UNWRITABLE, store).inc()

    def ledger(self, *, read: bool) -> None:
        """Say that the ledger's remote was read just now, or that it could not be read."""
        if read:
            self._gauges.replace(names.LEDGER_READ, {(): time.time()})
        else:
            self._of(names.LEDGER_FAILURES).inc()

    # What is so at the moment.

    def model(
        self, arm: Arm, version: int, digest: str, state: str, classes: Sequence[object] = ()
    ) -> None:
        """Say which version an arm serves; its series of an earlier version disappears.

        `classes` are the values of its predictions, in a table's spelling; regression has none.
        """
        short = digest.removeprefix("sha256:")[:12]
        known = frozenset(map(as_code, classes))
        with self._lock:
            self._models[arm], self._classes[arm] = (arm, str(version), short, state), known
            self._show_models()
        for one in sorted(known) or [names.ALL]:
            self._of(names.PREDICTIONS, arm, one)
        if known:
            self._scores.start(arm)

    def model_gone(self, arm: Arm) -> None:
        """Say that an arm serves nothing."""
        with self._lock:
            self._models.pop(arm, None)
            self._show_models()

    def ready(self, ready: bool) -> None:
        """Say whether the service is ready."""
        self._gauges.replace(names.READY, {(): ready})

    def champion_served(self, served: bool) -> None:
        """Say whether the version that is served is the ledger's champion."""
        self._gauges.replace(names.CHAMPION_SERVED, {(): served})

    def canary_share(self, share: float) -> None:
        """Say which share of the subjects the canary answers, from 0 to 1."""
        self._gauges.replace(names.CANARY_SHARE, {(): share})

    def log(self, store: LogStore, *, lag_seconds: float, size: int, vanished: int = 0) -> None:
        """Say how a log is. Ask the log just before `render`."""
        found = {names.LOG_LAG: lag_seconds, names.LOG_BYTES: size, names.LOG_VANISHED: vanished}
        self._logs(found, store)

    def follow(self, life: Lifecycle, monitoring: Monitoring | None) -> None:
        """Say what the ledger's events tell: its last events, and the champion's last window.

        `monitoring` is the section of the policy in force.
        """
        found = {(one.event.action,): one.event.moment.timestamp() for one in life.counted}
        self._gauges.replace(names.LEDGER_EVENT, found)
        last = last_window(life.champion, monitoring) if life.champion else None
        self._gauges.replace(names.WINDOW_VALUE, last.values if last else {})
        self._gauges.replace(names.MONITORED, {(): last.monitored_at} if last else {})
        rows = last.rows if last else None
        self._gauges.replace(names.WINDOW_ROWS, {} if rows is None else {(): rows})
        level = last.level if last else None
        levels = {(one,): one == level for one in get_args(Level)}
        self._gauges.replace(names.WINDOW_LEVEL, levels if level else {})

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return a scrape and its media type, in the format that the header Accept asks for."""
        from prometheus_client.exposition import choose_encoder

        encoder, media_type = choose_encoder(accept)
        return encoder(self.registry), media_type

    def _start(self) -> None:
        """Show at zero what alerts wait for, so that they see the first increment."""
        for route in self._routes:
            self._of(names.SECONDS_OF_REQUESTS, route)
            method = "POST" if route in names.POSTED else "GET"
            for status in SHOWN:
                self._of(names.REQUESTS, route, method, status)
        for family in (names.REFUSED, names.UNWRITABLE, names.LOGGED, names.EXPLAINED):
            (values,) = family.labels.values()
            for value in values:
                self._of(family, value)
        for arm in names.ARMS:
            for explained in names.YES_NO:
                self._of(names.ANSWERS, arm, explained)
        self.canary_share(0)
        self.ready(False)
        self.champion_served(False)

    def _metric(self, family: Family) -> Any:
        from prometheus_client import Counter, Histogram

        labels = tuple(family.labels)
        if family.kind == "counter":
            return Counter(family.name, family.help, labels, registry=self.registry)
        return Histogram(
            family.name, family.help, labels, buckets=family.buckets, registry=self.registry
        )

    def _of(self, family: Family, *given: str) -> Any:
        """Return the series of a family with these values of its labels."""
        found = self._series.get((family.name, *given))
        if found is None:
            values = family.bounded(*given)
            metric = self._metrics[family]
            found = metric.labels(*values) if values else metric
            if values == given:  # others are without number
                self._series[family.name, *given] = found
        return found

    def _logs(self, found: dict[Family, float], store: LogStore) -> None:
        """Set gauges of one log, and keep those of the others."""
        with self._lock:
            for family, value in found.items():
                values = self._log_values.setdefault(family, {})
                values[(store,)] = value
                self._gauges.replace(family, values)

    def _show_models(self) -> None:
        self._gauges.replace(names.MODEL, dict.fromkeys(self._models.values(), 1.0))
