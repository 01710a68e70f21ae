"""One window of production, measured in place on the default project: what counts, and what not."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest
from baked import BakedProject

from governed_ml.core import config, evidence, model_file
from governed_ml.core.config import composition
from governed_ml.core.problem import Problem
from governed_ml.monitoring import feeds, measure, window
from governed_ml.monitoring.rows import WindowRows
from governed_ml.pipeline import scoring as predict
from governed_ml.pipeline.data import columns
from governed_ml.pipeline.data.batch import as_trained
from governed_ml.pipeline.data.frozen import frozen

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
ROWS = 900


class Watch:
    """A champion as `predict` loads it, without a registry, and how a test measures a window."""

    def __init__(self, project: BakedProject) -> None:
        params = config.parse(config.read_raw(project.path / "params.yaml"))
        self.origin = predict.ServedVersion(
            version=1,
            state="champion",
            digest="sha256:1",
            model=project.path / "models" / "model.skops",
            evidence=evidence.collect(project.path),
            data=params.data,
        )
        self.policy = composition.compose(project.path / "conf", ["policy=limited"]).policy
        raw = pd.read_parquet(project.path / "data" / "raw.parquet")
        self.raw = raw.sample(6 * ROWS, random_state=1, ignore_index=True)

    def rows(self, part: int = 0, days: float = 1) -> pd.DataFrame:
        """Rows of the table as production might give them, the newest so many days old."""
        frame = self.raw.iloc[part * ROWS : (part + 1) * ROWS].reset_index(drop=True)
        ends = pd.Timestamp(NOW.replace(tzinfo=None)) - pd.to_timedelta(days, "D")
        return frame.assign(applied_on=ends.floor("D") - pd.to_timedelta(frame.index % 7, "D"))

    def look(
        self,
        feed: Any,
        *,
        since: datetime | None = None,
        now: datetime = NOW,
        limits: Any = None,
        known: frozenset[str] = frozenset(),
        **monitor: Any,
    ) -> Any:
        """Measure one window."""
        asked = window.Asked(
            monitoring=self.policy.monitoring.model_copy(update=limits or {}),
            monitor=config.Monitor(**monitor),
            confidence=0.95,
            now=now,
            since=since,
            known=known,
        )
        feed = feeds.feed_of(feed) if isinstance(feed, Path) else config.Feed(**feed)
        return window.look(feed, self.origin, asked)


@pytest.fixture(scope="module")
def watch(default_line: BakedProject) -> Watch:
    return Watch(default_line)


@pytest.fixture(autouse=True)
def inside(default_line: BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with the project's contract and nothing else, so that nothing is left."""
    (tmp_path / "governance").symlink_to(default_line.path / "governance")
    monkeypatch.chdir(tmp_path)


