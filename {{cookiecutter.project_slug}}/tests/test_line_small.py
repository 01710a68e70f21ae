"""The line on a small synthetic table, from ingest to fairness in one process: a quick look."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

STAGES = ("ingest", "split", "train", "evaluate", "fairness")
SMALL = ["data=synthetic", "data.source.rows=6000", "model=logistic_regression", "split=random"]


@pytest.fixture
def workspace(
    root: Path, tmp_path: Path, module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty folder with a small configuration and no MLflow; nothing else is touched."""
    shutil.copy(root / "dvc.yaml", tmp_path)
    (tmp_path / "models" / "champion").mkdir(parents=True)
    params = module("composition").compose(root / "conf", SMALL)
    text = yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module("pipeline.train"), "log", lambda *_: "no run")
    monkeypatch.setattr(module("pipeline.evaluate"), "log_metrics", lambda *_: {})
    return tmp_path


def test_a_small_table_becomes_evidence(workspace: Path, module: Callable[[str], Any]) -> None:
    # Given a small table, when the stages run one after another
    for stage in STAGES:
        assert module(f"pipeline.{stage}").main()
    # Then each left evidence that keeps to its schema
    evidence = {stage: module("evidence").load(stage, workspace) for stage in STAGES}
    # And its numbers are about the same rows, and are what the synthetic book is known for
    rows = evidence["ingest"].metrics["rows"].value
    parts = evidence["split"].metrics
    assert rows == 6000 == parts["rows_train"].value + parts["rows_test"].value
    assert evidence["evaluate"].metrics["roc_auc"].value > 0.7
    assert "sex*age_group.demographic_parity_difference" in evidence["fairness"].metrics
    assert evidence["evaluate"].subject.model == evidence["train"].subject.model
