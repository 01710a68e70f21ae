"""The log as a batch: no row is lost, none counts twice, none of another version counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from watched import (
    NOW,
    ROWS,
    Watch,
    inside,  # noqa: F401 - a fixture
    saved,
    served,
    verdicts,
    watched,  # noqa: F401 - a fixture
)

from governed_ml.core import tables
from governed_ml.monitoring import feeds
from governed_ml.pipeline import predict_version as predict


def test_only_new_log_rows_of_this_version_are_measured(
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
    assert "rows of other versions, left out: 900" in found.reasons
    assert watch.look(log).rows == 1300
    # And labels that come three days late are those of three days ago
    late = watch.look(log, since=NOW - timedelta(days=2), label_delay_days=3)
    assert (late.rows, late.labelled) == (400, 900)
    # And where nothing is new, nothing was measured
    empty = watch.look(log, since=NOW - timedelta(hours=1))
    assert (empty.rows, empty.level) == (0, "not_measured")


def test_served_predictions_are_measured_not_new_ones(watch: Watch) -> None:
    # Given a log in which somebody was told something else than the model says
    served(watch, watch.rows(), "one", NOW - timedelta(hours=1), score=0.999, prediction=1)
    found = watch.look({"kind": "log"})
    # Then the drift of the predictions says so
    assert verdicts(found)["drift.prediction"] == "retrain"


def test_no_row_of_the_log_is_lost_between_two_windows(watch: Watch) -> None:
    # Given requests of an hour ago and of half a minute ago
    rows, log = watch.rows(), {"kind": "log"}
    hour = NOW - timedelta(hours=1)
    served(watch, rows.iloc[:400].reset_index(drop=True), "old", hour)
    served(watch, rows.iloc[400:].reset_index(drop=True), "new", NOW - timedelta(seconds=30))
    # When the log is measured, then the last minute waits: others of then may be on their way
    first = watch.look(log)
    assert (first.rows, first.until) == (400, f"{hour:%Y-%m-%dT%H:%M:%SZ}")
    assert "rows logged just now, for the next window: 500" in first.reasons
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
    # And it has its own names first, which columns of a table do not take
    assert [*log.columns[: len(tables.LOGGED)]] == [*tables.LOGGED]
    assert {*feeds.KEYS, *feeds.SERVED} == {*tables.LOGGED}
    for name in tables.LOGGED:
        assert tables.in_log(name.title()) == f"input.{name.title()}"


def test_a_duplicate_log_file_counts_once(watch: Watch) -> None:
    # Given a folder with a logged request, a copy of it, and rows without a request's id
    served(watch, watch.rows().iloc[:400].reset_index(drop=True), "one", NOW - timedelta(hours=1))
    [file] = Path("data/prediction_log").rglob("*.parquet")
    once = watch.look(file.parent)
    file.with_name("one (1).parquet").write_bytes(file.read_bytes())
    # When it is measured, as a folder or as the log, then each row counts once
    for feed in (file.parent, {"kind": "log"}):
        found = watch.look(feed)
        assert (found.rows, found.digest) == (400, once.digest)
        assert "repeated rows (request_id, row), each counted once: 400" in found.reasons
    # And rows that nobody can tell apart stay
    log = pd.read_parquet(file).assign(request_id=None)
    saved(log, str(file))
    assert watch.look(file.parent).rows == 800