def saved(frame: pd.DataFrame, name: str = "batch.parquet") -> Path:
    """Write a batch where the test works."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".json":
        frame.to_json(path, orient="records", lines=True, date_format="iso")
    else:
        frame.to_parquet(path)
    return path


def verdicts(found: Any) -> dict[str, str]:
    """Rule → level."""
    return {rule.id: rule.verdict for rule in found.rules}


def test_a_batch_as_training_had_it_is_healthy_whatever_its_form(watch: Watch) -> None:
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
            "stale: the newest row is of 2026-05-15, 46 days old, at most 45",
        ),
        (
            lambda rows: rows.assign(applied_on=rows["applied_on"] + pd.Timedelta(days=3)),
            "the newest row is of 2026-07-02, which is still to come",
        ),
        (lambda rows: rows.assign(applied_on=None), "no row has a time in 'applied_on'"),
        (lambda rows: rows.drop(columns="applied_on"), "no row has a time in 'applied_on'"),
        (lambda rows: rows.drop(columns="income"), "has lost column 'income', which the model"),
    ],
)
def test_trap_41_what_is_empty_small_stale_or_lost_is_not_healthy(
    watch: Watch, change: Callable[[pd.DataFrame], pd.DataFrame], cause: str
) -> None:
    # Given a batch with something wrong, when it is measured
    found = watch.look(saved(change(watch.rows())))
    # Then it was not, and the reason is said; no rule is called healthy
    assert found.level == "not_measured"
    assert any(cause in one for one in found.reasons), found.reasons
    assert set(verdicts(found).values()) == {"not_measured"}


def test_a_stray_date_makes_no_window_long(watch: Watch) -> None:
    # Given a batch of a week, with a row of 1970, when it is measured
    rows = watch.rows()
    rows.loc[0, "applied_on"] = pd.Timestamp("1970-01-01")
    found = watch.look(saved(rows))
    # Then it is of its week, so that it is no part of every other window
    assert (found.since, found.until) == ("2026-06-23T00:00:00Z", "2026-06-29T00:00:00Z")


def test_one_new_row_makes_no_old_batch_new(watch: Watch) -> None:
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


def test_what_was_measured_while_it_was_new_is_measured_again_for_its_labels(watch: Watch) -> None:
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


def test_the_labels_of_a_batch_that_is_not_measured_are_counted_all_the_same(watch: Watch) -> None:
    # Given a batch that is too old, of which all but 100 rows have a label
    rows = watch.rows(days=60)
    rows["repaid"] = rows["repaid"].where(rows.index >= 100)
    # When it is measured, then it is not, but nobody says that it has no labels
    found = watch.look(saved(rows))
    assert (found.level, found.labelled) == ("not_measured", ROWS - 100)
    # And so it is where the model's own column is lost, and where there is no row
    assert watch.look(saved(watch.rows().drop(columns="income"))).labelled == ROWS
    assert watch.look(saved(watch.rows().head(0))).labelled == 0


def test_rows_that_nothing_dates_are_said_to_be_of_no_age(watch: Watch) -> None:
    # Given a table without a time, when a batch is measured, then nobody claims that it is new
    data = watch.origin.data.model_copy(update={"time": None})
    bare = Watch.__new__(Watch)
    bare.__dict__ |= watch.__dict__ | {"origin": replace(watch.origin, data=data)}
    found = bare.look(saved(watch.rows().assign(applied_on=pd.Timestamp("1999-01-01"))))
    assert any("they could be stale: name their date column in" in one for one in found.reasons)
    assert not any("they could be stale" in one for one in watch.look(saved(watch.rows())).reasons)


def test_a_file_of_a_folder_that_lost_a_column_is_seen(watch: Watch) -> None:
    # Given a folder of which one file has lost a column, and one has a new one
    rows = watch.rows()
    saved(rows.iloc[:450].assign(shoe_size=42), "parts/a.csv")
    saved(rows.iloc[450:].drop(columns="income"), "parts/b.csv")
    # Then the column is not filled up with nulls in silence
    found = watch.look(Path("parts"))
    assert found.level == "not_measured"
    assert "'income'" in found.reasons[0]


def test_a_new_column_and_values_of_another_type_are_said_by_name(watch: Watch) -> None:
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
    score = pd.Series(predict.scored(model, inputs)[0])
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


def served(watch: Watch, rows: pd.DataFrame, request: str, at: datetime, **more: Any) -> None:
    """Log rows as `predict` does."""
    trained = watch.origin.evidence["train"].body
    inputs = as_trained(rows, list(trained.numeric), list(trained.categorical))
    model = model_file.load(watch.origin.model.read_bytes())
    score, prediction = predict.scored(model, inputs)
    known = {"request_id": request, "row": range(len(rows)), "prediction": prediction}
    known |= {"score": score, "model_version": 1, "model_state": "champion"}
    known |= {"model_digest": "sha256:1", "predicted_at": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    others = [name for name in rows.columns if name not in inputs]
    log = pd.concat([pd.DataFrame(known | more), inputs, rows[others]], axis=1)
    saved(log, f"data/prediction_log/{at:%Y-%m-%d}/{request}.parquet")


def test_labels_that_are_late_partial_twice_or_of_an_unknown_request_are_said(
    watch: Watch,
) -> None:
    # Given two logged requests without labels or sensitive attributes
    rows = watch.rows()
    bare = rows.drop(columns=["repaid", "sex", "age_group"])
    served(watch, bare.iloc[:500].reset_index(drop=True), "one", NOW - timedelta(hours=5))
    served(watch, bare.iloc[500:].reset_index(drop=True), "two", NOW - timedelta(hours=2))
    log = {"kind": "log"}
    before = watch.look(log)
    assert (before.rows, before.labelled, before.level) == (ROWS, 0, "warn")
    assert before.reasons[0] == "performance was not measured: no labels yet"
    said = "fairness by sex was not measured: no row has the values that the rule needs"
    assert said in before.reasons
    assert verdicts(before)["performance.roc_auc"] == "not_measured"
    assert verdicts(before)["fairness.demographic_parity[sex]"] == "not_measured"
    # When labels come for the first request only, in another order, one twice, one contradicted,
    # one of a request that nobody made
    labels = pd.DataFrame({"request_id": "one", "row": range(500), "label": rows["repaid"][:500]})
    labels = labels.sample(frac=1, random_state=0)
    other = {"yes": "no", "no": "yes"}
    row = labels.iloc[[7]]
    more = [labels.iloc[[3]], row.assign(label=row["label"].map(other))]
    more += [pd.DataFrame({"request_id": ["nobody"], "row": [0], "label": ["yes"]})]
    more += [pd.DataFrame({"request_id": ["two"], "row": [9], "label": [None]})]
    saved(pd.concat([labels, *more]), "labels.csv")
    people = pd.concat(
        [
            pd.DataFrame(
                {"request_id": name, "row": range(len(part)), **part[["sex", "age_group"]]}
            )
            for name, part in (
                ("one", rows.iloc[:500].reset_index(drop=True)),
                ("two", rows.iloc[500:].reset_index(drop=True)),
            )
        ]
    )
    saved(people, "people.parquet")
    found = watch.look(
        log,
        labels={"kind": "file", "path": "labels.csv"},
        sensitive={"kind": "file", "path": "people.parquet"},
    )
    # Then those that are sure count, and the rest is said
    assert found.digest == before.digest
    assert (found.rows, found.labelled) == (ROWS, 499)
    said = " / ".join(found.reasons)
    for cause in (
        "labels: 1 are there twice, and count once",
        "labels: 1 rows have different ones, and none counts",
        "labels: 1 are of a request or row that is not in this window",
        "labels: 401 of 900 rows have none",
    ):
        assert cause in said
    assert verdicts(found)["performance.roc_auc"] == "healthy"
    # And joined attributes are as good as the batch's own
    whole = watch.look(saved(rows))
    name = "fairness.demographic_parity[sex*age_group]"
    values = [{rule.id: rule.value for rule in one.rules}[name] for one in (found, whole)]
    assert values[0] == pytest.approx(values[1])


def test_labels_in_another_coding_are_no_labels(watch: Watch) -> None:
    # Given labels that say 1 and 0 where the table says yes and no
    served(watch, watch.rows().drop(columns="repaid"), "one", NOW - timedelta(hours=1))
    labels = {"request_id": "one", "row": range(ROWS), "label": [1, 0] * (ROWS // 2)}
    saved(pd.DataFrame(labels), "labels.csv")
    found = watch.look({"kind": "log"}, labels={"kind": "file", "path": "labels.csv"})
    # Then nothing is measured by them, and the reason is said
    assert (verdicts(found)["performance.roc_auc"], found.labelled) == ("not_measured", 0)
    said = "labels: 900 values are none of the target's (no, yes): '0' 450 times, '1' 450 times"
    assert said in found.reasons


def test_what_cannot_be_joined_is_said(watch: Watch) -> None:
    # Given a batch without request ids, when labels are configured, then it is measured without
    rows = watch.rows().drop(columns=["repaid", "sex"])
    labels = {"kind": "file", "path": "labels.csv"}
    found = watch.look(saved(rows), labels=labels, sensitive=labels)
    assert "labels: the batch has no request_id and row to join them by" in found.reasons
    assert verdicts(found)["fairness.demographic_parity[age_group]"] == "healthy"
    # And a file of labels that is none is refused in a line
    served(watch, rows, "one", NOW - timedelta(hours=1))
    saved(rows, "labels.csv")
    with pytest.raises(Problem, match=r"labels: labels.csv has no column 'request_id'"):
        watch.look({"kind": "log"}, labels=labels)
    Path("labels.csv").unlink()
    with pytest.raises(Problem, match=r"labels.csv does not exist"):
        watch.look({"kind": "log"}, labels=labels)


def test_the_log_is_measured_from_where_it_was_left_and_for_this_version_only(
    watch: Watch,
) -> None:
    # Given what was logged three days ago, yesterday, and by another version
    rows = watch.rows()
    served(watch, rows, "old", NOW - timedelta(days=3, hours=1))
    served(watch, watch.rows(1).iloc[:400].reset_index(drop=True), "new", NOW - timedelta(days=1))
    served(watch, watch.rows(2), "other", NOW, model_digest="sha256:2")
    log = {"kind": "log"}
    # When the first two days were measured already, then what is new is measured
    found = watch.look(log, since=NOW - timedelta(days=3))
    assert (found.rows, found.labelled, found.batch) == (400, 400, "prediction log")
    assert found.until == "2026-06-29T12:00:00Z"
    assert "900 rows were answered by other versions: left out" in found.reasons
    assert watch.look(log).rows == 1300
    # And labels that come three days late are those of three days ago
    late = watch.look(log, since=NOW - timedelta(days=2), label_delay_days=3)
    assert (late.rows, late.labelled) == (400, 900)
    # And where nothing is new, nothing was measured
    empty = watch.look(log, since=NOW - timedelta(hours=1))
    assert (empty.rows, empty.level) == (0, "not_measured")


def test_what_was_served_counts_and_not_what_the_model_says_today(watch: Watch) -> None:
    # Given a log in which somebody was told something else than the model says
    served(watch, watch.rows(), "one", NOW - timedelta(hours=1), score=0.999, prediction=1)
    found = watch.look({"kind": "log"})
    # Then the drift of the predictions says so
    assert verdicts(found)["drift.prediction"] == "retrain"


def test_without_a_log_or_a_readable_file_there_is_no_window(watch: Watch) -> None:
    empty = watch.look({"kind": "log"})
    assert (empty.rows, empty.level) == (0, "not_measured")
    for text, cause in (("", "is empty"), ("<html>", "is a web page")):
        Path("batch.csv").write_text(text, encoding="utf-8")
        with pytest.raises(Problem, match=cause):
            watch.look(Path("batch.csv"))
    Path("none").mkdir()
    with pytest.raises(Problem, match="holds no CSV, Parquet or JSON file"):
        watch.look(Path("none"))
    with pytest.raises(Problem, match="does not exist"):
        watch.look(Path("lost.csv"))


def test_a_regression_is_watched_too(watch: Watch) -> None:
    # Given a champion that predicts a number, and people in two groups
    target = pd.Series([float(n % 50) for n in range(600)])
    prediction = target + pd.Series([5.0 if n % 2 else -5.0 for n in range(600)])
    groups = pd.DataFrame({"sex": ["f" if n % 2 else "m" for n in range(600)]})
    part = WindowRows(groups, prediction, prediction, target.where(target.index > 99), groups)
    # When both are measured on the labelled rows
    found = measure.treated(part, "regression", 0.95, 30, late=True)
    done = measure.performed(part.target, part.score, part.prediction, "regression", 0.95)
    # Then who is promised too much shows, in standard deviations of the target
    gap = found.metrics["fairness.sex.mean_signed_error_difference"]
    assert gap.value == pytest.approx(10 / part.target.std(ddof=0))
    assert gap.n == 250
    assert done.metrics["performance.mean_absolute_error"].value == pytest.approx(5)
    # And without labels nothing does
    bare = WindowRows(groups, prediction, prediction, target.where(target < 0), groups)
    none = measure.treated(bare, "regression", 0.95, 30, late=True)
    assert none.metrics["fairness.sex.mean_signed_error_difference"].note == "no labels yet"


def test_labels_of_an_unknown_value_are_none(watch: Watch) -> None:
    # Given a batch of which half the answers are still to come, some are misspelt, one is a name
    rows = watch.rows()
    known, rows["repaid"] = rows["repaid"], rows["repaid"].where(rows.index % 2 == 0, "pending")
    rows.loc[0, "repaid"], rows.loc[2, "repaid"] = "Yes", "Ada Lovelace"
    # When it is measured, then they are neither good nor bad, and a rare value is not repeated
    found = watch.look(saved(rows))
    assert found.labelled == 448
    said = "labels: 451 values are none of the target's (no, yes): 'pending' 450 times"
    assert said in found.reasons
    assert "Ada" not in found.model_dump_json()
    rows["repaid"] = known.where(rows.index % 2 == 0)
    rows.loc[[0, 2], "repaid"] = None
    whole = watch.look(saved(rows))
    assert [rule.value for rule in found.rules if rule.id.startswith("performance")] == [
        rule.value for rule in whole.rules if rule.id.startswith("performance")
    ]


@pytest.mark.parametrize(
    ("positive", "contract", "values", "target", "said"),
    [
        (True, ["True", "False"], ["TRUE", "false", "maybe", None], [1, 0, None, None], "1 values"),
        (1, [0, 1], [1.0, 0.0, 2.0, None], [1, 0, None, None], "1 values are none"),
        ("yes", ["no"], ["yes", "no", "Yes", " no"], [1, 0, None, None], "2 values are none"),
        ("yes", [], ["yes", "no", "late", None], [1, 0, 0, None], "has no set of values for"),
    ],
)
def test_a_label_is_read_as_training_reads_it(
    watch: Watch,
    positive: Any,
    contract: list[Any],
    values: list[Any],
    target: list[Any],
    said: str,
) -> None:
    # Given a contract that knows some values of the target
    one = {"type": "expect_column_values_to_be_in_set"}
    one["kwargs"] = {"column": "repaid", "value_set": contract}
    Path("contract.json").write_text(json.dumps({"expectations": [one]}), encoding="utf-8")
    data = watch.origin.data.model_copy(update={"positive": positive, "contract": "contract.json"})
    # When labels are read, then those that it does not know are none, and counted
    found, notes = feeds.target_of(pd.Series(values, dtype="object"), data)
    assert [None if pd.isna(value) else value for value in found] == target
    assert [said in note for note in notes] == [True]


class Quiet(SimpleHTTPRequestHandler):
    """The test's folder over HTTP."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called
        """Say nothing."""


