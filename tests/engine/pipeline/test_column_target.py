"""A target that cannot be learned is refused at ingest, and its favourable value is found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import served
from served import in_own_folder  # noqa: F401 - a fixture

from governed_ml.core.problem import Problem

pytestmark = pytest.mark.usefixtures("inside")


UNLEARNED: dict[str, tuple[Any, dict[str, Any], str]] = {  # case → target, conf, what is said
    "another positive": (
        ["yes", "no"],
        {"positive": "ja"},
        "'ja' is no value of the target 'repaid', which has 'no' 200 times, 'yes' 200 times: ",
    ),
    "a truth value": (["yes", "no"], {"positive": True}, "YAML reads yes, no, on and off without"),
    "one class": (
        ["yes", "yes"],
        {},
        "target 'repaid' has one value only ('yes' 400 times): a classification needs two",
    ),
    "gaps": (["yes", None], {}, "target 'repaid' is missing in 200 of 400 rows: write `drop_unl"),
    "nothing": ([None, None], {}, "target 'repaid' is missing in 400 of 400 rows"),
    "gaps of a regression": (
        [1.5, None],
        {"task": "regression", "positive": None},
        "target 'repaid' is missing in 200 of 400 rows",
    ),
}


@pytest.mark.parametrize("case", UNLEARNED)
def test_a_target_that_cannot_be_learned_is_refused_at_once(case: str) -> None:
    # Given a target that lacks values, or has another favourable value than is said
    values, conf, said = UNLEARNED[case]
    source = served.write(served.loans().assign(repaid=values * 200), Path("table.parquet"))
    # When it is ingested, then the values that occur are said, and nothing is written
    with pytest.raises(Problem, match=re.escape(said)):
        served.ingested(source, time="applied_on", **conf)
    assert not list(Path("data").glob("raw.*"))


@pytest.mark.parametrize("values", [[True, False], [1, 0], ["1", "0"], [1.0, 0.0]])
def test_a_favourable_value_is_found_however_it_is_written(values: list[Any]) -> None:
    # Given truth values, and 1 and 0, when they are ingested, then `true` or 1 is among them
    source = served.write(served.loans().assign(repaid=values * 200), Path("table.parquet"))
    positives = [True, "true"] if values[0] is True else [1, "1"]
    for positive in positives:
        served.train(source, time="applied_on", sensitive={"sex": {}}, positive=positive)
