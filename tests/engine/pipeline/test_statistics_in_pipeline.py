"""Right decisions about tables with a known truth, through the commands that a user runs.

Each table is planted so that the model predicts the target all but exactly: what a rule should say
then follows from how the target was dealt out. What the numbers are worth on their own is in
`tests/engine/measures/`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import baked
import numpy as np
import pandas as pd
import pytest
import tables as configure
from baked import STAGES, Bake, BakedProject

from governed_ml.core import tables as names
from governed_ml.core.config import Rule
from governed_ml.pipeline.stages import fairness as stage
from governed_ml.policy import judge

pytestmark = pytest.mark.slow

CONTRACT = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 10}}
GATES = ("split", "evaluate", "drift", "fairness")


def measured(project: BakedProject, frame: pd.DataFrame, test_rows: int, **conf: Any) -> None:
    """Measure a table in a project, its last rows the test part: all but explain and document."""
    given = {
        "name": "planted",
        "task": "classification",
        "source": {"kind": "file", "path": "data/source/planted.parquet"},
        "target": "y",
        "time": "day",
        "contract": "governance/expectations/planted.json",
    }
    days = np.datetime64("2024-01-01", "us") + np.arange(len(frame)) * np.timedelta64(1, "m")
    frame.assign(day=days).to_parquet(project.path / "data" / "source" / "planted.parquet")
    project.write("conf/data/planted.yaml", json.dumps(given | conf))
    project.write(given["contract"], json.dumps({"expectations": [CONTRACT]}))
    share = (test_rows - 0.5) / len(frame)
    project.write("conf/split/time.yaml", f"kind: time\ntest_share: {share}\n")
    configure.choose(project, data="planted", split="time")
    project.stages(*STAGES[: STAGES.index("explain")])


def rules(project: BakedProject) -> dict[str, dict[str, Any]]:
    """What the gate says, rule by rule."""
    done = project.call("gate", *GATES, "--json", code=1)
    return {rule["id"]: rule for rule in json.loads(done.stdout)["rules"]}


def dealt(shares: np.ndarray, cell: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """0/1 for each row; in each cell exactly its share of ones (to half a row)."""
    y = np.zeros(len(cell), dtype=int)
    for number, share in enumerate(shares):
        rows = rng.permutation(np.flatnonzero(cell == number))
        y[rows[: round(share * len(rows))]] = 1
    return y


# --- one table with everything in it --------------------------------------------------------------

TRAIN, TEST, TWINS = 6_000, 4_000, 80


def everything() -> pd.DataFrame:
    """Two plans 0.15 apart, an exclusive or of a and b, and a column for each drift and leak."""
    rng = np.random.default_rng(11)
    row = np.arange(TRAIN + TEST)
    late = row >= TRAIN
    plan, a, b = row % 2, row // 2 % 2, row // 4 % 2
    cell = plan + 2 * a + 4 * b
    shares = 0.5 + np.array(
        [(-0.074, 0.076)[c % 2] + 0.15 * (-1, 1, 1, -1)[c // 2] for c in range(8)]
    )
    y = np.concatenate([dealt(shares, cell[~late], rng), dealt(shares, cell[late], rng)])
    normal = rng.normal(size=(len(row), 6))
    frame = pd.DataFrame(
        {
            "y": y,
            "plan": np.where(plan, "gold", "silver"),
            "a": np.where(a, "a1", "a0"),
            "b": np.where(b, "b1", "b0"),
            "almost": y + 0.05 * normal[:, 0],
            "useful": y + 1.5 * normal[:, 1],
            "title": np.where(rng.random(len(row)) < 0.95, a, 1 - a).astype(str),
            "calm": normal[:, 2],
            "colours": rng.choice(["red", "green", "blue"], len(row)),
            "shifted": normal[:, 3] + 3 * late,
            "gaps": np.where(late, np.nan, normal[:, 4]),
            "town": np.where(late & (row % 10 == 0), "new", rng.choice(["x", "z"], len(row))),
            "constant": 7.0,
            "was_constant": np.where(late, 8.0, 7.0),
        }
    )
    features = [name for name in frame if name not in ("plan", "a", "b")]
    for value in (0, 1):  # twins: the same features and the same target in train and in test
        old, new = (
            np.flatnonzero((frame["y"] == value) & side)[: TWINS // 2] for side in (~late, late)
        )
        frame.loc[new, features] = frame.loc[old, features].to_numpy()
    frame.loc[len(row) - 1, "shifted"] = 1e9
    return frame.astype(
        {"y": "int64"} | dict.fromkeys(("almost", "useful", "calm", "shifted"), float)
    )


@pytest.fixture(scope="module")
def told(
    template: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """The rules about that table, after its pipeline ran."""
    project = baked.bake(template, tmp_path_factory.mktemp("everything"), environment)
    sensitive = {name: {} for name in ("plan", "a", "b")}
    measured(project, everything(), TEST, positive=1, sensitive=sensitive)
    return rules(project)


def test_a_planted_gap_over_two_groups_of_two_thousand_fails(told: dict) -> None:
    rule = told["fairness.demographic_parity[plan]"]
    assert rule["verdict"] == "fail"
    # 0.15 in the target; the model errs in a few of the 4,000 rows
    assert rule["value"] == pytest.approx(0.15, abs=0.006)
    assert "silver vs gold; smallest group gold (n=2,000)" in rule["reason"]


def test_an_exclusive_or_fails_in_the_intersection_only(told: dict) -> None:
    name = "fairness.demographic_parity"
    found = [told[f"{name}[{key}]"]["verdict"] for key in ("a", "b", "a*b")]
    assert found == ["pass", "pass", "fail"]
    assert told[f"{name}[a*b]"]["value"] == pytest.approx(0.3, abs=0.002)
    assert re.search(r"a(\d)\*b\1 vs a(0\*b1|1\*b0);", told[f"{name}[a*b]"]["reason"])


@pytest.mark.parametrize(
    ("column", "verdict", "why"),
    [
        ("shifted", "fail", r"most of it in bin 'above reference'|most of it in bin '\("),
        ("gaps", "fail", r"most of it in bin 'null': 0\.00% .* 98\.00%"),
        ("town", "fail", r"most of it in bin 'new category': 0\.00% .* (9\.\d|10\.0)\d%"),
        ("was_constant", "fail", "most of it in bin '(= 7|above reference)'"),
        ("constant", "pass", "^0$"),
        ("calm", "pass", ""),
        ("colours", "pass", ""),
        ("useful", "pass", ""),
    ],
)
def test_drift_is_right_about_each_column(told: dict, column: str, verdict: str, why: str) -> None:
    rule = told[f"drift.data[{column}]"]
    assert rule["verdict"] == verdict, rule
    assert re.search(why, rule["reason"]), rule["reason"]


def test_a_noisy_copy_of_an_attribute_is_found_and_other_columns_are_not(told: dict) -> None:
    rule = told["fairness.proxy[a]"]
    assert rule["verdict"] == "fail"
    assert re.search(r"carried by title \(0\.9\d alone\)", rule["reason"])
    assert told["fairness.proxy[b]"]["verdict"] == "pass"
    for name in ("calm", "colours", "shifted"):
        assert name not in rule["reason"]


def test_a_noisy_copy_of_the_target_and_rows_on_both_sides_are_reported(told: dict) -> None:
    leaks = {
        name: rule["verdict"] for name, rule in told.items() if name.startswith("evaluate.leak[")
    }
    assert leaks.pop("evaluate.leak[almost]") == "fail"
    assert set(leaks.values()) == {"pass"}
    assert "almost alone predicts the target" in told["evaluate.leak[almost]"]["reason"]
    overlap = told["split.overlap"]
    assert overlap["verdict"] == "warn"
    assert f"{TWINS} test rows stand in train too" in overlap["reason"]


def test_trap_08_a_column_that_is_lost_between_the_parts_is_named(finished: BakedProject) -> None:
    # Given a test part without a column of the train part, when drift is measured
    path = finished.path / "data" / "split" / "test.parquet"
    kept = pd.read_parquet(path).drop(columns="income")
    path.unlink()  # the file may be a link into DVC's cache
    kept.to_parquet(path)
    done = finished.call("stage", "drift", code=1)
    # Then the stage stops and names it, and the gate trusts no number from before
    assert (
        "column 'income' is in data/split/train.parquet but not in data/split/test" in done.stderr
    )
    gate = json.loads(finished.call("gate", "drift", "--json", code=1).stdout)
    assert {rule["verdict"] for rule in gate["rules"]} == {"insufficient"}


# --- few rows, and many ---------------------------------------------------------------------------


def coin(groups: int, train: int, test: int, seed: int = 1) -> pd.DataFrame:
    """A fair coin is the target, all but given in a column; group sizes are equal."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, train + test)
    return pd.DataFrame(
        {
            "y": y,
            "group": [f"g{number}" for number in np.arange(train + test) % groups],
            "almost": y + rng.normal(0, 0.1, train + test),
            "calm": rng.normal(size=train + test),
            "shifted": rng.normal(size=train + test)
            + np.where(np.arange(train + test) < train, 0, 3),
        }
    )