def test_a_batch_from_an_address_is_named_without_its_secrets(watch: Watch) -> None:
    # Given a batch, and its labels, behind signed addresses
    rows = watch.rows().assign(request_id="one", row=range(ROWS))
    labels = rows[["request_id", "row"]].assign(label=rows["repaid"])
    saved(labels, "labels.csv")
    saved(rows.drop(columns="repaid"), "batch.csv")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=".")) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        where = f"http://127.0.0.1:{server.server_port}"
        served_at = [
            {"kind": "file", "path": f"{where}/{name}?signature=hush"}
            for name in ("batch.csv", "labels.csv", "lost.csv")
        ]
        # When it is measured, then it is as a file is, and no record has the signature
        found = watch.look(served_at[0], labels=served_at[1])
        assert (found.level, found.labelled, found.batch) == ("healthy", ROWS, "batch.csv")
        assert "hush" not in found.model_dump_json()
        with pytest.raises(Problem, match=r"/lost.csv cannot be fetched: .*404") as caught:
            watch.look(served_at[2])
        assert "hush" not in str(caught.value)
        server.shutdown()
    secret = config.Feed(kind="file", path="https://ada:hush@example.org/day.csv?s=hush#hush")
    assert feeds.name_of(secret) == "day.csv"
    with pytest.raises(Problem, match=r"^path holds a password"):
        watch.look(secret.model_dump())


