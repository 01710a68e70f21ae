"""The panels of the dashboard: what each shows, by which queries, in which unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from governed_ml.core.config.params import Params
from governed_ml.serving.metrics import names
from governed_ml.serving.metrics.names import Family
from governed_ml.serving.metrics.promql import chosen, grouped, number, rate

JOB = 'job="$job"'
RATE = "$__rate_interval"
ANSWERED = {"arm": "~champion|canary"}
PREDICT = {"route": "/predict"}
QUANTILES = {"50 %": 0.5, "95 %": 0.95, "99 %": 0.99}
DAY = 86400


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


def panels(params: Params) -> dict[str, list[Panel]]:
    """Return the panels under their headings, with the limits of policy and settings."""
    return {
        "Service": [*_state(), *_requests(params)],
        "Predictions": _predictions(params),
        "Records": _records(params),
        "Last window of the champion": _window(params),
    }


def _state() -> list[Panel]:
    info = grouped("max", "arm, version, digest, state", chosen(names.MODEL, JOB))
    return [
        Panel(
            "Ready",
            "stat",
            "bool_yes_no",
            "Whether each process is ready, which needs a verified model.",
            (_each(names.READY, "{{instance}}"),),
            1,
            least=True,
        ),
        Panel(
            "Champion is served",
            "stat",
            "bool_yes_no",
            "Whether the version that answers is the ledger's champion.",
            (_each(names.CHAMPION_SERVED, "{{instance}}"),),
            1,
            least=True,
        ),
        Panel(
            "Versions",
            "table",
            "none",
            "The version of each arm, and the start of its digest.",
            (Query(info, "{{arm}}: version {{version}} ({{state}}), {{digest}}", instant=True),),
        ),
    ]


def _requests(params: Params) -> list[Panel]:
    limits = params.serve.alerts
    times = rate(chosen(names.SECONDS_OF_REQUESTS, JOB, PREDICT, part="_bucket"), RATE)
    buckets = grouped("sum", "le", times)
    requests = rate(chosen(names.REQUESTS, JOB), RATE)
    failed, all_ = (
        grouped("sum", "job", rate(chosen(names.REQUESTS, JOB, matched), RATE))
        for matched in ({"route": names.WORK, "status": "~5.."}, {"route": names.WORK})
    )
    return [
        Panel(
            "Requests",
            "timeseries",
            "reqps",
            "Requests a second, by route and status.",
            (Query(f"{grouped('sum', 'route, status', requests)} > 0", "{{route}} {{status}}"),),
        ),
        Panel(
            "Time to answer",
            "timeseries",
            "s",
            "Quantiles of the time to answer `/predict`.",
            tuple(
                Query(f"histogram_quantile({quantile:g}, {buckets})", legend)
                for legend, quantile in QUANTILES.items()
            ),
            limits.latency_p95_seconds,
        ),
        Panel(
            "Requests that fail",
            "timeseries",
            "percentunit",
            "Share of the requests for predictions and with labels that fail (5xx).",
            (Query(f"{failed} / {all_}", "5xx"),),
            limits.error_share,
        ),
        Panel(
            "Refusals",
            "timeseries",
            "reqps",
            "Problem documents a second, by kind.",
            (Query(f"{_per_second(names.REFUSED, 'kind')} > 0", "{{kind}}"),),
        ),
    ]


def _predictions(params: Params) -> list[Panel]:
    arms = chosen(names.PREDICTIONS, JOB)
    explained, rows = (
        grouped("sum", "job", rate(chosen(one, JOB, ANSWERED), RATE))
        for one in (names.EXPLAINED, names.PREDICTIONS)
    )
    policy = params.policy.explain
    wanted = {"all": 1.0, "sampled": policy.share}.get(policy.serve) if policy else None
    scores = rate(chosen(names.SCORES, JOB, {"arm": "champion"}, part="_bucket"), RATE)
    canary, every = (
        grouped("sum", "job", rate(chosen(names.PREDICTIONS, JOB, arm), RATE))
        for arm in ({"arm": "canary"}, ANSWERED)
    )
    by_class = grouped("sum", "arm, class", rate(arms, RATE))
    return [
        Panel(
            "Predictions",
            "timeseries",
            "rowsps",
            "Predicted rows a second, by arm and class.",
            (Query(f"{by_class} > 0", "{{arm}} {{class}}"),),
        ),
        Panel(
            "Scores of the champion",
            "heatmap",
            "rowsps",
            "How many scores fall into each tenth. A regression has none.",
            (Query(grouped("sum", "le", scores), "{{le}}"),),
        ),
        Panel(
            "Explained predictions",
            "timeseries",
            "percentunit",
            "Share of the predicted rows that are explained; the limit is the policy's share.",
            (Query(f"{explained} / {rows}", "explained"),),
            wanted,
            least=True,
        ),
        Panel(
            "Share of the canary",
            "timeseries",
            "percentunit",
            "The share of subjects that the canary should answer, and its share of the rows.",
            (
                Query(grouped("max", "job", chosen(names.CANARY_SHARE, JOB)), "of subjects"),
                Query(f"{canary} / {every}", "of rows"),
            ),
        ),
    ]


def _records(params: Params) -> list[Panel]:
    read = grouped("max", "instance", chosen(names.LEDGER_READ, JOB))
    return [
        Panel(
            "Rows that were logged",
            "timeseries",
            "rowsps",
            "Rows a second that were appended to each log.",
            (Query(_per_second(names.LOGGED, "store"), "{{store}}"),),
        ),
        Panel(
            "Failed writes",
            "timeseries",
            "short",
            "Failed attempts to write a log, per second. Each is a request without an answer.",
            (Query(_per_second(names.UNWRITABLE, "store"), "{{store}}"),),
        ),
        Panel(
            "Lag of the log",
            "timeseries",
            "s",
            "How long the oldest row has waited for its Parquet file.",
            (_each(names.LOG_LAG, "{{store}}", "store"),),
            2 * params.serve.rotate_seconds,
        ),
        Panel(
            "Age of the ledger",
            "timeseries",
            "s",
            "How long ago the ledger's remote was read. When the setting `serve.offline_seconds` "
            "is reached, the service stops answering.",
            (Query(f"time() - {read}", "{{instance}}"),),
            params.serve.offline_seconds / 2,
        ),
    ]


def _window(params: Params) -> list[Panel]:
    monitoring = params.policy.monitoring
    level = f"{grouped('max', 'level', chosen(names.WINDOW_LEVEL, JOB))} == 1"
    measured = grouped("max", "job", chosen(names.MONITORED, JOB))
    return [
        Panel(
            "Level",
            "table",
            "none",
            "The level of the last window.",
            (Query(level, "{{level}}", instant=True),),
        ),
        Panel(
            "Days since a window was measured",
            "stat",
            "d",
            "Since the promotion, if there was no window. The policy has the limit.",
            (Query(f"(time() - {measured}) / {DAY}", "days"),),
            monitoring.liveness_days if monitoring else None,
        ),
        *(_values(params, kind) for kind in ("drift", "fairness", "performance")),
    ]


def _values(params: Params, kind: str) -> Panel:
    """Return the panel of one kind of metrics, with the mildest limit of each rule."""
    monitoring, task = params.policy.monitoring, params.data.task
    rules = monitoring.rules if monitoring else []
    shown = [
        one for one in rules if one.task in (None, task) and one.metric.partition(".")[0] == kind
    ]
    values = grouped("max", "rule, group", chosen(names.WINDOW_VALUE, JOB, {"kind": kind}))
    limits = (next(iter(one.limits.items())) for one in shown)
    return Panel(
        f"{kind.capitalize()} of the last window",
        "timeseries",
        "short",
        "The values that the policy judged, and the limits beyond which it asks people to look.",
        (
            Query(values, "{{rule}} {{group}}"),
            *(
                Query(f"vector({number(limit)})", f"limit of {rule.id} ({level})")
                for rule, (level, limit) in zip(shown, limits, strict=True)
            ),
        ),
    )


def _each(family: Family, legend: str, by: str = "instance") -> Query:
    return Query(grouped("max", by, chosen(family, JOB)), legend)


def _per_second(family: Family, by: str) -> str:
    return grouped("sum", by, rate(chosen(family, JOB), RATE))
