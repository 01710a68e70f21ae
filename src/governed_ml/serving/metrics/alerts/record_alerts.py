"""Alerts about what the service must write and read: its log, explanations, and the ledger."""

from __future__ import annotations

from governed_ml.core.config.production.policy import ServedExplanations
from governed_ml.core.config.production.serve import Serve
from governed_ml.serving.metrics import names
from governed_ml.serving.metrics.alerts.alert import (
    INSTANCE,
    NEVER,
    STEADY,
    Alert,
    constant,
    example,
)
from governed_ml.serving.metrics.alerts.service_alerts import OWN_LOG
from governed_ml.serving.metrics.names import Family
from governed_ml.serving.metrics.promql import chosen, grouped, number, quoted

DEVIATIONS = 3  # of a sampled share from the policy's, before it is an alert
ROUNDING = 0.001  # a scrape may fall between two counts of one request
GROWING = "0+1x1200"  # four a minute
DISK = "free disk space, or fix the permissions of the folder data/"
STORE = "predictions"  # of examples


def log(job: str, settings: Serve) -> list[Alert]:
    """Return the alerts about the prediction log, the sensitive log and the labels."""
    where, minutes = f"job={quoted(job)}", settings.alerts.minutes
    found = {"job": job, "instance": INSTANCE, "store": STORE}
    late = 2 * settings.rotate_seconds
    return [
        Alert(
            "LogUnwritable",
            f"increase({chosen(names.UNWRITABLE, where)}[{minutes}m]) > 0",
            "critical",
            "a log cannot be written, so requests get no answer",
            DISK,
            (example(names.UNWRITABLE, job, NEVER, GROWING, store=STORE),),
            found,
            4 * minutes,
        ),
        Alert(
            "LogLate",
            f"{chosen(names.LOG_LAG, where)} > {late}",
            "warning",
            f"rows of a log have waited for over {late} seconds for their Parquet file",
            f"{OWN_LOG}, and {DISK}",
            (example(names.LOG_LAG, job, NEVER, constant(late + 1), store=STORE),),
            found,
            late + 1,
            minutes,
        ),
        Alert(
            "LogVanished",
            f"increase({chosen(names.LOG_VANISHED, where)}[{minutes}m]) > 0",
            "critical",
            "a file of a log was taken away while the service wrote to it: rows may be lost",
            "find out what removes files in the folder data/, and stop it",
            (example(names.LOG_VANISHED, job, NEVER, GROWING, store=STORE),),
            found,
            4 * minutes,
        ),
    ]


def ledger(job: str, settings: Serve) -> list[Alert]:
    """Return the alert about a ledger that cannot be read, in time before answers stop."""
    read, most = chosen(names.LEDGER_READ, f"job={quoted(job)}"), settings.offline_seconds / 2
    return [
        Alert(
            "LedgerUnread",
            f"time() - {read} > {number(most)}",
            "critical",
            f"the ledger's remote was last read over {most:g} seconds ago; after "
            f"{settings.offline_seconds} seconds the service stops answering",
            "see whether the service reaches the git remote (serve.offline_seconds)",
            (example(names.LEDGER_READ, job, "0+15x1200", f"-{number(most + 60)}+15x1200"),),
            {"job": job, "instance": INSTANCE},
            most + 60,
        )
    ]


def explained(job: str, policy: ServedExplanations | None, minutes: int) -> list[Alert]:
    """Return the alert about fewer explanations than the policy wants; none if it wants none."""
    if policy is None or policy.serve == "on_request":
        return []
    of_all = policy.serve == "all"
    expr, wanted = (
        _every_row(job, minutes) if of_all else _sample(job, policy.share)  # 1 hour: rarer
    )
    some = {"arm": "champion"}
    series = (
        (
            example(names.PREDICTIONS, job, STEADY, STEADY, **some, **{"class": "1"}),
            example(names.EXPLAINED, job, STEADY, NEVER, **some),
        )
        if of_all
        else (
            example(names.ANSWERS, job, STEADY, NEVER, **some, explained="true"),
            example(names.ANSWERS, job, STEADY, STEADY, **some, explained="false"),
        )
    )
    return [
        Alert(
            "ExplanationsMissing",
            expr,
            "warning",
            f"fewer predictions are explained than the policy wants, which is {wanted}",
            f"{OWN_LOG}; `explain.serve` in conf/policy is {policy.serve}",
            series,
            {"job": job},
            0,
            minutes,
        )
    ]


def _every_row(job: str, minutes: int) -> tuple[str, str]:
    part, every = (_total(one, job, f"{minutes}m") for one in (names.EXPLAINED, names.PREDICTIONS))
    return f"{part} / {every} < {number(1 - ROUNDING)}", "every prediction"


def _sample(job: str, share: float) -> tuple[str, str]:
    """Return a limit that depends on the number of answers: chance is allowed for."""
    part, every = (
        _total(names.ANSWERS, job, "1h", explained="true"),
        _total(names.ANSWERS, job, "1h"),
    )
    deviation = f"sqrt({number(share * (1 - share))} / {every})"
    expr = f"{part} / {every} < {number(share)} - {DEVIATIONS} * {deviation}"
    return expr, f"{share:.4g} of the answers"


def _total(family: Family, job: str, window: str, **labels: str) -> str:
    """Return what was answered in a window by champion and canary."""
    selector = chosen(family, f"job={quoted(job)}", {"arm": "~champion|canary"} | labels)
    return grouped("sum", "job", f"increase({selector}[{window}])")
