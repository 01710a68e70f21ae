"""A broken prediction contract denies a model, from the configuration to the page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from baked import BakedProject
from judging import denied, judged, replace  # noqa: F401 - a fixture, too

pytestmark = pytest.mark.slow

SUITE = "governance/expectations/predictions.json"
RULE = "evaluate.prediction_contract"


def expect(project: BakedProject, *expectations: dict[str, Any]) -> None:
    """Write the prediction contract."""
    project.write(SUITE, json.dumps({"expectations": expectations}))


def limit(**limits: Any) -> dict[str, Any]:
    """Limits on the score, of the applicants with a small income only."""
    only = {"row_condition": "income < 20000", "condition_parser": "pandas"}
    kwargs = {"column": "score"} | limits | only
    return {"type": "expect_column_values_to_be_between", "kwargs": kwargs}


def verdict(project: BakedProject) -> dict[str, Any]:
    """The verdict of the contract's rule; the gate denies, as other stages have not run again."""
    found = json.loads(project.call("gate", "evaluate", "--json", code=None).stdout)
    return next(one for one in found["rules"] if one["id"] == RULE)


def test_a_broken_prediction_contract_denies(judged: BakedProject) -> None:  # noqa: F811
    # Given a finished project, whose rule does not apply
    assert verdict(judged)["reason"].startswith("does not apply")
    # When a prediction contract is configured, then what was measured before is not enough
    expect(judged, limit(max_value=1))
    name = "conf/data/synthetic.yaml"
    judged.write(name, f"{judged.read(name)}\nprediction_contract: {SUITE}\n")
    assert "conf/ has changed" in verdict(judged)["reason"]
    # And when it is measured and holds, then the rule passes
    for stage in ("compose", "evaluate"):
        judged.call("stage", stage)
    assert (verdict(judged)["verdict"], verdict(judged)["value"]) == ("pass", 0)
    # And when the contract changes, then it has to be measured again
    expect(judged, limit(max_value=1), limit(max_value=0))
    assert f"{SUITE} has changed" in verdict(judged)["reason"]
    judged.call("stage", "evaluate")
    said = verdict(judged)
    # Then the rule fails with the expectation in words, in the decision and on the page
    assert said["verdict"] == "fail"
    words = "must be at most 0, where income &lt; 20000"
    assert words.replace("&lt;", "<") in said["reason"]
    assert "otherwise" in said["reason"]
    assert RULE in denied(judged)
    judged.call("page")
    page = judged.read("reports/index.html")
    assert "Expectations about predictions, broken ones first" in page
    assert words in page
    # And without the file, the stage stops, and nothing is allowed
    (judged.path / SUITE).unlink()
    done = judged.call("stage", "evaluate", code=None)
    assert done.returncode != 0
    assert f"the prediction contract {SUITE} is missing" in done.stderr
    assert verdict(judged)["verdict"] == "insufficient"
