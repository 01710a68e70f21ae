"""Regression gaps: equal to Fairlearn, bounds that hold, outliers and skewed values."""

from __future__ import annotations

import math
from typing import Any

import fairlearn.metrics as fairlearn
import numpy as np
import pandas as pd
import pytest

from governed_ml.core.config import Rule
from governed_ml.measures import fairness_regression
from governed_ml.measures.bounds import group_bounds
from governed_ml.measures.bounds.quantiles import robust_spread
from governed_ml.policy.judge import compare

CONFIDENCE = 0.95


WRONG = 0.05  # a verdict may be wrong this often


SIMULATIONS = 2000


RULE = Rule(id="fairness.test", metric="fairness.x", block=0.10, evidence="interval", owner="x")


def regression_rows(seed: int, sizes: tuple[int, ...], shift: float = 0.0) -> Any:
    rng = np.random.default_rng(seed)
    group = np.repeat([f"g{place}" for place in range(len(sizes))], sizes)
    target = rng.normal(1000, 3, len(group))
    prediction = target + rng.normal(0, 1, len(group)) + shift * (group == "g0")
    return pd.DataFrame({"group": group, "target": target, "prediction": prediction})


def moments(frame: Any) -> tuple[list[tuple[str]], Any]:
    signed = frame["prediction"] - frame["target"]
    frame = frame.assign(error=signed.abs(), signed=signed)
    found = frame.groupby("group")[["target", "prediction", "error", "signed"]]
    n = found.size().to_numpy()
    squares = found.var(ddof=0).to_numpy() * n[:, None]
    cubes = found.agg(lambda column: ((column - column.mean()) ** 3).sum()).to_numpy()
    cells = [(name,) for name in found.size().index]
    return cells, fairness_regression.Moments(n, found.mean().to_numpy(), squares, cubes)


def measured_rows(frame: Any) -> dict[str, Any]:
    """The metrics of one attribute from single rows."""
    cells, numbers = moments(frame)
    spread = robust_spread(frame["target"].to_numpy())
    return fairness_regression.regression(("a",), (0,), cells, numbers, spread, CONFIDENCE)[1]


TAIL = 0.7 * (1 - CONFIDENCE)  # of the bound by which every pair is inside the limit


def test_regression_gaps_equal_fairlearn_and_welch_on_the_raw_rows() -> None:
    from scipy.stats import ttest_ind
    from sklearn.metrics import mean_absolute_error

    frame = regression_rows(6, (300, 500), 0.4)
    metrics = measured_rows(frame)
    by_group = fairlearn.MetricFrame(
        metrics={"mean": fairlearn.mean_prediction, "error": mean_absolute_error},
        y_true=frame["target"],
        y_pred=frame["prediction"],
        sensitive_features=frame["group"],
    )
    spread = robust_spread(frame["target"].to_numpy())
    gap, ratio = by_group.difference() / spread, by_group.ratio()
    assert metrics["mean_prediction_difference"].value == pytest.approx(gap["mean"], abs=1e-12)
    error = metrics["mean_absolute_error_difference"]
    assert error.value == pytest.approx(gap["error"], abs=1e-12)
    assert metrics["mean_absolute_error_ratio"].value == pytest.approx(ratio["error"], abs=1e-12)
    signed = frame["prediction"] - frame["target"]
    for metric, size in ((error, signed.abs()), (metrics["mean_signed_error_difference"], signed)):
        one, two = (size[frame["group"] == name] for name in ("g0", "g1"))
        welch = ttest_ind(one, two, equal_var=False).confidence_interval(1 - 2 * TAIL)
        assert metric.value * spread == pytest.approx(abs(one.mean() - two.mean()), rel=1e-9)
        widest = max(abs(welch.low), abs(welch.high))
        # the correction for skewness is small where there is none
        assert metric.upper * spread == pytest.approx(widest, abs=0.02 * (welch.high - welch.low))


def test_regression_bounds_hold_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    n, true = np.array([40.0, 200.0, 3000.0]), np.array([0.5, 0.6, 0.5])
    scale = true / math.sqrt(2 / math.pi)  # of a normal whose absolute value has the true mean
    sizes = [(SIMULATIONS, int(rows)) for rows in n]
    rows = [np.abs(rng.normal(0, s, size)) for s, size in zip(scale, sizes, strict=True)]
    mean = np.stack([part.mean(axis=1) for part in rows], axis=1)
    variance = np.stack([part.var(axis=1, ddof=1) for part in rows], axis=1)
    third = np.stack(
        [((x - x.mean(axis=1)[:, None]) ** 3).mean(axis=1) / x.shape[1] ** 2 for x in rows], axis=1
    )
    means = group_bounds.Means(mean, variance / n, third, np.broadcast_to(n - 1, mean.shape))
    lower, upper = group_bounds.largest_mean_difference(means, CONFIDENCE)
    assert (lower > 0.1).mean() <= WRONG
    assert (upper < 0.1).mean() <= WRONG
    joint = group_bounds.student_for_all(means, CONFIDENCE, 3)
    alone = group_bounds.student(means, CONFIDENCE)
    lower, upper = group_bounds.smallest_ratio([joint], [alone])
    assert (lower > 5 / 6).mean() <= WRONG
    assert (upper < 5 / 6).mean() <= WRONG


