"""How long a prediction of one row takes: measured with one thread, judged, and never compared."""

from __future__ import annotations

import platform
from datetime import date
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from threadpoolctl import threadpool_info

from governed_ml.core import config, evidence
from governed_ml.core.config.policy_schema import Rule
from governed_ml.page.rule_sentences import sentence
from governed_ml.pipeline.evaluation import latency
from governed_ml.policy import judge as judging
from governed_ml.policy.decision import Decision
from governed_ml.registry.remeasure.recompute import require_same, require_sealed

TODAY = date(2026, 6, 15)
ROWS = pd.DataFrame({"x": np.arange(50.0)})


class Clock:
    """A clock that only moves when somebody works."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Slow:
    """A model of which each call takes the next of these milliseconds."""

    def __init__(self, clock: Clock, milliseconds: list[float]) -> None:
        self.clock, self.left, self.seen = clock, list(milliseconds), []
        self.threads: set[int] = set()

    def predict(self, rows: pd.DataFrame) -> Any:
        self.seen.append(float(rows["x"].iloc[0]))
        self.threads |= {pool["num_threads"] for pool in threadpool_info()}
        assert len(rows) == 1
        self.clock.now += (self.left.pop(0) if len(self.left) > 1 else self.left[0]) / 1000
        return np.zeros(1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the measurement reads."""
    found = Clock()
    monkeypatch.setattr(latency, "time", found)
    return found


