"""One window of production rows: measured, and judged by the policy."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.config.production.monitor import Feed, Monitor
from governed_ml.core.config.production.policy import SERVED_SHARE, Monitoring
from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import Attribute, ColumnDrift
from governed_ml.core.problem import Problem
from governed_ml.core.tables import in_log
from governed_ml.monitoring import measure, window_contracts
from governed_ml.monitoring.feeds import name_of, served_of
from governed_ml.monitoring.judge_window import Judged, Level, judge, reasons, worst
from governed_ml.monitoring.measure import Measured
from governed_ml.monitoring.measuring.group_treatment import treated
from governed_ml.monitoring.measuring.served_explanations import explained
from governed_ml.monitoring.window_gaps import UNDATED, alike, gone, unmeasured
from governed_ml.monitoring.window_rows import Given, body, complete, gather, labels
from governed_ml.pipeline.predict_version import ServedVersion
from governed_ml.policy.expected_rules import Scope

if TYPE_CHECKING:
    import pandas as pd

EARLY = 0.05  # a window starts at the 5 % quantile of its times, so stray dates do not count
FORM = "%Y-%m-%dT%H:%M:%SZ"


class Window(Closed):
    """The measurements and verdicts of a window, as aggregates without rows.

    `stale` says why the rows are too old by now. It is only set for rows that were measured
    earlier.
    """

    batch: str
    digest: str
    rows: int
    labelled: int
    since: str | None
    until: str | None
    level: Level
    reasons: list[str]
    stale: str = ""
    rules: list[Judged]
    columns: list[ColumnDrift]
    groups: list[Attribute]


@dataclass(frozen=True)
class Asked:
    """The parameters of a measurement; `since` is the start of the new rows in the log.

    `known` are the digests of windows that were measured already. Such rows may be older than
    allowed, because labels arrive late.
    """

    monitoring: Monitoring
    monitor: Monitor
    confidence: float
    now: datetime
    since: datetime | None
    known: frozenset[str] = frozenset()


def look(feed: Feed, origin: ServedVersion, asked: Asked) -> Window:
    """Measure one window of a feed's rows, and judge it."""
    trained = body(origin, "train")
    features = [*trained.numeric, *trained.categorical]
    given = gather(feed, origin, asked.monitor, asked.since, asked.now)
    frame = given.new.frame
    since, until = _span(frame, given.time)
    digest = _digest(frame.drop(columns=in_log(origin.data.target), errors="ignore"))
    why, stale = _why_not(given, features, until, asked), _stale(given, until, asked)
    if stale and digest not in asked.known:
        why.append(stale)
    found, labelled, notes = Measured(), 0, given.notes
    scope = _scope(origin)
    lacks = [UNDATED] if given.time is None else []
    if not why:
        found, labelled, more = _measured(given, origin, asked, features)
        notes = notes + more
        lacks += found.lacks
        lacks += unmeasured(asked.monitoring, scope, found.metrics, due=_due(given))
    elif len(given.due.frame):
        labelled, more = _counted(given, origin, asked.monitor)
        notes = notes + more
    rules, anything = judge(asked.monitoring, scope, found.metrics)
    if not why and not anything:
        why = ["no rule about the model's behaviour could be judged", *reasons(rules)]
    level = "not_measured" if why else worst(rules)
    return Window(
        batch=name_of(feed),
        digest=digest,
        rows=len(frame),
        labelled=labelled,
        since=since,
        until=until,
        level="warn" if lacks and level == "healthy" else level,
        reasons=[*why, *(lacks if why else reasons(rules, lacks)), *notes],
        stale="" if why else stale or "",
        rules=rules,
        columns=found.columns,
        groups=found.groups,
    )


def _scope(origin: ServedVersion) -> Scope:
    """Return what `each` stands for: the version's features and sensitive attributes."""
    trained, data = body(origin, "train"), origin.data
    features = (*trained.numeric, *trained.categorical)
    numeric, classes = tuple(trained.numeric), tuple(data.class_names)
    return Scope(data.task, features, tuple(data.sensitive), numeric, classes)


def _counted(given: Given, origin: ServedVersion, monitor: Monitor) -> tuple[int, list[str]]:
    """Return how many rows have a label, for a batch that is not measured."""
    try:
        target, _ = labels(given.due, origin, monitor)
    except Problem as problem:
        return 0, [f"labels were not counted: {problem}"]
    return int(target.notna().sum()), []


def _span(rows: pd.DataFrame, time: str | None) -> tuple[str | None, str | None]:
    import pandas as pd

    if time is None or time not in rows:
        return None, None
    times = pd.to_datetime(rows[time], errors="coerce").dropna()
    if times.empty:
        return None, None
    first = times.quantile(EARLY, interpolation="lower")
    return first.strftime(FORM), times.max().strftime(FORM)


