"""Faults in production: unusable batches, batches with drift or bias, missing monitoring."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.config.production.policy import Monitoring, MonitoringRule
from governed_ml.core.problem import Problem
from governed_ml.core.repository import REMOTE, git
from governed_ml.drill.command_result import Sign
from governed_ml.drill.fault import Fault, Nothing
from governed_ml.drill.faults.config import own_rule
from governed_ml.drill.faults.data import chosen
from governed_ml.drill.faults.ledger import rewrite
from governed_ml.drill.scratch import Scratch
from governed_ml.ledger import storage
from governed_ml.ledger.chain import GENESIS
from governed_ml.ledger.events import Event
from governed_ml.registry.approval.approvals import Approval, sign
from governed_ml.registry.versions import ANCHOR, model_name

if TYPE_CHECKING:
    import pandas as pd

BATCH = tables.RAW.with_name("batch.parquet")
MONITOR = ("monitor", BATCH.as_posix())
ROWS = 1000  # rows of a batch, unless the policy requires more


def _limits(scratch: Scratch) -> Monitoring:
    found = scratch.params().policy.monitoring
    if found is None:
        raise Problem("the policy has no section monitoring, so nothing would report the fault")
    return found


def _rule(scratch: Scratch, metric: str) -> MonitoringRule:
    for rule in _limits(scratch).rules:
        if rule.metric == metric and rule.task in (None, scratch.params().data.task):
            return rule
    raise Problem(
        f"no monitoring rule of the policy is about {metric}, so nothing would report the fault"
    )


def _rows(scratch: Scratch, which: pd.Index[Any] | None = None, seed: int = 0) -> pd.DataFrame:
    """Return rows of the ingested table, all or some, with today's date."""
    raw = tables.read(scratch.project / tables.RAW)
    some = raw if which is None else raw.loc[which]
    count = max(_limits(scratch).minimum_rows, ROWS)
    rows = some.sample(count, replace=len(some) < count, random_state=seed, ignore_index=True)
    dated = _dated(scratch, rows)
    return rows.assign(**{dated: datetime.now(UTC).replace(tzinfo=None)}) if dated else rows


def _dated(scratch: Scratch, rows: pd.DataFrame) -> str:
    params = scratch.params()
    name = params.monitor.time or params.data.time
    return name if name and str(rows.dtypes.get(name)).startswith("datetime") else ""


def _save(scratch: Scratch, rows: pd.DataFrame) -> None:
    tables.write(rows, scratch.project / BATCH)


def empty(scratch: Scratch) -> Sign:
    """Give a batch without rows, for which every rule would hold."""
    _save(scratch, _rows(scratch).head(0))
    return Sign(r"\b0 rows, at least [\d,]+ wanted")


def stale(scratch: Scratch) -> Sign:
    """Save a batch that is older than the policy allows; return the sign that it was caught."""
    rows = _rows(scratch)
    name = _dated(scratch, rows)
    if not name:
        raise Nothing("no column has the date of a row, so nothing can tell that a batch is old")
    age = timedelta(days=_limits(scratch).maximum_age_days + 2)
    _save(scratch, rows.assign(**{name: rows[name] - age}))
    return Sign(r"stale: the newest row is of")


def lost(scratch: Scratch) -> Sign:
    """Give a batch that lacks a feature."""
    numeric, categorical = scratch.features()
    name = (numeric + categorical)[0]
    _save(scratch, _rows(scratch).drop(columns=name))
    return Sign(rf"lacks column '{re.escape(name)}'")


def drifted(scratch: Scratch) -> Sign:
    """Give a batch in which a feature has shifted far."""
    rule, (numeric, categorical) = (
        _rule(scratch, "drift.{each}.psi_quantile10_beyond_chance"),
        scratch.features(),
    )
    rows, name = _rows(scratch), (numeric + categorical)[0]
    column = rows[name]
    far = column + 10 * (1 + column.max() - column.min()) if name in numeric else column.mode()[0]
    _save(scratch, rows.assign(**{name: far}))
    return Sign(rf"{re.escape(f'{rule.id}[{name}]')} .*at most [\d.]+ for (warn|retrain|rollback)")


