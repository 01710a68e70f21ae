"""The risk score: one number from 0 to 100 for how close a model is to being denied.

No rule uses it. score = 100 · Σ_g w_g · max_r c_r / Σ_g w_g, over the judged gates g and their
rules r, with the policy's weights w. The closeness c of a rule is 1 if it fails, is insufficient or
waived, or if its value or worst bound reaches the limit; it is 0 if there is no value. Otherwise it
is the used share of the allowance, for the worst bound b: b / L for "at most L", (1 − b) / (1 − L)
for "at least L" if 1 is the best possible value (L < 1), and L / b otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from governed_ml.core.problem import Problem
from governed_ml.policy.decision import RuleResult

BEYOND = ("evidence", "floor", "policy", "measured_under", "counts")
"""Prefixes of ids that are no gates: judging itself failed."""
SAME = {"schema": "validate", "contract": "validate", "performance": "evaluate"}
"""Part of monitoring → the gate that measures the same before production."""


def score(rules: Sequence[RuleResult], weights: Mapping[str, float] | None) -> float | None:
    """Return the risk score with one decimal; None if no rule was judged.

    Raise `Problem` if a gate has no weight, because it would be ignored.
    """
    if weights is None:
        raise Problem(
            "the policy has no risk.weights: ask the risk owner to set them in conf/policy/"
        )
    if any(rule.id.partition(".")[0] in BEYOND for rule in rules):
        return 100.0
    nearest: dict[str, float] = {}
    for rule in rules:
        name = rule.id.partition(".")[0]
        gate = name if name in weights else SAME.get(name, name)
        nearest[gate] = max(nearest.get(gate, 0.0), closeness(rule))
    lost = sorted(nearest.keys() - weights.keys())
    if lost:
        raise Problem(f"risk.weights in conf/policy/ has no weight for the gate {lost[0]}: add one")
    whole = math.fsum(weights[gate] for gate in nearest)
    share = math.fsum(weights[gate] * near for gate, near in nearest.items())
    return round(100 * min(share / whole, 1.0), 1) if nearest else None


def closeness(rule: RuleResult) -> float:
    """Return how close a rule is to its limit, from 0 to 1."""
    if rule.verdict not in ("pass", "warn"):
        return 1.0
    if rule.value is None or rule.limit is None:
        return 0.0
    at_most = rule.bound == "at_most" if rule.bound else rule.value <= rule.limit
    ends = [rule.value, *(rule.interval or ())]
    worst = max(ends) if at_most else min(ends)
    if not all(map(math.isfinite, (*ends, rule.limit))):
        return 1.0
    return used(worst, rule.limit) if at_most else missed(worst, rule.limit)


def used(value: float, limit: float) -> float:
    """Return the used share of the allowance of "at most `limit`"."""
    if value >= limit:
        return 0.0 if value == limit == 0 else 1.0
    return limit / value if limit <= 0 else max(value, 0.0) / limit


def missed(value: float, limit: float) -> float:
    """Return the used share of the allowance of "at least `limit`"."""
    if value <= limit:
        return 1.0
    if limit >= 1:
        return limit / value
    return max(1 - value, 0.0) / (1 - limit) if limit >= 0 else min(value, 0.0) / limit
