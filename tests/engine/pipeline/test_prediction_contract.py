"""The prediction contract: row rules over features and the model's answer, judged as a rule."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from baked import TEMPLATE

from governed_ml.core import config, evidence
from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem
from governed_ml.monitoring import window_contracts
from governed_ml.pipeline.contract import prediction_rows
from governed_ml.pipeline.stages import compose, evaluate
from governed_ml.policy import judge as judging

TODAY = date(2026, 6, 15)
SECRET = 987_654.25  # a value of one row, which no result may show
CAP = {
    "type": "expect_column_pair_values_a_to_be_greater_than_b",
    "kwargs": {"column_A": "cap", "column_B": "prediction", "or_equal": True},
}
POOR = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {
        "column": "prediction",
        "max_value": 500,
        "row_condition": "income < 1000",
        "condition_parser": "pandas",
    },
}
FEATURES = pd.DataFrame(
    {
        "income": [500.0, 800.0, 2_000.0, 9_000.0],
        "cap": [400.0, 500.0, 2_000.0, 9_000.0],
        "city": ["a", "b", "a", "b"],
    },
    index=[7, 3, 9, 1],  # as of a table in another order
)
GOOD = np.array([400.0, 100.0, 2_000.0, 8_000.0])
RULE = {
    "id": "evaluate.prediction_contract",
    "when": "has(params.data.prediction_contract)",
    "metric": "evaluate.failed_prediction_expectations",
    "block": 0,
    "owner": "risk-owner",
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def data(path: str | None, *expectations: dict[str, Any]) -> Data:
    """Configuration whose prediction contract has these expectations."""
    if path is not None and expectations:
        Path(path).write_text(json.dumps({"expectations": expectations}), encoding="utf-8")
    source = {"kind": "synthetic", "rows": 9}
    values = {"name": "d", "task": "regression", "target": "y", "source": source}
    values |= {"contract": "c.json", "prediction_contract": path}
    return Data.model_validate(values)


def found(prediction: Any, *expectations: dict[str, Any]) -> list[Any]:
    """The outcomes of these expectations for these predictions."""
    own = data("p.json", *expectations)
    return prediction_rows.outcomes(own, FEATURES, prediction, prediction) or []


def test_rows_that_keep_every_rule_satisfy_the_contract() -> None:
    outcomes = found(GOOD, CAP, POOR)
    assert [one.success for one in outcomes] == [True, True]
    metrics = evaluate.contract_metrics(outcomes)
    assert metrics["prediction_expectations"].value == 2
    assert metrics["failed_prediction_expectations"].value == 0


def test_a_row_beyond_its_cap_is_counted_in_words_and_not_shown() -> None:
    # Given one answer that is beyond the cap of its row, though not beyond every cap
    outcomes = found(np.array([400.0, 100.0, SECRET, 8_000.0]), CAP, POOR)
    assert [one.success for one in outcomes] == [False, True]
    metric = evaluate.contract_metrics(outcomes)["failed_prediction_expectations"]
    # Then the metric says which rule, and how many rows, and nothing of the row
    assert metric.value == 1
    assert metric.note == (
        "table: 25 % otherwise (1 rows), cap must be at least prediction "
        "(expect_column_pair_values_a_to_be_greater_than_b)"
    )
    shown = json.dumps([one.model_dump(mode="json") for one in outcomes])
    assert "987" not in shown + metric.note


def test_a_rule_about_some_rows_only_is_judged_on_these() -> None:
    # Given an answer of 2,000 for a row of an income of 2,000, and one of 600 for 800
    assert found(GOOD, POOR)[0].success
    (broken,) = found(np.array([400.0, 600.0, 2_000.0, 8_000.0]), POOR)
    assert not broken.success
    assert broken.unexpected_count == 1
    assert broken.limits == "must be at most 500, where income < 1000"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "the prediction contract p.json is missing: write it, or remove"),
        ('{"expectations": []}', "p.json has no expectation: add at least one, or remove"),
        ("[1]", "p.json is not an expectation suite"),
        ("{", "p.json is not readable JSON"),
        (
            json.dumps({"expectations": [{"type": "expect_magic", "kwargs": {}}]}),
            "prediction contract p.json: ",
        ),
    ],
)
def test_a_contract_that_cannot_be_judged_stops_the_stage(content: str | None, said: str) -> None:
    if content is not None:
        Path("p.json").write_text(content, encoding="utf-8")
    with pytest.raises(Problem) as caught:
        prediction_rows.outcomes(data("p.json"), FEATURES, GOOD, GOOD)
    assert str(caught.value).startswith(said)


def test_an_expectation_about_a_column_that_is_not_there_fails() -> None:
    one = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "age"}}
    (broken,) = found(GOOD, one)
    assert (broken.success, broken.observed) == (False, "there is no column age")


@pytest.mark.parametrize("name", ["prediction", "score"])
def test_a_feature_with_the_name_of_an_answer_is_called_input(name: str) -> None:
    # Given a feature that is called like an answer, and limits that only its own values break
    rows = FEATURES.rename(columns={"income": name})
    low = {"type": "expect_column_max_to_be_between", "kwargs": {"max_value": -1}}
    own, answer = (
        low | {"kwargs": low["kwargs"] | {"column": column}} for column in (f"input.{name}", name)
    )
    # When both columns are judged, then each expectation sees its own column
    both = prediction_rows.outcomes(data("p.json", own, answer), rows, GOOD, GOOD)
    assert both is not None
    seen = [one.observed for one in both]
    assert seen[0] != seen[1]
    assert str(int(rows[name].max())) in seen[0].replace(",", "").replace(".0", "")


def test_without_a_contract_nothing_is_measured() -> None:
    assert prediction_rows.outcomes(data(None), FEATURES, GOOD, GOOD) is None
    assert evaluate.contract_metrics(None) == {}
    assert "prediction_contract" not in data(None).model_dump()


def params(own: Data, *rules: dict[str, Any]) -> Any:
    """A small configuration."""
    project = {"organisation": "o", "risk_owner": "@r", "model_owner": "@m"}
    policy = {"name": "p", "confidence": 0.95, "rules": list(rules)}
    policy |= {"risk": {"weights": {"evaluate": 100}}}
    policy |= {"perturbation": {"size": 0.1, "tolerance": 0.1}}
    return config.parse(
        {
            "project": project | {"name": "p", "risk_tier": "high"},
            "seed": 1,
            "experiment": "e",
            "deployment": {},
            "data": own.model_dump(),
            "split": {"kind": "random", "test_share": 0.3},
            "model": {"name": "m", "estimator": {"_target_": "sklearn.linear_model.Ridge"}},
            "policy": policy,
        }
    )


def measured(metrics: Any) -> Any:
    """Evidence of `evaluate` with these metrics."""
    body = {"task": "regression", "rows": 9, "confusion": {}, "calibration": [], "champion": None}
    inputs = {"a": "sha256:0"}
    return evidence.model_of("evaluate").model_validate(
        {
            "gate": "evaluate",
            "subject": {"inputs": inputs, "code": "sha256:0", "config": "sha256:0"},
            "tools": {},
            "findings": [],
            "metrics": metrics,
            "body": body | {"leaks": {}},
            "volatile": {},
        }
    )


def verdict(own: Data, metrics: Any) -> tuple[str, str]:
    """The verdict of the shipped rule, and its reason."""
    decision = judging.judge(params(own, RULE), {"evaluate": measured(metrics)}, TODAY)
    return decision.rules[0].verdict, decision.rules[0].reason


def test_the_rule_is_the_shipped_one_and_denies_a_broken_contract() -> None:
    import yaml

    shipped = yaml.safe_load((TEMPLATE / "conf/policy/base.yaml").read_text(encoding="utf-8"))
    assert shipped["rules"][RULE["id"]] | {"id": RULE["id"]} == RULE
    own = data("p.json", CAP)
    beyond = np.array([400.0, 100.0, SECRET, 8_000.0])
    said, reason = verdict(own, evaluate.contract_metrics(found(beyond, CAP)))
    assert said == "fail"
    assert "cap must be at least prediction" in reason
    assert verdict(own, evaluate.contract_metrics(found(GOOD, CAP)))[0] == "pass"
    # And what was not measured under the contract is denied, and without one it does not apply
    assert verdict(own, {})[0] == "insufficient"
    assert verdict(data(None), {}) == ("pass", f"does not apply: {RULE['when']}")


def test_a_contract_that_no_rule_judges_is_refused() -> None:
    # Given a policy whose rules do not ask for it, or only warn
    own = data("p.json", CAP)
    for rule in (RULE | {"metric": "evaluate.r2"}, RULE | {"block": None, "warn": 0}):
        with pytest.raises(Problem, match="no rule of policy p blocks on evaluate"):
            compose.check(params(own, rule))
    compose.check(params(own, RULE))
    compose.check(params(data(None), RULE | {"metric": "evaluate.r2"}))


def test_a_window_is_held_to_the_contract_too() -> None:
    rows = SimpleNamespace(features=FEATURES, score=GOOD, prediction=GOOD)
    own = data("p.json", CAP, POOR)
    assert window_contracts.predictions(cast("Any", rows), own).value == 0
    rows.prediction = np.array([400.0, 100.0, SECRET, 8_000.0])
    metric = window_contracts.predictions(cast("Any", rows), own)
    assert (metric.value, metric.n) == (1, 4)
    assert metric.note.startswith("several columns: 25 % otherwise (1 rows), cap must be at least")
    assert "987" not in metric.note