def _why_not(given: Given, features: list[str], until: str | None, asked: Asked) -> list[str]:
    """Return why a batch cannot be measured: missing columns, too few rows, or invalid times."""
    limits, found, rows = asked.monitoring, list[str](), len(given.new.frame)
    lost = [name for name in features if in_log(name) in given.new.lost]
    if lost:
        names = ", ".join(map(repr, lost))
        found.append(f"the batch lacks column {names}, which the model needs")
    if rows < limits.minimum_rows:
        found.append(f"{rows:,} rows, at least {limits.minimum_rows:,} wanted")
    if rows and given.time is not None and until is None:
        found.append(f"no row has a time in {given.time!r}: nobody knows how old they are")
    if until is not None and datetime.fromisoformat(until) > asked.now + timedelta(days=1):
        found.append(f"the newest row is of {until[:10]}, which is in the future")
    return found


def _stale(given: Given, until: str | None, asked: Asked) -> str | None:
    """Return why a batch is too old, or None: enough of its rows must be recent."""
    import pandas as pd

    limits, rows = asked.monitoring, given.new.frame
    if until is None or given.time is None:
        return None
    most, newest = limits.maximum_age_days, datetime.fromisoformat(until)
    age = (asked.now - newest).days
    if age > most:
        return (
            f"stale: the newest row is of {until[:10]}, {age} days old, at most {most} "
            "(monitoring.maximum_age_days)"
        )
    times = pd.to_datetime(rows[given.time], errors="coerce", utc=True)
    young = int((times >= pd.Timestamp(asked.now) - timedelta(days=most + 1)).sum())
    if young < min(limits.minimum_rows, len(rows)):
        wanted = f"at least {limits.minimum_rows:,} wanted"
        return f"stale: {young:,} of {len(rows):,} rows are at most {most} days old, {wanted}"
    return None


def _due(given: Given) -> bool:
    """Return whether labels can be expected: for the log, only if some rows are old enough."""
    return given.due is given.new or len(given.due.frame) > 0


def _digest(rows: pd.DataFrame) -> str:
    """Return the digest of the rows in any order, without labels, which arrive later."""
    import numpy as np
    import pandas as pd

    names = sorted(map(str, rows.columns))
    found = hashlib.sha256("\0".join(names).encode())
    every = pd.util.hash_pandas_object(rows[names], index=False).to_numpy()
    found.update(np.sort(every).tobytes())
    return f"sha256:{found.hexdigest()}"


def _measured(
    given: Given, origin: ServedVersion, asked: Asked, features: list[str]
) -> tuple[Measured, int, list[str]]:
    """Return the measurements, the number of rows with a label, and remarks about the joins."""
    data, new = origin.data, given.new
    part = complete(new, origin, asked.monitor)
    due = part if given.due is new else complete(given.due, origin, asked.monitor)
    if why := part.unfit or due.unfit:
        lost = measure.nothing(asked.monitoring, _scope(origin), why)
        return lost, int(due.target.notna().sum()), []
    found = measure.drifted(body(origin, "drift"), part, due.target, data)
    known = {in_log(one.name): one.name for one in body(origin, "ingest").columns}
    others = {*new.lost, *served_of(data), *(set(known.values()) - set(known))}
    there = [name for name in new.frame.columns if name not in others]
    unfit = {known.get(name, name): n for name, n in new.unfit.items() if name in there}
    frame = new.frame[there].rename(columns=known)
    contract = window_contracts.contract(frame, data, features, unfit)
    found.metrics["contract.failed_expectations"] = contract
    if data.prediction_contract is not None:
        failed = window_contracts.predictions(part, data)
        found.metrics["contract.failed_prediction_expectations"] = failed
    strange = Metric(value=float(len(new.strange)), note=", ".join(new.strange)[:1000])
    found.metrics["schema.new_columns"] = strange
    found.metrics[SERVED_SHARE] = explained(new, asked.confidence)
    sizes = [one.minimum_n or 1 for one in asked.monitoring.rules if one.each == "sensitive"]
    sure = asked.confidence
    least, names = min(sizes, default=1), data.class_names
    parts = [measure.performed(due, data.task, sure, names)]
    parts += [
        treated(one, data.task, sure, least, late=one is due, classes=names)
        for one in ([part] if due is part else [due, part])
    ]
    known = body(origin, "fairness").attributes
    found.lacks = [*alike(part.prediction, data), *gone(known, part.groups, least)]
    for one in parts:
        found.metrics |= one.metrics
        found.groups = one.groups or found.groups
    return found, int(due.target.notna().sum()), due.notes