def shifted(scratch: Scratch) -> Sign:
    """Make outcomes good for one group and bad for another, in consecutive windows."""
    params, limits = scratch.params(), _limits(scratch)
    plain = params.data.task == "classification"
    kind = "demographic_parity" if plain else "mean_signed_error"
    rule = _rule(scratch, f"fairness.{{each}}.{kind}_difference")
    if not params.data.sensitive:
        raise Nothing("there is no sensitive attribute, so there are no groups")
    if rule.rollback is None:
        _add_level(scratch, rule)
    found = tables.read(scratch.project / tables.PREDICTIONS).set_index(tables.ROW)
    good = found["score"] - found[tables.TARGET]
    ends = [good.index[good >= good.quantile(0.9)], good.index[good <= good.quantile(0.1)]]
    if plain:
        yes = chosen(found["prediction"], scratch)
        ends = [found.index[yes], found.index[~yes]]
    name, how = next(iter(params.data.sensitive.items()))
    values = tables.read(scratch.project / tables.RAW)[name].dropna()
    pair = [values.max(), values.min()] if how.bins else list(values.value_counts().index[:2])
    if len(pair) < 2 or not all(map(len, ends)):
        raise Nothing(f"{name} has fewer than two groups, or the model treats all groups alike")
    for window in range(1, limits.rollback_windows + 1):
        halves = [
            _rows(scratch, end, window).assign(**{name: value})
            for end, value in zip(ends, pair, strict=True)
        ]
        rows = halves[0].head(ROWS)
        rows.loc[rows.index % 2 == 1] = halves[1]
        _save(scratch, rows)
        if window < limits.rollback_windows:
            said = scratch.run(*MONITOR)
            if not any("the policy asks for `retrain`" in line for line in said.lines):
                told = (said.lines or ["nothing"])[-1]
                raise Problem(
                    f"the fault could not be planted: window {window} should ask for a "
                    f"retraining, but says: {told}"
                )
    return Sign(rf"the policy asks for `rollback`, {limits.rollback_windows} in a row")


def _add_level(scratch: Scratch, rule: MonitoringRule) -> None:
    def added(values: Any) -> None:
        rules = values.setdefault("monitoring", {}).setdefault("rules", {})
        own_rule(rules, rule.id)["rollback"] = max(rule.limits.values())

    scratch.edit_yaml(f"conf/policy/{scratch.params().policy.name}.yaml", added)
    scratch.commit("Monitoring may roll back")


def unwatched(scratch: Scratch) -> Sign:
    """Move all events to the distant past, and add a challenger that was approved today."""
    age = timedelta(days=_limits(scratch).liveness_days + 1)
    events = [entry.event for entry in storage.read(scratch.project)]
    told = [(one, {"time": _later(one.time, -age)} | _signed(scratch, one, -age)) for one in events]
    again = [one for one in events if one.action in ("registered", "approved")]
    told += [(one, {"version": 2} | _signed(scratch, one, timedelta(), 2)) for one in again]
    made: list[Event] = []
    for event, update in told:
        previous = made[-1].digest() if made else GENESIS
        update = {**update, "sequence": len(made) + 1, "previous": previous}
        made.append(event.model_copy(update=update))
    rewrite(scratch, made)
    tip, name = str(storage.head(scratch.project)), model_name(scratch.project)
    git(scratch.project, "push", "--quiet", "--force", REMOTE, f"{tip}:{storage.REF}")
    git(scratch.project, "update-ref", storage.SEEN, tip)
    scratch.mlflow("set_registered_model_tag", name, ANCHOR, f"{len(made)} {tip}")
    scratch.mlflow("set_model_version_tag", name, "1", ANCHOR, f"{len(made)} {tip}")
    return Sign("champion 1 is not monitored: it was promoted .* and has not been measured since")


def _signed(scratch: Scratch, event: Event, by: timedelta, version: int = 1) -> dict[str, Any]:
    """Return an event's approvals, signed by the drill's people for another time."""
    given = [Approval.model_validate(values | {"version": version}) for values in event.approvals]
    made = [one.model_copy(update={"time": _later(one.time, by), "signature": ""}) for one in given]
    keys = [scratch.home / "keys" / one.approver.removeprefix("drill-") for one in made]
    signed = [sign(one, key) for one, key in zip(made, keys, strict=True)]
    return {"approvals": [one.model_dump(mode="json") for one in signed]}


def _later(time: str, by: timedelta) -> str:
    return (datetime.fromisoformat(time) + by).strftime("%Y-%m-%dT%H:%M:%SZ")


PROMOTE = ("promote", "2")
FAULTS = (
    Fault("empty-batch", "a batch has no row", (41,), MONITOR, empty, "promoted"),
    Fault("stale-batch", "a batch is old", (41,), MONITOR, stale, "promoted"),
    Fault("lost-column", "a batch lacks a feature", (8,), MONITOR, lost, "promoted"),
    Fault("drifted-batch", "a feature has shifted in production", (), MONITOR, drifted, "promoted"),
    Fault(
        "group-shift",
        "the gap between groups grows with each window",
        (),
        MONITOR,
        shifted,
        "promoted",
    ),
    Fault("unwatched", "nobody has monitored the champion", (22,), PROMOTE, unwatched, "promoted"),
)
