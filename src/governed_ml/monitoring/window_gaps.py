"""Find what could not be measured in a window; such a window never counts as healthy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING

from governed_ml.core.config.production.policy import Monitoring, MonitoringRule
from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import Attribute
from governed_ml.measures.groups import SHOWN
from governed_ml.monitoring.judge_window import expected
from governed_ml.policy.expected_rules import Scope

if TYPE_CHECKING:
    import pandas as pd

    from governed_ml.core.config.data import Data

CHANCE = 0.001  # significance level for a missing group, shared by all groups
UNDATED = (
    "the rows have no date, so nobody can tell whether they are stale: name their date "
    "column in monitor.time"
)


def unmeasured(
    monitoring: Monitoring, scope: Scope, metrics: Mapping[str, Metric], *, due: bool
) -> list[str]:
    """Return what no rule could measure: performance, or the fairness by an attribute.

    A metric whose limit is exceeded only by chance counts as measured. `due` says that labels can
    be expected by now.
    """
    rules = [(rule, metrics.get(source), source) for _, rule, source in expected(monitoring, scope)]
    parts = {"performance": "performance."} if due else {}
    parts |= {f"fairness by {name}": f"fairness.{name}." for name in scope.attributes}
    found: list[str] = []
    for what, prefix in parts.items():
        mine = [(rule, metric) for rule, metric, source in rules if source.startswith(prefix)]
        if mine and not any(_there(rule, metric) for rule, metric in mine):
            found.append(f"{what} was not measured: {_why(*mine[0])}")
    return found


def _there(rule: MonitoringRule, metric: Metric | None) -> bool:
    enough = metric is not None and (metric.n or 0) >= (rule.minimum_n or 0)
    return enough and metric is not None and metric.value is not None


def _why(rule: MonitoringRule, metric: Metric | None) -> str:
    if metric is None:
        return "no row has the values that the rule needs"
    if metric.value is None:
        return metric.note
    return f"it rests on {metric.n or 0} rows, at least {rule.minimum_n} wanted"


def gone(known: list[Attribute], groups: pd.DataFrame, minimum: int) -> list[str]:
    """Return the groups in the champion's evidence that are missing in a window.

    A group is missing if it has fewer than `minimum` rows and fewer than chance explains, by a
    one-sided binomial test (Clopper & Pearson 1934, Biometrika 26:404) at `CHANCE`, shared by all
    groups.
    """
    from scipy.special import bdtr

    inside, found, named = groups.notna().all(axis=1), list[str](), set[str]()
    every = sum(len(one.groups) for one in known) or 1
    for one in known:
        if not set(one.columns) <= set(groups.columns) or not inside.any():
            continue
        columns = (groups.loc[inside, name].astype(str) for name in one.columns)
        keys = reduce(lambda left, right: left + "*" + right, columns)
        counts, rows = keys.value_counts(), int(inside.sum())
        whole = sum(group.n for group in one.groups)
        for group in one.groups:
            n, share = int(counts.get(group.name, 0)), group.n / max(whole, 1)
            if named & set(group.name.split("*")) or n >= minimum:
                continue
            if float(bdtr(n, rows, share)) < CHANCE / every:
                named.add(group.name)
                before = f"but had {share:.1%} of the rows in the champion's evaluation"
                found.append(f"{one.name}: group {group.name} has {n} of {rows:,} rows, {before}")
    more = [f"{len(found) - SHOWN} more groups are gone"] if len(found) > SHOWN else []
    return found[:SHOWN] + more


def alike(prediction: pd.Series, data: Data) -> list[str]:
    """Return a remark if all rows have the same prediction."""
    values = prediction.dropna().unique()
    if len(values) != 1:
        return []
    said = repr(data.class_names[int(values[0])]) if data.multiclass else f"{float(values[0]):g}"
    return [f"all {len(prediction):,} rows have the same prediction, {said}"]
