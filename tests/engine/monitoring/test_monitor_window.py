"""One window, measured in place: what is healthy, what has moved, what is nothing to judge by."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from watched import ROWS, Watch, inside, saved, verdicts, watched  # noqa: F401 - fixtures, too

from governed_ml.core import model_file
from governed_ml.monitoring import measure
from governed_ml.monitoring.measuring import group_treatment
from governed_ml.monitoring.window_rows import WindowRows
from governed_ml.pipeline import predict_version as predict
from governed_ml.pipeline.data.batch import as_trained


def test_a_batch_like_the_training_data_is_healthy_in_every_format(watch: Watch) -> None:
    # Given one batch as Parquet, as CSV, as JSON, and in parts in a folder
    rows = watch.rows()
    saved(rows.iloc[:400], "parts/a.csv")
    saved(rows.iloc[400:], "parts/sub/b.parquet")
    feeds = [saved(rows, f"batch.{kind}") for kind in ("parquet", "csv", "json")]
    feeds.append(Path("parts"))
    # When each is measured
    found = [watch.look(feed) for feed in feeds]
    # Then all say the same, and it is well
    assert {one.level for one in found} == {"healthy"}, found[0].reasons
    assert len({one.digest for one in found}) == 1
    for other in found[1:]:
        assert [rule.value for rule in other.rules] == pytest.approx(
            [rule.value for rule in found[0].rules], nan_ok=True
        )
    names = ["batch.parquet", "batch.csv", "batch.json", "parts"]
    assert [one.batch for one in found] == names
    # And drift, fairness and, as the target is there, performance were measured
    first = found[0]
    assert (first.rows, first.labelled) == (ROWS, ROWS)
    assert (first.since, first.until) == ("2026-06-23T00:00:00Z", "2026-06-29T00:00:00Z")
    assert set(verdicts(first).values()) <= {"healthy", "not_measured"}
    for name in ("drift.data[income]", "drift.prediction", "fairness.demographic_parity[sex]",
                 "performance.roc_auc", "drift.target", "contract.failed"):  # fmt: skip
        assert verdicts(first)[name] == "healthy", first.reasons
    assert {column.name for column in first.columns} >= {"income", "purpose", "prediction"}
    assert {group.name for group in first.groups} >= {"sex", "sex*age_group"}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda rows: rows.head(0), "0 rows, at least 300 wanted"),
        (lambda rows: rows.head(299), "299 rows, at least 300 wanted"),
        (
            lambda rows: rows.assign(applied_on=rows["applied_on"] - pd.Timedelta(days=45)),
            (
                "stale: the newest row is of 2026-05-15, 46 days old, at most 45 "
                "(monitoring.maximum_age_days)"
            ),
        ),
        (
            lambda rows: rows.assign(applied_on=rows["applied_on"] + pd.Timedelta(days=3)),
            "the newest row is of 2026-07-02, which is in the future",
        ),
        (lambda rows: rows.assign(applied_on=None), "no row has a time in 'applied_on'"),
        (lambda rows: rows.drop(columns="applied_on"), "no row has a time in 'applied_on'"),
        (lambda rows: rows.drop(columns="income"), "lacks column 'income', which the model"),
    ],
)
def test_trap_41_an_empty_small_stale_or_incomplete_batch_is_not_healthy(
    watch: Watch, change: Callable[[pd.DataFrame], pd.DataFrame], cause: str
) -> None:
    # Given a batch with something wrong, when it is measured
    found = watch.look(saved(change(watch.rows())))
    # Then it was not, and the reason is said; no rule is called healthy
    assert found.level == "not_measured"
    assert any(cause in one for one in found.reasons), found.reasons
    assert set(verdicts(found).values()) == {"not_measured"}


def test_a_single_odd_date_does_not_extend_a_window(watch: Watch) -> None:
    # Given a batch of a week, with a row of 1970, when it is measured
    rows = watch.rows()
    rows.loc[0, "applied_on"] = pd.Timestamp("1970-01-01")
    found = watch.look(saved(rows))
    # Then it is of its week, so that it is no part of every other window
    assert (found.since, found.until) == ("2026-06-23T00:00:00Z", "2026-06-29T00:00:00Z")


def test_one_new_row_does_not_make_a_stale_batch_current(watch: Watch) -> None:
    # Given rows of a year ago and a few of yesterday, when they are measured, then they are stale
    rows, old = watch.rows(), pd.Timedelta(days=400)
    mixed = rows.assign(
        applied_on=rows["applied_on"].where(rows.index < 299).fillna(rows["applied_on"] - old)
    )
    found = watch.look(saved(mixed))
    assert found.level == "not_measured"
    why = "stale: 299 of 900 rows are at most 45 days old, at least 300 wanted"
    assert why in found.reasons
    # And with one more there are as many new ones as a window takes
    more = rows["applied_on"].where(rows.index < 300).fillna(rows["applied_on"] - old)
    assert watch.look(saved(rows.assign(applied_on=more))).level == "healthy"


def test_a_window_that_became_stale_is_measured_again_for_late_labels(watch: Watch) -> None:
    # Given a batch that is too old by now, when it is a window already, then its labels count
    rows = watch.rows(days=60)
    batch = saved(rows)
    digest = watch.look(saved(rows.drop(columns="repaid"), "bare.parquet")).digest
    found = watch.look(batch, known=frozenset({digest}))
    assert (found.level, found.labelled) == ("healthy", ROWS)
    # And why it would not count today is said beside; of other rows it is the reason
    assert found.stale.startswith("stale: the newest row is of 2026-05-01, 60 days old")
    other = watch.look(batch, known=frozenset({"sha256:0"}))
    assert other.level == "not_measured"


def test_rows_without_a_time_are_reported_as_undated(watch: Watch) -> None:
    # Given a table without a time, when a batch is measured, then nobody claims that it is new
    data = watch.origin.data.model_copy(update={"time": None})
    bare = Watch.__new__(Watch)
    bare.__dict__ |= watch.__dict__ | {"origin": replace(watch.origin, data=data)}
    found = bare.look(saved(watch.rows().assign(applied_on=pd.Timestamp("1999-01-01"))))
    assert any("whether they are stale: name their date column in" in one for one in found.reasons)
    assert not any(
        "whether they are stale" in one for one in watch.look(saved(watch.rows())).reasons
    )


def test_a_file_of_a_folder_that_lost_a_column_is_seen(watch: Watch) -> None:
    # Given a folder of which one file has lost a column, and one has a new one
    rows = watch.rows()
    saved(rows.iloc[:450].assign(shoe_size=42), "parts/a.csv")
    saved(rows.iloc[450:].drop(columns="income"), "parts/b.csv")
    # Then the column is not filled up with nulls in silence
    found = watch.look(Path("parts"))
    assert found.level == "not_measured"
    assert "'income'" in found.reasons[0]


def test_new_columns_and_values_of_a_wrong_type_are_named(watch: Watch) -> None:
    # Given a batch with a column that nobody knows, and texts among numbers
    rows = watch.rows().assign(shoe_size=42)
    rows["income"] = rows["income"].astype("object").where(rows.index != 5, "a lot")
    found = watch.look(saved(rows, "batch.csv"))
    # Then the rest is measured, and both are named
    assert found.level == "warn"
    assert verdicts(found)["schema.new_columns"] == "warn"
    assert any("shoe_size" in one for one in found.reasons)
    assert any("income: 1 values are not of its type" in one for one in found.reasons)


def test_drift_asks_for_retraining_and_says_where(watch: Watch) -> None:
    # Given a batch in which incomes have doubled, when it is measured
    found = watch.look(saved(watch.rows().assign(income=lambda rows: rows["income"] * 2)))
    # Then that column is named first, with its worst bin; others are as they were
    assert found.level == "retrain"
    assert found.reasons[0].startswith("drift.data[income]: ")
    assert re.search(
        r"at most 0.25 for retrain; PSI [\d.]+, most of it in '\(.*\]': 10", found.reasons[0]
    )
    assert verdicts(found)["drift.data[debt_ratio]"] == "healthy"
    # And a limit by the policy decides: with others the same is a warning
    limits = {"rules": [one for one in watch.policy.monitoring.rules if one.id != "drift.data"]}
    assert watch.look(Path("batch.parquet"), limits=limits).level != "retrain"


def shifted(watch: Watch, part: int) -> pd.DataFrame:
    """A batch whose women are those with the highest scores, whose men those with the lowest."""
    model = model_file.load(watch.origin.model.read_bytes())
    rows = watch.rows(part)
    trained = watch.origin.evidence["train"].body
    inputs = as_trained(rows, list(trained.numeric), list(trained.categorical))
    score = pd.Series(predict.scored(model, inputs).score)
    return rows.assign(sex=score.gt(score.median()).map({True: "female", False: "male"}))


def test_a_shift_between_groups_reaches_the_last_level_with_labels_or_without(
    watch: Watch,
) -> None:
    # Given a batch with a planted shift between groups, when it is measured
    rows = shifted(watch, 0)
    for batch in (rows, rows.drop(columns="repaid")):
        found = watch.look(saved(batch))
        # Then parity is broken beyond doubt
        assert found.level == "rollback"
        assert verdicts(found)["fairness.demographic_parity[sex]"] == "rollback"
        labelled = "repaid" in batch
        assert (verdicts(found)["fairness.equalized_odds[sex]"] != "not_measured") == labelled
    # And a group that is too small to compare is left out, named, and hides nothing
    rows.loc[:10, "age_group"] = "90+"
    found = watch.look(saved(rows))
    assert verdicts(found)["fairness.demographic_parity[sex]"] == "rollback"
    reason = next(r.reason for r in found.rules if r.id == "fairness.demographic_parity[age_group]")
    assert "too small to compare: 90+ (n=11)" in reason


def test_a_regression_is_watched_too(watch: Watch) -> None:
    # Given a champion that predicts a number, and people in two groups
    target = pd.Series([float(n % 50) for n in range(600)])
    prediction = target + pd.Series([5.0 if n % 2 else -5.0 for n in range(600)])
    groups = pd.DataFrame({"sex": ["f" if n % 2 else "m" for n in range(600)]})
    part = WindowRows(groups, prediction, prediction, target.where(target.index > 99), groups)
    # When both are measured on the labelled rows
    found = group_treatment.treated(part, "regression", 0.95, 30, late=True)
    done = measure.performed(part, "regression", 0.95)
    # Then who is promised too much shows, in standard deviations of the target
    gap = found.metrics["fairness.sex.mean_signed_error_difference"]
    assert gap.value == pytest.approx(10 / part.target.std(ddof=0))
    assert gap.n == 250
    assert done.metrics["performance.mean_absolute_error"].value == pytest.approx(5)
    # And without labels nothing does
    bare = WindowRows(groups, prediction, prediction, target.where(target < 0), groups)
    none = group_treatment.treated(bare, "regression", 0.95, 30, late=True)
    assert none.metrics["fairness.sex.mean_signed_error_difference"].note == "no labels yet"
