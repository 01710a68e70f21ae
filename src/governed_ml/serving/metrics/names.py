"""The one list of metric families of the service: name, type, labels, and the values of a label.

The recorder, the alert rules and the dashboard all take their names from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from governed_ml.ledger.events import Action
from governed_ml.ledger.production.windows import Level

PREFIX = "governed_ml_"
OTHER = "other"
"""The value of a label for whatever its family does not list."""
ALL = "all"
"""The class of every prediction of a regression."""

Arm = Literal["champion", "canary", "shadow"]
LogStore = Literal["predictions", "sensitive", "truth"]
LabelValues = tuple[str, ...] | str
"""The values of a label, or in words what bounds their number."""

ROUTES = (
    *("/predict", "/ground-truth", "/model", "/metrics", "/openapi.json"),
    *("/health/live", "/health/ready"),
)
POSTED = ("/predict", "/ground-truth")
"""The routes that take a body."""
WORK = "~" + "|".join(POSTED)
"""A regular expression of the routes whose failures count: readiness says 503 on purpose."""
METHODS = ("GET", "POST")
STATUSES = (
    *("200", "202", "204", "400", "401", "403", "404", "405", "406", "408"),
    *("409", "411", "413", "415", "421", "422", "429", "500", "502", "503"),
)
KINDS = (
    *("invalid-body", "invalid-event", "invalid-labels", "invalid-parameter"),
    *("invalid-question", "invalid-rows"),
    *("unknown-parameter", "unpredictable-rows", "malformed-json", "malformed-request"),
    *("body-too-large", "body-too-slow", "unsupported-encoding", "unsupported-media-type"),
    *("invalid-token", "insufficient-scope", "wrong-signature", "not-ours", "not-loopback"),
    *("keys-unavailable", "unauthorized", "too-many-requests", "busy"),
    *("not-found", "method-not-allowed", "no-champion", "log-unwritable", "internal"),
    *("not-configured", "callback-failed", "not-judged"),
)
"""The kinds of problem documents."""
WINDOW_KINDS = ("contract", "drift", "explain", "fairness", "performance", "schema")
"""The first parts of the metrics of a window."""
YES_NO = ("true", "false")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TENTHS = tuple(n / 10 for n in range(1, 11))


@dataclass(frozen=True)
class Family:
    """One metric family. `labels` maps a label to its values."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Mapping[str, LabelValues] = field(default_factory=lambda: MappingProxyType({}))
    buckets: tuple[float, ...] = ()

    def __hash__(self) -> int:
        """Tell families apart by their names."""
        return hash(self.name)

    def bounded(self, *given: str) -> tuple[str, ...]:
        """Return the values of the labels, in order, with `other` for those that are not listed."""
        return tuple(
            value if isinstance(listed, str) or value in listed else OTHER
            for listed, value in zip(self.labels.values(), given, strict=True)
        )

    @property
    def series(self) -> tuple[str, ...]:
        """Return the names of the series that a scrape shows for the family."""
        parts = ("_bucket", "_count", "_sum") if self.kind == "histogram" else ("",)
        return tuple(self.name + part for part in parts)


def _counter(name: str, text: str, **labels: LabelValues) -> Family:
    return Family(f"{PREFIX}{name}_total", "counter", text, MappingProxyType(labels))


def _gauge(name: str, text: str, **labels: LabelValues) -> Family:
    return Family(PREFIX + name, "gauge", text, MappingProxyType(labels))


def _histogram(name: str, text: str, buckets: tuple[float, ...], **labels: LabelValues) -> Family:
    return Family(PREFIX + name, "histogram", text, MappingProxyType(labels), buckets)


ARMS = get_args(Arm)
STORES = get_args(LogStore)

REQUESTS = _counter(
    "requests", "Requests that were answered", route=ROUTES, method=METHODS, status=STATUSES
)
SECONDS_OF_REQUESTS = _histogram(
    "request_duration_seconds", "Time to answer a request", SECONDS, route=ROUTES
)
REFUSED = _counter("refused", "Problem documents that were sent, by their type", kind=KINDS)

PREDICTIONS = _counter(
    "predictions",
    "Rows that were predicted and logged",
    **{"arm": ARMS, "class": f"the classes of the model; `{ALL}` for regression"},
)
SCORES = _histogram(
    "prediction_score", "Scores of predictions of classes, 0 to 1", TENTHS, arm=ARMS
)
ANSWERS = _counter("answers", "Requests that got predictions", arm=ARMS, explained=YES_NO)
EXPLAINED = _counter("explained", "Rows whose prediction was explained", arm=ARMS)

MODEL = _gauge(
    "model_info",
    "1 for the version that an arm serves",
    arm=ARMS,
    version="one at a time",
    digest="one at a time: the first 12 characters",
    state="one at a time: its state in the ledger",
)
READY = _gauge("ready", "1 if the model is loaded, verified and warm")
CHAMPION_SERVED = _gauge("champion_served", "1 if the version served is the ledger's champion")
CANARY_SHARE = _gauge("canary_share", "Share of subjects that the canary answers, 0 to 1")

LEDGER_READ = _gauge(
    "ledger_read_timestamp_seconds", "When the ledger's remote was last read successfully"
)
LEDGER_FAILURES = _counter("ledger_failures", "Failed attempts to read the ledger's remote")
LEDGER_EVENT = _gauge(
    "ledger_event_timestamp_seconds",
    "When the last event of an action was, among those that count",
    action=get_args(Action),
)

LOGGED = _counter("log_rows", "Rows that were appended to a log", store=STORES)
LOG_WRITTEN = _gauge("log_written_timestamp_seconds", "When a log was last written", store=STORES)
UNWRITABLE = _counter("log_unwritable", "Failed attempts to write a log", store=STORES)
LOG_LAG = _gauge(
    "log_lag_seconds", "How long the oldest row has waited for its Parquet file", store=STORES
)
LOG_BYTES = _gauge("log_bytes", "Size of the rows that wait for their Parquet file", store=STORES)
LOG_VANISHED = _gauge(
    "log_vanished_files", "Files that were taken away while they were written", store=STORES
)

WINDOW_LEVEL = _gauge(
    "window_level", "1 for the level of the champion's last window", level=get_args(Level)
)
WINDOW_VALUE = _gauge(
    "window_value",
    "Values that the policy judged in the champion's last window; the worst one of a rule that is "
    "repeated for features or classes",
    kind=WINDOW_KINDS,
    rule="the policy's rules of a window",
    group="the sensitive attributes and their intersections; empty for other rules",
)
WINDOW_ROWS = _gauge("window_rows", "Rows of the champion's last window")
MONITORED = _gauge(
    "monitored_timestamp_seconds",
    "When the champion's last window was measured; before the first one, when it was promoted",
)

FAMILIES = (
    *(REQUESTS, SECONDS_OF_REQUESTS, REFUSED),
    *(PREDICTIONS, SCORES, ANSWERS, EXPLAINED),
    *(MODEL, READY, CHAMPION_SERVED, CANARY_SHARE),
    *(LEDGER_READ, LEDGER_FAILURES, LEDGER_EVENT),
    *(LOGGED, LOG_WRITTEN, UNWRITABLE, LOG_LAG, LOG_BYTES, LOG_VANISHED),
    *(WINDOW_LEVEL, WINDOW_VALUE, WINDOW_ROWS, MONITORED),
)
"""Every family, in the order of a scrape."""