def test_times_with_a_zone_are_the_same_on_every_machine() -> None:
    # Given a Parquet batch whose times have a zone, when a machine in Tokyo reads it
    times = pd.date_range("2026-06-01 20:00", periods=3, freq="h", tz="America/New_York")
    saved(pd.DataFrame({"at": times}))
    code = (
        "from governed_ml.monitoring import feeds\n"
        "from governed_ml.core import config\n"
        "from governed_ml.pipeline.data.frozen import plain\n"
        "feed = config.Feed(kind='file', path='batch.parquet')\n"
        "print(*feeds.read(feed, plain({'at': 'TIMESTAMP'})).frame['at'].dt.hour)"
    )
    variables = os.environ | {"TZ": "Asia/Tokyo", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True
    )
    # Then it is midnight in UTC, as ingest would have it
    assert done.stdout.split() == ["0", "1", "2"]


def test_no_row_of_the_log_is_lost_between_two_windows(watch: Watch) -> None:
    # Given requests of an hour ago and of half a minute ago
    rows, log = watch.rows(), {"kind": "log"}
    hour = NOW - timedelta(hours=1)
    served(watch, rows.iloc[:400].reset_index(drop=True), "old", hour)
    served(watch, rows.iloc[400:].reset_index(drop=True), "new", NOW - timedelta(seconds=30))
    # When the log is measured, then the last minute waits: others of then may be on their way
    first = watch.look(log)
    assert (first.rows, first.until) == (400, f"{hour:%Y-%m-%dT%H:%M:%SZ}")
    assert "500 rows were logged just now: the next window has them" in first.reasons
    # And one that came late by its time is in the next window
    served(watch, watch.rows(1), "late", NOW - timedelta(seconds=31))
    second = watch.look(log, since=hour, now=NOW + timedelta(minutes=1))
    assert second.rows == 500 + ROWS
    # And who tries it for the first time does not wait
    first = watch.look(log, since=hour)
    assert (first.rows, first.level) == (500 + ROWS, "healthy")
    none = watch.look(log, since=hour, now=NOW - timedelta(seconds=30))
    assert (none.rows, none.level) == (0, "not_measured")