@pytest.mark.nightly
def test_a_fair_coin_over_eight_groups_of_fifty_is_insufficient(bake_runnable: Bake) -> None:
    project = bake_runnable()
    measured(project, coin(8, 800, 400), 400, positive=1, sensitive={"group": {}})
    found = rules(project)
    parity = found["fairness.demographic_parity[group]"]
    assert parity["verdict"] == "insufficient"
    assert "(n=50); the interval reaches beyond at most 0.1: more rows needed" in parity["reason"]


@pytest.mark.nightly
def test_a_fair_coin_over_eight_groups_of_fifty_thousand_passes(bake_runnable: Bake) -> None:
    project = bake_runnable()
    measured(project, coin(8, 40_000, 400_000), 400_000, positive=1, sensitive={"group": {}})
    found = rules(project)
    for rule in ("demographic_parity", "four_fifths"):
        assert found[f"fairness.{rule}[group]"]["verdict"] == "pass"
        assert "(n=50,000)" in found[f"fairness.{rule}[group]"]["reason"]


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("train", "test", "calm", "shifted"),
    [
        (1_000, 1_001, "pass", "fail"),
        (1_001, 1_000, "pass", "fail"),
        (1_000, 999, "insufficient", "insufficient"),
        (700, 300, "insufficient", "insufficient"),
    ],
)
def test_drift_of_few_rows_is_judged_from_a_thousand_on(
    train: int, test: int, calm: str, shifted: str, bake_runnable: Bake
) -> None:
    project = bake_runnable()
    measured(project, coin(2, train, test), test, positive=1, sensitive={"group": {}})
    found = rules(project)
    assert found["drift.data[calm]"]["verdict"] == calm
    assert found["drift.data[shifted]"]["verdict"] == shifted
    if calm == "insufficient":
        assert f"rests on {test} rows, at least 1000 wanted" in found["drift.data[calm]"]["reason"]


