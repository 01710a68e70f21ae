"""The champion's last window of production, as the ledger records it, in numbers for gauges."""

from __future__ import annotations

import re
from dataclasses import dataclass

from governed_ml.core.config.production.policy import Monitoring, MonitoringRule
from governed_ml.ledger.lifecycle import Version
from governed_ml.ledger.liveness import last_measured, reign
from governed_ml.ledger.production.windows import Level
from governed_ml.monitoring.judge_window import windows_of

ID = re.compile(r"([^\[]+)(?:\[(.*)\])?")
"""A rule's id, and in brackets what it is repeated for."""


@dataclass(frozen=True)
class LastWindow:
    """The last window. `values` maps (kind of metric, rule, group) to what the policy judged.

    `level` and `rows` are None before the first window. `monitored_at` is the Unix time of the
    last window that was measured, or of the promotion if none was.
    """

    level: Level | None
    values: dict[tuple[str, str, str], float]
    rows: int | None
    monitored_at: float


def last_window(champion: Version, monitoring: Monitoring | None) -> LastWindow:
    """Return the last window of a champion, judged by these rules."""
    since = last_measured(champion)[0].moment.timestamp()
    windows = windows_of([one.event.details for one in reign(champion)[1]])
    if not windows:
        return LastWindow(None, {}, None, since)
    last = windows[-1]
    judged = {name: value for name, value in last.values.items() if name not in last.unknown}
    rules = monitoring.rules if monitoring else []
    return LastWindow(last.level, worst_values(rules, judged), last.rows, since)


def worst_values(
    rules: list[MonitoringRule], judged: dict[str, float | None]
) -> dict[tuple[str, str, str], float]:
    """Return the values by rule; of a rule for features or classes only the worst one.

    A rule about sensitive attributes has a value for each group, as there are few.
    """
    known = {rule.id: rule for rule in rules}
    found: dict[tuple[str, str, str], float] = {}
    for name, value in judged.items():
        matched = ID.fullmatch(name)
        rule = known.get(matched[1]) if matched else None
        if rule is None or matched is None or value is None:
            continue
        group = matched[2] if rule.each == "sensitive" else ""
        key = (rule.metric.partition(".")[0], rule.id, group)
        worse = max if rule.bound == "at_most" else min
        found[key] = worse(found.get(key, value), value)
    return found