def test_a_prediction_is_stamped_when_it_is_logged(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a model that takes five seconds
    class Clock(datetime):
        ticks = NOW

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return cls.ticks

    def slow(*given: Any) -> Any:
        Clock.ticks = NOW + timedelta(seconds=5)
        return scored(*given)

    scored = predict.scored
    monkeypatch.setattr(predict, "datetime", Clock)
    monkeypatch.setattr(predict, "scored", slow)
    # When it predicts, then the log has the time at which the row can be read
    answer = predict.predict(watch.origin, saved(watch.rows()), Path("out.csv"), "one")
    log = pd.read_parquet(answer.log)
    assert set(log["predicted_at"]) == {"2026-06-30T12:00:05Z"}
    # And it has the names that no column of a table may have
    assert [*log.columns[: len(columns.LOGGED)]] == [*columns.LOGGED]
    assert {*feeds.KEYS, *feeds.SERVED} == {*columns.LOGGED}
    for name in columns.LOGGED:
        with pytest.raises(Problem, match=rf"column '{name.title()}': this name is taken by what"):
            columns.check_names(["income", name.title()])


def test_late_labels_have_their_drift_measured(watch: Watch) -> None:
    # Given labels of three days ago, and none of yesterday
    rows = watch.rows().drop(columns="repaid")
    served(watch, rows, "old", NOW - timedelta(days=3, hours=1))
    served(watch, rows, "new", NOW - timedelta(days=1))
    saved(
        pd.DataFrame({"request_id": "old", "row": range(ROWS), "label": watch.rows()["repaid"]}),
        "labels.csv",
    )
    labels = {"kind": "file", "path": "labels.csv"}
    # When that is how late they come
    found = watch.look(
        {"kind": "log"}, since=NOW - timedelta(days=2), label_delay_days=3, labels=labels
    )
    # Then the drift of the target is theirs, too
    assert (found.rows, found.labelled) == (ROWS, ROWS)
    assert verdicts(found)["performance.roc_auc"] == "healthy"
    assert verdicts(found)["drift.target"] == "healthy"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"score": None}, "3 of 900 rows have no 'score' that is a number from 0 to 1"),
        ({"score": float("inf")}, "3 of 900 rows have no 'score' that is a number from 0 to 1"),
        ({"score": 17.0}, "3 of 900 rows have no 'score' that is a number from 0 to 1"),
        ({"prediction": "yes"}, "3 of 900 rows have no 'prediction' that is 0 or 1"),
        ({"prediction": 2}, "3 of 900 rows have no 'prediction' that is 0 or 1"),
        ("score", "900 of 900 rows have no 'score' that is a number from 0 to 1"),
        ("prediction", "900 of 900 rows have no 'prediction' that is 0 or 1"),
    ],
)
def test_what_was_served_and_is_no_answer_is_not_measured(
    watch: Watch, change: Any, cause: str
) -> None:
    # Given a batch that says what was served, a part of it nothing that a model answers
    rows = watch.rows().assign(model_digest="sha256:1", score=0.5, prediction=1)
    if isinstance(change, str):
        rows = rows.drop(columns=change)
    else:
        [(name, value)] = change.items()
        rows[name] = rows[name].astype("object").where(rows.index > 2, value)
        rows[name] = rows[name].astype("str") if value == "yes" else rows[name]
    # Then it was not measured, and the first reasons say why
    found = watch.look(saved(rows))
    assert (found.level, found.labelled) == ("not_measured", ROWS)
    assert cause in " ".join(found.reasons[:2])
    assert "leave model_digest out" in found.reasons[1]


