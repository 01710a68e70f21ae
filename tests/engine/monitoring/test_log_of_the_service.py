"""The log of `governance serve` as a batch: whose rows count, and what is joined to them."""

from __future__ import annotations

import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError
from watched import (
    NOW,
    ROWS,
    Watch,
    answered,
    appended,
    inside,  # noqa: F401 - a fixture
    saved,
    served,
    verdicts,
    watched,  # noqa: F401 - a fixture
)

from governed_ml.core.config.policy_schema import Policy
from governed_ml.core.config.production.policy import ServedExplanations
from governed_ml.monitoring.measuring import served_explanations
from governed_ml.monitoring.window import Window
from governed_ml.pipeline import predict_version as predict
from governed_ml.pipeline.prediction_log.places import PREDICTIONS, SENSITIVE, TRUTH
from governed_ml.pipeline.prediction_log.store import Store

LOG = {"kind": "log"}
HOUR = NOW - timedelta(hours=1)


def stores() -> tuple[Store, Store]:
    """A writer of predictions and one of sensitive attributes."""
    return Store(PREDICTIONS), Store(SENSITIVE)


def values(found: Window) -> dict[str, float | None]:
    """Rule → value."""
    return {rule.id: rule.value for rule in found.rules}


def part(rows: pd.DataFrame, start: int, end: int) -> pd.DataFrame:
    """Some of the rows, numbered from 0."""
    return rows.iloc[start:end].reset_index(drop=True)


def closed(both: tuple[Store, Store]) -> None:
    """Close both stores."""
    for store in both:
        store.close()


