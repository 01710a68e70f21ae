"""Fairness as numbers: equal to Fairlearn, bounds that hold, and no number where there is none."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import fairlearn.metrics as fairlearn
import numpy as np
import pandas as pd
import pytest
from at_length import at_length
from hypothesis import given, settings
from hypothesis import strategies as st

from governed_ml.core import tables
from governed_ml.core.config import Rule
from governed_ml.core.problem import Problem
from governed_ml.measures import fairness, group_error, intervals, proxies
from governed_ml.measures import groups as keys
from governed_ml.measures.spread import robust_spread
from governed_ml.pipeline.stages import fairness as stage
from governed_ml.policy.judge import compare

CONFIDENCE = 0.95
WRONG = 0.05  # a verdict may be wrong this often
SIMULATIONS = 2000
RULE = Rule(id="fairness.test", metric="fairness.x", block=0.10, evidence="interval", owner="x")

counts_of_groups = st.lists(
    st.lists(st.integers(0, 60), min_size=4, max_size=4), min_size=2, max_size=7
)


def named(groups: int) -> list[str]:
    return [f"g{number}" for number in range(groups)]


def table(*groups: tuple[int, int, int, int]) -> Any:
    """Counts (groups, 2, 2) from true and false negatives and positives: (tn, fp, fn, tp)."""
    return np.array(groups, dtype=np.int64).reshape(-1, 2, 2)


def raw_rows(counts: Any) -> tuple[Any, Any, Any]:
    """Label, prediction and group of every row behind the counts."""
    group, label, prediction = counts.nonzero()
    times = counts[group, label, prediction]
    return tuple(np.repeat(column, times) for column in (label, prediction, group))


def bounds_of_rates(hits: Any, n: Any, kind: str = "difference") -> tuple[Any, Any]:
    """Bounds for simulated counts of shape (simulations, groups)."""
    z = intervals.normal_quantile(CONFIDENCE, intervals.pairs(hits.shape[-1]))
    part = [intervals.wilson(hits, n, z)]
    return (
        intervals.largest_difference(part)
        if kind == "difference"
        else intervals.smallest_ratio(part)
    )


def verdicts(hits: Any, n: Any, limit: float) -> tuple[float, float, float]:
    """Shares of pass, fail and insufficient under `at most limit`."""
    lower, upper = bounds_of_rates(hits, n)
    passed, failed = float((upper <= limit).mean()), float((lower > limit).mean())
    return passed, failed, 1 - passed - failed


# --- point values -------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=10, deadline=None)  # Fairlearn takes a second for each
@given(counts_of_groups)
def test_point_values_are_fairlearns_on_the_raw_rows(groups: list[list[int]]) -> None:
    counts = table(*groups)
    label, prediction, group = raw_rows(counts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = fairness.measured(named(len(counts)), counts, CONFIDENCE)
        for name, metric in metrics.items():
            if metric.value is None:
                continue
            if name.startswith("predictive_parity"):
                from sklearn.metrics import precision_score

                frame = fairlearn.MetricFrame(
                    metrics=precision_score,
                    y_true=label,
                    y_pred=prediction,
                    sensitive_features=group,
                )
                wanted = frame.difference() if name.endswith("difference") else frame.ratio()
            else:
                wanted = getattr(fairlearn, name)(label, prediction, sensitive_features=group)
            assert metric.value == pytest.approx(wanted, abs=1e-12), name


test_point_values_are_fairlearns_on_many_tables = at_length(
    test_point_values_are_fairlearns_on_the_raw_rows, 40, counts_of_groups
)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(counts_of_groups, st.randoms(use_true_random=False))
def test_every_metric_is_a_number_within_its_bounds_or_null_with_a_reason(
    groups: list[list[int]], random: Any
) -> None:
    counts = table(*groups)
    cells = [(name,) for name in named(len(counts))]
    order = random.sample(range(len(counts)), len(counts))
    shuffled = [cells[place] for place in order]
    _, metrics, _ = fairness.classification(("a",), (0,), cells, counts, CONFIDENCE)
    again = fairness.classification(("a",), (0,), shuffled, counts[order], CONFIDENCE)[1]
    assert metrics == again, "the order of cells must not matter, to the last bit"
    rates = fairness.rates(counts)
    for name, metric in metrics.items():
        parts = [rates[part] for part in fairness.MEASURES[name.rpartition("_")[0]]]
        defined = all(part.n.all() for part in parts) and counts.sum(axis=(1, 2)).all()
        nobody = not counts[:, :, 1].any()
        no_ratio = name.endswith("ratio") and not all(part.hits.any() for part in parts)
        assert (metric.value is None) == (not defined or nobody or no_ratio), (name, metric)
        if metric.value is None:
            assert metric.note
            continue
        assert 0 <= metric.lower <= metric.value <= metric.upper <= 1, (name, metric)
        assert metric.n == min(int(part.n.min()) for part in parts)


test_every_metric_of_many_tables_is_a_number_within_its_bounds = at_length(
    test_every_metric_is_a_number_within_its_bounds_or_null_with_a_reason,
    *(80, counts_of_groups, st.randoms(use_true_random=False)),
)


@pytest.mark.parametrize(
    ("counts", "reason", "lost"),
    [
        (table((1, 1, 1, 1)), "one group only: g0", 8),
        (table((0, 0, 0, 0), (0, 0, 0, 0)), "no test rows", 8),
        (table((5, 5, 5, 5), (0, 0, 0, 0)), "no test rows in group g1", 8),
        (table((9, 0, 3, 0), (8, 0, 4, 0)), "nobody is selected", 8),
        (table((5, 5, 5, 5), (5, 5, 0, 0)), "no positives in group g1", 4),
        (table((0, 0, 5, 5), (5, 5, 5, 5)), "no negatives in group g0", 2),
        (table((5, 5, 5, 5), (9, 0, 3, 0)), "no selected in group g1", 2),
        (table((5, 0, 5, 5), (5, 0, 5, 5)), "false positive rate is 0 in every group", 1),
    ],
)
def test_what_is_undefined_is_null_with_the_group_as_reason(
    counts: Any, reason: str, lost: int
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = fairness.measured(named(len(counts)), counts, CONFIDENCE)
    null = [metric for metric in metrics.values() if metric.value is None]
    assert len(null) == lost
    assert all(reason in metric.note for metric in null), null
    assert all(compare(RULE, metric)[0] == "insufficient" for metric in null)


def test_too_many_groups_are_refused_rather_than_compared() -> None:
    counts = np.full((1001, 2, 2), 5)
    metrics = fairness.measured(named(1001), counts, CONFIDENCE)
    assert "too many" in metrics["demographic_parity_difference"].note


def test_intersections_keep_the_configured_order() -> None:
    names = ["*".join(columns) for columns in keys.intersections(("sex", "race", "age"))]
    assert names == ["sex", "race", "age", "sex*race", "sex*age", "race*age", "sex*race*age"]


# --- bounds -------------------------------------------------------------------------------------


def test_newcombes_published_example() -> None:
    # Newcombe 1998, table II, (a) 56/70 and 48/80, method 10: 0.0524 to 0.3339
    part = intervals.wilson(np.array([56, 48]), np.array([70, 80]), 1.959964)
    lower, upper = intervals.largest_difference([part])
    assert (round(float(lower), 4), round(float(upper), 4)) == (0.0524, 0.3339)


@given(st.integers(1, 200), st.integers(1, 200), st.data())
def test_ratio_bounds_are_where_the_difference_interval_touches_zero(
    n: int, m: int, data: st.DataObject
) -> None:
    x, y = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    one, other = intervals.wilson([x], [n], 2.5), intervals.wilson([y], [m], 2.5)
    low, high = (float(bound[0]) for bound in intervals.ratio(one, other))
    backwards = float(intervals.ratio(other, one)[1][0])
    assert low == pytest.approx(1 / backwards, rel=1e-9) or (low == 0 and math.isinf(backwards))
    a, b = float(one.value[0]), float(other.value[0])
    touch = a - low * b - math.hypot(a - one.lower[0], low * (other.upper[0] - b))
    assert touch == pytest.approx(0, abs=1e-9)
    if math.isfinite(high):
        touch = a - high * b + math.hypot(one.upper[0] - a, high * (b - other.lower[0]))
        assert touch == pytest.approx(0, abs=1e-7 * max(1, high))


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [(50,) * 8, (2000, 2000), (30, 400, 6000)])
@pytest.mark.parametrize("gap", [0.0, 0.05, 0.1])
def test_simultaneous_bounds_hold_as_often_as_they_say(
    rate: float, n: tuple[int, ...], gap: float
) -> None:
    true = np.full(len(n), rate)
    true[0] = min(rate + gap, 1)
    hits = np.random.default_rng(1).binomial(n, true, (SIMULATIONS, len(n)))
    lower, upper = bounds_of_rates(hits, n)
    distance = true.max() - true.min()
    assert (lower > distance + 1e-12).mean() <= WRONG
    assert (upper < distance - 1e-12).mean() <= WRONG
    hits = hits[hits.any(axis=1)]  # without any selected there is no ratio
    lower, upper = bounds_of_rates(hits, n, "ratio")
    assert (lower > true.min() / true.max() + 1e-12).mean() <= WRONG
    assert (upper < true.min() / true.max() - 1e-12).mean() <= WRONG


def test_fair_coin_over_eight_small_groups_is_insufficient() -> None:
    hits = np.random.default_rng(2).binomial(50, 0.5, (SIMULATIONS, 8))
    passed, failed, insufficient = verdicts(hits, 50, 0.10)
    assert failed <= WRONG
    assert passed == 0
    assert insufficient >= 1 - WRONG


def test_fair_coin_over_eight_large_groups_passes() -> None:
    hits = np.random.default_rng(3).binomial(50_000, 0.5, (SIMULATIONS, 8))
    assert verdicts(hits, 50_000, 0.10)[0] == 1
    counts = np.repeat(np.stack([50_000 - hits[0], hits[0]], axis=-1)[:, None] // 2, 2, axis=1)
    metric = fairness.measured(named(8), counts, CONFIDENCE)["demographic_parity_difference"]
    assert compare(RULE, metric)[0] == "pass"


def test_planted_gap_over_two_groups_of_two_thousand_fails() -> None:
    hits = np.random.default_rng(4).binomial(2000, [0.425, 0.575], (SIMULATIONS, 2))
    passed, failed, _ = verdicts(hits, 2000, 0.10)
    assert passed == 0
    assert failed >= 0.85


def test_planted_ratio_over_three_groups_fails_four_fifths() -> None:
    hits = np.random.default_rng(4).binomial(2000, [0.3, 0.45, 0.5], (SIMULATIONS, 3))
    lower, upper = bounds_of_rates(hits, 2000, "ratio")
    assert (upper < 0.8).mean() >= 1 - WRONG
    assert (lower >= 0.8).mean() == 0


def test_equalized_odds_shares_its_confidence_between_both_rates() -> None:
    counts = table((400, 100, 200, 300), (380, 120, 150, 350))
    found = fairness.measured(["a", "b"], counts, CONFIDENCE)["equalized_odds_difference"]
    z = intervals.normal_quantile(CONFIDENCE, 2)
    parts = [intervals.wilson([x, y], [500, 500], z) for x, y in ((300, 350), (100, 120))]
    assert (found.lower, found.upper) == tuple(map(float, intervals.largest_difference(parts)))
    assert z == pytest.approx(2.241403, abs=1e-6)


@pytest.mark.parametrize("n", [200, 2000, 50_000])
def test_a_gap_at_the_limit_is_called_wrong_at_most_one_time_in_twenty(n: int) -> None:
    hits = np.random.default_rng(5).binomial(n, [0.45, 0.55], (SIMULATIONS, 2))
    passed, failed, _ = verdicts(hits, n, 0.10)
    assert passed <= WRONG
    assert failed <= WRONG


def test_exclusive_or_of_two_attributes_fails_only_in_the_intersection() -> None:
    cells = [(sex, age) for sex in ("f", "m") for age in ("old", "young")]
    same, other = (1900, 100, 100, 1900), (100, 1900, 1900, 100)
    counts = table(same, other, other, same)
    counts[1:3, 0], counts[0::3, 0] = (1900, 100), (1900, 100)
    counts[1:3, 1], counts[0::3, 1] = (1500, 500), (500, 1500)
    verdict: dict[str, str] = {}
    for columns, places in ((("sex",), (0,)), (("age",), (1,)), (("sex", "age"), (0, 1))):
        _, metrics, _ = fairness.classification(columns, places, cells, counts, CONFIDENCE)
        metric = metrics["demographic_parity_difference"]
        verdict["*".join(columns)] = compare(RULE, metric)[0]
    assert verdict == {"sex": "pass", "age": "pass", "sex*age": "fail"}


def test_a_small_group_is_insufficient_by_its_size() -> None:
    rule = RULE.model_copy(update={"minimum_n": 30})
    metrics = fairness.measured(["a", "b"], table((500, 500, 500, 500), (2, 1, 1, 1)), CONFIDENCE)
    verdict, reason = compare(rule, metrics["demographic_parity_difference"])
    assert verdict == "insufficient"
    assert "rests on 5 rows" in reason
    assert "smallest group b (n=5)" in reason


# --- regression ---------------------------------------------------------------------------------


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
    return cells, group_error.Moments(n, found.mean().to_numpy(), squares, cubes)


def measured_rows(frame: Any) -> dict[str, Any]:
    """The metrics of one attribute from single rows."""
    cells, numbers = moments(frame)
    spread = robust_spread(frame["target"].to_numpy())
    return group_error.regression(("a",), (0,), cells, numbers, spread, CONFIDENCE)[1]


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
        welch = ttest_ind(one, two, equal_var=False).confidence_interval(CONFIDENCE)
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
    means = intervals.Means(mean, variance / n, third, np.broadcast_to(n - 1, mean.shape))
    lower, upper = intervals.largest_mean_difference(means, CONFIDENCE)
    assert (lower > 0.1).mean() <= WRONG
    assert (upper < 0.1).mean() <= WRONG
    lower, upper = intervals.smallest_ratio([intervals.student(means, CONFIDENCE, 3)])
    assert (lower > 5 / 6).mean() <= WRONG
    assert (upper < 5 / 6).mean() <= WRONG


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
    _, metrics, findings = group_error.regression(("a",), (0,), cells, numbers, spread, CONFIDENCE)
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


def test_where_no_bounds_hold_there_are_none() -> None:
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
    means = intervals.Means(
        np.stack([part.mean(axis=1) for part in parts], axis=1),
        np.stack([(part**2).sum(axis=1) for part in centred], axis=1) / (sizes - 1) / sizes,
        np.stack([(part**3).mean(axis=1) for part in centred], axis=1) / sizes**2,
        np.broadcast_to(sizes - 1, (SIMULATIONS, 2)),
    )
    # When they are bounded, then each bound is wrong as seldom as it says, up to 1.5 %
    lower, upper = intervals.largest_mean_difference(means, CONFIDENCE)
    assert (upper < 1).mean() <= 0.04
    assert (lower > 1).mean() <= 0.04
    # And without the correction the lower one is not, where the group is small
    plain = intervals.Means(means.value, means.variance, np.zeros_like(means.value), means.freedom)
    missed = (intervals.largest_mean_difference(plain, CONFIDENCE)[0] > 1).mean()
    assert (missed > 0.045) == (rows == 40)


# --- proxies ------------------------------------------------------------------------------------


def test_planted_noisy_copies_are_found_and_independent_columns_are_not() -> None:
    rng = np.random.default_rng(8)
    rows = 10_000
    sex = rng.choice(["f", "m"], rows)
    sensitive = pd.DataFrame({"sex": sex, "region": rng.choice(list("nsew"), rows)})
    features = pd.DataFrame(
        {
            "height": np.where(sex == "f", 0.0, 1.5) + rng.normal(size=rows),
            "title": np.where(rng.random(rows) < 0.8, sex, rng.choice(["f", "m"], rows)),
            "income": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
            "colour": rng.choice(["red", "blue", None], rows),
        }
    )
    metrics, found, findings = proxies.measure(features, sensitive)
    assert metrics["sex.proxy_auc"].value > 0.9
    assert "height" in metrics["sex.proxy_auc"].note
    assert "title" in metrics["sex.proxy_auc"].note
    assert "income" not in metrics["sex.proxy_auc"].note
    assert metrics["region.proxy_auc"].value == pytest.approx(0.5, abs=0.03)
    assert "no single feature" in metrics["region.proxy_auc"].note
    assert list(found[0].carriers)[:2] == ["title", "height"]
    assert any("title" in finding.where for finding in findings)
    assert metrics == proxies.measure(features, sensitive)[0]


def test_features_that_only_together_are_a_proxy_are_named() -> None:
    rng = np.random.default_rng(9)
    rows = 8_000
    sex, coin, amount = rng.integers(0, 2, rows), rng.integers(0, 2, rows), rng.random(rows)
    sensitive = pd.DataFrame({"sex": np.where(sex == 1, "f", "m")})
    noise = {f"noise_{number}": rng.normal(size=rows) for number in range(3)}
    codes = {"p": coin.astype(str), "q": (coin ^ sex).astype(str)}
    near = {"gross": amount, "net": amount - 0.1 * sex + rng.normal(0, 0.01, rows)}
    for pair in (codes, near):
        metrics, _, _ = proxies.measure(pd.DataFrame(noise | pair), sensitive)
        assert metrics["sex.proxy_auc"].value > 0.95
        words = metrics["sex.proxy_auc"].note.partition("together with others: ")[2]
        assert all(f"{name} (" in words for name in pair)
        assert "noise" not in words


def test_the_rows_of_one_person_are_all_learnt_from_or_all_judged() -> None:
    # Given 100 recordings of each of 60 persons, whose voice says who they are and not their sex
    rng = np.random.default_rng(10)
    person = np.repeat(np.arange(60), 100)
    sex, voice = rng.permutation(np.repeat(["f", "m"], 30)), rng.normal(size=60)
    features = pd.DataFrame({"voice": voice[person] + rng.normal(0, 0.001, len(person))})
    sensitive = pd.DataFrame({"sex": sex[person]})
    mixed = rng.permutation(len(person))
    flattered = proxies.measure(features.iloc[mixed], sensitive.iloc[mixed])[0]
    honest = proxies.measure(features, sensitive, person)[0]
    assert flattered["sex.proxy_auc"].value > 0.95
    assert honest["sex.proxy_auc"].value < 0.8
    # Then the border is where a person's rows end, and one person alone cannot be judged
    assert proxies.boundary(10, np.array([1, 1, 1, 1, 2, 2, 2, 2, 2, 3])) == 4
    alone = proxies.measure(features, sensitive, np.zeros(len(person)))[0]
    assert alone["sex.proxy_auc"].value is None


def test_the_group_that_is_told_apart_best_counts_and_no_group_is_too_many() -> None:
    # Given twelve groups, of which only the smallest (100 rows) is given away, by one feature
    rng = np.random.default_rng(12)
    rows = 2_300
    region = np.array([f"r{number:02}" for number in np.arange(rows) % 11], dtype=object)
    region[:100] = "small"
    order = rng.permutation(rows)
    features = pd.DataFrame(
        {"calm": rng.normal(size=rows), "telling": rng.normal(size=rows) + 5 * (region == "small")}
    )
    sensitive = pd.DataFrame({"region": region})
    # When proxies are looked for
    metrics, found, _ = proxies.measure(features.iloc[order], sensitive.iloc[order])
    # Then its number counts, not the mean over groups (0.54), and it is named
    proxy = metrics["region.proxy_auc"]
    assert proxy.value > 0.95
    assert proxy.note.startswith("small against all others: carried by telling (")
    assert "calm" not in proxy.note
    assert found[0].carriers["telling"] > 0.95


def test_a_group_that_the_sample_has_few_rows_of_gets_more(
    parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a sample of 200 rows, in which a group of 90 train rows has a few only
    train = tables.read(tables.SENSITIVE_TRAIN)
    train.loc[train.index[:90], "sex"] = "x"
    tables.write(train, tables.SENSITIVE_TRAIN)
    features = train[[tables.ROW]].assign(size=1.0, **{tables.TARGET: 0})
    tables.write(features, tables.TRAIN)
    monkeypatch.setattr(stage, "SAMPLE", 200)
    # When the sample is drawn, then all rows of the group are in it, and each row once
    _, sensitive, _ = stage.proxy_sample(("sex",))
    assert (sensitive["sex"] == "x").sum() == 90
    assert 200 < len(sensitive) < 400


def test_a_proxy_needs_two_groups_that_are_large_enough() -> None:
    features = pd.DataFrame({"x": np.arange(200.0)})
    sensitive = pd.DataFrame({"sex": ["f"] * 190 + ["m"] * 10, "race": ["one"] * 200})
    metrics, _, _ = proxies.measure(features, sensitive)
    assert [metric.value for metric in metrics.values()] == [None, None]
    assert "m (0)" in metrics["sex.proxy_auc"].note


# --- the stage's aggregates ---------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Predictions and sensitive attributes as files; returns the test rows as one frame."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(9)
    rows = 3000
    whole = pd.DataFrame(
        {
            tables.ROW: rng.permutation(rows),
            "part": np.where(rng.random(rows) < 0.4, "test", "train"),
            tables.TARGET: rng.integers(0, 2, rows),
            "score": rng.random(rows),
            "prediction": rng.integers(0, 2, rows),
            "sex": rng.choice(["f", "m"], rows),
            'it\'s "odd"': rng.choice(["a*b", "ü", "missing"], rows),
        }
    )
    sensitive = [tables.ROW, "sex", 'it\'s "odd"']
    tables.write(whole.drop(columns=sensitive[1:]), tables.PREDICTIONS)
    for part, path in (("train", tables.SENSITIVE_TRAIN), ("test", tables.SENSITIVE_TEST)):
        tables.write(whole.loc[whole["part"] == part, sensitive].sort_values(tables.ROW), path)
    return whole[whole["part"] == "test"]


def test_one_contingency_table_counts_every_test_row_once(parts: Any) -> None:
    names = ("sex", 'it\'s "odd"')
    stage.require_joined()
    cells, counts = stage.contingency(names)
    keys = [*names, tables.TARGET, "prediction"]
    wanted = parts.groupby(keys).size()
    assert counts.sum() == len(parts)
    for cell, block in zip(cells, counts, strict=True):
        for label in (0, 1):
            for prediction in (0, 1):
                assert block[label, prediction] == wanted.get((*cell, label, prediction), 0)


def test_moments_equal_pandas_and_are_the_same_every_time(parts: Any) -> None:
    cells, found = stage.moments(("sex",))
    groups = parts.groupby("sex")
    assert [cell[0] for cell in cells] == list(groups.groups)
    assert found.n.tolist() == groups.size().tolist()
    mean = groups[[tables.TARGET, "prediction"]].mean().to_numpy()
    assert found.mean[:, :2] == pytest.approx(mean, abs=1e-12)
    variance = groups["prediction"].var(ddof=0).to_numpy()
    assert found.squares[:, 1] / found.n == pytest.approx(variance, abs=1e-12)
    signed = (parts["prediction"] - parts[tables.TARGET]).groupby(parts["sex"])
    assert found.mean[:, 3] == pytest.approx(signed.mean().to_numpy(), abs=1e-12)
    assert found.squares[:, 3] / found.n == pytest.approx(signed.var(ddof=0).to_numpy(), abs=1e-12)
    cubes = signed.agg(lambda errors: ((errors - errors.mean()) ** 3).sum()).to_numpy()
    assert found.cubes[:, 3] == pytest.approx(cubes, abs=1e-9)
    assert found.mean.tobytes() == stage.moments(("sex",))[1].mean.tobytes()


def test_a_group_of_the_training_part_without_test_rows_is_not_passed_over(parts: Any) -> None:
    train = tables.read(tables.SENSITIVE_TRAIN)
    train.loc[train.index[:5], "sex"] = "x"
    tables.write(train, tables.SENSITIVE_TRAIN)
    _, metrics, _ = stage.gaps("classification", ("sex",), CONFIDENCE)
    assert metrics["sex.demographic_parity_difference"].value is None
    assert "no test rows in group x" in metrics["sex.demographic_parity_difference"].note


@pytest.mark.parametrize("fault", ["lost", "twice", "strange"])
def test_predictions_without_their_sensitive_attributes_are_refused(parts: Any, fault: str) -> None:
    frame = tables.read(tables.SENSITIVE_TEST)
    if fault == "lost":
        frame = frame.iloc[1:]
    elif fault == "twice":
        frame = pd.concat([frame.iloc[:-1], frame.iloc[:1]])
    else:
        frame.loc[frame.index[0], tables.ROW] = 10**9
    tables.write(frame, tables.SENSITIVE_TEST)
    with pytest.raises(Problem, match="dvc repro"):
        stage.require_joined()
