"""What a window lacks is named, and it is never healthy. No project, no model is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import policies
import pytest

from governed_ml.core import config, tables
from governed_ml.core.evidence_bodies import Attribute, Column, Group
from governed_ml.measures import binning
from governed_ml.monitoring import feeds, window, window_gaps
from governed_ml.pipeline import predict_version
from governed_ml.pipeline.stages import drift

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
ROWS = 2_000
DATA = {
    "name": "people",
    "task": "classification",
    "source": {"kind": "file", "path": "people.csv"},
    "target": "paid",
    "positive": "yes",
    "sensitive": {"sex": {}},
    "time": "day",
    "contract": "suite.json",
}
TYPES = {"x": "DOUBLE", "sex": "VARCHAR", "paid": "VARCHAR", "day": "TIMESTAMP"}


def served(seed: int, **more: Any) -> pd.DataFrame:
    """Rows with what was answered, their labels, and their group."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=ROWS)
    score = 1 / (1 + np.exp(-2 * x))
    paid = np.where(rng.random(ROWS) < score, "yes", "no")
    frame = pd.DataFrame({"x": x, "sex": rng.choice(["f", "m"], ROWS, p=[0.3, 0.7]), "paid": paid})
    frame["day"] = pd.Timestamp("2026-06-29")
    frame["model_digest"], frame["score"] = "sha256:1", score
    return frame.assign(prediction=(score > 0.5).astype(int), **more)


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[pd.DataFrame], Any]:
    """How a batch is measured for a champion that was evaluated on such rows."""
    monkeypatch.chdir(tmp_path)
    exists = {"type": "expect_column_to_exist", "kwargs": {"column": "x"}}
    Path("suite.json").write_text(json.dumps({"expectations": [exists]}), encoding="utf-8")
    before = served(1)
    frozen = before.assign(target=(before["paid"] == "yes").astype(int))
    frozen = frozen[["x", "score", "target"]].rename(columns={"score": "prediction"})
    tables.write(frozen, Path("before.parquet"))
    side = tables.table(Path("before.parquet"))
    bins = binning.binned(side, side, ["x", "prediction"], ["target"])
    columns = [Column(name=name, type=kind) for name, kind in TYPES.items()]
    bodies = {
        "ingest": SimpleNamespace(columns=columns),
        "split": SimpleNamespace(person=None),
        "train": SimpleNamespace(numeric=["x"], categorical=[]),
        "drift": drift.body_of(bins),
        "fairness": SimpleNamespace(attributes=[attribute("sex", f=600, m=1400)]),
    }
    origin = predict_version.ServedVersion(
        version=1,
        state="champion",
        digest="sha256:1",
        model=Path("none"),
        evidence={name: SimpleNamespace(body=one) for name, one in bodies.items()},
        data=config.Data.model_validate(DATA),
    )
    monitoring = policies.of_template("limited").monitoring
    assert monitoring is not None

    def measured(frame: pd.DataFrame) -> Any:
        frame.to_parquet("batch.parquet")
        asked = window.Asked(monitoring, config.Monitor(), 0.95, NOW, None)
        missing = [name for name in ("day",) if name not in frame]
        version = origin
        if missing:  # as a champion whose table has no time
            data = origin.data.model_copy(update={"time": None})
            version = predict_version.ServedVersion(**(vars(origin) | {"data": data}))
        return window.look(feeds.feed_of(Path("batch.parquet")), version, asked)

    return measured


def attribute(name: str, **groups: int) -> Attribute:
    """An attribute as the champion's evidence has it."""
    found = [Group(name=one, n=n, counts={}, rates={}) for one, n in groups.items()]
    return Attribute(name=name, columns=name.split("*"), groups=found)


def test_a_completely_measured_window_is_healthy(look: Any) -> None:
    found = look(served(2))
    assert (found.level, found.labelled) == ("healthy", ROWS), found.reasons


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda rows: rows.drop(columns="day"), "the rows have no date"),
        (lambda rows: rows.drop(columns="paid"), "performance was not measured: no labels yet"),
        (
            lambda rows: rows.assign(paid=rows["paid"].where(rows.index < 20)),
            "performance was not measured: it rests on",
        ),
        (lambda rows: rows.drop(columns="sex"), "fairness by sex was not measured: no row has"),
        (
            lambda rows: rows.assign(sex="m"),
            "sex: group f has 0 of 2,000 rows, but had 30.0% of the rows",
        ),
        (
            lambda rows: rows.assign(sex=np.where(rows.index < 12, "f", "m")),
            "sex: group f has 12 of 2,000 rows",
        ),
        (lambda rows: rows.assign(prediction=0), "all 2,000 rows have the same prediction, 0"),
        (lambda rows: rows.assign(prediction=1), "all 2,000 rows have the same prediction, 1"),
    ],
)
def test_trap_41_an_incompletely_measured_window_is_not_healthy_and_says_why(
    look: Any, change: Callable[[pd.DataFrame], pd.DataFrame], cause: str
) -> None:
    # Given a batch that is well but for one thing, when it is measured
    found = look(change(served(2)))
    # Then people are told what is not known
    assert found.level == "warn"
    assert cause in found.reasons[0]


def test_the_rule_that_asks_for_an_action_is_the_first_reason(look: Any) -> None:
    # Given a window without labels, whose values are others, when it is measured
    moved = served(2).drop(columns="paid")
    found = look(moved.assign(x=moved["x"] * 3 + 2))
    # Then the ledger, which keeps the first reason, gets what asks for the action
    assert found.level == "retrain"
    assert found.reasons[0].startswith("drift.data[x]: ")
    assert "performance was not measured: no labels yet" in found.reasons


def test_a_group_missing_by_chance_is_not_reported() -> None:
    # Given a group of 0.2 % of the rows, of which a window of 300 rows has none
    known = [attribute("sex", f=2, m=998), attribute("age", old=500, young=500)]
    groups = pd.DataFrame({"sex": ["m"] * 300, "age": ["old", "young"] * 150})
    assert window_gaps.gone(known, groups, 30) == []
    # When every other row is gone, then only that is said, once and not for each intersection
    both = attribute("sex*age", **{"m*old": 500, "m*young": 498, "f*old": 1, "f*young": 1})
    groups["age"] = "old"
    [said] = window_gaps.gone([*known, both], groups, 30)
    assert said.startswith("age: group young has 0 of 300 rows")


def test_labels_that_are_not_due_yet_are_not_missing() -> None:
    scope = SimpleNamespace(
        task="classification", features=(), numeric=(), sensitive=(), attributes=(), classes=()
    )
    monitoring = policies.of_template("limited").monitoring
    assert monitoring is not None
    assert window_gaps.unmeasured(monitoring, scope, {}, due=False) == []
    assert len(window_gaps.unmeasured(monitoring, scope, {}, due=True)) == 1
