"""What a change does to what judges is reported rule by rule, with its direction."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governed_ml.core import config, evidence
from governed_ml.github import policy_diff as diffs
from governed_ml.policy import judge as policy
from governed_ml.policy import weaker_policy
from governed_ml.scaffold.locked_packages import supply
from governed_ml.scaffold.manifest import Outside

RULE: dict[str, Any] = {"id": "evaluate.x", "metric": "evaluate.x", "block": 0.1, "owner": "o"}
GATE = ".github/workflows/governance.yml"
EDITED = Outside(GATE, "", "differs from this engine's template", "restore it", "0" * 64)
WEIGHTS = {"weights": {"evaluate": 60, "drift": 40}}
SPLIT = {"kind": "group", "test_share": 0.3}
LOG = {"source": {"kind": "log"}}
MOVED = {"size": 0.1, "tolerance": 0.1}
PACKAGE = "pyproject.toml [tool.uv] package"
numbers = st.floats(-2, 2).map(lambda value: round(value, 2))


def state(**changes: Any) -> Any:
    """What a commit is judged by, in the parts that are compared."""
    values = {"name": "limited", "confidence": 0.95, "rules": [RULE], "perturbation": MOVED}
    values |= {"risk": WEIGHTS} | changes
    sensitive = values.pop("sensitive", {"sex": {}})
    contract, predictions = values.pop("contract", []), values.pop("predictions", [])
    data = config.Data.model_validate(
        {
            "name": "loans",
            "source": {"kind": "file", "path": "data/source/loans.csv"},
            "target": "paid",
            "positive": values.pop("positive", "yes"),
            "task": "classification",
            "sensitive": sensitive,
            "proxies": values.pop("proxies", []),
            "contract": "governance/expectations/loans.json",
        }
        | values.pop("data", {})
    )
    split = config.Split.model_validate(SPLIT | values.pop("split", {}))
    production = {
        "monitor": config.Monitor.model_validate(values.pop("monitor", {})),
        "notify": config.Notify.model_validate(values.pop("notify", {})),
    }
    seed = values.pop("seed", 2026)
    outside = {one.place: one for one in values.pop("outside", [])}
    packages = supply({"pyproject.toml": values.pop("pyproject", "").encode()}.get)
    deployment = values.pop("deployment", {"region": "EU"})
    own = config.Policy.model_validate(values)
    params = config.Params.model_construct(
        policy=own, data=data, deployment=deployment, split=split, seed=seed, **production
    )
    return diffs.State(params, contract, outside, packages, predictions=predictions)


def compared(old: Any, new: Any) -> list[tuple[str, str]]:
    """Every difference as kind and rule."""
    return [(one.kind, one.rule) for one in diffs.compare(old, new)]


WAIVER = {"rule": "evaluate.x", "reason": "until the new data", "approved_by": "@risk"}
NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a"}}
APPROVALS = {"roles": ["model-owner", "risk-owner"], "valid_days": 30}
REWEIGHED = [("loosened", "risk.weights.evaluate"), ("tightened", "risk.weights.drift")]
WATCH = {"id": "drift.data", "metric": "drift.x", "warn": 0.1, "retrain": 0.2, "owner": "o"}
WATCHED = {
    "minimum_rows": 10,
    "maximum_age_days": 9,
    "liveness_days": 9,
    "rules": [WATCH],
    "rollback_windows": 3,
    "retrain_every_days": 9,
}
ERRORS = {"id": "canary.errors", "metric": "canary.error_rate_difference", "block": 0.02}
ERRORS |= {"minimum_n": 20, "owner": "o"}
TRIED = {"steps": [10, 50], "minimum_rows": 500, "maximum_days": 14, "rules": [ERRORS]}
FLOOR = {"file": "floor.yaml", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({}, {"rules": [RULE | {"block": 0.2}]}, [("loosened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"block": 0.05}]}, [("tightened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"block": None, "warn": 0.1}]}, [("loosened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"metric": "evaluate.y"}]}, [("loosened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"when": "false"}]}, [("loosened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"bound": "at_least"}]}, [("loosened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"minimum_n": 30}]}, [("tightened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"owner": "p"}]}, [("changed", "evaluate.x")]),
        ({}, {"data": {"rows": "age >= 18"}}, [("loosened", "data.rows")]),
        ({"data": {"rows": "age >= 18"}}, {}, [("loosened", "data.rows")]),
        ({}, {"data": {"drop_unlabelled": True}}, [("loosened", "data.drop_unlabelled")]),
        ({"data": {"drop_unlabelled": True}}, {}, [("loosened", "data.drop_unlabelled")]),
        ({}, {"data": {"against": "rest"}}, [("loosened", "data.against")]),
        ({"rules": [RULE, RULE | {"id": "evaluate.y"}]}, {}, [("loosened", "evaluate.y")]),
        ({}, {"rules": [RULE, RULE | {"id": "evaluate.y"}]}, [("tightened", "evaluate.y")]),
        (
            {},
            {"waivers": [WAIVER | {"expires": "2027-01-01"}]},
            [("loosened", "evaluate.x")],
        ),
        (
            {"waivers": [WAIVER | {"expires": "2027-01-01"}]},
            {"waivers": [WAIVER | {"expires": "2027-01-02"}]},
            [("loosened", "evaluate.x")],
        ),
        (
            {"waivers": [WAIVER | {"expires": "2027-01-01"}]},
            {"waivers": [WAIVER | {"expires": "2026-12-01"}]},
            [("changed", "evaluate.x")],
        ),
        ({"waivers": [WAIVER | {"expires": "2027-01-01"}]}, {}, [("tightened", "evaluate.x")]),
        ({}, {"confidence": 0.9}, [("loosened", "confidence")]),
        ({}, {"confidence": 0.99}, [("tightened", "confidence")]),
        ({}, {"perturbation": MOVED | {"size": 0.05}}, [("loosened", "perturbation.size")]),
        ({}, {"perturbation": MOVED | {"size": 0.2}}, [("tightened", "perturbation.size")]),
        (
            {},
            {"perturbation": MOVED | {"tolerance": 1.0}},
            [("loosened", "perturbation.tolerance")],
        ),
        ({}, {"perturbation": None}, [("loosened", f"perturbation.{one}") for one in MOVED]),
        ({}, {"risk": {"weights": {"evaluate": 50, "drift": 50}}}, REWEIGHED),
        ({}, {"risk": None}, [("loosened", f"risk.weights.{one}") for one in WEIGHTS["weights"]]),
        ({"monitoring": WATCHED}, {}, [("loosened", "monitoring")]),
        (
            {"monitoring": WATCHED},
            {"monitoring": WATCHED | {"rollback_windows": 4, "minimum_rows": 20}},
            [
                ("loosened", "monitoring.rollback_windows"),
                ("tightened", "monitoring.minimum_rows"),
            ],
        ),
        (
            {"monitoring": WATCHED},
            {"monitoring": WATCHED | {"rules": [WATCH | {"retrain": 0.3}]}},
            [("loosened", "monitoring.drift.data")],
        ),
        ({}, {"monitoring": WATCHED}, [("tightened", "monitoring")]),
        ({"canary": TRIED}, {}, [("changed", "canary")]),
        ({}, {"canary": TRIED}, [("changed", "canary")]),
        (
            {"canary": TRIED},
            {"canary": TRIED | {"minimum_rows": 400, "maximum_days": 7}},
            [("loosened", "canary.minimum_rows"), ("tightened", "canary.maximum_days")],
        ),
        (
            {"canary": TRIED},
            {"canary": TRIED | {"steps": [50]}},
            [("loosened", "canary.steps")],
        ),
        (
            {"canary": TRIED},
            {"canary": TRIED | {"steps": [5, 10, 50, 75]}},
            [("tightened", "canary.steps")],
        ),
        (
            {"canary": TRIED},
            {"canary": TRIED | {"rules": [ERRORS | {"block": 0.03}]}},
            [("loosened", "canary.errors")],
        ),
        (
            {"canary": TRIED},
            {"canary": TRIED | {"rules": [ERRORS | {"minimum_n": 30}]}},
            [("loosened", "canary.errors")],
        ),
        (
            {"canary": TRIED},
            {"canary": TRIED | {"rules": [ERRORS | {"block": 0.01}]}},
            [("tightened", "canary.errors")],
        ),
        ({"approvals": APPROVALS}, {}, [("loosened", "approvals")]),
        (
            {"approvals": APPROVALS},
            {"approvals": APPROVALS | {"roles": ["model-owner"]}},
            [("loosened", "approvals")],
        ),
        (
            {"approvals": APPROVALS},
            {"approvals": APPROVALS | {"valid_days": 31}},
            [("loosened", "approvals")],
        ),
        ({}, {"forks": {"accept_committed": True}}, [("loosened", "forks.accept_committed")]),
        ({"forks": {"accept_committed": True}}, {}, [("tightened", "forks.accept_committed")]),
        ({}, {"forks": {"accept_committed": False}}, []),
        ({}, {"engine": {"accept_days": 1}}, [("loosened", "engine.accept_days")]),
        ({"engine": {"accept_days": 2}}, {}, [("tightened", "engine.accept_days")]),
        (
            {"engine": {"accept_days": 2}},
            {"engine": {"accept_days": 3}},
            [("loosened", "engine.accept_days")],
        ),
        ({"engine": {"accept_days": 0}}, {}, []),
        ({}, {"estimator_packages": ["imblearn"]}, [("loosened", "estimator_packages")]),
        ({"estimator_packages": ["imblearn"]}, {}, [("tightened", "estimator_packages")]),
        (
            {"estimator_packages": ["imblearn"]},
            {"estimator_packages": ["mapie"]},
            [("loosened", "estimator_packages")],
        ),
        ({}, {"estimator_packages": []}, []),
        ({"floor": FLOOR}, {}, [("loosened", "floor")]),
        ({"floor": FLOOR}, {"floor": FLOOR | {"sha256": "1" * 64}}, [("loosened", "floor")]),
        ({}, {"name": "minimal"}, [("changed", "policy")]),
        ({}, {"sensitive": {}}, [("loosened", "data.sensitive.sex")]),
        ({}, {"sensitive": {"sex": {"labels": {"1": "m"}}}}, [("loosened", "data.sensitive.sex")]),
        ({}, {"sensitive": {"sex": {}, "age": {}}}, []),
        ({}, {"deployment": {"region": "US"}}, [("loosened", "deployment")]),
        ({}, {"positive": "no"}, [("loosened", "data.positive")]),
        ({"proxies": ["zip"]}, {}, [("loosened", "data.proxies.zip")]),
        ({}, {"proxies": ["zip"]}, []),
        (
            {},
            {"data": {"source": {"kind": "team", "function": "curated"}}},
            [("loosened", "data.source")],
        ),
        ({"data": {"group": "person"}}, {}, [("loosened", "data.group")]),
        ({"data": {"time": "day"}}, {}, [("loosened", "data.time")]),
        ({}, {"data": {"drop": ["hard"]}}, [("loosened", "data.drop")]),
        ({}, {"data": {"categorical": ["zip"]}}, [("loosened", "data.categorical")]),
        ({}, {"data": {"contract": "other.json"}}, [("loosened", "data.contract")]),
        ({}, {"data": {"name": "credit"}}, [("changed", "data.name")]),
        ({}, {"split": {"kind": "random"}}, [("loosened", "split.kind")]),
        ({}, {"split": {"test_share": 0.02}}, [("loosened", "split.test_share")]),
        ({}, {"seed": 7}, [("loosened", "seed")]),
        ({}, {"monitor": LOG}, [("tightened", "monitor.source")]),
        ({"monitor": LOG}, {}, [("loosened", "monitor.source")]),
        ({}, {"monitor": {"label_delay_days": 90}}, [("loosened", "monitor.label_delay_days")]),
        ({"notify": {"url": "env:HOOK"}}, {}, [("loosened", "notify.url")]),
        ({}, {"outside": [EDITED]}, [("loosened", GATE)]),
        ({"outside": [EDITED]}, {"outside": [EDITED._replace(digest="1")]}, [("loosened", GATE)]),
        ({"outside": [EDITED]}, {"outside": [EDITED]}, []),
        ({"outside": [EDITED]}, {}, [("tightened", GATE)]),
        ({}, {"pyproject": "[tool.uv]\npackage = true\n"}, [("loosened", PACKAGE)]),
        (
            {},
            {"data": {"prediction_contract": "p.json"}},
            [("tightened", "data.prediction_contract")],
        ),
        (
            {"data": {"prediction_contract": "p.json"}},
            {},
            [("loosened", "data.prediction_contract")],
        ),
        ({"predictions": [NULL]}, {}, [("loosened", "evaluate.prediction_contract")]),
        ({}, {"predictions": [NULL]}, []),
        ({"contract": [NULL]}, {}, [("loosened", "validate.contract")]),
        ({}, {"contract": [NULL]}, []),
    ],
)
def test_every_difference_is_reported_with_its_direction(
    before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    # Given what a commit is judged by, when a change is compared with it, then it is told
    assert compared(state(**before), state(**after)) == expected


def test_a_duplicate_waiver_is_refused() -> None:
    # Given a policy with two waivers of one rule, of which a reader may see either
    twice = [WAIVER | {"expires": day} for day in ("2030-01-01", "2026-12-01")]
    # When it is read, then it is refused
    with pytest.raises(ValueError, match=r"waiver for evaluate\.x is listed twice"):
        state(waivers=twice)


@st.composite
def limits(draw: st.DrawFn) -> Any:
    """A rule with a limit."""
    values = RULE | {
        "bound": draw(st.sampled_from(["at_most", "at_least"])),
        "block": draw(st.none() | numbers),
        "warn": draw(numbers),
        "evidence": draw(st.sampled_from(["point", "beyond_chance", "interval"])),
        "minimum_n": draw(st.none() | st.integers(1, 50)),
    }
    return config.Rule.model_validate({k: v for k, v in values.items() if v is not None})


@st.composite
def metrics(draw: st.DrawFn) -> Any:
    """A metric, with bounds or without."""
    low, value, high = sorted(draw(st.tuples(numbers, numbers, numbers)))
    bounds = {"lower": low, "upper": high} if draw(st.booleans()) else {}
    n = draw(st.none() | st.integers(0, 60))
    return evidence.Metric(value=value, n=n, note="of a test", **bounds)


@given(limits(), limits(), metrics())
def test_a_rule_not_reported_as_loosened_admits_nothing_more(
    old: Any, new: Any, metric: Any
) -> None:
    # Given two versions of a rule of which the second is not called weaker
    if weaker_policy.weaker_rule(new, old):
        return
    # When both judge the same number, then what the second lets through the first did, too
    through = ("pass", "warn")
    if policy.compare(new, metric)[0] in through:
        assert policy.compare(old, metric)[0] in through