@pytest.mark.parametrize("guess", [1000.0, 1000.1, 0.0])
def test_a_model_that_predicts_one_number_is_not_called_fair(guess: float) -> None:
    # Given a model that predicts the same number for every row, when fairness is measured
    metrics = measured_rows(regression_rows(6, (300, 500)).assign(prediction=guess))
    # Then the mean prediction, which is equal by construction, is insufficient
    verdict, reason = compare(RULE, metrics["mean_prediction_difference"])
    assert verdict == "insufficient"
    assert (
        "same number for every row: the mean prediction cannot be compared between groups" in reason
    )
    # And the errors, which do vary, are measured
    assert metrics["mean_signed_error_difference"].value is not None
    # And two numbers are not one
    both = regression_rows(6, (300, 500))
    both["prediction"] = np.where(both["group"] == "g0", guess, guess + 1)
    assert measured_rows(both)["mean_prediction_difference"].value is not None


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (regression_rows(1, (50,)), "one group only"),
        (regression_rows(1, (50, 1)), "one row only in group g1"),
        (regression_rows(1, (50, 50)).assign(target=1.0), "nine in ten target values"),
    ],
)
def test_regression_without_an_answer_is_null_with_a_reason(frame: Any, reason: str) -> None:
    cells, numbers = moments(frame)
    spread = robust_spread(frame["target"].to_numpy())
    _, metrics, findings = fairness_regression.regression(
        ("a",), (0,), cells, numbers, spread, CONFIDENCE
    )
    assert all(metric.value is None and reason in metric.note for metric in metrics.values())
    assert any(reason in finding.where for finding in findings)


def test_a_few_large_values_hide_no_gap() -> None:
    # Given a target in which one group is promised 1.28 standard deviations of 99 % of the rows
    # too little, and 1 % of values that are a thousand times as large
    rng = np.random.default_rng(15)
    group = np.repeat(["g0", "g1"], 5_000)
    target = rng.normal(0, 1, len(group))
    large = rng.random(len(group)) < 0.01
    target[large] = 1_000 * rng.choice([-1, 1], int(large.sum()))
    prediction = target + rng.normal(0, 0.1, len(group)) - 1.28 * (group == "g0")
    metrics = measured_rows(
        pd.DataFrame({"group": group, "target": target, "prediction": prediction})
    )
    # When the gap is measured, then it is as large as it is without these values, and fails
    gap = metrics["mean_signed_error_difference"]
    assert gap.value == pytest.approx(1.28, abs=0.05)
    assert compare(RULE, gap)[0] == "fail"


@pytest.mark.parametrize(
    ("values", "spread"),
    [
        (np.random.default_rng(1).normal(0, 2, 100_000), 2.0),
        (np.append(np.linspace(-1, 1, 999), 1e9), 0.742),  # the outlier counts for nothing
        (np.repeat([-1.0, 1.0], 500), 1.0),  # not more than the standard deviation
        (np.repeat([0.0, 5.0], [800, 200]), 1.951),  # half are 0: the central 80 % count
        (np.repeat([3.0, 5.0], [960, 40]), 0.0),  # nothing to measure by
        (np.empty(0), 0.0),
    ],
)
def test_the_spread_is_robust(values: Any, spread: float) -> None:
    assert robust_spread(values) == pytest.approx(spread, rel=0.02)


def test_unreliable_bounds_are_not_given() -> None:
    # Given errors of lognormal size (sigma 2) in a group of 50 and one of 5,000
    rng = np.random.default_rng(16)
    frame = pd.DataFrame({"group": np.repeat(["g0", "g1"], [50, 5_000])})
    frame["target"] = rng.normal(0, 10, len(frame))
    frame["prediction"] = frame["target"] + rng.lognormal(0, 2, len(frame))
    found = measured_rows(frame)
    # Then the rules that rest on them are insufficient, and say what would help
    for name in ("mean_absolute_error_difference", "mean_absolute_error_ratio"):
        assert compare(RULE, found[name])[0] == "insufficient"
        assert "a few extreme values decide the mean of group g0 (n=50)" in found[name].note


@pytest.mark.parametrize("rows", [40, 300])
def test_bounds_of_skewed_values_hold_as_often_as_they_say(rows: int) -> None:
    # Given exponential values in a small and a large group, one unit apart
    rng = np.random.default_rng(17)
    parts = [rng.exponential(1, (SIMULATIONS, size)) + (size != rows) for size in (rows, 900)]
    centred = [part - part.mean(axis=1, keepdims=True) for part in parts]
    sizes = np.array([rows, 900.0])
    means = group_bounds.Means(
        np.stack([part.mean(axis=1) for part in parts], axis=1),
        np.stack([(part**2).sum(axis=1) for part in centred], axis=1) / (sizes - 1) / sizes,
        np.stack([(part**3).mean(axis=1) for part in centred], axis=1) / sizes**2,
        np.broadcast_to(sizes - 1, (SIMULATIONS, 2)),
    )
    # When they are bounded, then each bound is wrong as seldom as it says, up to 1.5 %
    lower, upper = group_bounds.largest_mean_difference(means, CONFIDENCE)
    assert (upper < 1).mean() <= TAIL + 0.015
    assert (lower > 1).mean() <= 0.04
    # And without the correction the lower one is not, where the group is small
    plain = group_bounds.Means(
        means.value, means.variance, np.zeros_like(means.value), means.freedom
    )
    missed = (group_bounds.largest_mean_difference(plain, CONFIDENCE)[0] > 1).mean()
    assert (missed > 0.045) == (rows == 40)
