"""Folds: how they are configured, and which rows are in them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from governed_ml.core.config.split import Split
from governed_ml.core.problem import Problem
from governed_ml.pipeline.folds import assignment

FOLDS = Split(kind="cross_validated", folds=4)


# --- configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "cross_validated"}, "cross_validated needs folds"),
        ({"kind": "cross_validated", "folds": 5, "test_share": 0.3}, "takes no test_share"),
        ({"kind": "cross_validated", "folds": 2}, "greater than or equal to 3"),
        ({"kind": "cross_validated", "folds": 21}, "less than or equal to 20"),
        ({"kind": "cross_validated", "folds": "5"}, "valid integer"),
        ({"kind": "random"}, "random needs test_share"),
        ({"kind": "time", "test_share": 0.3, "folds": 5}, "takes no folds"),
    ],
)
def test_each_kind_of_split_takes_its_own_key(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Split.model_validate(given)


def test_a_split_without_folds_is_written_as_before() -> None:
    old = {"kind": "random", "test_share": 0.3}
    assert Split.model_validate(old).model_dump(mode="json") == old
    assert FOLDS.model_dump(mode="json") == {"kind": "cross_validated", "folds": 4}
    assert (Split.model_validate(old).tested, FOLDS.tested) == (0.3, 1.0)


# --- folds ----------------------------------------------------------------------------------------


def folds_of(target: list[Any], group: list[Any] | None = None, **data: Any) -> Any:
    """The folds of rows with these targets and groups."""
    raw = pd.DataFrame({"y": target} | ({} if group is None else {"who": group}))
    known = {"task": "classification", "target": "y", "time": None}
    known["group"] = None if group is None else "who"
    params: Any = SimpleNamespace(split=FOLDS, seed=3, data=SimpleNamespace(**known | data))
    return assignment.assigned(raw, raw["y"], params)


def test_each_row_is_in_one_fold_and_each_fold_has_its_share_of_every_class() -> None:
    target = [1] * 20 + [0] * 60
    fold = folds_of(target)
    assert sorted({*fold}) == [1, 2, 3, 4]
    for number in range(1, 5):
        mine = np.array(target)[fold == number]
        assert (len(mine), mine.sum()) == (20, 5)
    assert (fold == folds_of(target)).all()


def test_rows_of_one_person_are_in_one_fold() -> None:
    who = [f"p{row // 4}" for row in range(200)]
    fold = folds_of([row % 2 for row in range(200)], who)
    assert all(len({*fold[np.array(who) == one]}) == 1 for one in who)
    assert len({*fold}) == 4


@pytest.mark.parametrize(
    ("target", "group", "data", "said"),
    [
        ([1] * 3 + [0] * 50, None, {}, "the rarest class has 3: lower `folds`"),
        ([1, 0] * 20, ["a"] * 20 + ["b"] * 20, {}, "2 values of 'who' cannot be divided into 4"),
        ([1, 0] * 20, [None, *["a", "b", "c", "d"] * 9, *"abc"], {}, "null in 1 of 40 rows"),
        ([1] * 10 + [0] * 30, [*"a" * 10, *"bcdefg" * 5], {}, "values of 'who'"),
        ([1, 0] * 20, None, {"time": "day"}, "choose `split: time`"),
        ([1.0, 2.0, 3.0], None, {"task": "regression"}, "3 rows cannot be divided into 4 folds"),
    ],
)
def test_folds_that_could_not_measure_are_refused(
    target: list[Any], group: list[Any] | None, data: dict[str, Any], said: str
) -> None:
    with pytest.raises(Problem, match=said):
        folds_of(target, group, **data)
