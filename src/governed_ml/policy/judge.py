"""Judge evidence by a policy: a pure function of both and the date.

The decision names the engine that judged, which is this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, get_args

from governed_ml.core.config.params import Params
from governed_ml.core.config.policy_schema import Policy, Rule, Waiver
from governed_ml.core.evidence import Collected, Metric, Timing, usable
from governed_ml.core.files import digest_of
from governed_ml.core.problem import Problem, Unusable
from governed_ml.policy.cel_expression import holds
from governed_ml.policy.count_agreement import contradictions
from governed_ml.policy.decision import LETS_THROUGH, Decision, RuleResult, Verdict, subject_of
from governed_ml.policy.expected_rules import BoundRule, Scope, expected
from governed_ml.policy.limits import best_and_worst, beyond, number, spelled
from governed_ml.policy.measured_under import uncompared
from governed_ml.policy.risk import score
from governed_ml.policy.weaker_policy import below_floor


@dataclass(frozen=True)
class RuleJudgement:
    """The result of one rule. `absent` means missing evidence, which no waiver can cover."""

    verdict: Verdict
    reason: str
    metric: Metric | None = None
    absent: bool = False


def judge(
    params: Params,
    evidence: Collected,
    today: date,
    gates: list[str] | None = None,
    unanswered: Mapping[str, str] | None = None,
    unread: str | None = None,
) -> Decision:
    """Judge every rule that the policy expects; with `gates`, only the rules of these gates.

    `unanswered` is id → why the evidence does not apply to today's policy. `unread` is why the
    model could not be compared with the existing champion, or None.
    """
    subject = subject_of(evidence)
    evidence = evidence if unread is None else uncompared(evidence, unread)
    policy, scope = params.policy, scope_of(params, evidence)
    rules = [
        rule for rule in expected(policy, scope) if gates is None or rule.id.split(".")[0] in gates
    ]
    values = {"evidence": _values(evidence), "params": params.model_dump(mode="json")}
    wrong = {} if gates is not None else {**(unanswered or {}), **contradictions(evidence)}
    results = [
        *(_plain(name, "insufficient", why) for name, why in wrong.items()),
        *(_result(rule, policy, evidence, values, today) for rule in rules),
    ]
    results += [
        _plain(f"evidence.{gate}", "insufficient", why)
        for gate, why in _unread(rules, evidence).items()
        if gates is None or gate in gates
    ]
    results += [
        _plain(f"floor.{name}", "fail", f"below the organisation's floor: {why}")
        for name, why in below_floor(policy).items()
    ]
    if {rule.id for rule in rules} - {result.id for result in results} or not rules:
        results.append(
            _plain("policy.complete", "fail", "the rules judged are not the rules expected")
        )
    try:
        risk = score(results, policy.risk.weights if policy.risk else None)
    except Problem as problem:
        risk = None
        results.append(_plain("policy.risk", "fail", str(problem)))
    allowed = all(result.verdict in LETS_THROUGH for result in results)
    return Decision(
        verdict="allow" if allowed else "deny",
        rules=results,
        risk=risk,
        subject=subject,
        policy_digest=digest_of(policy.model_dump(mode="json")),
        volatile={"judged_on": today.isoformat()},
    )


def _unread(rules: list[BoundRule], evidence: Collected) -> dict[str, str]:
    """Return gate → why its evidence is unusable, for gates that no rule with a limit reads."""
    read = {rule.metric.partition(".")[0] for rule in rules if rule.metric}
    return {
        gate: found.reason
        for gate, found in evidence.items()
        if isinstance(found, Unusable) and gate not in read
    }


def scope_of(params: Params, evidence: Collected) -> Scope:
    """Return the scope of `each`: configured attributes and classes, and the split's features."""
    split = usable(evidence).get("split")
    numeric = None if split is None else tuple(split.body.numeric)
    features = None if split is None else tuple(split.body.numeric + split.body.categorical)
    data = params.data
    sensitive, classes = tuple(data.sensitive), tuple(data.class_names)
    return Scope(data.task, features, sensitive, numeric, classes)


def _result(
    rule: BoundRule, policy: Policy, evidence: Collected, values: dict[str, Any], today: date
) -> RuleResult:
    answer = _answer(rule, evidence, values)
    verdict, reason = answer.verdict, answer.reason
    if verdict not in LETS_THROUGH:
        verdict, reason = _waived(rule, policy, answer, today)
    metric = answer.metric
    limit = rule.rule.warn if rule.rule.block is None else rule.rule.block
    return RuleResult(
        id=rule.id,
        verdict=verdict,
        value=metric.value if metric else None,
        interval=metric.interval if metric else None,
        limit=limit,
        bound=None if rule.metric is None else rule.rule.bound,
        reason=reason,
        timed=rule.metric is not None and rule.metric.rpartition(".")[2] in get_args(Timing),
    )


