"""The risk score: bounds, direction and honesty of the formula, and where people meet it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from baked import BakedProject
from hypothesis import given
from hypothesis import strategies as st

from governed_ml.core.problem import Problem
from governed_ml.policy import risk
from governed_ml.policy.decision import RuleResult

WEIGHTS = {"validate": 10, "evaluate": 30, "drift": 20, "fairness": 40}


def result(name: str = "evaluate.x", verdict: str = "pass", **other: Any) -> Any:
    """One judged rule."""
    values = {"value": None, "interval": None, "limit": None, "reason": ""} | other
    return RuleResult(id=name, verdict=verdict, **values)


numbers = st.none() | st.floats() | st.floats(-2, 2) | st.sampled_from([0.0, 1.0, -1.0])
results = st.builds(
    result,
    st.sampled_from(["validate.a", "evaluate.b[x]", "evaluate.c", "drift.d", "fairness.e"]),
    st.sampled_from(["pass", "warn", "fail", "insufficient", "waived"]),
    value=numbers,
    limit=numbers,
    interval=st.none() | st.tuples(st.floats(), st.floats()),
    bound=st.sampled_from(["at_most", "at_least", None]),
)


@given(st.lists(results, min_size=1), st.randoms())
def test_the_risk_score_is_always_from_0_to_100(rules: list[Any], by: Any) -> None:
    # Given any rules, NaN and infinities among their numbers, when they are scored
    found = risk.score(rules, WEIGHTS)
    # Then the score is a number on its scale, in whatever order they stand
    assert 0 <= found <= 100
    other = list(rules)
    by.shuffle(other)
    assert risk.score(other, WEIGHTS) == found
    # And what fails besides never lowers it; where all gates fail it is at its top
    gates = {rule.id.partition(".")[0] for rule in rules}
    for gate in gates:
        assert risk.score([*rules, result(f"{gate}.z", "fail")], WEIGHTS) >= found
    assert risk.score([*rules, *(result(f"{one}.z", "fail") for one in gates)], WEIGHTS) == 100


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3), st.sampled_from([1, -1]))
def test_a_rule_that_comes_nearer_to_its_limit_never_lowers_it(
    limit: float, one: float, other: float, sign: int
) -> None:
    # Given two values inside a limit, when both are scored, then the nearer one scores no less
    bound = "at_most" if sign == 1 else "at_least"
    inside = [value for value in (one, other) if sign * value <= sign * limit]
    inside.sort(key=lambda value: sign * value)
    near = [risk.closeness(result(value=v, limit=limit, bound=bound)) for v in inside]
    assert near == sorted(near)
    assert all(0 <= value <= 1 for value in near)
    # And an interval counts by its worse end, whatever the value
    if inside:
        ends = (inside[0], inside[-1])
        both = result(value=inside[0], interval=ends, limit=limit, bound=bound)
        assert risk.closeness(both) == near[-1]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (result(value=0.05, limit=0.2, bound="at_most"), 0.25),
        (result(value=0.05, interval=(0.01, 0.1), limit=0.2, bound="at_most"), 0.5),
        (result(value=0.9, limit=0.8, bound="at_least"), 0.5),
        (result(value=1.0, limit=0.99, bound="at_least"), 0.0),
        (result(value=4000.0, limit=1000.0, bound="at_least"), 0.25),
        (result(value=-0.005, limit=-0.01, bound="at_least"), 0.5),
        (result(value=0.02, limit=-0.01, bound="at_least"), 0.0),
        (result(value=0.0, limit=0.0, bound="at_most"), 0.0),
        (result(verdict="warn", value=0.3, limit=0.2, bound="at_most"), 1.0),  # warns, and no block
        (result(value=0.05, limit=0.2), 0.25),  # the direction is that in which it passes
        (result(), 0.0),
        (result(verdict="insufficient"), 1.0),
        (result(verdict="waived", value=0.01, limit=0.2), 1.0),
        (result(value=math.nan, limit=0.2, bound="at_most"), 1.0),
    ],
)
def test_closeness_is_the_share_of_the_allowance(rule: Any, expected: float) -> None:
    # Given a rule, when its closeness is asked for, then it is as the policy's comment says
    assert risk.closeness(rule) == pytest.approx(expected)


def test_the_gates_are_weighed() -> None:
    # Given a nearest rule at a half in one gate, one at its limit in another, and two far ones
    rules = [
        result(value=0.1, limit=0.2, bound="at_most"),
        result(value=0.01, limit=0.2, bound="at_most"),
        result("drift.d[x]", "fail"),
        result("validate.v"),
    ]
    # Then the score is their weighted mean over the gates that were judged
    assert risk.score(rules, WEIGHTS) == round(100 * (30 * 0.5 + 20 * 1 + 10 * 0) / 60, 1)
    # And what production calls by another name counts as its gate
    assert risk.score([result("performance.roc_auc", "fail")], WEIGHTS) == 100
    # And judging that went wrong is the highest risk, no rules are none
    assert risk.score([result("evidence.ingest", "insufficient")], WEIGHTS) == 100
    assert risk.score([], WEIGHTS) is None


@pytest.mark.parametrize("weights", [None, {}, {"drift": 100}])
def test_a_gate_without_weight_is_an_error(weights: Any) -> None:
    # Given a rule of a gate that has no weight, when it is scored, then that is said
    with pytest.raises(Problem, match=r"risk\.weights"):
        risk.score([result("evaluate.x", "fail"), result("drift.x", "fail")], weights)


def test_the_decision_contains_the_risk_score(project_after_run: BakedProject) -> None:
    # Given the default project after its pipeline ran, when its decision is scored again
    decision = json.loads(project_after_run.read("reports/decision.json"))
    rules = [RuleResult(**rule) for rule in decision["rules"]]
    weights = {"validate": 10, "split": 5, "evaluate": 25, "drift": 15, "fairness": 30}
    # Then it is that number, and the last screen tells it
    assert decision["risk"] == risk.score(rules, weights | {"explain": 15})
    assert 0 < decision["risk"] < 100
    done = project_after_run.call("gate")
    assert f"· risk {decision['risk']:g} of 100" in done.stdout
    # And the directions are the rules', for who draws them
    bounds = {rule["id"]: rule["bound"] for rule in decision["rules"]}
    assert (bounds["evaluate.roc_auc"], bounds["evaluate.robustness"]) == ("at_least", "at_most")
