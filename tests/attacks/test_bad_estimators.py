"""An estimator that does not work, or a tracking server that is not there, stops in one line."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path

import pytest
from baked import BakedProject
from people import (  # `before` and `project` are fixtures
    before,  # noqa: F401
    every_push,
    project,  # noqa: F401
    refused,
    replace,
    stage,
)

from governed_ml.core.mlflow_store import connect

pytestmark = pytest.mark.slow

MODEL = "conf/model/logistic_regression.yaml"
TARGET = "sklearn.linear_model.LogisticRegression"


@pytest.fixture(scope="module")
def split(before: BakedProject) -> Path:  # noqa: F811
    """The project `before`, whose table was split: what training starts from."""
    stage(before, "split")
    before.write("reports/decision.json", '{"verdict": "allow"}')
    return before.path


SETTINGS = f"{TARGET}\n  C: 1.0\n  max_iter: 1000"
MAKING: dict[str, tuple[str, str, str]] = {  # case → old and new text of conf/model; what is said
    "an unknown estimator": (
        TARGET,
        TARGET[:-1],
        f"there is no {TARGET[:-1]}: correct the spelling",
    ),
    "an estimator's keyword": (
        "C: 1.0",
        "Cc: 1.0",
        "cannot be created: LogisticRegression.__init__() got an unexpected keyword argument 'Cc'",
    ),
    "an estimator whose constructor raises": (
        SETTINGS,
        "fairlearn.reductions.GridSearch\n  estimator: null\n  constraints: null",
        "fairlearn.reductions.GridSearch cannot be created: ",
    ),
    "no class": (
        TARGET,
        "sklearn.model_selection.cross_val_score",
        "sklearn.model_selection.cross_val_score is not an estimator, transformer or calibrator: ",
    ),
    "another task": (
        SETTINGS,
        "sklearn.linear_model.Ridge",
        "sklearn.linear_model.Ridge is not an estimator for classification",
    ),
    "an estimator whose fit raises": (
        "C: 1.0",
        "C: -1.0",
        "cannot be fitted: The 'C' parameter of",
    ),
    "an estimator that takes no such table": (
        SETTINGS,
        "sklearn.naive_bayes.MultinomialNB",
        "logistic_regression cannot be fitted: Negative values in data passed to MultinomialNB",
    ),
}


SEARCH = (
    "fairlearn.reductions.{}\n  constraints: {{_target_: fairlearn.reductions.DemographicParity}}"
)
SEARCH += f"\n  estimator: {{{{_target_: {TARGET}}}}}"
MAKING |= {
    "a mitigation for an attribute that is not there": (
        SETTINGS,
        SEARCH.format("GridSearch") + "\nattributes: [race]",
        "needs a sensitive attribute, and conf/data has no attribute 'race' under sensitive (sex)",
    ),
    "a mitigation that draws lots": (
        SETTINGS,
        SEARCH.format("ExponentiatedGradient"),
        "ExponentiatedGradient does not end in one model that predicts without the sensitive",
    ),
}

NIGHTLY = (
    *("no class", "another task", "an estimator that takes no such table"),
    *("an estimator whose constructor raises", "a mitigation that draws lots"),
)


@pytest.mark.parametrize(
    "case",
    every_push(MAKING, *(name for name in MAKING if name not in NIGHTLY)),
)
def test_an_estimator_that_does_not_work_is_refused(
    case: str,
    split: Path,
    project: BakedProject,  # noqa: F811
) -> None:
    # Given a split table and an estimator that cannot be made or fitted
    old, new, said = MAKING[case]
    replace(project, MODEL, old, new)
    stage(project, "compose")
    # When it is trained, then the line says why, and no model is there
    assert said in refused(project, "train")
    assert not project.has_file("models/model.skops")


def closed_port() -> int:
    """A port of this machine at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_a_tracking_server_that_does_not_answer_is_refused_before_training(
    split: Path,
    project: BakedProject,  # noqa: F811
) -> None:
    # Given MLflow's address with nobody there, and a password in it, when the model is trained
    address = f"http://me:geheim@127.0.0.1:{closed_port()}"
    # Then the line names the address without the password, and nothing was trained
    line = refused(project, "train", MLFLOW_TRACKING_URI=address)
    assert re.search(r"MLflow at http://127\.0\.0\.1:\d+ does not answer: Connection refused", line)
    assert "MLFLOW_TRACKING_URI" in line
    assert not project.has_file("models/model.skops")


def test_a_user_may_set_mlflows_timeouts(
    project: BakedProject,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given one of MLflow's own settings, when the store is chosen
    with project.inside():
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7")
        connect("x")
        found = [os.environ[f"MLFLOW_HTTP_REQUEST_{name}"] for name in ("MAX_RETRIES", "TIMEOUT")]
    # Then it stays, and the others are short enough for a server that is not there
    assert found == ["7", "20"]


@pytest.mark.nightly
def test_dvc_stops_at_a_bad_table_and_a_silent_server(finished: BakedProject) -> None:
    # Given a finished pipeline, and MLflow's address with nobody there
    address = f"http://127.0.0.1:{closed_port()}"
    # When a model with another setting is trained
    replace(finished, "conf/model/hist_gradient_boosting_classifier.yaml", "0.1", "0.2")
    done = finished.run(["dvc", "repro"], code=255, MLFLOW_TRACKING_URI=address)
    # Then the pipeline stops there and the allow on disk has become a deny
    assert f"train: MLflow at {address} does not answer: Connection refused" in done.stderr
    decision = json.loads(finished.read("reports/decision.json"))
    assert [decision["verdict"], decision["rules"][0]["id"]] == ["deny", "train.stopped"]
    # And when the table is a file that is missing, it stops at that, and no table is left
    source = "kind: file\n  path: data/source/none.csv"
    replace(finished, "conf/data/synthetic.yaml", "kind: synthetic\n  rows: 110000", source)
    done = finished.run(["dvc", "repro"], code=255)
    assert "ingest: data.source.path: data/source/none.csv does not exist" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not finished.has_file("data/raw.parquet")
    assert "none.csv" in finished.read("reports/decision.json")
