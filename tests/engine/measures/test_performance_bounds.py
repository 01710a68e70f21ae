"""Bounds on performance: they hold, and chance alone neither denies a model nor alarms anybody."""

from __future__ import annotations

from typing import Any

import numpy as np
import policies
import pytest
from scipy.special import expit, ndtr
from sklearn.metrics import r2_score, roc_auc_score

from governed_ml.core.evidence import Metric
from governed_ml.measures import performance
from governed_ml.measures.bounds import performance_bounds
from governed_ml.monitoring import judge_window
from governed_ml.policy.judge import compare

CONFIDENCE, WRONG = 0.95, 0.05


def answers(rows: int, rng: Any, bias: float = 0.0) -> tuple[Any, Any]:
    """Labels and scores; with a bias the scores' logits are too high by so much."""
    logit = 1.3 * rng.normal(size=rows)
    return (rng.random(rows) < expit(logit)).astype(float), expit(logit + bias)


def calibration(label: Any, score: Any) -> Metric:
    """The metric as the stage measures it."""
    metrics = performance.classification(label, score, (score > 0.5).astype(float), CONFIDENCE)
    return metrics["expected_calibration_error"]


@pytest.mark.parametrize(("rows", "bias"), [(200, 0.0), (200, 0.5), (2_000, 0.5)])
def test_bounds_of_the_calibration_error_hold(rows: int, bias: float) -> None:
    # Given the true error of a model over the bins, from very many rows
    rng = np.random.default_rng(31)
    label, score = answers(400_000, rng, bias)
    true = performance.calibration_error(performance.reliability(label, score)) if bias else 0.0
    found = [performance.reliability(*answers(rows, rng, bias)) for _ in range(300)]
    low, high = np.array(
        [performance_bounds.calibration_error_bounds(bins, CONFIDENCE) for bins in found]
    ).T
    # Then each bound is wrong at most one time in twenty
    assert (low > true).mean() <= WRONG
    assert (high < true).mean() <= WRONG
    assert all(
        one <= performance.calibration_error(bins) <= other
        for one, other, bins in zip(low, high, found, strict=True)
    )


def test_correlated_rows_of_a_person_widen_the_bounds() -> None:
    bins = performance.reliability(*answers(1_000, np.random.default_rng(32)))
    once, twice = (
        performance_bounds.calibration_error_bounds(bins, CONFIDENCE, effect)
        for effect in (1.0, 4.0)
    )
    assert twice[0] <= once[0] < once[1] < twice[1]


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["minimal", "limited", "high"])
def test_a_perfectly_calibrated_model_is_rarely_denied_by_chance(tier: str) -> None:
    # Given the rule of a tier, and a thousand test rows of a perfectly calibrated model
    rule = next(one for one in policies.of_template(tier).rules if one.id == "evaluate.calibration")
    rng = np.random.default_rng(33)
    verdicts = [compare(rule, calibration(*answers(1_000, rng)))[0] for _ in range(100)]
    # Then it is denied in at most 5 tables of a hundred, and warned in at most 10
    assert sum(one in ("fail", "insufficient") for one in verdicts) <= 5
    assert verdicts.count("warn") <= 10
    # And on fewer rows, where chance could, nobody says that the model is bad
    few = [compare(rule, calibration(*answers(300, rng)))[0] for _ in range(50)]
    assert set(few) <= {"pass", "insufficient"}
    # And a model that is off is denied, as before
    assert compare(rule, calibration(*answers(1_000, rng, 0.9)))[0] == "fail"


def test_bounds_of_the_roc_auc_hold_with_110_labels() -> None:
    # Given scores of two normal classes one standard deviation apart
    rng, found = np.random.default_rng(34), []
    for _ in range(400):
        label = (np.arange(110) < 40).astype(float)
        score = rng.normal(size=110) + label
        found.append(
            performance_bounds.roc_auc(label, score, float(roc_auc_score(label, score)), 0.95)
        )
    low, high = np.array(found).T
    true = ndtr(1 / np.sqrt(2))
    assert (low > true).mean() <= WRONG
    assert (high < true).mean() <= WRONG


def test_a_perfect_auc_has_a_lower_bound_below_one() -> None:
    label = (np.arange(60) < 10).astype(float)
    low, high = performance_bounds.roc_auc(label, label, 1.0, CONFIDENCE)
    assert (round(low, 3), high) == (0.722, 1.0)


def test_bounds_of_r2_hold_with_110_labels() -> None:
    rng, found = np.random.default_rng(35), []
    for _ in range(400):
        guess = rng.normal(size=110)
        target = guess + rng.normal(size=110)  # R² is a half
        found.append(
            performance_bounds.r2(target, guess, float(r2_score(target, guess)), CONFIDENCE)
        )
    low, high = np.array(found).T
    assert (low > 0.5).mean() <= WRONG
    assert (high < 0.5).mean() <= WRONG


def test_chance_raises_no_alarm_with_110_labels() -> None:
    # Given windows with 110 labels of a model that is perfectly calibrated
    rules = {one.id: one for one in policies.of_template("limited").monitoring.rules}  # pyright: ignore[reportOptionalMemberAccess]
    rng = np.random.default_rng(36)
    found = [
        judge_window.judged(rules["performance.calibration"], calibration(*answers(110, rng)))[0]
        for _ in range(100)
    ]
    # Then nobody is alarmed, and a model that is off by 0.3 is found
    assert set(found) <= {"healthy", "not_measured"}
    far = [
        judge_window.judged(rules["performance.calibration"], calibration(*answers(110, rng, 2.0)))[
            0
        ]
        for _ in range(20)
    ]
    assert sum(one in ("warn", "retrain") for one in far) >= 18


def answered(target: tuple[int, int], right: tuple[int, int]) -> dict[str, Metric]:
    """Metrics for so many rows with target 0 and 1, of which the model gets so many right."""
    label = np.repeat([0.0, 1.0], target)
    wrong = [n - one for n, one in zip(target, right, strict=True)]
    yes = np.repeat([0.0, 1.0, 1.0, 0.0], [right[0], wrong[0], right[1], wrong[1]])
    return performance.against_majority(label, yes)


@pytest.mark.parametrize(
    ("target", "right", "most", "gain", "verdict", "said"),
    [
        ((50, 950), (20, 920), 0.95, -0.2, "warn", "yes is right on 95.0% of the test rows, the"),
        ((50, 950), (40, 940), 0.95, 0.6, "pass", "the model on 98.0%"),
        ((950, 50), (900, 50), 0.95, 0.0, "pass", "always answering no is right on 95.0%"),
        ((50, 950), (0, 950), 0.95, None, "insufficient", "the model selects every row: its deci"),
        ((50, 950), (50, 0), 0.95, None, "insufficient", "nobody is selected: the decision does"),
    ],
)
def test_accuracy_is_compared_with_always_giving_the_more_frequent_answer(
    *,
    target: tuple[int, int],
    right: tuple[int, int],
    most: float,
    gain: float | None,
    verdict: str,
    said: str,
) -> None:
    # Given a model on an unbalanced table, when it is compared with the more frequent answer
    metrics = answered(target, right)
    assert metrics["majority_accuracy"].value == most
    assert metrics["errors_avoided"].value == (None if gain is None else pytest.approx(gain))
    # Then the policy warns if the model is right less often, and a model with one answer is denied
    rule = next(
        rule for rule in policies.of_template("high").rules if rule.id == "evaluate.majority"
    )
    found, reason = compare(rule, metrics["errors_avoided"])
    assert (found, said in reason) == (verdict, True), reason
