"""A champion as `predict` loads it, without a registry, and one window that a test measures."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from baked import BakedProject

from governed_ml.core import config, evidence, model_file
from governed_ml.core.config import composition
from governed_ml.monitoring import feeds, window
from governed_ml.monitoring.measuring.served_explanations import limits_of
from governed_ml.pipeline import predict_version as predict
from governed_ml.pipeline.data.batch import as_trained
from governed_ml.pipeline.prediction_log.store import Store

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
        self.model = model_file.load(self.origin.model.read_bytes())
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
            monitoring=limits_of(self.policy).model_copy(update=limits or {}),
            monitor=config.Monitor(**monitor),
            confidence=0.95,
            now=now,
            since=since,
            known=known,
        )
        feed = feeds.feed_of(feed) if isinstance(feed, Path) else config.Feed(**feed)
        return window.look(feed, self.origin, asked)


@pytest.fixture(name="watch", scope="module")
def watched(project_after_run: BakedProject) -> Watch:
    """The default project's model as champion."""
    return Watch(project_after_run)


@pytest.fixture(autouse=True)
def inside(
    project_after_run: BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work in a folder with the project's contract and nothing else, so that nothing is left."""
    (tmp_path / "governance").symlink_to(project_after_run.path / "governance")
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


def served(watch: Watch, rows: pd.DataFrame, request: str, at: datetime, **more: Any) -> None:
    """Log rows as `predict` of earlier engines did, with their sensitive attributes."""
    log = answered(watch, rows, request, at, **more)
    saved(log, f"data/prediction_log/{at:%Y-%m-%d}/{request}.parquet")


def answered(
    watch: Watch, rows: pd.DataFrame, request: str, at: datetime, **more: Any
) -> pd.DataFrame:
    """Return the columns of the log for rows that the champion answered."""
    trained = watch.origin.evidence["train"].body
    inputs = as_trained(rows, list(trained.numeric), list(trained.categorical))
    answers = predict.answers_of(predict.scored(watch.model, inputs), watch.origin.data)
    known = {"request_id": request, "row": range(len(rows)), **answers}
    known |= {"model_version": 1, "model_state": "champion"}
    known |= {"model_digest": "sha256:1", "predicted_at": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    others = [name for name in rows.columns if name not in inputs]
    return pd.concat([pd.DataFrame(known | more), inputs, rows[others]], axis=1)


def appended(
    watch: Watch, stores: tuple[Store, Store], rows: pd.DataFrame, at: datetime, **more: Any
) -> None:
    """Append rows to the stores of predictions and attributes, as the service does."""
    predictions, sensitive = stores
    request = uuid.uuid4().hex
    arm = {"arm": "champion", "explained": False, "subject": None}
    log = answered(watch, rows, request, at, **(arm | more)).astype("object")
    names = [name for name in watch.origin.data.sensitive if name in rows]
    log = log.where(log.notna(), None)
    if names:
        sensitive.append(log[["request_id", "row", *names]].to_dict("records"))
    predictions.append(log.drop(columns=names).to_dict("records"))
