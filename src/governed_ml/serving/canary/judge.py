"""Judge a canary by the policy: a pure function of the rows of a step, the rules and the look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from governed_ml.core.config.data import Data
from governed_ml.core.config.production.canary import CanaryRule, CanaryTerms
from governed_ml.ledger.production.canary import CanaryVerdict, JudgedCanaryRule
from governed_ml.measures.bounds.repeated_looks import Look, look
from governed_ml.measures.bounds.two_samples import Sureness
from governed_ml.policy.expected_rules import Scope, metric_of
from governed_ml.policy.limits import beyond
from governed_ml.serving.canary.measure import CanaryMetric, measured
from governed_ml.serving.canary.split import SplitArm
from governed_ml.serving.canary.split_rows import ARMS, SplitRows

EARLIEST = 20
"""Fewer rows of an arm are not looked at."""
NO_TRAFFIC = "no subject was answered by the {arm} since this step began"


@dataclass(frozen=True)
class CanaryJudgement:
    """The verdict of each rule, the rows of each arm, and the look that they rest on."""

    rules: dict[str, JudgedCanaryRule]
    rows: dict[SplitArm, int]
    reasons: list[str]
    size: int = 0
    until: str | None = None

    @property
    def broken(self) -> list[str]:
        """Return the rules that are surely broken."""
        return [name for name, one in self.rules.items() if one.verdict == "fail"]

    @property
    def passed(self) -> bool:
        """Return whether every rule surely holds."""
        return bool(self.rules) and all(one.verdict == "pass" for one in self.rules.values())


def expected(terms: CanaryTerms, data: Data) -> dict[str, tuple[CanaryRule, str]]:
    """Return id → rule and metric, for the rules that apply to a task and its attributes."""
    groups = Scope(data.task, None, tuple(data.sensitive)).sensitive
    return {
        f"{rule.id}[{name}]" if rule.each else rule.id: (rule, metric_of(rule.metric, name))
        for rule in terms.rules
        if rule.task in (None, data.task)
        for name in (groups if rule.each else ("",))
    }


def judge(rows: SplitRows, terms: CanaryTerms, data: Data, confidence: float) -> CanaryJudgement:
    """Judge the rows of a step at the last size at which they are looked at."""
    counts = rows.counts()
    rules = expected(terms, data)
    seen = look(min(counts.values()), terms.minimum_rows, EARLIEST, confidence)
    if seen is None:
        return _too_few(rules, counts, rows.notes)
    part = rows.first(seen.size)
    sure = Sureness(
        to_pass=seen.to_pass or seen.to_fail, to_fail=seen.to_fail, comparisons=len(rules)
    )
    fewest = min((rule.minimum_n or 1 for rule, _ in rules.values() if rule.each), default=1)
    metrics = measured(part, data, sure, fewest)
    found = {
        name: _judged(rule, metrics.get(metric), seen) for name, (rule, metric) in rules.items()
    }
    newest = part.frame["predicted_at"].max()
    return CanaryJudgement(
        rules=found,
        rows=counts,
        reasons=[*_reasons(found), *_more_rows(counts, terms), *rows.notes],
        size=seen.size,
        until=newest.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _too_few(
    rules: Mapping[str, tuple[CanaryRule, str]], counts: dict[SplitArm, int], notes: list[str]
) -> CanaryJudgement:
    silent = [NO_TRAFFIC.format(arm=arm) for arm in ARMS if not counts[arm]]
    few = [f"{counts[arm]:,} rows of the {arm}" for arm in ARMS if counts[arm]]
    why = "; ".join(silent or [f"too few rows to look at: {' and '.join(few)}"])
    found = {
        name: JudgedCanaryRule(verdict="insufficient", value=None, limit=rule.block, reason=why)
        for name, (rule, _) in rules.items()
    }
    return CanaryJudgement(found, counts, [why, *notes])


def _judged(rule: CanaryRule, metric: CanaryMetric | None, seen: Look) -> JudgedCanaryRule:
    if metric is None:
        why = "no row of the canary has its group"
        return JudgedCanaryRule(verdict="insufficient", value=None, limit=rule.block, reason=why)
    verdict, why = verdict_of(rule, metric, may_pass=seen.to_pass is not None)
    there = metric.value is not None
    lower, upper = (
        round(one, 6) if there and math.isfinite(one) else None
        for one in (metric.lower, metric.upper)
    )
    return JudgedCanaryRule(
        verdict=verdict,
        value=None if metric.value is None else round(metric.value, 6),
        lower=lower,
        upper=upper,
        n=metric.n,
        limit=rule.block,
        reason=why[:400],
    )


def verdict_of(
    rule: CanaryRule, metric: CanaryMetric, *, may_pass: bool
) -> tuple[CanaryVerdict, str]:
    """Compare a metric with a rule's limit; return the verdict and the reason.

    A rule fails if even the more favourable bound is beyond the limit, and passes if the other one
    is inside, too. With few rows it cannot pass yet.
    """
    if metric.value is None:
        return "insufficient", metric.note
    shown = f"{metric.value:.4g} in [{metric.lower:.4g}, {metric.upper:.4g}]; {metric.note}"
    if rule.minimum_n is not None and metric.n < rule.minimum_n:
        return "insufficient", f"rests on {metric.n:,} rows, at least {rule.minimum_n:,} wanted"
    best, worst = (metric.lower, metric.upper)
    if rule.bound == "at_least":
        best, worst = worst, best
    limit = f"{rule.bound.replace('_', ' ')} {rule.block:g} allowed"
    if beyond(best, rule.block, rule.bound):
        return "fail", f"{shown}; {limit}"
    if beyond(worst, rule.block, rule.bound):
        return "insufficient", f"{shown}; {limit}: more rows needed"
    return ("pass", shown) if may_pass else ("insufficient", f"{shown}; too early to pass")


def _reasons(rules: Mapping[str, JudgedCanaryRule]) -> list[str]:
    """Return why the canary does not advance: broken rules first."""
    order = ("fail", "insufficient")
    bad = [(name, one) for name, one in rules.items() if one.verdict in order]
    bad.sort(key=lambda item: order.index(item[1].verdict))
    return [f"{name}: {one.reason}" for name, one in bad]


def _more_rows(counts: dict[SplitArm, int], terms: CanaryTerms) -> list[str]:
    return [
        f"{counts[arm]:,} rows of the {arm}, at least {terms.minimum_rows:,} wanted"
        for arm in ARMS
        if counts[arm] < terms.minimum_rows
    ]