def test_quantiles_are_those_of_single_rows_after_the_first_ones(clock: Clock) -> None:
    # Given a model whose first predictions are slow, and then one in ten
    model = Slow(clock, [90.0] * latency.WARM_UP + [0.5, *[0.1] * 9] * 20)
    # When its latency is measured
    timings, machine = latency.latency(model, ROWS, "regression")
    p50, p95 = timings["latency_p50_ms"], timings["latency_p95_ms"]
    # Then only the rest count; each was of one row, of different ones, with one thread
    assert (p50.value, p95.value) == (0.1, 0.5)
    assert p50.n == p95.n == latency.MOST
    assert len({*model.seen}) == 50
    assert model.threads == {1}
    # And the machine is told, in the metric and apart
    assert machine == {
        "cpus": joblib.cpu_count(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    assert f"{p95.n} predictions of one row, with one thread, on {machine['platform']}" in p95.note


def test_a_slow_model_is_not_asked_for_long(clock: Clock) -> None:
    # Given a model that needs a second for a row
    model = Slow(clock, [1000.0])
    # When its latency is measured, then after a few predictions
    timings, _ = latency.latency(model, ROWS, "regression")
    assert timings["latency_p95_ms"].value == 1000
    assert timings["latency_p95_ms"].n == latency.LEAST
    assert len(model.seen) == latency.LEAST + latency.WARM_UP


def test_a_fast_model_is_asked_for_a_fifth_of_a_second_at_most(clock: Clock) -> None:
    model = Slow(clock, [2.0])
    timings, _ = latency.latency(model, ROWS, "regression")
    assert clock.now == pytest.approx(latency.SECONDS, abs=0.01)
    assert timings["latency_p50_ms"].n == len(model.seen) - latency.WARM_UP
    quick = Slow(clock, [0.001])
    assert latency.latency(quick, ROWS, "regression")[0]["latency_p50_ms"].n == 200


def test_without_rows_there_is_no_latency(clock: Clock) -> None:
    timings, _ = latency.latency(Slow(clock, [1.0]), ROWS.head(0), "regression")
    for metric in timings.values():
        assert (metric.value, metric.note) == (None, "there are no rows to predict")


def measured(p95: float | None, **volatile: Any) -> Any:
    """Evidence of `evaluate` with that latency."""
    body = {"task": "regression", "rows": 9, "confusion": {}, "calibration": [], "champion": None}
    timing = {"value": p95, "n": 40, "note": "of 40 predictions of one row"}
    return evidence.model_of("evaluate").model_validate(
        {
            "gate": "evaluate",
            "subject": {"inputs": {"a": "sha256:0"}, "code": "sha256:0", "config": "sha256:0"},
            "tools": {},
            "findings": [],
            "metrics": {"r2": {"value": 0.9, "n": 9}},
            "body": body | {"leaks": {}},
            "volatile": {"timings": {"latency_p95_ms": timing}} | volatile,
        }
    )


LATENCY = {"id": "evaluate.latency", "metric": "evaluate.latency_p95_ms", "owner": "me"}


def judged(found: Any, **rule: Any) -> Decision:
    """The decision about this evidence by one rule."""
    project = {"organisation": "o", "risk_owner": "@r", "model_owner": "@m"}
    data = {"name": "d", "task": "regression", "target": "y", "contract": "c.json"}
    params = config.parse(
        {
            "project": project | {"name": "p", "risk_tier": "high"},
            "seed": 1,
            "experiment": "e",
            "deployment": {},
            "data": data | {"source": {"kind": "synthetic", "rows": 10}},
            "split": {"kind": "random", "test_share": 0.3},
            "model": {"name": "m", "estimator": {}},
            "policy": {
                "name": "p",
                "confidence": 0.95,
                "rules": [rule],
                "risk": {"weights": {"evaluate": 100}},
            },
        }
    )
    return judging.judge(params, {"evaluate": found}, TODAY)


@pytest.mark.parametrize(
    ("p95", "verdict", "reason"),
    [
        (19.0, "pass", "19; of 40 predictions"),
        (21.0, "warn", "at most 20 wanted"),
        (51.0, "fail", "at most 50 allowed"),
        (None, "insufficient", "of 40 predictions"),
    ],
)
def test_a_rule_judges_the_time(p95: float | None, verdict: str, reason: str) -> None:
    rule = judged(measured(p95), **LATENCY, warn=20, block=50).rules[0]
    assert (rule.verdict, rule.value) == (verdict, p95)
    assert reason in rule.reason


def test_a_rule_about_a_time_that_nobody_measured_denies() -> None:
    decision = judged(measured(1.0, timings={}), **LATENCY, warn=20)
    assert decision.rules[0].verdict == "insufficient"
    assert "has no metric latency_p95_ms" in decision.rules[0].reason
    assert decision.verdict == "deny"


def test_an_expression_can_name_the_time() -> None:
    rule = {"id": "evaluate.fast", "owner": "me"}
    rule |= {"require": "evidence.evaluate.latency_p95_ms <= 20.0"}
    assert judged(measured(19.0), **rule).rules[0].verdict == "pass"
    assert judged(measured(21.0), **rule).rules[0].verdict == "fail"


def test_times_are_in_no_digest_and_in_no_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given the same measurement on two machines
    one, two = measured(3.0), measured(9.0)
    slower = measured(30.0)
    # When their numbers are compared, as `register` and CI do, then they are the same
    require_same("evaluate", one, two)
    monkeypatch.setattr("governed_ml.registry.remeasure.recompute.collect", lambda _: {"e": two})
    require_sealed(Path(), {"e": one})
    # And the decision is one decision as long as the verdict is one
    rule = LATENCY | {"warn": 20}
    first, second, third = (judged(found, **rule) for found in (one, two, slower))
    assert first.subject.evidence == second.subject.evidence
    assert first.rules != second.rules
    assert first.digest() == second.digest()
    assert third.digest() != first.digest()
    # But of a rule about anything else, the digest covers the value
    other = {"id": "evaluate.r2", "metric": "evaluate.r2", "bound": "at_least", "owner": "me"}
    before = judged(one, **other, warn=0.5)
    changed = one.model_copy(update={"metrics": {"r2": evidence.Metric(value=0.8, n=9)}})
    assert before.digest() != judged(changed, **other, warn=0.5).digest()
    assert "timed" not in before.rules[0].model_dump()


def test_only_times_can_be_stored_where_no_digest_covers_them() -> None:
    # Given what no digest covers, when another number is put there, then it is refused
    with pytest.raises(ValidationError, match="r2"):
        measured(1.0, timings={"r2": {"value": 1.0}})


def test_the_sentence_of_the_rule_says_what_is_measured() -> None:
    assert sentence(Rule.model_validate(LATENCY | {"warn": 20})) == (
        "The 95th percentile of the time of a prediction of one row, in milliseconds should be at "
        "most 20; the rule only warns."
    )
