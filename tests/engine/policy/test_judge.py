"""The judge: evidence and a policy in, a verdict and a reason for every rule out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from governed_ml.core import config, evidence
from governed_ml.policy import judge as judging
from governed_ml.policy.expected_rules import Scope, expected
from governed_ml.policy.fixes.steps import next_steps
from governed_ml.policy.weaker_policy import weaker_rule

TODAY = date(2026, 6, 15)
COVERAGE = {"id": "explain.coverage", "metric": "explain.coverage", "owner": "me"}
AT_MOST = COVERAGE | {"warn": 0.05, "block": 0.10}
AT_LEAST = COVERAGE | {"bound": "at_least", "warn": 0.95, "block": 0.90}
INTERVAL = AT_MOST | {"evidence": "interval"}
WAIVER = {
    "rule": "explain.coverage",
    "reason": "the model is being replaced",
    "approved_by": "@risk",
    "expires": TODAY,
}
OTHER = {
    "perturbation": {"size": 0.1, "tolerance": 0.1},
    "risk": {"weights": {"explain": 60, "drift": 40}},
}
MEASURED = {
    "gate": "explain",
    "subject": {"inputs": {"a": "sha256:0"}, "code": "sha256:0", "config": "sha256:0"},
    "tools": {},
    "findings": [],
    "volatile": {},
}
FLOOR = {"file": "floor.yaml", "sha256": "0" * 64, "confidence": 0.9}

Judge = Callable[..., Any]


@pytest.fixture
def judge() -> Judge:
    """Judge one metric, `explain.coverage` (or none), under rules, waivers and a floor."""

    def run(rules: list[dict[str, Any]], metric: dict[str, Any] | None, **policy: Any) -> Any:
        body = {"method": "shap", "output": "predict", "rows": 1000, "importance": {}}
        found: dict[str, Any] = {}
        if metric is not None:
            values = {"metrics": {"coverage": metric}, "body": body}
            found["explain"] = evidence.model_of("explain").model_validate(MEASURED | values)
        return judging.judge(params(rules, policy), found, TODAY)

    return run


def params(rules: list[dict[str, Any]], policy: Any) -> Any:
    """Return a small configuration around a policy, independent of `conf/`."""
    project = {"organisation": "o", "risk_owner": "@r", "model_owner": "@m"}
    data = {"name": "d", "task": "regression", "target": "y", "contract": "c.json"}
    return config.parse(
        {
            "project": project | {"name": "p", "risk_tier": "high"},
            "seed": 1,
            "experiment": "e",
            "deployment": {"region": "EU"},
            "data": data | {"source": {"kind": "synthetic", "rows": 10}},
            "split": {"kind": "random", "test_share": 0.3},
            "model": {"name": "m", "estimator": {}},
            "policy": {"name": "p", "confidence": 0.95, "rules": rules} | OTHER | policy,
        }
    )


def bounds(value: float, lower: float, upper: float) -> dict[str, Any]:
    """Return a metric with an interval."""
    return {"value": value, "lower": lower, "upper": upper, "n": 1000}


@pytest.mark.parametrize(
    ("rule", "metric", "verdict"),
    [
        (AT_MOST, {"value": 0.05}, "pass"),
        (AT_MOST, {"value": 0.051}, "warn"),
        (AT_MOST, {"value": 0.10}, "warn"),
        (AT_MOST, {"value": 0.101}, "fail"),
        (AT_LEAST, {"value": 0.95}, "pass"),
        (AT_LEAST, {"value": 0.90}, "warn"),
        (AT_LEAST, {"value": 0.899}, "fail"),
        (INTERVAL, bounds(0.04, 0.0, 0.09), "pass"),
        (INTERVAL, bounds(0.08, 0.06, 0.10), "warn"),
        (INTERVAL, bounds(0.04, 0.0, 0.11), "insufficient"),
        (INTERVAL, bounds(0.12, 0.09, 0.15), "insufficient"),
        (INTERVAL, bounds(0.15, 0.11, 0.19), "fail"),
        (INTERVAL, {"value": 0.01}, "insufficient"),
        (AT_MOST | {"minimum_n": 30}, {"value": 0.01, "n": 29}, "insufficient"),
        (AT_MOST | {"minimum_n": 30}, {"value": 0.01}, "insufficient"),
        (AT_MOST, {"value": None, "note": "one group only"}, "insufficient"),
    ],
)
def test_a_metric_is_held_against_its_limits(
    rule: dict[str, Any], metric: dict[str, Any], verdict: str, judge: Judge
) -> None:
    # Given one rule and one metric, when it is judged
    decision = judge([rule], metric)
    # Then the verdict is this, with a reason, and only a pass or a warning is let through
    assert decision.rules[0].verdict == verdict
    assert decision.rules[0].reason
    assert decision.verdict == ("allow" if verdict in ("pass", "warn") else "deny")


@pytest.mark.parametrize("rule", [AT_MOST, AT_MOST | {"metric": "explain.covrage"}])
def test_missing_evidence_denies_and_no_waiver_covers_it(
    rule: dict[str, Any], judge: Judge
) -> None:
    # Given no evidence, or none of the metric that the rule names, and a waiver, when it is judged
    metric = {"value": 0.01} if rule["metric"] == "explain.covrage" else None
    decision = judge([rule], metric, waivers=[WAIVER])
    # Then it is insufficient, and denied
    assert decision.rules[0].verdict == "insufficient"
    assert "a waiver covers a number" in decision.rules[0].reason
    assert decision.verdict == "deny"


def test_a_waiver_is_valid_on_its_last_day(judge: Judge) -> None:
    # Given a value beyond its limit and a waiver that expires today, when it is judged
    decision = judge([AT_MOST], {"value": 0.5}, waivers=[WAIVER])
    # Then the rule is waived, and the waiver's reason is told
    assert (decision.verdict, decision.rules[0].verdict) == ("allow", "waived")
    assert "the model is being replaced" in decision.rules[0].reason


def test_an_expired_waiver_is_void(judge: Judge) -> None:
    # Given a waiver that expired yesterday, when a value beyond its limit is judged
    expired = WAIVER | {"expires": date(2026, 6, 14)}
    decision = judge([AT_MOST], {"value": 0.5}, waivers=[expired])
    # Then the rule fails, and says why the waiver does not count
    assert (decision.verdict, decision.rules[0].verdict) == ("deny", "fail")
    assert "the waiver is void: it expired on 2026-06-14" in decision.rules[0].reason


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("evidence.explain.coverage >= 0.8", "pass"),
        ("evidence.explain.coverage >= 0.95", "fail"),
        ("evidence.explain.covrage >= 0.8", "fail"),
        ("evidence.nothing.coverage >= 0.8", "fail"),
        ("undefined_name", "fail"),
        ("evidence.explain.coverage", "fail"),
        ("evidence.explain.coverage >= ", "fail"),
    ],
)
def test_an_expression_passes_only_when_it_is_true(
    expression: str, verdict: str, judge: Judge
) -> None:
    # Given a rule in CEL, when it is judged on a coverage of 0.9
    rule = {"id": "explain.rule", "require": expression, "owner": "me"}
    decision = judge([rule], {"value": 0.9})
    # Then false, undefined, not boolean and not CEL at all are failures
    assert decision.rules[0].verdict == verdict, decision.rules[0].reason


@pytest.mark.parametrize(
    ("when", "verdict"),
    [
        ('params.deployment.region == "EU"', "fail"),
        ('params.deployment.region == "US"', "pass"),
        ('params.deployment.country == "US"', "fail"),
    ],
)
def test_a_rule_is_skipped_only_when_its_condition_is_false(
    when: str, verdict: str, judge: Judge
) -> None:
    # Given a rule that is broken, under a condition, when it is judged
    decision = judge([AT_MOST | {"when": when}], {"value": 0.5})
    # Then it counts unless the condition is known to be false
    assert decision.rules[0].verdict == verdict


def test_a_rule_for_each_feature_needs_to_know_the_features(judge: Judge) -> None:
    # Given a rule for each feature and no evidence of the split, when it is judged
    rule = {"id": "drift.data", "each": "feature", "metric": "drift.{each}.psi", "owner": "me"}
    decision = judge([rule | {"block": 0.2}], {"value": 0.9})
    # Then the rule does not vanish
    assert decision.rules[0].id == "drift.data[*]"
    assert decision.verdict == "deny"


@pytest.mark.parametrize(
    ("least", "expected"),
    [
        (AT_MOST | {"block": 0.09}, "block is 0.1, the floor has 0.09"),
        (AT_MOST | {"bound": "at_least"}, "bound is 'at_most'"),
        (INTERVAL, "evidence is point, the floor has interval"),
        (AT_MOST | {"minimum_n": 30}, "minimum_n is None, the floor has 30"),
        (AT_MOST | {"id": "explain.other"}, "the rule is missing"),
    ],
)
def test_no_limit_undercuts_the_organisations_floor(
    least: dict[str, Any], expected: str, judge: Judge
) -> None:
    # Given a floor that is stricter than the project's rule, when a value that passes is judged
    decision = judge([AT_MOST], {"value": 0.01}, floor=FLOOR | {"rules": [least]})
    # Then it is denied, by a rule that names the difference
    assert decision.verdict == "deny"
    assert expected in decision.rules[-1].reason
    assert decision.rules[-1].id == f"floor.{least['id']}"


@pytest.mark.parametrize(
    ("least", "expected"),
    [
        ({"perturbation": {"size": 0.2, "tolerance": 0.1}}, "size: is 0.1, the floor has 0.2"),
        ({"perturbation": {"size": 0.1, "tolerance": 0.05}}, "tolerance: is 0.1, the floor has"),
        ({"perturbation": {"size": 0.05, "tolerance": 0.2}}, ""),
        ({"risk": {"weights": {"explain": 61}}}, "risk.weights.explain: is 60, the floor has 61"),
        ({"risk": {"weights": {"fairness": 1}}}, "risk.weights.fairness: is missing"),
        ({"risk": {"weights": {"explain": 60}}}, ""),
    ],
)
def test_the_floor_holds_what_is_asked_for_beside_the_rules(
    least: dict[str, Any], expected: str, judge: Judge
) -> None:
    # Given a floor that asks for other noise than the project, when a value that passes is judged
    decision = judge([AT_MOST], {"value": 0.01}, floor=FLOOR | {"rules": []} | least)
    # Then it is denied where that is more, and the difference is named
    assert decision.verdict == ("deny" if expected else "allow")
    last = decision.rules[-1]
    said = last.reason.removeprefix("below the organisation's floor: ")
    assert expected in f"{last.id}: {said}"


def test_a_stricter_project_meets_the_floor(judge: Judge) -> None:
    # Given a floor that is looser than the project's rule, when a value that passes is judged
    least = AT_MOST | {"warn": 0.2, "block": 0.3}
    # Then it is allowed
    assert judge([AT_MOST], {"value": 0.01}, floor=FLOOR | {"rules": [least]}).verdict == "allow"


@pytest.mark.parametrize(
    ("value", "ends", "verdict"),
    [
        (0.12, (0.02, 0.2), "insufficient"),  # beyond, which chance may have done: still denied
        (0.12, (0.11, 0.2), "fail"),
        (0.07, (0.02, 0.2), "pass"),  # inside `block`, and chance may have put it beyond `warn`
        (0.07, (0.06, 0.2), "warn"),
        (0.12, None, "fail"),  # an earlier engine measured no bounds: the value counts
        (0.07, None, "warn"),
    ],
)
def test_a_gap_within_chance_neither_fails_nor_warns(
    judge: Judge, value: float, ends: tuple[float, float] | None, verdict: str
) -> None:
    # Given a rule that wants to be sure beyond chance, when a metric is judged
    metric = bounds(value, *ends) if ends else {"value": value, "n": 1000}
    found = judge([AT_MOST | {"evidence": "beyond_chance"}], metric).rules[0]
    # Then the nearer bound has to be beyond for a fail or a warning, and nothing that failed passes
    assert found.verdict == verdict, found.reason
    plain = judge([AT_MOST], metric).rules[0].verdict
    assert (plain == "fail") == (verdict in ("fail", "insufficient"))


@pytest.mark.parametrize(
    ("own", "least", "weaker"),
    [
        ("point", "interval", True),
        ("beyond_chance", "interval", True),
        ("beyond_chance", "point", True),  # it warns of less
        ("point", "beyond_chance", False),
        ("interval", "beyond_chance", False),
    ],
)
def test_evidence_that_asks_for_less_is_weaker(own: str, least: str, weaker: bool) -> None:
    mine, theirs = (config.Rule.model_validate(AT_MOST | {"evidence": x}) for x in (own, least))
    assert bool(weaker_rule(mine, theirs)) is weaker
    # And without a warning to lose, it denies the same
    silent = [one.model_copy(update={"warn": None}) for one in (mine, theirs)]
    assert bool(weaker_rule(*silent)) is (least == "interval")


@pytest.mark.parametrize(
    ("rule", "step"),
    [
        ({"metric": "explain.nothing", "block": 0.1}, "Correct the name of the metric"),
        ({"require": "params.nothing > 0.0"}, "Correct the expression"),
        ({"require": "params.seed < 0.0"}, "Correct the expression"),
        ({"when": "params.nothing > 0.0"} | AT_MOST, "Correct the expression"),
    ],
)
def test_people_are_told_what_is_wrong_with_a_rule(
    judge: Judge, rule: dict[str, Any], step: str
) -> None:
    # Given a rule that names what is not there, or that does not hold, when it is judged
    decision = judge([rule | {"id": "explain.own", "owner": "me"}], {"value": 0.0, "n": 1000})
    # Then the first step is about the rule, and not about data or model
    assert decision.verdict == "deny"
    first, *_ = next_steps(decision)
    assert first.startswith(step), decision.rules


def test_a_rule_about_numbers_is_repeated_for_numeric_features_only() -> None:
    # Given a rule about a distance that only numbers have, and a model with a category, too
    rule = {"id": "drift.shift", "each": "numeric", "metric": "drift.{each}.ks_statistic"}
    rules = [rule | {"warn": 0.1, "block": 0.3, "owner": "me"}]
    split = {"kind": "random", "rows": {}, "sensitive": {}, "cut": None}
    split |= {"numeric": ["age", "income"], "categorical": ["city"]}
    drift = {"reference_rows": 9, "current_rows": 9, "share_floor": 0.1, "columns": []}
    metrics = {
        "age.ks_statistic": {"value": 0.2},
        "income.ks_statistic": {"value": 0.4, "note": "widest at 9"},
        "city.ks_statistic": {"value": None, "note": "a category has no order"},
    }
    found: dict[str, Any] = {
        "split": evidence.model_of("split").model_validate(
            MEASURED | {"gate": "split", "metrics": {}, "body": split}
        ),
        "drift": evidence.model_of("drift").model_validate(
            MEASURED | {"gate": "drift", "metrics": metrics, "body": drift}
        ),
    }
    # When it is judged, then every number has its verdict, and the category needs none
    decision = judging.judge(params(rules, {}), found, TODAY)
    said = {one.id: (one.verdict, one.reason) for one in decision.rules}
    assert said["drift.shift[age]"] == ("warn", "0.2; at most 0.1 wanted")
    assert said["drift.shift[income]"][0] == "fail"
    assert "widest at 9" in said["drift.shift[income]"][1]
    assert not any("city" in name for name in said)
    # And if nobody knows the features, or a number has no distance, the model is denied
    unknown = judging.judge(params(rules, {}), {"drift": found["drift"]}, TODAY)
    assert ("drift.shift[*]", "insufficient") in [(one.id, one.verdict) for one in unknown.rules]
    metrics["age.ks_statistic"] = {"value": None, "note": "the reference has no value"}
    found["drift"] = evidence.model_of("drift").model_validate(
        MEASURED | {"gate": "drift", "metrics": metrics, "body": drift}
    )
    lost = judging.judge(params(rules, {}), found, TODAY)
    assert ("drift.shift[age]", "insufficient") in [(one.id, one.verdict) for one in lost.rules]
    assert lost.verdict == "deny"


def test_a_rule_is_repeated_for_each_class() -> None:
    # Given a rule about each class
    each = {"id": "evaluate.each", "each": "class", "metric": "evaluate.class.{each}.recall"}
    rule = config.Rule.model_validate(each | {"block": 0.5, "bound": "at_least", "owner": "me"})
    policy: Any = SimpleNamespace(rules=[rule])
    # When it is expanded for two classes, then there is a rule for each of them
    scope = Scope("classification", (), (), (), ("good", "a.b"))
    assert [(one.id, one.metric) for one in expected(policy, scope)] == [
        ("evaluate.each[good]", "evaluate.class.good.recall"),
        ("evaluate.each[a.b]", "evaluate.class.a.b.recall"),
    ]
    # And a target with one favourable value has no classes
    assert expected(policy, Scope("classification", (), ())) == []
