"""Metrics of the service as a scrape shows them, and a recorder that has seen everything once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from governed_ml.ledger.lifecycle import Lifecycle, Version
from governed_ml.serving.metrics import names
from governed_ml.serving.metrics.recorder import MetricsRecorder

if TYPE_CHECKING:
    from governed_ml.core.config.policy_schema import Policy

PROMOTED = datetime(2026, 6, 1, tzinfo=UTC)
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def series(text: bytes) -> Series:
    """(Name, sorted labels) → value, as the format's own parser reads them."""
    from prometheus_client.parser import text_string_to_metric_families

    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
    }


def value(recorder: MetricsRecorder, name: str, **labels: str) -> float | None:
    """The value of one series, or None if the scrape lacks it."""
    found = series(recorder.render()[0])
    return found.get((f"governed_ml_{name}", tuple(sorted(labels.items()))))


def labels_of(found: Series) -> dict[str, set[str]]:
    """Name of a series → the names of its labels."""
    names: dict[str, set[str]] = {}
    for name, labels in found:
        names.setdefault(name, set()).update(label for label, _ in labels)
    return names


def champion(*windows: dict[str, Any], days: int = 10, promoted: datetime = PROMOTED) -> Version:
    """A champion with these windows in the ledger, one a day from `days` after its promotion."""
    entries = [_entry("promoted", promoted)]
    for number, said in enumerate(windows, start=1):
        at = promoted + timedelta(days=days + number - 1)
        entries.append(_entry("monitored", at, **(_window(number) | said)))
    return Version(3, "champion", entries)


def _window(number: int) -> dict[str, Any]:
    return {
        "window": number,
        "batch": "log",
        "digest": "sha256:1",
        "rows": 900,
        "labelled": 0,
        "from": None,
        "to": None,
        "level": "healthy",
        "reasons": [],
        "values": {},
        "risk": None,
    }


def _entry(action: str, at: datetime, **details: Any) -> Any:
    event = SimpleNamespace(
        action=action,
        moment=at,
        time=at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        details=details,
        version=3,
        subject={"model": "sha256:3"},
        decision=None,
        approvals=[],
    )
    return SimpleNamespace(event=event)


def life(*windows: dict[str, Any], days: int = 10, promoted: datetime = PROMOTED) -> Lifecycle:
    """What a ledger says in which version 3 is champion and has these windows."""
    found = champion(*windows, days=days, promoted=promoted)
    return Lifecycle(versions={3: found}, champions=[3], counted=list(found.entries))


def measured(policy: Policy, *, task: str = "classification", **values: float) -> dict[str, float]:
    """Rule → value of a window; by default the best one for each rule of the policy."""
    assert policy.monitoring is not None
    each = {"feature": "income", "numeric": "income", "sensitive": "sex", "class": "car", None: ""}
    every = {
        rule.id + (f"[{each[rule.each]}]" if rule.each else ""): float(rule.bound == "at_least")
        for rule in policy.monitoring.rules
        if rule.task in (None, task)
    }
    return every | values


def busy(policy: Policy) -> MetricsRecorder:
    """A recorder of a service that has done a bit of everything."""
    recorder = MetricsRecorder()
    for arm, version in (("champion", 3), ("canary", 4), ("shadow", 5)):
        recorder.model(arm, version, f"sha256:{version:064}", "champion", (0, 1))
        recorder.predicted(arm, [0, 1, 1], [0.2, 0.8, 0.6], explained=3)
    recorder.request("/predict", "POST", 200, 0.012)
    recorder.ready(True)
    recorder.champion_served(True)
    recorder.canary_share(0.1)
    recorder.ledger(read=True)
    recorder.ledger(read=False)
    for store in names.STORES:
        recorder.logged(store, 3)
        recorder.log(store, lag_seconds=0.5, size=1000)
    recorder.follow(life({"values": measured(policy)}), policy.monitoring)
    return recorder
