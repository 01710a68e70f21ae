"""Names of parameters and metrics, as MLflow takes them: columns are called whatever they are."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.utils import validation

from governed_ml.pipeline.tracking import LONGEST, names

COLUMN = st.text(max_size=300) | st.text(alphabet="a./: _-é", max_size=12)


@settings(max_examples=50, deadline=None)
@given(st.lists(COLUMN, max_size=8))
@example(["leak." + "x" * 400, "leak." + "x" * 401])
@example(["a(b", "a[b", "a_b"])
@example([".", "..", "/", "a//b", "a/../b", "a/", "../a", "", "_"])
def test_every_name_is_one_that_mlflow_takes_and_no_two_are_alike(columns: list[str]) -> None:
    # Given metrics that are named after any columns, when MLflow's names are made for them
    found = names(columns)
    # Then MLflow takes each, and each has its own
    assert set(found) == set(columns)
    assert len(set(found.values())) == len(found)
    for name in found.values():
        validation._validate_metric_name(name)
        validation._validate_param(name, "a value")
        assert len(name) <= LONGEST == validation.MAX_ENTITY_KEY_LENGTH


def test_a_name_that_mlflow_takes_stays_as_it_is() -> None:
    # Given names that are good, one of which another would become, when they are made
    found = names(["drift.income(€)", "drift.income_€_", "drift.income___", "evaluate/roc_auc"])
    # Then those stay, and the others differ
    assert found["evaluate/roc_auc"] == "evaluate/roc_auc"
    assert found["drift.income___"] == "drift.income___"
    assert found["drift.income(€)"].startswith("drift.income____")