def test_an_infinite_number_is_no_value(watch: Watch) -> None:
    # Given an infinite income, when it is to be predicted, then it is refused
    rows = watch.rows()
    rows.loc[5, "income"] = float("inf")
    path = saved(rows)
    with pytest.raises(Problem, match="1 of 900 values of 'income' are not a number"):
        predict.predict(watch.origin, path, Path("out.csv"), "one")
    # And in a batch it is none, and said
    found = watch.look(path)
    assert found.level == "warn"
    assert "income: 1 values are not of its type, or infinite" in found.reasons[0]


def test_a_file_of_the_log_that_is_there_twice_counts_once(watch: Watch) -> None:
    # Given a folder with a logged request, a copy of it, and rows without a request's id
    served(watch, watch.rows().iloc[:400].reset_index(drop=True), "one", NOW - timedelta(hours=1))
    [file] = Path("data/prediction_log").rglob("*.parquet")
    once = watch.look(file.parent)
    file.with_name("one (1).parquet").write_bytes(file.read_bytes())
    # When it is measured, as a folder or as the log, then each row counts once
    for feed in (file.parent, {"kind": "log"}):
        found = watch.look(feed)
        assert (found.rows, found.digest) == (400, once.digest)
        assert "400 rows are there twice (request_id, row): counted once" in found.reasons
    # And rows that nobody can tell apart stay
    log = pd.read_parquet(file).assign(request_id=None)
    saved(log, str(file))
    assert watch.look(file.parent).rows == 800


def test_a_query_is_a_batch_as_a_file_is(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a database of applications with a new column, and the same as a file
    rows = watch.rows().assign(shoe_size=42).drop(columns="income")
    with sqlite3.connect("own.db") as db:
        rows.to_sql("applications", db, index=False)
    monkeypatch.setenv("OWN", "sqlite:///own.db")
    query = config.Feed(kind="sql", url="env:OWN", query="SELECT * FROM applications")
    file = config.Feed(kind="file", path=str(saved(rows)))
    # When both are read as the columns that training had
    known = frozen(watch.origin.evidence["ingest"].body.columns, watch.origin.data)
    one, other = (feeds.read(feed, known) for feed in (query, file))
    # Then they are the same rows; what is lost and what is new is seen
    assert (feeds.name_of(query), len(one.frame)) == ("query", 900)
    assert (one.lost, one.strange, one.unfit) == (("income",), ("shoe_size",), {})
    assert window._digest(one.frame) == window._digest(other.frame)
