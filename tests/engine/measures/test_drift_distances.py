"""Kolmogorov-Smirnov and Wasserstein: equal to SciPy and Evidently, and honest where undefined."""

from __future__ import annotations

import math
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from governed_ml.core import evidence_bodies, tables
from governed_ml.core.evidence import NO_ORDER, Metric
from governed_ml.measures import binning, drift
from governed_ml.measures.bounds.quantiles import robust_spread
from governed_ml.monitoring import reference
from governed_ml.pipeline.stages import drift as stage


def sample(values: Any, spread: bool = True) -> drift.SortedValues:
    """The sample of a column that is written to Parquet and read again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        pd.DataFrame({"x": values}).to_parquet(path)
        found = binning.ascending(tables.table(path), "x")
    return drift.SortedValues(found, len(found), drift.spread_of(found) if spread else 0.0)


def apart(before: Any, now: Any) -> tuple[Metric, Metric]:
    found = drift.distances(sample(before), sample(now))
    return found[drift.KS], found[drift.WASSERSTEIN]


def normal(n: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, n)


def with_ties(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < 0.8, 0.0, rng.exponential(9, n).round(1))


COLUMNS = {
    "shifted": (normal(3_000), normal(1_000, 0.5, seed=1)),
    "ties": (with_ties(3_000, 2), with_ties(900, 3) + 0.1),
    "whole numbers": (np.arange(400) % 12, np.arange(90) % 7),
    "one row": (np.array([1.0]), np.array([2.0])),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_distances_equal_scipys(name: str) -> None:
    before, now = COLUMNS[name]
    ks, moved = apart(before, now)
    wanted = stats.ks_2samp(before, now, method="asymp").statistic
    assert ks.value == pytest.approx(wanted, abs=1e-12)
    assert (ks.n, moved.n) == (len(now), len(now))
    spread = robust_spread(np.sort(before.astype(float))) or float(before.std())
    if spread:
        wanted = stats.wasserstein_distance(before, now) / spread
        assert moved.value == pytest.approx(wanted, rel=1e-12)
    else:
        assert (moved.value, moved.note) == (None, "the reference has no spread to divide by")


@pytest.mark.slow
def test_distances_equal_evidentlys_apart_from_its_other_unit() -> None:
    from evidently.legacy.calculations.stattests.registry import get_stattest

    before, now = (pd.Series(one) for one in COLUMNS["shifted"])
    ks, moved = apart(before, now)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what Evidently imports
        theirs, _ = get_stattest(before, now, "num", "wasserstein").func(before, now, "num", 0.1)
        p, _ = get_stattest(before, now, "num", "ks").func(before, now, "num", 0.05)
    # Evidently divides by the plain standard deviation, and tells the p-value of the statistic
    same = (moved.value or 0) * drift.spread_of(np.sort(before)) / float(np.std(before))
    assert same == pytest.approx(theirs, rel=1e-9)
    found = stats.ks_2samp(before, now)
    assert (ks.value, p) == (found.statistic, pytest.approx(found.pvalue))


def test_missing_values_are_part_of_neither_distance() -> None:
    before, now = COLUMNS["shifted"]
    gaps = np.insert(now, slice(0, None, 3), np.nan)
    assert apart(before, gaps) == apart(before, now)
    assert apart(np.append(before, [np.nan] * 5_000), now) == apart(before, now)
    for sides in ((before, [np.nan] * 9), ([np.nan] * 9, now)):
        for metric in apart(*sides):
            assert (metric.value, metric.n) == (None, 0)
            assert "has no value of this column" in metric.note


def test_a_constant_column_stays_or_cannot_be_divided() -> None:
    ks, moved = apart([0.1] * 500, [0.1] * 90)
    assert (ks.value, moved.value) == (0.0, 0.0)
    ks, moved = apart([0.1] * 500, [0.1] * 60 + [0.2] * 30)
    assert ks.value == pytest.approx(1 / 3)
    assert (moved.value, moved.note) == (None, "the reference has no spread to divide by")
    # a column that is nearly always 0 has a plain standard deviation, though no robust one
    mostly = [0.0] * 970 + [1.0] * 30
    assert robust_spread(np.array(mostly)) == 0
    wanted = 0.03 / float(np.std(mostly))
    assert apart(mostly, [0.0] * 94 + [1.0] * 6)[1].value == pytest.approx(wanted)


@pytest.mark.parametrize("far", [math.inf, -math.inf])
def test_an_infinite_value_leaves_only_the_distance_without_a_size(far: float) -> None:
    before, now = COLUMNS["shifted"]
    for sides in ((before, [*now, far]), ([*before, far], now)):
        ks, moved = apart(*sides)
        assert ks.value == pytest.approx(apart(before, now)[0].value, abs=0.01)
        assert moved.value is None
        assert "infinite" in moved.note


def test_values_that_cannot_be_subtracted_have_no_distance() -> None:
    ks, moved = apart([-1.7e308, -1.6e308], [1.7e308])
    assert (ks.value, moved.value) == (1.0, None)
    assert moved.note == "the values are too large to subtract"


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.0, 2.0]), min_size=1, max_size=30))
def test_equal_samples_are_not_apart(values: list[float]) -> None:
    ks, moved = apart(values, values[::-1])
    assert (ks.value, moved.value) == (0.0, 0.0)


def test_bounds_hold_the_true_distance_in_nearly_every_sample() -> None:
    # Given two normal distributions at a known distance, when samples are drawn from both
    true = float(2 * stats.norm.cdf(0.25) - 1)
    outside = 0
    for seed in range(300):
        sides = np.sort(normal(400, seed=seed)), np.sort(normal(300, 0.5, seed=1_000 + seed))
        ks = drift.distances(*(drift.SortedValues(one, len(one), 1.0) for one in sides))[drift.KS]
        assert ks.interval is not None
        outside += not ks.interval[0] <= true <= ks.interval[1]
    # Then at most one in a hundred bounds misses it, and they are no wider than they say
    assert outside <= 3
    assert ks.interval[1] - ks.interval[0] < 0.38


def columns_of(before: dict[str, Any], now: dict[str, Any], monkeypatch: Any, folder: Path) -> Any:
    """The stage's body and metrics of two tables of numbers, and both relations."""
    paths = folder / "train.parquet", folder / "test.parquet"
    for path, values in zip(paths, (before, now), strict=True):
        pd.DataFrame(values).to_parquet(path)
    monkeypatch.setattr(tables, "TRAIN", paths[0])
    monkeypatch.setattr(tables, "TEST", paths[1])
    names = [name for name in before if name != tables.TARGET]
    numeric = [n for n in names if pd.api.types.is_numeric_dtype(pd.Series(before[n]))]
    words = [n for n in names if n not in numeric]
    sides = [tables.table(path) for path in paths]
    found = binning.binned(*sides, numeric, words)
    found["target"] = binning.binned(*sides, [tables.TARGET], [])[tables.TARGET]
    between = stage.compared(found)
    body = stage.body_of(found, between)
    return body, stage.metrics_of(found, body) | stage.apart_metrics(between, body), sides[1]