class Clock(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return HOUR


def test_every_form_of_the_log_counts_each_row_of_the_champion_once(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given rows that one file of an earlier engine holds
    rows = watch.rows()
    served(watch, rows, "whole", HOUR)
    whole = watch.look(LOG)
    assert whole.rows == ROWS
    # When the same rows are in a file of an earlier engine, one of `predict`, a closed segment and
    # an open one, and beside them are rows of a canary, a shadow and another version
    Path("data/prediction_log").rename("earlier")
    served(watch, part(rows, 0, 300), "old", HOUR)
    monkeypatch.setattr(predict, "datetime", Clock)
    batch = saved(part(rows, 300, 500))
    predict.predict(watch.origin, batch, Path("out.csv"), "new")
    first = stores()
    appended(watch, first, part(rows, 500, 700), HOUR)
    appended(watch, first, part(rows, 0, 50), HOUR, arm="canary", model_digest="sha256:2")
    closed(first)
    second = stores()
    appended(watch, second, part(rows, 700, 900), HOUR)
    appended(watch, second, part(rows, 0, 60), HOUR, arm="shadow", model_digest="sha256:2")
    appended(watch, second, part(rows, 0, 70), HOUR, arm="canary")  # before its promotion
    lost = {"arm": "champion", "error": "ValueError", "prediction": None, "score": None}
    appended(watch, second, part(rows, 0, 80), HOUR, **lost)
    appended(watch, second, part(rows, 0, 80), HOUR, model_digest="sha256:2")
    found = watch.look(LOG)
    # Then the same is measured, and who was left out is said
    assert (found.rows, found.labelled, found.level) == (ROWS, ROWS, whole.level)
    for name, value in values(whole).items():
        assert values(found)[name] == pytest.approx(value), name
    assert "rows of a canary or shadow, left out: 180" in found.reasons
    assert "rows of other versions, left out: 80" in found.reasons
    assert "rows without an answer, left out: 80" in found.reasons
    # And it stays the same when the open segment is closed, and a day's folder is a part of it
    closed(second)
    assert watch.look(PREDICTIONS).digest == found.digest
    assert watch.look(PREDICTIONS / f"{HOUR:%Y-%m-%d}").rows == 500
    # And no attribute is in the new files, but they are read by their owner only
    new = [pd.read_parquet(path) for path in PREDICTIONS.glob("*/*.parquet")]
    assert sorted("sex" in frame for frame in new) == [False, False, False, True]
    assert stat.S_IMODE(SENSITIVE.stat().st_mode) == 0o700


def test_joined_attributes_give_the_same_window_as_logged_ones(watch: Watch) -> None:
    # Given the same request in the form of an earlier engine, and with its attributes apart
    rows = watch.rows()
    rows.loc[:9, "sex"] = None
    served(watch, rows, "one", HOUR)
    before = watch.look(LOG)
    [old] = PREDICTIONS.glob("*/*.parquet")
    log = pd.read_parquet(old)
    keys, names = ["request_id", "row"], [*watch.origin.data.sensitive]
    saved(log[[*keys, *names]], f"{SENSITIVE}/2026-06-30/one.parquet")
    saved(log.drop(columns=names).assign(arm="champion"), str(old))
    # When it is monitored, then it is the same window, to the last value
    found = watch.look(LOG)
    assert (found.digest, values(found)) == (before.digest, values(before))
    assert watch.look(old).digest == before.digest


def test_rows_without_attributes_have_no_group(watch: Watch) -> None:
    # Given requests that came with attributes, some without, and one whose attributes contradict
    rows, both = watch.rows(), stores()
    appended(watch, both, part(rows, 0, 500), HOUR)
    [key] = {one["request_id"] for one in read(SENSITIVE)}
    appended(watch, both, part(rows, 500, 900).drop(columns=["sex", "age_group"]), HOUR)
    other = {"male": "female", "female": "male"}.get(rows["sex"][3], "male")
    both[1].append([{"request_id": key, "row": 3, "sex": other, "age_group": "30-49"}])
    # When they are measured, then only those with attributes are compared
    found = watch.look(LOG)
    assert "sensitive attributes: rows with contradicting values, not counted: 1" in found.reasons
    assert "sensitive attributes: 401 rows have none" in found.reasons
    [sex] = [one for one in found.groups if one.name == "sex"]
    assert sum(group.n for group in sex.groups) == 499
    assert "missing" not in {group.name for group in sex.groups}


def read(folder: Path) -> list[dict[str, Any]]:
    """The records of the open segment of a store."""
    [path] = folder.glob("*/*.jsonl")
    return pd.read_json(path, lines=True).to_dict("records")


def test_labels_that_the_service_received_are_joined(watch: Watch) -> None:
    # Given answers without labels, and the service's own store of labels, which is empty
    rows, both = watch.rows(), stores()
    labels: dict[str, Any] = {"labels": LOG}
    appended(watch, both, rows.drop(columns="repaid"), HOUR)
    before = watch.look(LOG, **labels)
    assert (before.labelled, verdicts(before)["performance.roc_auc"]) == (0, "not_measured")
    # When labels come, one twice, one contradicted, one of an unknown request
    [key] = {one["request_id"] for one in read(SENSITIVE)}
    truth = Store(TRUTH)
    mine = [
        {"request_id": key, "row": row, "label": label, "received_at": "2026-06-30T11:00:00Z"}
        for row, label in enumerate(rows["repaid"].tolist())
    ]
    truth.append(mine[:800])
    truth.append([mine[5] | {"received_at": "2026-06-30T11:30:00Z"}])
    truth.append([mine[7] | {"label": {"yes": "no", "no": "yes"}[mine[7]["label"]]}])
    truth.append([mine[0] | {"request_id": "nobody"}])
    # Then those that are sure count, and the rest is said
    found = watch.look(LOG, **labels)
    assert (found.digest, found.labelled) == (before.digest, 799)
    for said in (
        "labels: repeated rows, each counted once: 1",
        "labels: rows with contradicting values, not counted: 1",
        "labels: rows of a request that is not in this window: 1",
        "labels: 101 of 900 rows have none",
    ):
        assert said in found.reasons
    assert verdicts(found)["performance.roc_auc"] == "healthy"
    # And they are joined to a batch of a file, too
    [path] = PREDICTIONS.glob("*/*.jsonl")
    Path("copy.jsonl").write_bytes(path.read_bytes())
    assert watch.look(Path("copy.jsonl"), **labels).labelled == 799


def test_a_batch_with_a_column_called_arm_is_no_log(watch: Watch) -> None:
    # Given a batch of a file with columns of its own that are called like those of the log
    rows = watch.rows().assign(arm="left", explained="maybe", subject="ada", error="none")
    found = watch.look(saved(rows))
    # Then all its rows count, and the columns are new ones
    assert (found.rows, values(found)["schema.new_columns"]) == (ROWS, 4)
    # And a copy of the log is read like the log
    more = {"subject": "x", "explained": True, "milliseconds": 1.5, "explanation": "{}"}
    frame = answered(watch, watch.rows(), "one", HOUR, arm="shadow", error=None, **more)
    frame.loc[:499, "arm"] = "champion"
    found = watch.look(saved(frame, "copy.parquet"))
    assert (found.rows, values(found)["schema.new_columns"]) == (500, 0)


@pytest.fixture
def explaining(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Policy:
    """The policy of the tests, which wants every prediction explained."""
    policy = watch.policy.model_copy(update={"explain": ServedExplanations(serve="all")})
    monkeypatch.setattr(watch, "policy", policy)
    return policy


@pytest.mark.usefixtures("explaining")
def test_the_share_of_explained_predictions_is_judged(watch: Watch) -> None:
    # Given answers of which some were explained, and rows that `predict` wrote, which are not
    rows, both = watch.rows(), stores()
    served(watch, part(rows, 0, 300), "batch", HOUR)
    found = watch.look(LOG)
    assert verdicts(found)["explain.served"] == "not_measured"
    assert any(served_explanations.UNKNOWN in reason for reason in found.reasons)
    assert found.level == "healthy"
    for start in range(300, 900, 10):
        more = {"explained": start >= 600, "arm": "champion"}
        appended(watch, both, part(rows, start, start + 10), HOUR, **more)
    appended(watch, both, part(rows, 0, 300), HOUR, arm="shadow", explained=True)
    # When they are measured, then half of the service's answers is too few
    found = watch.look(LOG)
    [rule] = [one for one in found.rules if one.id == "explain.served"]
    assert (rule.value, rule.verdict, found.level) == (0.5, "warn", "warn")
    # And the bounds are those of sixty requests, not of six hundred rows
    low, high = rule.interval or (0, 0)
    assert (low, high) == (pytest.approx(0.374, abs=0.005), pytest.approx(0.626, abs=0.005))


def test_explanations_are_judged_only_where_the_policy_wants_them(watch: Watch) -> None:
    # Given policies that want all predictions explained, a sample, those asked for, or say nothing
    for explain, judged in [
        (ServedExplanations(serve="all"), True),
        (ServedExplanations(serve="sampled", share=0.1), True),
        (ServedExplanations(serve="on_request"), False),
        (None, False),
    ]:
        policy = watch.policy.model_copy(update={"explain": explain})
        limits = served_explanations.limits_of(policy)
        assert limits is not None
        # Then only the first two have the rule
        ids = {rule.id for rule in limits.rules}
        assert ("explain.served" in ids) == judged, explain
        assert len(watch.policy.monitoring.rules) - len(ids) == (0 if judged else 1)
    # And a limit that no sample can reach is refused
    values = watch.policy.model_dump(mode="json", by_alias=True)
    values["explain"] = {"serve": "sampled", "share": 0.1}
    said = "explain.served wants a share of 0.95 explained, but explain.share is 0.1"
    with pytest.raises(ValidationError, match=said):
        Policy.model_validate(values)
    [rule] = [one for one in values["monitoring"]["rules"] if one["id"] == "explain.served"]
    rule["warn"] = 0.1
    assert Policy.model_validate(values).explain
