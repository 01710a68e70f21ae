"""Find where one policy is weaker than another: the organisation's floor, or the base's policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from governed_ml.core.config.policy_schema import Approvals, Floor, Policy, Rule
from governed_ml.core.config.production.canary import CanaryRule, CanaryTerms
from governed_ml.core.config.production.policy import Monitoring, MonitoringRule
from governed_ml.policy.limits import beyond

PACKAGES = "estimator_packages"


def below_floor(policy: Policy) -> dict[str, str]:
    """Return rule → how the project's policy is weaker than the organisation's floor."""
    if policy.floor is None:
        return {}
    own = {rule.id: rule for rule in policy.rules}
    weaker: dict[str, str] = {}
    if policy.confidence < policy.floor.confidence:
        weaker["confidence"] = f"confidence {policy.confidence} is below {policy.floor.confidence}"
    if policy.floor.approvals is not None:
        why = weaker_approvals(policy.approvals, policy.floor.approvals)
        weaker |= {"approvals": why} if why else {}
    weaker |= weaker_settings(policy, policy.floor)
    if policy.floor.estimator_packages is not None:
        why = weaker_packages(policy, policy.floor)
        weaker |= {PACKAGES: why} if why else {}
    if policy.floor.monitoring is not None:
        weaker |= weaker_monitoring(policy.monitoring, policy.floor.monitoring)
    if policy.floor.canary is not None:
        weaker |= weaker_canary(policy.canary, policy.floor.canary)
    for least in policy.floor.rules:
        rule = own.get(least.id)
        why = "the rule is missing" if rule is None else weaker_rule(rule, least)
        if why:
            weaker[least.id] = why
    return weaker


def weaker_settings(
    own: Policy | Floor, least: Policy | Floor, whose: str = "the floor"
) -> dict[str, str]:
    """Return setting → how it is weaker than in `least`.

    `whose` is how messages refer to `least`, such as "the floor".
    """
    mine, theirs = _asked(own), _asked(least)
    return {
        name: f"is {abs(mine[name]):g}, {whose} has {abs(wanted):g}"
        if name in mine
        else f"is missing, {whose} has {abs(wanted):g}"
        for name, wanted in theirs.items()
        if name not in mine or mine[name] < wanted
    }


def _asked(policy: Policy | Floor) -> dict[str, float]:
    """Return setting → number, negated where less is stricter."""
    noise, risk = policy.perturbation, policy.risk
    found = {
        f"risk.weights.{gate}": points for gate, points in (risk.weights if risk else {}).items()
    }
    if noise is not None:
        found |= {"perturbation.size": noise.size, "perturbation.tolerance": -noise.tolerance}
    if isinstance(policy, Policy):
        found["engine.accept_days"] = -policy.accept_days
        found["forks.accept_committed"] = -policy.accept_committed
        found["explain.serve"] = policy.explain.least_share if policy.explain else 0.0
        return found
    if policy.engine is not None:
        found["engine.accept_days"] = -policy.engine.accept_days
    if policy.forks is not None:
        found["forks.accept_committed"] = -policy.forks.accept_committed
    if policy.explain is not None:
        found["explain.serve"] = policy.explain.least_share
    return found


def weaker_packages(
    own: Policy | Floor, least: Policy | Floor, whose: str = "the floor"
) -> str | None:
    """Return which packages `conf/model` may name that `least` does not list, or None."""
    known = least.estimator_packages or []
    added = [name for name in own.estimator_packages or [] if name not in known]
    return f"conf/model may name {', '.join(added)}, {whose} does not list it" if added else None


def weaker_approvals(
    own: Approvals | None, least: Approvals, whose: str = "the floor"
) -> str | None:
    """Return how approvals require less than `least`, or None.

    `whose` is how messages refer to the policy of `least`, such as "the floor".
    """
    if own is None:
        return "approvals are missing"
    lost = Counter(least.roles) - Counter(own.roles)
    if lost:
        return f"no approval by {next(iter(lost))}, {whose} wants {', '.join(least.roles)}"
    if own.valid_days > least.valid_days:
        return f"approvals last {own.valid_days} days, {whose} has {least.valid_days}"
    return None


def weaker_monitoring(
    own: Monitoring | None, least: Monitoring, whose: str = "the floor"
) -> dict[str, str]:
    """Return `monitoring.…` → how production is monitored less than `least` requires."""
    if own is None:
        return {"monitoring": "the section is missing"}
    found: dict[str, str] = {}
    for name in ("minimum_rows", "maximum_age_days", "liveness_days", "rollback_windows",
                 "retrain_every_days"):  # fmt: skip
        mine, theirs = getattr(own, name), getattr(least, name)
        if mine < theirs if name == "minimum_rows" else mine > theirs:
            found[f"monitoring.{name}"] = f"{name} is {mine}, {whose} has {theirs}"
    return found | _weaker_rules("monitoring", own.rules, least.rules, whose)


def weaker_canary(
    own: CanaryTerms | None, least: CanaryTerms, whose: str = "the floor"
) -> dict[str, str]:
    """Return `canary.…` → how a canary is judged less strictly than `least` requires.

    Without the section, there are no canaries, which is as strict.
    """
    if own is None:
        return {}
    found: dict[str, str] = {}
    lost = [one for one in least.steps if one not in own.steps]
    if lost:
        found["canary.steps"] = f"steps are {own.steps}, {whose} has {least.steps}"
    for name, more in (("minimum_rows", True), ("maximum_days", False)):
        mine, theirs = getattr(own, name), getattr(least, name)
        if mine < theirs if more else mine > theirs:
            found[f"canary.{name}"] = f"{name} is {mine}, {whose} has {theirs}"
    return found | _weaker_rules("canary", own.rules, least.rules, whose)


def _weaker_rules(
    section: str,
    own: Sequence[MonitoringRule] | Sequence[CanaryRule],
    least: Sequence[MonitoringRule] | Sequence[CanaryRule],
    whose: str,
) -> dict[str, str]:
    """Return `section.id` → how a rule of production is weaker than in `least`, or missing."""
    found: dict[str, str] = {}
    rules = {rule.id: rule for rule in own}
    for rule in least:
        now = rules.get(rule.id)
        why = "the rule is missing" if now is None else weaker_rule(now, rule, whose)
        found |= {f"{section}.{rule.id.removeprefix(f'{section}.')}": why} if why else {}
    return found


def weaker_rule(
    rule: Rule | MonitoringRule | CanaryRule,
    least: Rule | MonitoringRule | CanaryRule,
    whose: str = "the floor",
) -> str | None:
    """Return how a rule is weaker than `least`, or is a different rule; None if neither."""
    for name in ("metric", "each", "task", "bound", "when", "require"):
        one, other = getattr(rule, name, None), getattr(least, name, None)
        if one != other:
            return f"{name} is {one!r}, {whose} has {other!r}"
    for name in ("warn", "block", "retrain", "rollback"):
        limit, floor = getattr(rule, name, None), getattr(least, name, None)
        if floor is not None and (limit is None or beyond(limit, floor, rule.bound)):
            return f"{name} is {limit}, {whose} has {floor} ({rule.bound})"
    mine, theirs = getattr(rule, "evidence", ""), getattr(least, "evidence", "")
    milder = (
        mine == "beyond_chance" and theirs == "point" and getattr(least, "warn", None) is not None
    )
    if mine != theirs and (theirs == "interval" or milder):  # as strict in denying, but warns less
        return f"evidence is {mine}, {whose} has {theirs}"
    watches = not isinstance(rule, Rule)
    other = watches and rule.minimum_n != least.minimum_n  # a higher minimum raises fewer alarms
    if other or (rule.minimum_n or 0) < (least.minimum_n or 0):
        return f"minimum_n is {rule.minimum_n}, {whose} has {least.minimum_n}"
    return None
