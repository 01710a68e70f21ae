"""The panels of the dashboard about requests, predictions, and what is written and read."""

from __future__ import annotations

from governed_ml.core.config.params import Params
from governed_ml.serving.metrics import names
from governed_ml.serving.metrics.dashboards.panel import JOB, RATE, Panel, Query, each, per_second
from governed_ml.serving.metrics.dashboards.window_panels import window
from governed_ml.serving.metrics.promql import chosen, grouped, rate

ANSWERED = {"arm": "~champion|canary"}
PREDICT = {"route": "/predict"}
QUANTILES = {"50 %": 0.5, "95 %": 0.95, "99 %": 0.99}


def panels(params: Params) -> dict[str, list[Panel]]:
    """Return the panels under their headings, with the limits of policy and settings."""
    return {
        "Service": [*_state(), *_requests(params)],
        "Predictions": _predictions(params),
        "Records": _records(params),
        "Last window of the champion": window(params),
    }


def _state() -> list[Panel]:
    info = grouped("max", "arm, version, digest, state", chosen(names.MODEL, JOB))
    return [
        Panel(
            "Ready",
            "stat",
            "bool_yes_no",
            "Whether each process is ready, which needs a verified model.",
            (each(names.READY, "{{instance}}"),),
            1,
            least=True,
        ),
        Panel(
            "Champion is served",
            "stat",
            "bool_yes_no",
            "Whether the version that answers is the ledger's champion.",
            (each(names.CHAMPION_SERVED, "{{instance}}"),),
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
            (Query(f"{per_second(names.REFUSED, 'kind')} > 0", "{{kind}}"),),
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
            (Query(per_second(names.LOGGED, "store"), "{{store}}"),),
        ),
        Panel(
            "Failed writes",
            "timeseries",
            "short",
            "Failed attempts to write a log, per second. Each is a request without an answer.",
            (Query(per_second(names.UNWRITABLE, "store"), "{{store}}"),),
        ),
        Panel(
            "Lag of the log",
            "timeseries",
            "s",
            "How long the oldest row has waited for its Parquet file.",
            (each(names.LOG_LAG, "{{store}}", "store"),),
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