def _answer(rule: BoundRule, evidence: Collected, values: dict[str, Any]) -> RuleJudgement:
    for gate in re.findall(r"\bevidence\.(\w+)", f"{rule.rule.when} {rule.rule.require}"):
        found = evidence.get(gate)
        if isinstance(found, Unusable):
            return RuleJudgement("insufficient", found.reason, absent=True)
    if rule.rule.when is not None:
        applies, why = holds(rule.rule.when, values)
        if applies is None:
            return RuleJudgement("fail", f"when: {why}")
        if not applies:
            return RuleJudgement("pass", f"does not apply: {rule.rule.when}")
    if rule.metric is None:
        true, why = holds(rule.rule.require or "", values)
        return RuleJudgement("pass" if true else "fail", why or f"holds: {rule.rule.require}")
    gate, _, name = rule.metric.partition(".")
    found = evidence.get(gate, Unusable(f"there is no evidence of {gate}"))
    if isinstance(found, Unusable):
        return RuleJudgement("insufficient", found.reason, absent=True)
    metric = found.judged().get(name)
    if metric is None and rule.id.endswith("[*]"):
        why = evidence.get("split", "there is no evidence of split")
        return RuleJudgement("insufficient", f"the features are not known: {why}", absent=True)
    if metric is None:
        return RuleJudgement(
            "insufficient", f"evidence of {gate} has no metric {name}", absent=True
        )
    verdict, reason = compare(rule.rule, metric)
    return RuleJudgement(verdict, reason, metric)


def compare(rule: Rule, metric: Metric) -> tuple[Verdict, str]:
    """Compare a metric with a rule's limits; return the verdict and the reason."""
    if metric.value is None:
        return "insufficient", metric.note
    if rule.minimum_n is not None and (metric.n is None or metric.n < rule.minimum_n):
        return (
            "insufficient",
            f"rests on {metric.n} rows, at least {rule.minimum_n} wanted; {metric.note}",
        )
    shown = number(metric.value) + (f"; {metric.note}" if metric.note else "")
    words, sure = rule.bound.replace("_", " "), metric.value
    ends = best_and_worst(metric, rule.bound)
    within = f"{metric.value:.4g} in {spelled(ends)}; {metric.note}" if ends else shown
    if rule.evidence == "beyond_chance" and ends is not None:
        sure, shown = ends[0], within
    if rule.block is not None:
        best, worst = sure, metric.value
        if rule.evidence == "interval":
            if ends is None:
                return "insufficient", f"{shown}; the rule wants an interval, the evidence has none"
            (best, worst), shown = ends, within
        if beyond(best, rule.block, rule.bound):
            return "fail", f"{shown}; {words} {rule.block:g} allowed"
        if beyond(worst, rule.block, rule.bound):
            return (
                "insufficient",
                f"{shown}; the interval reaches beyond {words} {rule.block:g}: more rows needed",
            )
    if rule.warn is not None and beyond(sure, rule.warn, rule.bound):
        return "warn", f"{shown}; {words} {rule.warn:g} wanted"
    return "pass", shown


def _waived(
    rule: BoundRule, policy: Policy, answer: RuleJudgement, today: date
) -> tuple[Verdict, str]:
    waiver = next((w for w in policy.waivers if w.rule in (rule.id, rule.rule.id)), None)
    if waiver is None:
        return answer.verdict, answer.reason
    void = _void(waiver, rule, policy, answer, today)
    if void is not None:
        return answer.verdict, f"{answer.reason}; the waiver is void: {void}"
    return (
        "waived",
        f"{answer.reason}; waived until {waiver.expires} by {waiver.approved_by}: {waiver.reason}",
    )


def _void(
    waiver: Waiver, rule: BoundRule, policy: Policy, answer: RuleJudgement, today: date
) -> str | None:
    """Return why a waiver does not apply, or None."""
    if today > waiver.expires:
        return f"it expired on {waiver.expires}"
    if answer.absent:
        return "a waiver covers a number, not the absence of evidence"
    if policy.floor is not None and rule.rule.id in {least.id for least in policy.floor.rules}:
        return "the rule is on the organisation's floor"
    return None


def _values(evidence: Collected) -> dict[str, dict[str, float | None]]:
    return {
        gate: {name: metric.value for name, metric in found.judged().items()}
        for gate, found in usable(evidence).items()
    }


def _plain(name: str, verdict: Verdict, reason: str) -> RuleResult:
    return RuleResult(
        id=name, verdict=verdict, value=None, interval=None, limit=None, reason=reason
    )
