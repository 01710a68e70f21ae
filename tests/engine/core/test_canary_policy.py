"""The section `canary` of the policy: its steps, its rules, and policies without it."""

from __future__ import annotations

from typing import Any

import policies
import pytest
from pydantic import ValidationError

from governed_ml.core.config.policy_schema import Policy
from governed_ml.core.config.production.canary import CanaryTerms
from governed_ml.policy.weaker_policy import below_floor

RULE = {"id": "canary.errors", "metric": "canary.error_rate_difference", "block": 0.02}
RULE |= {"owner": "model-owner"}
TERMS: dict[str, Any] = {"steps": [10, 25], "minimum_rows": 100, "maximum_days": 7}
TERMS |= {"rules": [RULE]}
PLAIN = {"id": "evaluate.x", "metric": "evaluate.x", "block": 0.1, "owner": "o"}


def test_the_steps_follow_one_another_whatever_share_a_canary_began_with() -> None:
    # Given the steps of a policy, when the next step is asked for
    terms = CanaryTerms.model_validate(TERMS)
    # Then it is the next larger share, and after the last one there is none
    assert [terms.next_step(share) for share in (5, 10, 20, 25, 60)] == [10, 25, 25, None, None]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"steps": [25, 10]}, "each share must be larger"),
        ({"steps": [10, 10]}, "each share must be larger"),
        ({"steps": []}, "at least 1 item"),
        ({"steps": [100]}, "less than or equal to 99"),
        ({"steps": [0]}, "greater than or equal to 1"),
        ({"steps": [True]}, "valid integer"),
        ({"steps": ["10"]}, "valid integer"),
        ({"minimum_rows": 0}, "greater than or equal to 1"),
        ({"rules": []}, "at least 1 item"),
        ({"rules": [RULE, RULE]}, r"canary\.errors is listed twice"),
        ({"rules": [RULE | {"metric": "canary.erorrs"}]}, "a canary has the metrics"),
        ({"rules": [RULE | {"each": "sensitive"}]}, "each needs {each} in metric"),
        ({"rules": [{"id": "canary.x", "metric": RULE["metric"], "owner": "o"}]}, "block"),
        ({"rules": [RULE | {"block": float("nan")}]}, "finite number"),
        ({"rules": [RULE | {"warn": 0.1}]}, "Extra inputs are not permitted"),
    ],
)
def test_a_section_that_cannot_judge_is_refused(change: dict[str, Any], cause: str) -> None:
    # Given a section with one fault, when it is read, then it is refused for that
    with pytest.raises(ValidationError, match=cause):
        CanaryTerms.model_validate(TERMS | change)


def test_a_policy_without_the_section_keeps_its_digest() -> None:
    # Given a policy as earlier engines had it, when it is dumped, then the section is not there
    values = {"name": "limited", "confidence": 0.95, "rules": [PLAIN]}
    assert "canary" not in Policy.model_validate(values).model_dump(mode="json")
    # And one that has the section dumps it
    assert "canary" in Policy.model_validate(values | {"canary": TERMS}).model_dump(mode="json")


@pytest.mark.parametrize("tier", ["minimal", "limited", "high"])
def test_each_tier_says_how_a_version_is_tried(tier: str) -> None:
    # Given a policy of the template, when its canary is read
    terms = policies.of_template(tier).canary
    # Then errors, time and drift are judged in each, fairness wherever it can deny a model
    assert terms is not None
    rules = {rule.id.removeprefix("canary.") for rule in terms.rules}
    fair = {"demographic_parity"} if tier != "minimal" else set[str]()
    assert rules == {"errors", "latency", "score_drift"} | fair


def test_the_floor_of_an_organisation_binds_a_canary_but_demands_none() -> None:
    # Given a floor with a canary, when a project is weaker, then it is below the floor
    floor = {"file": "floor.yaml", "sha256": "0" * 64, "canary": TERMS}
    values = {"name": "limited", "confidence": 0.95, "rules": [PLAIN], "floor": floor}
    weak = TERMS | {"minimum_rows": 50, "rules": [RULE | {"block": 0.5}]}
    found = below_floor(Policy.model_validate(values | {"canary": weak}))
    assert found.keys() == {"canary.minimum_rows", "canary.errors"}
    assert found["canary.errors"] == "block is 0.5, the floor has 0.02 (at_most)"
    # And a project without canaries is not below it
    assert not below_floor(Policy.model_validate(values))
