"""A drafted contract has the ranges that a person would begin with, and invents none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import served
from served import in_own_folder  # noqa: F401 - a fixture

from governed_ml.core import tables
from governed_ml.pipeline.contract.suite_file import draft
from governed_ml.pipeline.contract.validation import judged

pytestmark = pytest.mark.usefixtures("inside")
ROWS = 1200
ROW = np.arange(ROWS)
CHANCE = np.random.default_rng(5)


def drafted(name: str, values: Any, **conf: Any) -> dict[str, Any] | None:
    """The range that is drafted for a column, or None."""
    frame = pd.DataFrame(
        {name: values, "steady": ROW / 4, "repaid": np.where(ROW % 3, "no", "yes")}
    )
    data, _ = served.ingested(served.write(frame, Path("table.parquet")), **conf)
    suite = draft(tables.RAW, data)["expectations"]
    assert [one for one in judged(tables.RAW, suite) if not one.success] == []
    mine = [one["kwargs"] for one in suite if one["kwargs"].get("column") == name
            and one["type"] == "expect_column_values_to_be_between"]  # fmt: skip
    return {k: v for k, v in mine[0].items() if k != "column"} if mine else None


def both(low: float, high: float) -> dict[str, float]:
    return {"min_value": low, "max_value": high}


CASES: dict[str, tuple[Any, dict[str, Any] | None]] = {
    "month": (ROW % 12 + 1, both(1, 12)),
    "hour": (ROW % 24, both(0, 23)),
    "flag": ((ROW % 100 == 0).astype(int), both(0, 1)),
    "children": (np.minimum(CHANCE.poisson(0.7, ROWS), 4), both(0, 5)),  # four is rare, so is five
    "age": (ROW % 50 + 18, both(13, 72)),
    "rating": (ROW % 31 + 1, both(1, 31)),
    "latitude": (CHANCE.uniform(41, 45.07, ROWS).round(5), "near"),
    "balance": (np.where(ROW % 2, -500, 1500) + ROW % 7 * 10, both(-706, 1766)),
    "amount": (ROW % 97 + 3, both(0, 109)),
    "year": (2015 + ROW % 9, {"min_value": 2014}),
    "model_year": (1999 + ROW % 9, {"min_value": 1998}),
    "row_number": (ROW, None),
    "account": (ROW * 7919 + 10**8, None),
    "constant": (np.full(ROWS, 7), None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_range_is_what_the_values_show(name: str) -> None:
    values, right = CASES[name]
    found = drafted(name, values)
    if right == "near":  # a tenth of the spread at each end, rounded outwards
        assert found is not None
        assert found["min_value"] == pytest.approx(40.6, abs=0.02)
        assert found["max_value"] == pytest.approx(45.48, abs=0.02)
    else:
        assert found == right
        whole = [isinstance(limit, int) for limit in (found or {}).values()]
        assert all(whole)  # whole numbers have whole ends


def test_a_column_that_is_dropped_or_names_persons_has_no_range() -> None:
    for conf in ({"drop": ["serial"]}, {"group": "serial"}):
        assert drafted("serial", ROW // 2 * 3, **conf) is None
    assert drafted("serial", ROW // 2 * 3) is not None


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_codes_get_a_set_of_values_in_every_task(task: str) -> None:
    # Given codes that are numbers
    frame = pd.DataFrame({"kind": ROW % 4 * 10, "y": ROW % 2 + (ROW % 5) * (task == "regression")})
    conf: dict[str, Any] = {"target": "y", "categorical": ["kind"], "task": task}
    conf["positive"] = 1 if task == "classification" else None
    data, _ = served.ingested(served.write(frame, Path("table.parquet")), **conf)
    # When a contract is drafted, then it lists them, and gives no range
    kinds = {one["type"]: one["kwargs"] for one in draft(tables.RAW, data)["expectations"]
             if one["kwargs"].get("column") == "kind"}  # fmt: skip
    assert kinds["expect_column_values_to_be_in_set"]["value_set"] == [0, 10, 20, 30]
    assert "expect_column_values_to_be_between" not in kinds