def test_the_stage_measures_numbers_and_says_why_not_categories(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before, now = COLUMNS["shifted"]
    train = {"x": before, "c": ["a", "b"] * 1_500, tables.TARGET: before}
    test = {"x": now, "c": ["a", "c"] * 500, tables.TARGET: now}
    body, metrics, _ = columns_of(train, test, monkeypatch, tmp_path)
    for name in ("x", "target"):
        for what in (drift.KS, drift.WASSERSTEIN):
            wanted = dict(zip((drift.KS, drift.WASSERSTEIN), apart(before, now), strict=True))
            assert metrics[f"{name}.{what}"] == wanted[what]
    for what in (drift.KS, drift.WASSERSTEIN):
        assert metrics[f"c.{what}"] == Metric(value=None, note=NO_ORDER)
    shown = {column.name: column.model_dump() for column in body.columns}
    assert shown["x"]["ks_statistic"] == metrics["x.ks_statistic"].value
    assert len(shown["x"]["quantiles"]) == drift.SUMMARY
    # evidence of a column without the new fields has the keys of earlier engines
    assert set(shown["c"]) == set(evidence_bodies.ColumnDrift.model_fields) - {
        *evidence_bodies.ColumnDrift.LATER
    }


@pytest.mark.parametrize("name", ["shifted", "ties", "whole numbers"])
def test_a_window_is_as_far_apart_as_the_rows_that_the_quantiles_stand_for(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given the evidence of a version, whose training rows are elsewhere
    before, now = COLUMNS[name]
    before = np.append(before, [np.nan] * 50)
    train, test = {"x": before, tables.TARGET: before}, {"x": now, tables.TARGET: now}
    body, metrics, window = columns_of(train, test, monkeypatch, tmp_path)
    # When a window is compared with it
    _, found = reference.against(body, {"x": window})
    # Then both distances are those of all rows, up to the step between two quantiles
    values = next(column.quantiles for column in body.columns if column.name == "x")
    assert len(values) == min(100, (len(before) - 50) // 10)
    exact, seen = metrics["x.ks_statistic"], found["x.ks_statistic"]
    assert seen.value == pytest.approx(exact.value, abs=0.5 / len(values) + 1e-12)
    assert seen.n == exact.n
    assert seen.interval[0] <= exact.value <= seen.interval[1]
    wider = (seen.upper - seen.value) - (exact.upper - exact.value)  # by what the step may hide
    assert exact.upper < 1
    assert wider == pytest.approx(0.5 / len(values)) or seen.upper == 1
    far, moved = metrics["x.wasserstein_normed"].value, found["x.wasserstein_normed"].value
    assert moved == pytest.approx(far, abs=0.05)


def test_a_window_of_a_release_without_quantiles_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before, now = COLUMNS["shifted"]
    train, test = {"x": before, tables.TARGET: before}, {"x": now, tables.TARGET: now}
    body, _, window = columns_of(train, test, monkeypatch, tmp_path)
    old = body.model_dump()
    for column in old["columns"]:
        for name in ("ks_statistic", "wasserstein_normed", "spread", "quantiles"):
            column.pop(name)
    _, found = reference.against(evidence_bodies.DriftBody.model_validate(old), {"x": window})
    assert found["x.psi_quantile10_beyond_chance"].value is not None
    for what in (drift.KS, drift.WASSERSTEIN):
        assert found[f"x.{what}"].value is None
        assert "has no quantiles of this column" in found[f"x.{what}"].note


def test_a_summary_never_shows_single_rows_of_a_small_table() -> None:
    assert drift.summary(np.arange(9.0)) == []
    assert drift.summary(np.arange(20.0)) == [4.0, 14.0]
    assert len(drift.summary(np.arange(50_000.0))) == 100
    assert drift.summary(np.array([*np.arange(19.0), math.inf])) == [9.0]
