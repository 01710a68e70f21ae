"""Share of answers that small noise changes: against closed forms, and as a gate."""

from __future__ import annotations

import json
import math
from typing import Any

import by_hand
import numpy as np
import pandas as pd
import pytest
import tables
from baked import BakedProject
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from governed_ml.measures.robustness import flip_share

UP_TO_EVALUATE = ("compose", "ingest", "validate", "split", "train", "evaluate")
rng = np.random.default_rng(5)
TABLE = pd.DataFrame({"x": rng.normal(7, 3, 20_000), "kind": ["a", "b"] * 10_000})


def measured(predict: Any, rows: pd.DataFrame = TABLE, **other: Any) -> Any:
    """The share for noise of a tenth of x's standard deviation, which is 3."""
    values: dict[str, Any] = {"spread": {"x": 3.0}, "size": 0.1, "tolerance": 0.0}
    return flip_share(predict, rows, **values | {"confidence": 0.999, "seed": 1} | other)


def step(rows: pd.DataFrame) -> np.ndarray:
    """A class: above the mean or not."""
    return (rows["x"] > 7).to_numpy("float64")


@pytest.mark.parametrize("size", [0.02, 0.1, 0.5, 2.0])
def test_the_flip_share_of_a_step_function_matches_theory(size: float) -> None:
    # Given normal values and a step at their mean, when noise of some size is added
    found = measured(step, size=size)
    # Then x and x + noise lie on different sides as often as two normals of that correlation do
    assert found.lower <= math.atan(size) / math.pi <= found.upper
    assert found.n == 5_000
    assert "of them by x alone" in found.note


def test_a_number_flips_when_it_moves_by_more_than_the_tolerance() -> None:
    # Given a straight line, whose answer moves as its input does, when noise is added
    found = measured(lambda rows: 2 * rows["x"].to_numpy(), tolerance=0.5)
    # Then as often as the noise of 2 × 0.3 is more than that
    assert found.lower <= 2 * norm.sf(0.5 / 0.6) <= found.upper
    assert measured(lambda rows: 2 * rows["x"].to_numpy(), tolerance=9.0).value == 0


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 3), st.floats(0.6, 0.999))
@settings(deadline=None, max_examples=25)
def test_the_share_lies_in_its_bounds_and_a_seed_gives_it_again(
    seed: int, size: float, confidence: float
) -> None:
    # Given a step, when it is measured twice, then the numbers are the same, and bounds are bounds
    rows = TABLE.head(300)
    one, two = (measured(step, rows, seed=seed, size=size, confidence=confidence) for _ in range(2))
    assert one == two
    assert 0 <= one.lower <= one.value <= one.upper <= 1
    assert one.n == 300


def test_noise_is_added_to_present_numbers_only() -> None:
    # Given nulls, a category, a constant column and whole numbers
    rows = TABLE.assign(gone=np.nan, same=4.0, count=np.arange(20_000) % 7)
    rows.loc[::3, "x"] = np.nan
    seen: list[pd.DataFrame] = []

    def predict(part: pd.DataFrame) -> np.ndarray:
        seen.append(part)
        return part["x"].isna().to_numpy("float64")

    # When noise is added
    found = measured(predict, rows, spread={"x": 3.0, "same": 0.0, "count": 2.0})
    # Then a null is a null still, the rest but for x and count is as it was, and these moved a bit
    moved, plain = seen[:2]
    assert found.value == 0
    pd.testing.assert_frame_equal(moved[["kind", "gone", "same"]], plain[["kind", "gone", "same"]])
    for name, spread in (("x", 3.0), ("count", 2.0)):
        noise = (moved[name] - plain[name]).dropna()
        assert abs(noise.std() / (0.1 * spread) - 1) < 0.05
        assert (noise != 0).all()


def test_a_model_without_numeric_features_has_no_flip_share() -> None:
    # Given no numeric feature that varies, when noise would be added, then there is no number
    found = measured(step, spread={})
    assert (found.value, found.note) == (None, "the model has no numeric feature that varies")


def rule(decision: dict[str, Any]) -> dict[str, Any]:
    """What a decision says about robustness."""
    [found] = [one for one in decision["rules"] if one["id"] == "evaluate.robustness"]
    return found


def test_the_default_model_does_not_flip(project_after_run: BakedProject) -> None:
    # Given the default project, when its line has run, then it was measured, judged, and is told
    found = rule(json.loads(project_after_run.read("reports/decision.json")))
    assert found["verdict"] == "pass"
    assert 0 < found["value"] < found["interval"][1] < found["limit"]
    assert "| Changed answers |" in project_after_run.read("reports/model_card.md")


@pytest.mark.nightly
@pytest.mark.slow
def test_a_model_that_memorises_is_denied_for_it(finished: BakedProject) -> None:
    # Given a tree that knows every row by heart
    book = finished.read("conf/data/synthetic.yaml")
    finished.write("conf/data/synthetic.yaml", book.replace("rows: 110000", "rows: 20000"))
    finished.write(
        "conf/model/tree.yaml",
        "name: tree\nestimator: {_target_: sklearn.tree.DecisionTreeClassifier}\n",
    )
    tables.choose(finished, model="tree")
    # When it is measured and judged
    finished.stages(*UP_TO_EVALUATE)
    found = rule(json.loads(finished.call("gate", "evaluate", "--json", code=1).stdout))
    # Then it is denied, for the rows whose answer changes
    assert found["verdict"] == "fail"
    assert found["interval"][0] > found["limit"]
    assert "rows change their answer" in found["reason"]
    # And the card's number is that of the model on disk, moved by hand
    assert abs(found["value"] - by_hand.flip_share(finished.path)) < 0.03
    # When it learns from categories alone, then the rule says that it does not apply
    numbers = "income, loan_amount, debt_ratio, savings, credit_history_years, late_payments"
    book = finished.read("conf/data/synthetic.yaml").replace("rows: 110000", "rows: 12000")
    book = book.replace("drop: [application_id", f"drop: [{numbers}, application_id")
    finished.write("conf/data/synthetic.yaml", book)
    finished.stages(*UP_TO_EVALUATE)
    found = rule(json.loads(finished.call("gate", "evaluate", "--json", code=None).stdout))
    assert found["verdict"] == "pass"
    assert found["reason"] == "does not apply: evidence.evaluate.perturbed_features > 0.0"
