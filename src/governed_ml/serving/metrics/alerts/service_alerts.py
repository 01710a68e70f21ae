"""Alerts about the answers of the service; their limits are `serve.alerts` in conf/config.yaml."""

from __future__ import annotations

from governed_ml.core.config.production.serve import AlertLimits, Serve
from governed_ml.serving.metrics import names
from governed_ml.serving.metrics.alerts.alert import (
    ALWAYS,
    INSTANCE,
    NEVER,
    STEADY,
    Alert,
    ExampleSeries,
    example,
)
from governed_ml.serving.metrics.promql import chosen, grouped, number, quoted, rate

OWN_LOG = "look at the service's own log"


def reachable(job: str, settings: Serve) -> list[Alert]:
    """Return the alerts about a service that does not run, or does not answer as it should."""
    where, minutes = f"job={quoted(job)}", settings.alerts.minutes
    target = {"job": job, "instance": INSTANCE}
    up, ready = f"up{{{where}}}", chosen(names.READY, where)
    served = chosen(names.CHAMPION_SERVED, where)
    return [
        Alert(
            "ServiceDown",
            f"{up} == 0 or absent({up})",
            "critical",
            "Prometheus cannot scrape the service",
            "see whether the process runs, and whether Prometheus has a valid token",
            (ExampleSeries(f'up{{{where},instance="{INSTANCE}"}}', ALWAYS, NEVER),),
            target,
            0,
            minutes,
        ),
        Alert(
            "ServiceNotReady",
            f"{ready} == 0",
            "critical",
            "the service answers no predictions",
            f"{OWN_LOG}; `uv run governance reconcile` compares registry and ledger",
            (example(names.READY, job, ALWAYS, NEVER),),
            target,
            0,
            minutes,
        ),
        Alert(
            "ChampionNotServed",
            f"{served} == 0 and {ready} == 1",
            "critical",
            "the service answers with a version that is not the ledger's champion",
            "restart the service; `uv run governance status` names the champion",
            (
                example(names.CHAMPION_SERVED, job, ALWAYS, NEVER),
                example(names.READY, job, ALWAYS, ALWAYS),
            ),
            target,
            0,
            max(minutes, -(-2 * settings.refresh_seconds // 60)),
        ),
    ]


def answers(job: str, limits: AlertLimits) -> list[Alert]:
    """Return the alerts about requests that fail, are slow or are refused as too many."""
    fast, wanted = limits.latency_p95_seconds, f"{limits.latency_p95_seconds:g} seconds"
    times = chosen(
        names.SECONDS_OF_REQUESTS, f"job={quoted(job)}", {"route": "/predict"}, part="_bucket"
    )
    each = grouped("sum", "job, le", rate(times, f"{limits.minutes}m"))
    return [
        _share(
            "RequestsFail",
            job,
            limits,
            ("~5..", limits.error_share, "fail"),
            OWN_LOG,
        ),
        _share(
            "TooManyRequests",
            job,
            limits,
            ("429", limits.refused_share, "are refused as too many"),
            "find the client, or raise serve.requests_per_minute in conf/config.yaml",
        ),
        Alert(
            "PredictionsSlow",
            f"histogram_quantile(0.95, {each}) > {number(fast)}",
            "warning",
            f"5 % of the predictions take longer than {wanted}",
            "see whether requests have more rows than usual, or the machine has other work",
            _all_slow(job),
            {"job": job},
            names.SECONDS[-1],
            limits.minutes,
        ),
    ]


def _share(
    name: str, job: str, limits: AlertLimits, counted: tuple[str, float, str], fix: str
) -> Alert:
    """Return an alert about the share of requests with some status."""
    status, limit, what = counted
    some, every = (
        grouped(
            "sum",
            "job",
            rate(
                chosen(names.REQUESTS, f"job={quoted(job)}", {"route": names.WORK} | matched),
                f"{limits.minutes}m",
            ),
        )
        for matched in ({"status": status}, {})
    )
    one = {"route": "/predict", "method": "POST"}
    failed = status.replace("~5..", "500")
    return Alert(
        name,
        f"{some} / {every} > {number(limit)}",
        "critical" if status.startswith("~5") else "warning",
        f"more than {100 * limit:g} % of the requests {what}",
        fix,
        (
            example(names.REQUESTS, job, STEADY, STEADY, **one, status="200"),
            example(names.REQUESTS, job, NEVER, "0+180x1200", **one, status=failed),
        ),
        {"job": job},
        0.75,
        limits.minutes,
    )


def _all_slow(job: str) -> tuple[ExampleSeries, ...]:
    """Return buckets in which every request is the fastest, and with the fault the slowest."""
    bounds = [*map(str, names.SECONDS), "+Inf"]
    return tuple(
        example(
            names.SECONDS_OF_REQUESTS,
            job,
            STEADY,
            STEADY if bound == "+Inf" else NEVER,
            "_bucket",
            route="/predict",
            le=bound,
        )
        for bound in bounds
    )
