"""One number for people: how near a model is to being refused, 0 to 100. No rule asks for it.

score = 100 · Σ_g w_g · max_r c_r / Σ_g w_g, over the gates g that were judged and their rules r.
The weights w are the policy's. The closeness c of a rule is 1 if it fails, is insufficient or
waived, or if its number or worst bound has reached the limit; 0 if it has no number. Else it is the
share of the allowance that the worst bound b has used up: of "at most L" b / L, of "at least L"
(1 − b) / (1 − L) where 1 is the best there is, and L / b where there is none (L ≥ 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from governed_ml.core.problem import Problem
from governed_ml.policy.decision import RuleResult

BEYOND = ("evidence", "floor", "policy", "measured_under", "counts")
"""No gates: the judging itself went wrong."""
SAME = {"schema": "validate", "contract": "validate", "performance": "evaluate"}
"""What monitoring measures → the gate that measures the same before production."""


def score(rules: Sequence[RuleResult], weights: Mapping[str, float] | None) -> float | None:
    """Return the score, to one decimal; None where no rule was judged. A `Problem` if a gate has
    no weight: it would count for nothing.
    """
    if weights is None:
        raise Problem("the policy has no risk.weights: the risk owner sets them in conf/policy/")
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
    """Return how near a rule is to its limit, 0 to 1."""
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
    """Return the share of "at most `limit`" that is used up."""
    if value >= limit:
        return 0.0 if value == limit == 0 else 1.0
    return limit / value if limit <= 0 else max(value, 0.0) / limit


def missed(value: float, limit: float) -> float:
    """Return the share of the room above "at least `limit`" that is lost."""
    if value <= limit:
        return 1.0
    if limit >= 1:
        return limit / value
    return max(1 - value, 0.0) / (1 - limit) if limit >= 0 else min(value, 0.0) / limit
