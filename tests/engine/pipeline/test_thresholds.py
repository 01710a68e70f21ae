"""Calibration and threshold around what the team's `fit` returns, in the training process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import team_projects
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import FixedThresholdClassifier
from team_projects import in_own_folder as in_own_folder

from governed_ml.core import model_file, tables
from governed_ml.core.bodies import trained
from governed_ml.core.problem import Problem
from governed_ml.pipeline import models
from governed_ml.pipeline.isolated import team_logging

BAYES = {"_target_": "sklearn.naive_bayes.GaussianNB"}
TUNED = {"maximise": "balanced_accuracy"}
WHOLE = {"calibration": "isotonic", "threshold": TUNED}
LOGGING = """
import mlflow

def fit(pipeline, features, target):
    mlflow.log_param("rows", len(features))
    return pipeline.fit(features, target)
"""
FAILING = """
def fit(pipeline, features, target):
    if len(features) < {rows}:
        raise ValueError("too few rows")
    return pipeline.fit(features, target)
"""

pytestmark = pytest.mark.slow


def rare(here: Path) -> int:
    """Make yes rare among the training rows, about one in ten; return how many rows there are."""
    found = pd.read_parquet(here / tables.TRAIN)
    keep = (found[tables.TARGET] == 0) | (found.index % 9 == 0)
    found[keep].reset_index(drop=True).to_parquet(here / tables.TRAIN)
    return int(keep.sum())


def asked() -> tuple[Any, Any]:
    """The model's probabilities and answers for the test rows."""
    with models.opened() as model:
        rows = team_projects.asked_about()
        return model.predict_proba(rows)[:, 1], model.predict(rows)


def test_a_threshold_is_around_the_teams_own_class_and_comes_last(here: Path) -> None:
    # Given a team whose own class answers yes above 0.6, when 0.3 is configured
    team_projects.make(here, **team_projects.OWN)
    done = team_projects.train(threshold=0.3)
    # Then the model answers yes from 0.3 on; without cross-validation, because 0.3 is known
    score, answer = asked()
    assert (answer == (score >= 0.3)).all()
    assert ((score >= 0.3) != (score > 0.6)).any()
    assert done.threshold is not None
    assert (done.threshold.value, done.threshold.how, done.folds) == (0.3, "set", None)


def test_calibration_and_threshold_come_from_training_rows_alone(here: Path) -> None:
    # Given a badly calibrated model, rare yeses, and a `fit` that logs something of each call
    team_projects.make(here, training=LOGGING)
    rows = rare(here)
    done = team_projects.train(BAYES, **WHOLE)
    digest = model_file.digest()
    # Then the stored model is plain, and its parts are scikit-learn's
    assert model_file.is_plain(model_file.PATH.read_bytes())
    with models.opened() as model:
        assert type(model[-1]) is FixedThresholdClassifier
        assert type(model[-1].estimator_.estimator) is CalibratedClassifierCV
    # And the threshold is applied and recorded
    score, answer = asked()
    assert done.threshold is not None
    assert done.threshold.value < 0.4
    assert (answer == (score >= done.threshold.value)).all()
    assert done.threshold.validated["balanced_accuracy"] > 0.6
    assert done.folds == trained.Folds(kind="random", number=5, rows=rows)
    # And what the team logged for the whole model is kept, of the folds nothing
    assert team_logging._read(done.logged)[0]["params"] == {"rows": str(rows).encode()}
    # When every test row is another, then the model and its threshold are the same
    for name in (*team_projects.HIDDEN, tables.SENSITIVE_TEST):
        team_projects.rows(400, 77, lean=-3.0).to_parquet(here / name)
    assert team_projects.train(BAYES, **WHOLE).threshold == done.threshold
    assert model_file.digest() == digest


def test_a_fit_that_fails_for_a_fold_is_named(here: Path) -> None:
    # Given a `fit` that works for all training rows and not for fewer
    team_projects.make(here, training=FAILING.format(rows=600))
    with pytest.raises(Problem) as stopped:
        team_projects.train(calibration="sigmoid")
    # Then one line says in which fold it failed
    assert "too few rows" in str(stopped.value)
    assert "(in fold 1 of 5)" in str(stopped.value)


def test_a_calibrated_model_of_own_features_is_asked_in_its_process(here: Path) -> None:
    # Given features with code of the team, and persons with several rows each
    team_projects.make(here, features=team_projects.OWN_FEATURES)
    owner = pd.DataFrame({tables.ROW: range(600), tables.PERSON: [n % 150 for n in range(600)]})
    owner.to_parquet(here / tables.PERSONS)
    done = team_projects.train(person="client", calibration="sigmoid", threshold=TUNED)
    # Then folds are made by person, and the model answers in its own process
    assert done.folds is not None
    assert done.folds.kind == "group"
    assert done.threshold is not None
    assert not model_file.is_plain(model_file.PATH.read_bytes())
    score, answer = asked()
    assert (answer == (score >= done.threshold.value)).all()
