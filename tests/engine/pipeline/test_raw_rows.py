"""Labels and groups are taken anew from the raw table: a table that was written over is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from governed_ml.core import tables
from governed_ml.core.config.data import MISSING, Data, Sensitive
from governed_ml.core.problem import Problem
from governed_ml.pipeline.data import persons
from governed_ml.pipeline.data.columns import groups_of, merged_groups, target_of
from governed_ml.pipeline.raw_rows import require_recounted

ROWS = 400
COMMON = {"name": "d", "contract": "c.json", "sensitive": {"sex": {}, "age": {"bins": [30, 50]}}}
YES_OR_NO = {"task": "classification", "target": "repaid", "positive": "yes"}
NUMBER = {"task": "regression", "target": "income"}


def data(**task: str) -> Data:
    return Data.model_validate(COMMON | {"source": {"kind": "synthetic", "rows": ROWS}} | task)


@pytest.fixture(params=[YES_OR_NO, NUMBER], ids=["classification", "regression"])
def divided(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Data:
    """A raw table and what `split` and `evaluate` make of it, with gaps in an attribute."""
    monkeypatch.chdir(tmp_path)
    own, random = data(**request.param), np.random.default_rng(16)
    raw = pd.DataFrame(
        {
            "sex": random.choice(["female", "male", None], ROWS),
            "age": random.integers(18, 90, ROWS).astype("float64"),
            "repaid": random.choice(["yes", "no"], ROWS),
            "income": random.normal(3000, 800, ROWS),
        }
    )
    raw.loc[::17, "age"] = np.nan
    tables.write(raw, tables.RAW)
    raw = tables.read(tables.RAW)
    number = pd.Series(range(ROWS), name=tables.ROW)
    is_test = random.random(ROWS) < 0.3
    groups = pd.concat([number, groups_of(raw, own)], axis=1)
    tables.write(groups[~is_test], tables.SENSITIVE_TRAIN)
    tables.write(groups[is_test], tables.SENSITIVE_TEST)
    whole = pd.concat([number, target_of(raw, own)], axis=1)
    whole["part"] = np.where(is_test, "test", "train")
    tables.write(pd.concat([whole[~is_test], whole[is_test]]), tables.PREDICTIONS)
    return own


def test_rows_without_a_value_can_be_merged_into_another_group() -> None:
    # Given an attribute with codes, one with bins, and rows without a value
    raw = pd.DataFrame(
        {
            "sex": [1.0, 2.0, 2.0, 3.0, np.nan],
            "age": [20.0, 40.0, 60.0, np.nan, np.nan],
            "race": ["a", "b", None, "missing", "a"],
        }
    )
    # When labels merge them
    own = data(**YES_OR_NO).model_copy(
        update={
            "sensitive": {
                "sex": Sensitive(labels={"1": "male", "2": "female", "3": "rest", MISSING: "rest"}),
                "age": Sensitive(bins=[30, 50], labels={MISSING: ">=50", "30-50": ">=50"}),
                "race": Sensitive(),
            }
        }
    )
    found = groups_of(raw, own)
    # Then they are in the groups that the labels say, and without a label in `missing`
    assert list(found["sex"]) == ["male", "female", "female", "rest", "rest"]
    assert list(found["age"]) == ["<30", ">=50", ">=50", ">=50", ">=50"]
    assert list(found["race"]) == ["a", "b", MISSING, MISSING, "a"]
    # And the merged values are counted, so that the evidence says what is in a group
    assert merged_groups(raw, own) == {
        "sex": {"rest": {"3": 1, MISSING: 1}},
        "age": {">=50": {"30-50": 1, ">=50": 1, MISSING: 2}},
    }


def other_label(frame: pd.DataFrame) -> pd.DataFrame:
    last = frame[tables.TARGET].iloc[-1]
    frame.loc[frame.index[-1], tables.TARGET] = 1 - last
    return frame


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(sex=frame["sex"].sample(frac=1, random_state=1).to_numpy())


def regrouped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(age=frame["age"].replace("<30", "30-50"))


EDITS: dict[str, tuple[Path, Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "one label": (tables.PREDICTIONS, other_label, "differs from data/raw.parquet in 1 row: "),
    "a row less": (tables.PREDICTIONS, lambda one: one[1:], "each of the 400 rows"),
    "a row twice": (
        tables.PREDICTIONS,
        lambda one: pd.concat([one[1:], one[-1:]]),
        "each of the 400 rows of data/raw.parquet once",
    ),
    "another part": (
        tables.PREDICTIONS,
        lambda one: one.assign(part=["test", *one["part"][1:]]),
        "does not hold the train rows of data/predictions.parquet",
    ),
    "groups that changed places": (
        tables.SENSITIVE_TEST,
        swapped,
        "test.parquet: sex differs from",
    ),
    "groups that were merged": (
        tables.SENSITIVE_TRAIN,
        regrouped,
        "train.parquet: age differs from",
    ),
    "a person less": (tables.SENSITIVE_TEST, lambda one: one[1:], "does not hold the test rows"),
}


def test_tables_divided_from_the_raw_table_agree_with_it(divided: Data) -> None:
    require_recounted(divided)


@pytest.mark.parametrize("edit", EDITS)
def test_a_table_that_was_written_over_is_refused(divided: Data, edit: str) -> None:
    path, change, words = EDITS[edit]
    # Given a table between split and fairness that somebody wrote over
    tables.write(change(tables.read(path)), path)
    # When groups are measured, then it is refused, by the table and the column
    with pytest.raises(Problem, match=words) as one:
        require_recounted(divided)
    assert path.as_posix() in str(one.value)
    assert one.value.exit_code == 1


def test_persons_are_those_of_the_raw_table(divided: Data) -> None:
    # Given a raw table in which an id repeats, and its persons as `split` writes them
    raw = tables.read(tables.RAW)
    raw["customer_id"] = np.arange(ROWS) // 4
    tables.write(raw, tables.RAW)
    right = persons.coded(tables.read(tables.RAW)["customer_id"])
    tables.write(right, tables.PERSONS)
    # When all is as the raw table has it, then nothing is refused
    require_recounted(divided)
    # When each row is made a person of its own, or the table is taken away, then it is refused
    tables.write(right.assign(**{tables.PERSON: range(ROWS)}), tables.PERSONS)
    with pytest.raises(Problem, match="must assign rows to persons as"):
        require_recounted(divided)
    tables.PERSONS.unlink()
    with pytest.raises(Problem, match="must assign rows to persons as"):
        require_recounted(divided)