# --- regression -----------------------------------------------------------------------------------


@pytest.mark.nightly
def test_regression_has_gates_for_prediction_and_error_of_groups(bake_runnable: Bake) -> None:
    # Given a target that one plan deserves more of, that is noisier in one shift, and that one
    # branch got less of than its features say, which no column tells the model
    rng = np.random.default_rng(3)
    rows = 30_000
    plan, shift, branch, calm = (np.arange(rows) // size % 2 for size in (1, 2, 4, 8))
    merit = rng.normal(size=rows) + 0.5 * plan
    frame = pd.DataFrame(
        {
            "y": 1000 + 100 * merit - 40 * branch + rng.normal(0, 20 + 40 * shift, rows),
            "merit": merit,
            "noise": rng.normal(size=rows),
            "plan": np.where(plan, "gold", "silver"),
            "shift": np.where(shift, "night", "day"),
            "branch": np.where(branch, "east", "west"),
            "calm": np.where(calm, "left", "right"),
        }
    )
    project = bake_runnable(task="regression")
    sensitive = {name: {} for name in ("plan", "shift", "branch", "calm")}
    measured(project, frame, 10_000, task="regression", sensitive=sensitive)
    # Then the rules that are about each gap fail and name it, all others pass
    found = rules(project)
    kinds = ("mean_prediction", "signed_error", "group_error", "group_error_ratio")
    chosen = {
        (name, kind): found[f"fairness.{kind}[{name}]"] for name in sensitive for kind in kinds
    }
    failed = {key: one["reason"] for key, one in chosen.items() if one["verdict"] == "fail"}
    assert {one["verdict"] for one in chosen.values()} == {"pass", "fail"}
    expected = {
        ("plan", "mean_prediction"): "silver vs gold",
        ("shift", "group_error"): "day vs night",
        ("shift", "group_error_ratio"): "day vs night",
        ("branch", "signed_error"): "west vs east",
    }
    assert failed.keys() == expected.keys()
    assert all(words in failed[key] for key, words in expected.items())


# --- how often a decision is wrong ----------------------------------------------------------------


@pytest.mark.nightly
@pytest.mark.parametrize("gap", [0.0, 0.10])
@pytest.mark.parametrize("sizes", [(50,) * 8, (2_000, 2_000), (30, 400, 3_000)])
def test_a_fairness_rule_is_wrong_at_most_one_time_in_twenty(
    sizes: tuple[int, ...], gap: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given 200 tables of predictions, whose groups are apart by nothing, or by just the limit
    monkeypatch.chdir(tmp_path)
    limits = {
        "demographic_parity_difference": {"block": 0.10},
        "demographic_parity_ratio": {"block": 0.8, "bound": "at_least"},
    }
    found: dict[str, Counter[str]] = {name: Counter() for name in limits}
    group = np.repeat([f"g{number}" for number in range(len(sizes))], sizes)
    rows = np.arange(len(group))
    sensitive = pd.DataFrame({names.ROW: rows, "group": group})
    for path in (names.SENSITIVE_TRAIN, names.SENSITIVE_TEST):
        names.write(sensitive, path)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        prediction = (rng.random(len(rows)) < np.where(group == "g0", 0.4 + gap, 0.4)).astype(int)
        predictions = {names.ROW: rows, "part": "test", "score": 0.5, "prediction": prediction}
        target = {names.TARGET: rng.integers(0, 2, len(rows))}
        names.write(pd.DataFrame(predictions | target), names.PREDICTIONS)
        # When the stage measures each and the policy judges it
        _, metrics, _ = stage.gaps("classification", ("group",), 0.95)
        for name, limit in limits.items():
            rule = Rule(id="fairness.test", metric="x", evidence="interval", owner="x", **limit)
            found[name][judge.compare(rule, metrics[f"group.{name}"])[0]] += 1
    # Then at most one in twenty fails what is within the limit, or passes what is at it
    for name, verdicts in found.items():
        assert verdicts["fail"] <= 10, (name, verdicts)
        if gap == 0.10:  # 0.4 / 0.5 is four fifths: at either limit
            assert verdicts["pass"] <= 10, (name, verdicts)
