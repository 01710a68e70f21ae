"""Calibration and threshold through the pipeline, from `conf/model` to the decision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import registry
import tables
import watching
from baked import Bake, BakedProject
from mlflow.tracking import MlflowClient

from governed_ml.core import model_file
from governed_ml.core.mlflow_store import connect
from governed_ml.core.tables import PREDICTIONS

LOGISTIC = "conf/model/logistic_regression.yaml"
TREES = "conf/model/hist_gradient_boosting_classifier.yaml"
CALIBRATE = ("# calibration", "calibration")
MEASURED = ("train", "evaluate", "fairness", "decide")

pytestmark = pytest.mark.slow


def edit(project: BakedProject, name: str, *changes: tuple[str, str]) -> None:
    """Replace texts, each of which occurs once, in a file."""
    text = project.read(name)
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    project.write(name, text)


def evidence(project: BakedProject, gate: str) -> Any:
    """The evidence of a gate."""
    return json.loads(project.read(f"reports/evidence/{gate}.json"))


def calibration(project: BakedProject) -> Any:
    """What the decision says about the rule of calibration."""
    found = json.loads(project.read("reports/decision.json"))["rules"]
    return next(one for one in found if one["id"] == "evaluate.calibration")


def selected(project: BakedProject) -> list[float]:
    """The share of yes in each group of the first attribute."""
    [first, *_] = evidence(project, "fairness")["body"]["attributes"]
    return [one["rates"]["selection_rate"] for one in first["groups"]]


def test_a_denied_model_passes_with_calibration_and_its_threshold_moves_answers(
    bake_runnable: Bake,
) -> None:
    # Given a model whose weights spoil its probabilities, when it is judged
    project = bake_runnable(risk_tier="minimal")
    edit(project, "conf/data/synthetic.yaml", ("rows: 110000", "rows: 12000"))
    tables.choose(project, model="logistic_regression")
    weights = ("  max_iter: 1000\n", "  max_iter: 1000\n  class_weight: balanced\n")
    edit(project, LOGISTIC, weights)
    project.stages("compose", "ingest", "validate", "split", *MEASURED)
    # Then it is denied for its calibration, and the page says what to write
    assert (calibration(project)["verdict"], calibration(project)["limit"]) == ("fail", 0.1)
    assert "calibration: isotonic" in project.read("reports/index.html")
    before = selected(project)
    # When this is written, with a threshold, then the rule passes
    threshold = ("# threshold: {maximise: balanced_accuracy}", "threshold: 0.9")
    edit(project, LOGISTIC, CALIBRATE, threshold)
    project.stages("compose", *MEASURED)
    assert calibration(project)["verdict"] == "pass"
    # And fairness is about the answers from 0.9 on, which fewer rows get in each group
    rows = pd.read_parquet(project.path / PREDICTIONS)
    assert (rows["prediction"] == (rows["score"] >= 0.9)).all()
    assert all(new < old / 2 for old, new in zip(before, selected(project), strict=True))
    # And the evidence says what was done: by time, as the rows are split
    train = evidence(project, "train")
    assert train["body"]["calibration"] == "isotonic"
    assert train["body"]["threshold"]["value"] == 0.9
    assert train["body"]["folds"]["kind"] == "time"
    assert train["body"]["folds"]["rows"] < train["body"]["rows"]
    assert "data/split/times.parquet" in train["subject"]["inputs"]
    assert "The model answers yes if the probability is at least 0.9" in project.read(
        "reports/index.html"
    )
    # And so does the run in MLflow
    run = train["volatile"]["notes"]["mlflow_run_id"]
    with project.inside():
        connect("governed-model")
        logged = MlflowClient().get_run(run).data
    assert logged.metrics["threshold"] == 0.9
    assert logged.params["model.threshold"] == "0.9"
    assert "The probabilities are calibrated (method isotonic)" in logged.tags["probabilities"]


@pytest.mark.nightly  # on every push: two trainings give one digest, test_thresholds.py
def test_a_tuned_threshold_is_released_used_watched_and_reproduced(
    bake_runnable: Bake, tmp_path: Path
) -> None:
    # Given trees with calibration and a tuned threshold, when they are judged and registered
    project = bake_runnable(risk_tier="minimal")
    edit(project, TREES, CALIBRATE, ("# threshold", "threshold"))
    project.run(["dvc", "repro", "--quiet"])
    assert json.loads(project.read("reports/decision.json"))["verdict"] == "allow"
    threshold = evidence(project, "train")["body"]["threshold"]["value"]
    explain = evidence(project, "explain")
    assert explain["body"]["output"] == "decision_function before calibration"
    assert explain["metrics"]["coverage"]["value"] == 1.0
    assert f"if the probability is at least {threshold:.4g}" in project.read(
        "reports/model_card.md"
    )
    project = registry.equip(project)
    project.governance("register")
    # Then registering has measured the same digest, and the version can be promoted
    registry.approve(project, 1)
    project.governance("promote")
    digest = model_file.digest(project.path / model_file.PATH)
    assert {one["subject"]["model"] for one in registry.ledger(project)} == {digest}
    # And it predicts with its threshold, and a batch of production is healthy
    raw = pd.read_parquet(project.path / "data" / "raw.parquet").head(400)
    raw.to_csv(tmp_path / "in.csv", index=False)
    words = ["predict", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.csv"), "--json"]
    project.governance(*words)
    found = pd.read_csv(tmp_path / "out.csv")
    assert (found["prediction"].isin([1, "yes"]) == (found["score"] >= threshold)).all()
    window = json.loads(
        project.governance("monitor", str(watching.batch(project)), "--json").stdout
    )
    assert (window["level"], window["version"]) == ("healthy", 1)
    # And it is reproduced, all of it equal
    registry.save(project, "The champion is watched")
    done = project.governance("lineage", "reproduce", "1", "--json")
    rows = {row["what"]: row["state"] for row in json.loads(done.stdout)["rows"]}
    assert set(rows.values()) == {"equal"}
