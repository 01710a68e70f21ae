"""Drift and leaks against plain NumPy, and right where drift tools are known to be wrong."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governed_ml.core import tables
from governed_ml.core.evidence import Metric
from governed_ml.core.problem import Problem
from governed_ml.measures import binning, drift, leaks, performance
from governed_ml.pipeline.stages import drift as stage

FLOOR = 1e-4


def reference_counts(values: np.ndarray, edges: np.ndarray, single: bool) -> list[int]:
    """Count in plain NumPy: below, the bins, (any other value,) above, null."""
    finite = values[~np.isnan(values)]
    low, high = edges[0], edges[-1]
    inside = finite[(finite >= low) & (finite <= high)]
    if single:
        bins = [int((inside == value).sum()) for value in edges]
        bins.append(len(inside) - sum(bins))
    else:
        place = np.searchsorted(edges[1:], inside, side="left")
        bins = np.bincount(place, minlength=len(edges) - 1).tolist()
    return [
        int((finite < low).sum()),
        *bins,
        int((finite > high).sum()),
        int(np.isnan(values).sum()),
    ]


def reference_psi(reference: np.ndarray, current: np.ndarray) -> float:
    """PSI of a numeric column, written again without looking at the implementation."""
    kept = reference[np.isfinite(reference)]
    values = np.unique(kept)
    single = len(values) <= 10
    deciles = np.quantile(kept, np.arange(1, 10) / 10, method="inverted_cdf")
    edges = values if single else np.concatenate([[kept.min()], np.unique([*deciles, kept.max()])])
    r, c = (
        np.maximum(np.array(counts) / sum(counts), FLOOR)
        for counts in (reference_counts(side, edges, single) for side in (reference, current))
    )
    return float(np.sum((c - r) * np.log(c / r)))


def bins_of(reference: object, current: object, kind: str = "numeric") -> Any:
    """Bin one column `x` of two tables written to Parquet."""
    with tempfile.TemporaryDirectory() as folder:
        relations = []
        for name, values in (("r", reference), ("c", current)):
            path = Path(folder) / f"{name}.parquet"
            pd.DataFrame({"x": values}).to_parquet(path)
            relations.append(tables.table(path))
        columns = (["x"], []) if kind == "numeric" else ([], ["x"])
        return binning.binned(*relations, *columns)["x"]


def psi(reference: object, current: object, kind: str = "numeric") -> float:
    found = bins_of(reference, current, kind)
    return drift.population_stability_index(found.reference, found.current)


def normal(n: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, n)


numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)
few = st.sampled_from(
    [0.0, -0.0, 1.0, 2.5, math.nan, math.inf, -math.inf, 1e300, 0.1, 0.1 + 0.2, 0.3]
)
columns = st.lists(numbers | few, min_size=1, max_size=80).map(np.array)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(reference=columns.filter(lambda x: np.isfinite(x).any()), current=columns)
def test_psi_equals_plain_numpy(reference: np.ndarray, current: np.ndarray) -> None:
    assert psi(reference, current) == pytest.approx(
        reference_psi(reference, current), abs=1e-12, rel=1e-12
    )


@pytest.mark.parametrize("size", [37, 1_000, 30_000])
def test_psi_equals_plain_numpy_on_tables_with_ties_and_nulls(size: int) -> None:
    rng = np.random.default_rng(size)
    ties = np.where(rng.random(size) < 0.8, 0.0, rng.exponential(9, size).round(1))
    gaps = np.where(rng.random(size) < 0.1, np.nan, rng.normal(0, 1, size))
    months = rng.integers(1, 13, size).astype(float)
    for reference in (ties, gaps, months):
        current = rng.permutation(reference)[: size // 2] + rng.integers(0, 2, size // 2)
        assert psi(reference, current) == pytest.approx(
            reference_psi(reference, current), abs=1e-12
        )


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=15))
def test_distances_are_bounded_symmetric_and_zero_at_equality(pairs: list[tuple[int, int]]) -> None:
    r, c = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    if not sum(r) or not sum(c):
        with pytest.raises(Problem):
            drift.population_stability_index(r, c)
        return
    for distance in (drift.population_stability_index, drift.jensen_shannon_distance):
        assert distance(r, c) >= 0
        assert distance(r, c) == pytest.approx(distance(c, r), abs=1e-12)
        assert distance(r, r) == pytest.approx(0, abs=1e-12)
    assert drift.jensen_shannon_distance(r, c) <= 1


def test_jensen_shannon_equals_scipy() -> None:
    from scipy.spatial.distance import jensenshannon

    r, c = [5, 0, 40, 55], [10, 20, 70, 0]
    assert drift.jensen_shannon_distance(r, c) == pytest.approx(
        jensenshannon(r, c, base=2), abs=1e-12
    )


@pytest.mark.parametrize("outlier", [1e3, 1e9, 1e300, math.inf])
def test_one_far_outlier_does_not_hide_a_shift(outlier: float) -> None:
    shifted = normal(5_000, 3, seed=1)
    assert psi(normal(5_000), shifted) > 2
    assert psi(normal(5_000), np.append(shifted, outlier)) > 2
    assert psi(np.append(normal(5_000), outlier), shifted) > 2


def test_98_percent_nulls_drift() -> None:
    current = np.where(np.arange(5_000) % 50 == 0, normal(5_000, seed=1), np.nan)
    assert psi(normal(5_000), current) > 2
    assert bins_of(normal(5_000), current).current[-1] == 4_900


def test_new_category_drifts_and_a_rare_one_does_not() -> None:
    reference = ["a"] * 600 + ["b"] * 400
    assert psi(reference, ["a"] * 550 + ["b"] * 350 + ["c"] * 100, "categorical") > 0.25
    many = [f"c{i:03d}" for i in range(80) for _ in range(81 - i)]
    found = bins_of(many, [*many, "c079", "new", None], "categorical")
    named = dict(zip(found.bins, zip(found.reference, found.current, strict=True), strict=True))
    assert len(found.bins) == binning.CATEGORIES + 3
    assert named[binning.NEW] == (0, 1)
    assert named[binning.NULL] == (0, 1)
    assert named[binning.RARE] == (sum(range(2, 32)), sum(range(2, 32)) + 1)


def test_a_category_may_be_called_like_a_bin() -> None:
    found = bins_of(["null", "new category", "a"], ["null", None, "b"], "categorical")
    assert len(set(found.bins)) == len(found.bins) == 5
    assert found.current[-2:] == [1, 1]


def test_constant_column() -> None:
    assert psi([7.0] * 100, [7.0] * 50) == 0
    for other in (6.9999, 7.0001, -math.inf, math.nan):
        assert psi([7.0] * 100, [7.0] * 25 + [other] * 25) > 0.25
    assert psi([0.0, 1.0] * 50, [0.0, 0.5] * 50) > 0.25  # between two known values


def test_all_null_reference() -> None:
    assert psi([math.nan] * 10, [math.nan] * 10) == 0
    assert psi([math.nan] * 10, [1.0] * 10) > 0.25


def test_one_more_row_changes_drift_only_slightly() -> None:
    values = normal(1_001)
    current = normal(1_001, 0.2, seed=1)
    assert abs(psi(values[:1_000], current) - psi(values, current)) < 0.02
    assert abs(psi(values, current[:1_000]) - psi(values, current)) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1_000, 10_000, 100_000])
def test_two_halves_of_one_table_show_the_expected_noise(rows: int) -> None:
    found = [
        bins_of(normal(rows, seed=seed), normal(rows, seed=1_000 + seed)) for seed in range(20)
    ]
    values = [
        drift.population_stability_index(column.reference, column.current) for column in found
    ]
    filled = [
        sum(r + c > 0 for r, c in zip(column.reference, column.current, strict=True))
        for column in found
    ]
    expected = np.mean([drift.expected_without_drift(bins, rows, rows) for bins in filled])
    assert np.mean(values) == pytest.approx(expected, rel=0.5)
    assert max(values) < 0.1


def test_largest_refuses_non_finite_values_in_any_order() -> None:
    assert drift.largest({"a": 0.1, "b": 0.3, "c": 0.2}) == ("b", 0.3)
    for bad in (math.nan, math.inf):
        for values in ({"a": 0.05, "b": bad}, {"b": bad, "a": 0.05}):
            with pytest.raises(Problem, match="'b'"):
                drift.largest(values)


def test_a_lost_column_or_another_type_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"hours.per-week": [1, 2], 'odd "name"': ["a", "b"]})
    train, test = tmp_path / "train.parquet", tmp_path / "test.parquet"
    frame.to_parquet(train)
    for change in (frame[['odd "name"']], frame.assign(**{"hours.per-week": ["1", "2"]})):
        change.to_parquet(test)
        with pytest.raises(Problem, match=r"hours\.per-week") as caught:
            binning.require_same_columns(train, test)
        assert caught.value.exit_code == 1
    frame.astype({"hours.per-week": "float64"}).to_parquet(test)
    binning.require_same_columns(train, test)
    found = binning.binned(
        tables.table(train), tables.table(test), ["hours.per-week"], ['odd "name"']
    )
    assert all(
        drift.population_stability_index(column.reference, column.current) == 0
        for column in found.values()
    )


def test_metrics_carry_the_rows_that_a_policy_asks_for() -> None:
    found = {
        "x": bins_of(normal(300), normal(700, 3)),
        "target": bins_of([0.0, 1.0] * 150, [0.0, 1.0] * 350),
    }
    metrics = stage.metrics_of(found, stage.body_of(found))
    assert metrics["x.psi_quantile10"].n == 300
    assert metrics["x.psi_quantile10"].value > 2
    assert "most of it in bin" in metrics["x.psi_quantile10"].note
    assert metrics["max_psi_quantile10"].note == "x"
    assert (metrics["rows_reference"].value, metrics["rows_current"].value) == (300, 700)
    empty = {name: binning.Binned("numeric", ["a"], [0], [5], []) for name in ("x", "target")}
    nothing = stage.metrics_of(empty, stage.body_of(empty))
    for name in ("x.psi_quantile10", "max_psi_quantile10"):
        assert nothing[name].value is None
        assert "no rows" in nothing[name].note


def split(tmp_path: Path, frame: pd.DataFrame) -> tuple[Path, Path]:
    paths = tmp_path / "train.parquet", tmp_path / "test.parquet"
    for path, part in zip(paths, (frame.iloc[::2], frame.iloc[1::2]), strict=True):
        part.to_parquet(path)
    return paths


def test_leaks_are_found_and_ordinary_features_are_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(8_000) < 0.2).astype(int)
    frame = pd.DataFrame(
        {
            "copy": y + rng.normal(0, 0.1, 8_000),
            "inverse": -y + rng.normal(0, 0.1, 8_000),
            "null.if-positive": np.where(y == 1, np.nan, rng.random(8_000)),
            "useful": y + rng.normal(0, 1, 8_000),
            "noise": rng.random(8_000),
            "constant": 1.0,
            "code": np.where(y == 1, "x", "y"),
            "row id": [f"r{i}" for i in range(8_000)],
            tables.TARGET: y,
        }
    )
    numeric = ["copy", "inverse", "null.if-positive", "useful", "noise", "constant"]
    found = leaks.target_leaks(
        *split(tmp_path, frame), numeric, ["code", "row id"], "classification"
    )
    assert min(found[name] for name in ("copy", "inverse", "null.if-positive", "code")) > 0.99
    assert 0.7 < found["useful"] < 0.85
    assert max(found[name] for name in ("noise", "constant", "row id")) < 0.55


def test_regression_leaks(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    y = rng.exponential(100, 8_000)
    frame = pd.DataFrame(
        {
            "copy": y + rng.normal(0, 5, 8_000),
            "noise": rng.random(8_000),
            "row id": [f"r{i}" for i in range(8_000)],
            tables.TARGET: y,
        }
    )
    found = leaks.target_leaks(*split(tmp_path, frame), ["copy", "noise"], ["row id"], "regression")
    assert found["copy"] > 0.95
    assert max(found["noise"], found["row id"]) < 0.02
    constant = leaks.target_leaks(
        *split(tmp_path, frame.assign(**{tables.TARGET: 1.0})), ["copy"], [], "regression"
    )
    assert constant == {"copy": None}


def test_a_sum_of_columns_gives_the_target_away(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    a, b, noise = rng.exponential(9, 6_000), rng.exponential(9, 6_000), rng.normal(size=6_000)
    frame = pd.DataFrame(
        {
            tables.ROW: np.arange(6_000),
            "a": a,
            "b": b,
            "both": a + b + rng.normal(0, 9, 6_000),
            "noise": noise,
            "gaps": np.where(noise > 0, np.nan, noise),
            "empty": np.nan,
            "constant": 7.0,
        }
    )
    names = ["both", "noise", "a", "gaps", "b", "empty", "constant"]

    def found(target: np.ndarray, task: str, columns: list[str] = names) -> Any:
        paths = split(tmp_path, frame.assign(**{tables.TARGET: target}))
        return leaks.together(*paths, columns, task)

    for target in (a + b, 3 * a - b + 0.1 * noise):
        metric = found(target, "regression")
        assert metric.value > 0.999
        assert metric.note == "a weighted sum of a, b predicts the target"
    larger = found((a > b).astype(int), "classification")
    assert larger.value > 0.999
    assert "sum of a, b predicts" in larger.note
    assert found(a + 10 * rng.normal(size=6_000), "regression").value < 0.6
    nothing = found(rng.integers(0, 2, 6_000), "classification", ["a", "noise"])
    assert nothing.value == pytest.approx(0.5, abs=0.03)
    assert found(a, "regression", []).value == 0
    assert found((a > b).astype(int), "classification", ["constant"]).value == 0.5
    assert found(np.ones(6_000), "regression").value is None


def test_a_leak_that_takes_two_columns_names_both() -> None:
    # Given a model that knows that the target is the exclusive or of two of its features
    rng = np.random.default_rng(6)
    rows = pd.DataFrame(rng.integers(0, 2, (5_000, 3)), columns=["p", "q", "noise"])
    target = (rows["p"] ^ rows["q"]).to_numpy(float)

    def knowing(frame: pd.DataFrame) -> np.ndarray:
        return (frame["p"] ^ frame["q"]).to_numpy(float)

    whole = Metric(value=1.0, n=2_500)
    for task, loss in (("classification", r"−0\.[45]"), ("regression", "−[12]")):
        found = performance.relied_on(whole, rows, target, knowing, task)
        assert (found.value, found.n) == (1.0, 2_500)
        assert re.search(rf"most on (p|q) \({loss}.*, (p|q) \({loss}", found.note)
    unknown = Metric(value=None, note="why")
    assert performance.relied_on(unknown, rows, target, knowing, "regression") == unknown


def test_rows_in_both_parts_are_counted(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a.b": [1.0, 1.0, None, None, 5.0, 6.0], "c": ["x", "x", None, None, "y", "y"]}
    )
    assert leaks.overlapping_rows(*split(tmp_path, frame), ["a.b", "c"]) == 2


def test_a_column_that_counts_or_is_almost_unique_is_called_that_beside_its_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a table that is divided by time, with a counter, a year and a text that is never twice
    monkeypatch.chdir(tmp_path)
    rows, rng = 4_000, np.random.default_rng(41)
    frame = pd.DataFrame(
        {
            "__row": np.arange(rows),
            "__target": rng.integers(0, 2, rows),
            "counter": np.arange(rows) + rng.normal(0, 0.1, rows),
            "year": np.where(np.arange(rows) < 2500, 2011.0, 2012.0),
            "gaps": np.where(rng.random(rows) < 0.3, np.nan, np.arange(rows) * 2.0),
            "pay": rng.normal(0, 1, rows) + (np.arange(rows) >= 3000),
            "hour": np.arange(rows) % 24.0,
            "comment": [f"text {n}" for n in range(rows)],
            "city": np.where(np.arange(rows) < 3000, "a", rng.choice(["a", "b"], rows)),
        }
    )
    tables.write(frame[:3000], tables.TRAIN)
    tables.write(frame[3000:], tables.TEST)
    numeric, text = ["counter", "year", "gaps", "pay", "hour"], ["comment", "city"]
    found = binning.binned(tables.table(tables.TRAIN), tables.table(tables.TEST), numeric, text)
    # When drift is measured
    told = stage.shapes(found, numeric, text)
    # Then these are named, and other columns that drift, or count in circles, are not
    assert set(told) == {"counter", "year", "gaps", "comment"}
    assert "counts with time or with the rows" in told["year"]
    assert "almost unique text: 4,000 values in 4,000 rows" in told["comment"]
    whole = found | {stage.TARGET: found["city"]}
    metrics = stage.metrics_of(whole, stage.body_of(whole), told)
    assert metrics["counter.psi_quantile10"].note.endswith(told["counter"])
    assert "drop" not in metrics["pay.psi_quantile10"].note
    # And given the same rows divided at random, nothing drifts, and nothing is said of it
    part = rng.random(rows) < 0.3
    tables.write(frame[~part], tables.TRAIN)
    tables.write(frame[part], tables.TEST)
    again = binning.binned(tables.table(tables.TRAIN), tables.table(tables.TEST), numeric, [])
    assert stage.shapes(again, numeric, []) == {}
