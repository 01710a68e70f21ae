"""Rows of one person: bounds hold, and rows of persons with one row each count as before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from governed_ml.core import config, tables
from governed_ml.core.problem import Problem
from governed_ml.measures import champions, clusters, fairness, fairness_regression, robustness
from governed_ml.measures.bounds import group_bounds, rates
from governed_ml.measures.groups import Key
from governed_ml.pipeline.data import persons as whose
from governed_ml.pipeline.stages import fairness as stage
from governed_ml.pipeline.stages import split

CONFIDENCE, LIMIT, WRONG = 0.95, 0.10, 0.05
CELLS: list[Key] = [("a",), ("b",)]


def measured(person: Any, group: Any, hits: Any) -> Any:
    """The gap in selection rate, by person."""
    counts, entries = np.zeros((2, 2, 2), dtype=np.int64), {}
    np.add.at(counts, (group, 1, hits), 1)
    for one, cell, hit in zip(person, group, hits, strict=True):
        entries.setdefault((cell, one), np.zeros((2, 2), dtype=np.int64))[1, hit] += 1
    codes = np.array(list(entries))
    each = clusters.Persons(codes[:, 0], codes[:, 1], np.array(list(entries.values())))
    return fairness.measured(["a", "b"], counts, CONFIDENCE, fairness.plain_points, each)


@pytest.mark.parametrize("sizes", ["equal", "unequal"])
def test_bounds_by_person_hold_where_answers_of_a_person_are_alike(sizes: str) -> None:
    # Given 130 persons with 77 rows each (or 20 to 134), whose groups are apart by just the limit
    rng = np.random.default_rng(21)
    group, wrong = np.repeat([0, 1], 65), np.zeros((2, 2))
    rate = np.where(group == 0, 0.45, 0.45 + LIMIT)
    n = np.full(130, 77) if sizes == "equal" else np.linspace(20, 134, 130).astype(int)
    n = n if sizes == "equal" else rng.permutation(n)
    tables_drawn = 1_000
    for _ in range(tables_drawn):
        hits = rng.binomial(n, rng.beta(rate * 7 / 3, (1 - rate) * 7 / 3))  # correlation 0.3
        whole = rates.Rate(*(np.bincount(group, x).astype(np.int64) for x in (hits, n)), "")
        worth = clusters.design_effect(group, hits, n, 2)
        by_person = rates.Rate(whole.hits, whole.n, "", worth.effect, worth.persons)
        for place, one in enumerate((whole, by_person)):
            found = group_bounds.largest_difference(
                [one.limits(CONFIDENCE, 1)], [one.alone(CONFIDENCE)]
            )
            wrong[place] += (found[0] > LIMIT, found[1] < LIMIT)
    # Then a rule with this limit is wrong at most one time in twenty, and by rows one in three
    assert (wrong[1] / tables_drawn <= WRONG).all()
    assert (wrong[0] / tables_drawn > 0.25).all()


def test_rows_of_persons_with_one_row_each_count_as_rows() -> None:
    # Given 400 persons with one row each
    rng = np.random.default_rng(22)
    group, hits = np.repeat([0, 1], 200), rng.integers(0, 2, 400)
    found = measured(np.arange(400), group, hits)["demographic_parity_difference"]
    counts = np.zeros((2, 2, 2), dtype=np.int64)
    np.add.at(counts, (group, 1, hits), 1)
    plain = fairness.measured(["a", "b"], counts, CONFIDENCE)["demographic_parity_difference"]
    # Then value and rows are the same, and the bounds all but: Student's quantile takes the normal
    assert (found.value, found.n) == (plain.value, plain.n)
    assert found.upper == pytest.approx(plain.upper, abs=0.003)
    assert found.upper >= plain.upper


def test_a_metric_from_few_persons_says_so() -> None:
    # Given 2,000 rows of 20 persons, when they are measured
    group = np.repeat([0, 1], 1_000)
    person, hits = np.repeat(np.arange(20), 100), np.arange(2_000) % 2
    found = measured(person, group, hits)["demographic_parity_difference"]
    # Then the number rests on ten persons, and one alone bounds nothing
    assert found.n == 10
    assert "smallest group a (n=10 persons)" in found.note
    alone = measured(np.where(group == 0, -1, person), group, hits)
    assert "one person only in group a" in alone["demographic_parity_difference"].note


def test_without_observed_variance_each_person_counts_once() -> None:
    # Given a group in which everybody is selected, ten persons with ten rows
    group, hits, n = np.zeros(10, dtype=np.int64), np.full(10, 10), np.full(10, 10)
    assert clusters.design_effect(group, hits, n, 1).effect == pytest.approx([10])


def test_means_by_person_are_means_of_persons() -> None:
    # Given persons with as many rows each, when a regression is measured by person
    rng = np.random.default_rng(23)
    persons, rows = 120, 30
    person, cell = np.repeat(np.arange(persons), rows), np.repeat([0, 1], persons * rows // 2)
    error = rng.normal(size=persons)[person] + rng.normal(size=persons * rows)
    target = rng.normal(size=persons * rows)
    four = np.stack([target, target + error, np.abs(error), error], axis=1)
    single = fairness_regression.Moments(np.ones(len(four), np.int64), four, four * 0, four * 0)
    sums = np.zeros((persons, 5))
    np.add.at(sums, person, np.column_stack([np.ones(len(four)), four]))
    each = clusters.Persons(np.repeat([0, 1], persons // 2), np.arange(persons), sums)
    found = single.merged(cell, 2).by_person(each).means(fairness_regression.SIGNED, 1.0)
    # Then the variance of a group's mean is that of the mean of its persons' means
    means = error.reshape(2, persons // 2, rows).mean(axis=2)
    assert found.value == pytest.approx(means.mean(axis=1))
    assert found.variance == pytest.approx(means.var(axis=1, ddof=1) / (persons // 2))
    assert found.freedom == pytest.approx([persons // 2 - 1] * 2)


def test_the_champion_and_flips_are_compared_by_person() -> None:
    # Given rows of persons that are all the same, ten times each
    rng = np.random.default_rng(24)
    once, person = rng.normal(size=(50, 3)), np.repeat(np.arange(50), 10)
    many = once[person]
    # When they are measured by person, then they are worth as much as once
    short = champions.champion_difference(*once.T, CONFIDENCE, np.arange(50))
    long = champions.champion_difference(*many.T, CONFIDENCE, person)
    assert (long.lower, long.upper) == pytest.approx((short.lower, short.upper))
    blind = champions.champion_difference(*many.T, CONFIDENCE)
    assert blind.upper - blind.lower < 0.5 * (long.upper - long.lower)

    def flips(whose: Any) -> Any:
        rows = pd.DataFrame({"x": many[:, 0]})
        answers = iter([(many[:, 0] > 0).astype(float), np.zeros(500), *([np.zeros(500)] * 9)])
        return robustness.flip_share(
            lambda _: next(answers), rows, {"x": 1.0}, 0.1, 0.0, CONFIDENCE, 1, whose
        )

    assert flips(None).upper < flips(person).upper


@pytest.mark.parametrize(
    ("columns", "drop", "found"),
    [
        ({"patient_id": [1, 1, 2]}, [], "patient_id"),
        ({"PatientID": [1, 1, 2]}, [], "PatientID"),
        ({"id": [1, 1, 2]}, ["id"], "id"),
        ({"id": [1, 2, 3]}, ["id"], None),  # unique: a row is its own
        ({"branch_id": [1, 1, 2]}, [], None),  # a feature, and not a person's
        ({"subject#": list(range(40)) * 2}, [], "subject#"),
        ({"user": ["yes", "no", "no"]}, [], None),  # two values are no persons
        ({"customer_type": list(range(40)) * 2}, [], None),
        ({"paid": [1, 1, 2], "age_of_customer": [30, 30, 31]}, [], None),
        ({"account_no": [1, 1, 2, 3], "household_id": [7, 7, 7, 8]}, [], "household_id"),
        # a place has fewer values than customers, and is nobody
        ({"region_id": [1, 1, 1, 1], "customer_id": [1, 1, 2, 3]}, ["region_id"], "customer_id"),
        ({"region_id": [1, 1, 2, 2]}, ["region_id"], None),
        # a number of accounts is a feature
        ({"accounts": list(range(40)) * 2}, [], None),
        (
            {"patient": list(range(40)) * 2, "patient_id": list(range(50)) + [0] * 30},
            [],
            "patient_id",
        ),
    ],
)
def test_an_id_that_comes_again_is_found(columns: Any, drop: list[str], found: str | None) -> None:
    raw = pd.DataFrame(columns)
    data = config.Data.model_validate(
        {
            "name": "people",
            "task": "regression",
            "source": {"kind": "file", "path": "x.csv"},
            "target": "y",
            "drop": drop,
            "contract": "suite.json",
        }
    )
    assert whose.column_of(raw, data) == found
    assert whose.column_of(raw, data.model_copy(update={"group": "other"})) == "other"


def test_persons_have_codes_and_a_row_without_one_is_its_own() -> None:
    codes = whose.coded(pd.Series(["x", None, "y", "x", None]))
    assert codes[tables.PERSON].tolist() == [0, 2, 1, 0, 3]


def test_a_group_is_not_split_at_random() -> None:
    from types import SimpleNamespace

    params: Any = SimpleNamespace(
        split=SimpleNamespace(kind="random", test_share=0.3),
        data=SimpleNamespace(group="patient", task="regression"),
    )
    frame = pd.DataFrame({"patient": [1, 1, 2, 2]})
    with pytest.raises(Problem, match="choose `split: group`"):
        split.divide(frame, frame["patient"], params)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_stage_measures_by_person(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given test rows of 80 persons, 25 each, whose answers are all the same
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(25)
    rows = np.arange(2_000)
    person, sex = rows // 25, np.where(rows // 25 % 2, "f", "m")
    value = rng.integers(0, 2, 80) if task == "classification" else rng.normal(size=80)
    predictions = pd.DataFrame({tables.ROW: rows, "part": "test", "prediction": value[person]})
    target = rng.integers(0, 2, 2_000) if task == "classification" else rng.normal(size=2_000)
    tables.write(predictions.assign(**{tables.TARGET: target}), tables.PREDICTIONS)
    for path in (tables.SENSITIVE_TRAIN, tables.SENSITIVE_TEST):
        tables.write(pd.DataFrame({tables.ROW: rows, "sex": sex}), path)
    name = "demographic_parity" if task == "classification" else "mean_prediction"
    key = f"sex.{name}_difference"
    blind = stage.gaps(task, ("sex",), CONFIDENCE)[1][key]
    # When it is known whose a row is
    tables.write(pd.DataFrame({tables.ROW: rows, tables.PERSON: person}), tables.PERSONS)
    found = stage.gaps(task, ("sex",), CONFIDENCE)[1][key]
    # Then the value is the same, and rests on 40 persons in each group
    assert found.value == blind.value
    assert (found.n, blind.n) == (40, 1_000)
    assert found.upper - found.value > 3 * (blind.upper - blind.value)
