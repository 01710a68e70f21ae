"""Where a batch comes from changes no row of it, and what is no value or no answer is said."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest
from watched import ROWS, Watch, inside, saved, watched  # noqa: F401 - fixtures, too

from governed_ml.core import config
from governed_ml.core.problem import Problem
from governed_ml.monitoring import feeds, window
from governed_ml.pipeline import predict_version as predict
from governed_ml.pipeline.data.column_readers import frozen


def test_without_a_log_or_a_readable_file_there_is_no_window(watch: Watch) -> None:
    empty = watch.look({"kind": "log"})
    assert (empty.rows, empty.level) == (0, "not_measured")
    for text, cause in (("", "is empty"), ("<html>", "is a web page")):
        Path("batch.csv").write_text(text, encoding="utf-8")
        with pytest.raises(Problem, match=cause):
            watch.look(Path("batch.csv"))
    Path("none").mkdir()
    with pytest.raises(Problem, match="holds no CSV, JSON, Parquet, Arrow or Excel file"):
        watch.look(Path("none"))
    with pytest.raises(Problem, match="does not exist"):
        watch.look(Path("lost.csv"))


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
        "from governed_ml.pipeline.data.column_readers import plain\n"
        "feed = config.Feed(kind='file', path='batch.parquet')\n"
        "print(*feeds.read(feed, plain({'at': 'TIMESTAMP'})).frame['at'].dt.hour)"
    )
    variables = os.environ | {"TZ": "Asia/Tokyo", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True
    )
    # Then it is midnight in UTC, as ingest would have it
    assert done.stdout.split() == ["0", "1", "2"]


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
def test_invalid_served_predictions_are_not_measured(watch: Watch, change: Any, cause: str) -> None:
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
    assert "leave out model_digest" in found.reasons[1]


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
