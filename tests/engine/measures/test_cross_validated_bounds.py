"""Bounds under cross-validation: wider, and wide enough that few rules pass wrongly."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import pytest
from baked import ROOT
from hypothesis import given
from hypothesis import strategies as st

from governed_ml.core.evidence import Metric
from governed_ml.measures.bounds import cross_validated
from governed_ml.measures.fairness_regression import GAPS

SHARE = st.floats(0, 1)


@given(st.lists(SHARE, min_size=3, max_size=3))
def test_bounds_move_away_from_the_value_and_stay_possible(values: list[float]) -> None:
    low, value, high = sorted(values)
    metric = Metric(value=value, lower=low, upper=high, n=10, note="why")
    found = cross_validated.widened({"sex.demographic_parity_difference": metric})
    [wider] = found.values()
    assert (wider.value, wider.n, wider.note) == (value, 10, "why")
    assert wider.lower is not None
    assert wider.upper is not None
    assert 0 <= wider.lower <= low
    assert high <= wider.upper <= 1


def test_the_variance_counts_one_and_a_half_times() -> None:
    metric = Metric(value=0.5, lower=0.4, upper=0.55)
    wider = cross_validated.widened({"flip_share": metric})["flip_share"]
    assert ((0.5 - (wider.lower or 0)) / 0.1) ** 2 == pytest.approx(1.5)
    assert (((wider.upper or 0) - 0.5) / 0.05) ** 2 == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("name", "lower", "upper"),
    [
        ("champion_difference", -0.2, 1.2),
        ("sex.mean_prediction_difference", 0.0, 1.2),
        ("sex*age.mean_absolute_error_difference", 0.0, 1.2),
        ("sex.mean_absolute_error_ratio", 0.0, 1.0),
        ("sex.equalized_odds_difference", 0.0, 1.0),
    ],
)
def test_only_what_can_be_negative_or_large_is(name: str, lower: float, upper: float) -> None:
    metric = Metric(value=0.5, lower=-0.07 if "champion" in name else 0.0, upper=1.0)
    wider = cross_validated.widened({name: metric})[name]
    assert (wider.lower, wider.upper) == (
        pytest.approx(lower, abs=0.05),
        pytest.approx(upper, abs=0.2),
    )
    assert (wider.lower or 0) >= 0 or lower < 0
    assert (wider.upper or 0) <= 1 or upper > 1


def test_every_gap_without_a_largest_value_is_known() -> None:
    assert {*cross_validated.POSITIVE} == {*GAPS}


def test_a_metric_without_bounds_stays_as_it_is() -> None:
    plain = {"roc_auc": Metric(value=0.8, n=3), "none": Metric(value=None, note="why")}
    assert cross_validated.widened(plain) == plain


@pytest.mark.nightly
def test_few_rules_pass_wrongly_at_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given tables on which the limit of each rule is the truth about the released model
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT / "tests" / "power")])
    simulation: Any = import_module("cross_validation")
    case = simulation.Case("logistic regression", 400, 20, 5, 60, 1, 1.0)
    # When they are cross-validated
    found = simulation.passes(case)
    # Then hardly any passes, and fewer than with plain bounds
    assert all(wider <= 0.05 for _, wider in found.values()), found
    assert sum(plain for plain, _ in found.values()) > sum(wider for _, wider in found.values())
