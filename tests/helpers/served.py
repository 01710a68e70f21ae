"""A model of a small table, trained and asked in this process: the engine reads every cell."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from governed_ml.core import tables
from governed_ml.core.config import Feed, Monitor
from governed_ml.core.config.data import Data
from governed_ml.core.evidence_bodies import Column, IngestBody
from governed_ml.monitoring import window_rows as monitored
from governed_ml.pipeline import models, predict_version
from governed_ml.pipeline.data import column_kinds
from governed_ml.pipeline.data.columns import features_of, target_of
from governed_ml.pipeline.prediction_log.places import PREDICTIONS, SENSITIVE
from governed_ml.pipeline.stages import ingest

PLAIN: dict[str, Any] = {
    "name": "loans",
    "task": "classification",
    "target": "repaid",
    "positive": "yes",
    "contract": "contract.json",
}


def loans(rows: int = 400, seed: int = 1) -> pd.DataFrame:
    """Loans, with a column of each plain kind."""
    chance = np.random.default_rng(seed)
    late = chance.poisson(0.8, rows)
    ratio = chance.beta(2, 4, rows).round(2)
    chosen = chance.random(rows) < 1 / (1 + np.exp(late + 3 * ratio - 2))
    day = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(rows) % 12, "D")
    return pd.DataFrame(
        {
            "applied_on": day,
            "age": chance.integers(19, 75, rows),
            "debt_ratio": ratio,
            "late_payments": late,
            "employed": chance.random(rows) < 0.8,
            "region": chance.choice(["north", "south", "east"], rows),
            "sex": chance.choice(["female", "male"], rows),
            "repaid": np.where(chosen, "yes", "no"),
        }
    )


def write(frame: pd.DataFrame, path: Path) -> dict[str, str]:
    """Write a table in the format that its name ends in; return the source that reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = frame.assign(
        **{name: frame[name].dt.strftime("%Y-%m-%d") for name in frame.select_dtypes("datetime")}
    )
    if path.suffix == ".csv":
        texts.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix == ".jsonl":
        texts.to_json(path, orient="records", lines=True, double_precision=15)
    elif path.suffix == ".db":
        with sqlite3.connect(path) as connection:
            texts.to_sql("loans", connection, index=False, if_exists="replace")
        connection.close()
        url = f"sqlite:///{path.as_posix()}"
        return {"kind": "sql", "url": url, "query": "SELECT * FROM loans"}
    return {"kind": "file", "path": str(path)}


def data(source: dict[str, Any] | None = None, **conf: Any) -> Data:
    """Return the configuration of a table of loans."""
    where = source or {"kind": "file", "path": "table.parquet"}
    return Data.model_validate(PLAIN | {"source": where} | conf)


def ingested(
    source: dict[str, Any],
    *,
    lines: list[str] | None = None,
    bodies: list[IngestBody] | None = None,
    roles: bool = False,
    **conf: Any,
) -> tuple[Data, list[Column]]:
    """Ingest a source in the working folder; return the configuration and what was decided.

    `lines` gets the line that the stage prints, `bodies` the body of its evidence.
    Dates without a role are asked about only with `roles`.
    """
    configured = data(source, **conf)
    kept: list[IngestBody] = []
    params = SimpleNamespace(data=configured, seed=1)
    with (
        mock.patch.object(ingest, "read", return_value=params),
        mock.patch.object(ingest, "record", lambda *given, **_: kept.append(given[3])),
        nullcontext() if roles else mock.patch.object(column_kinds, "require_role", _as_it_is),
    ):
        (lines if lines is not None else []).append(ingest.main())
    body = IngestBody.model_validate_json(kept[0].model_dump_json())  # as a release has it
    if bodies is not None:
        bodies.append(body)
    return configured, body.columns


def _as_it_is(one: Any, _: Data) -> Any:
    return one


@dataclass
class Served:
    """A trained model, and how production asks it."""

    origin: predict_version.ServedVersion
    model: Any
    features: pd.DataFrame
    scores: np.ndarray

    def predict(self, path: Path) -> pd.DataFrame:
        """Ask as `governance predict` does; return the answers."""
        out = path.with_name(f"{path.stem}-answers.parquet")
        with self._opened():
            done = predict_version.predict(self.origin, path, out, path.stem)
        self.notes = done.notes
        return pd.read_parquet(out)

    def monitor(
        self, source: dict[str, str], now: datetime = datetime(2025, 2, 1, tzinfo=UTC)
    ) -> tuple[monitored.FeedRows, monitored.WindowRows]:
        """Read a batch as `governance monitor` does; return it as read, and completed."""
        feed = Feed(**source)
        with self._opened():
            given = monitored.gather(feed, self.origin, Monitor(), None, now)
            return given.new, monitored.complete(given.new, self.origin, Monitor())

    @contextmanager
    def _opened(self) -> Generator[None]:
        @contextmanager
        def opened(_: Path) -> Generator[Any]:
            yield self.model

        with mock.patch.object(models, "opened", opened):
            yield


def forget_answers() -> None:
    """Let a request with the same name be answered again."""
    for folder in (PREDICTIONS, SENSITIVE):
        for path in folder.glob("*/*.parquet"):
            path.unlink()


def train(source: dict[str, Any], *, beside: Sequence[str] = (), **conf: Any) -> Served:
    """Ingest a source and fit a model on all its rows, in the working folder.

    Columns `beside` are read and are no features.
    """
    configured, columns = ingested(source, **conf)
    raw = tables.read(tables.RAW).drop(columns=list(beside))
    features, numeric, categorical = features_of(raw, configured)
    target = target_of(raw, configured)
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), categorical),
            (StandardScaler(), numeric),
        ),
        LogisticRegression(max_iter=50),
    )
    model.fit(features.fillna(dict.fromkeys(numeric, 0.0)), target)
    filled = _Filled(model, numeric)
    evidence = {
        "ingest": SimpleNamespace(body=SimpleNamespace(columns=columns)),
        "split": SimpleNamespace(body=SimpleNamespace(person=configured.group)),
        "train": SimpleNamespace(body=SimpleNamespace(numeric=numeric, categorical=categorical)),
    }
    Path("contract.json").write_text(json.dumps({"expectations": [ROWS]}), encoding="utf-8")
    origin: Any = predict_version.ServedVersion(
        1, "champion", "sha256:1", Path("model"), evidence, configured
    )
    return Served(origin, filled, features, filled.predict_proba(features)[:, 1])


ROWS = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}


class _Filled:
    """A model that takes a missing number for 0."""

    def __init__(self, model: Any, numeric: list[str]) -> None:
        self.model, self.numeric = model, numeric
        self.classes_ = model.classes_

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return self.model.predict_proba(frame.fillna(dict.fromkeys(self.numeric, 0.0)))

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return self.predict_proba(frame).argmax(axis=1)


@pytest.fixture(name="inside")
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


def every_push(*chosen: str) -> list[Any]:
    """All formats as parameters of a test: those not chosen run at night only."""
    formats = ("csv", "parquet", "jsonl", "db")
    return [
        pytest.param(one, marks=() if one in chosen else pytest.mark.nightly) for one in formats
    ]


def kinds(columns: list[Any]) -> dict[str, str]:
    """Column → kind."""
    return {column.name: column.kind for column in columns}


def trained(name: str = "train.csv", **conf: Any) -> Served:
    """A model of the loans, whose file is of this format."""
    conf = {"sensitive": {"sex": {}}, "time": "applied_on"} | conf
    return train(write(loans(), Path(name)), **conf)
