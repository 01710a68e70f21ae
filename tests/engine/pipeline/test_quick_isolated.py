"""A served model with code of the team: one message a request, and errors that do not last."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
import team_projects

from governed_ml.core.problem import Problem
from governed_ml.measures.explanations.served import RowExplainer
from governed_ml.pipeline import models
from governed_ml.pipeline.isolated.process import Process, ProcessEnded
from governed_ml.pipeline.model_outputs import answered
from governed_ml.pipeline.quick import scores
from governed_ml.pipeline.quick.scores import QuickScores

pytestmark = pytest.mark.slow

OWN_TRAINING = """
import os, time
from sklearn.base import BaseEstimator, ClassifierMixin, clone

class Moody(ClassifierMixin, BaseEstimator):
    def __init__(self, inner=None):
        self.inner = inner
    def fit(self, X, y):
        self.inner_ = clone(self.inner).fit(X, y)
        self.classes_ = self.inner_.classes_
        return self
    def predict_proba(self, X):
        if (X["debt"] == 13).any():
            raise ValueError("no 13, please")
        if (X["debt"] == 14).any():
            os._exit(3)
        if (X["debt"] == 15).any():
            time.sleep(600)
        return self.inner_.predict_proba(X)
    def predict(self, X):
        return (self.predict_proba(X)[:, 1] > 0.6).astype(int)

def fit(pipeline, features, target):
    return Moody(pipeline).fit(features, target)
"""
OWN_COLUMNS = team_projects.OWN_FEATURES


@pytest.fixture(scope="module", name="moody")
def trained_model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a model that carries code, and raises, exits or sleeps for some rows."""
    return _trained(tmp_path_factory.mktemp("moody"), training=OWN_TRAINING)


@pytest.fixture(scope="module", name="columned")
def trained_pipeline(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a plain pipeline whose encoding is the team's."""
    return _trained(tmp_path_factory.mktemp("columned"), features=OWN_COLUMNS)


def _trained(folder: Path, **modules: str) -> bytes:
    here = Path.cwd()
    os.chdir(folder)
    try:
        team_projects.make(folder, **modules)
        team_projects.train()
        return Path("models/model.skops").read_bytes()
    finally:
        os.chdir(here)


@pytest.fixture(name="loaded")
def loaded_model(moody: bytes) -> Generator[Any]:
    """The model in its process."""
    with models.opened_bytes(moody) as model:
        yield model


def asked(debt: float = 0.5) -> pd.DataFrame:
    """One row."""
    return pd.DataFrame({"income": [0.2], "debt": [debt], "kind": ["a"]}).astype({"kind": "str"})


@pytest.mark.parametrize("which", ["moody", "columned"])
def test_a_request_is_one_message_with_the_same_answers(
    which: str, request: pytest.FixtureRequest
) -> None:
    # Given a model in a child process, and what it answers message by message
    given = team_projects.rows(40, 5)[["income", "debt", "kind"]].astype({"kind": "str"})
    with models.opened_bytes(request.getfixturevalue(which)) as model:
        right = answered(model, given, "classification")
        # When it is asked as a service does
        quick = QuickScores(model, "classification", given)
        with mock.patch.object(Process, "ask", autospec=True, side_effect=Process.ask) as ask:
            found = quick.answered(given)
        # Then there is one message, and the answers are the same
        assert ask.call_count == 1
        assert quick.asks_once
        assert found.score.tolist() == right.score.tolist()
        assert found.prediction.tolist() == right.prediction.tolist()


def test_a_model_with_code_is_explained_row_by_row(loaded: Any) -> None:
    # Given rows, some with gaps and new categories, when single ones are explained
    others = team_projects.rows(40, 5)[["income", "debt", "kind"]].astype({"kind": "str"})
    explainer = RowExplainer(loaded, others, ["kind"], "classification", 1)
    given = pd.concat([others.head(2), asked().assign(kind="new")], ignore_index=True)
    found = explainer.explain(given)
    # Then the contributions add up to the probability
    assert (found.method, found.name) == ("shap_permutation", "predict_proba")
    assert found.covered.all()
    assert found.output.tolist() == loaded.predict_proba(given)[:, 1].tolist()


def test_after_an_exception_of_the_teams_code_other_rows_are_answered(loaded: Any) -> None:
    quick = QuickScores(loaded, "classification", asked())
    before = quick.answered(asked()).score.tolist()
    for _ in range(2):
        with pytest.raises(Problem, match=r"no 13, please in src/credit/training\.py") as found:
            quick.answered(asked(13))
        assert not isinstance(found.value, ProcessEnded)
    assert not loaded.ended
    assert quick.answered(asked()).score.tolist() == before


@pytest.mark.parametrize("how", ["exits", "killed"])
def test_a_process_that_has_ended_is_reported_as_such(loaded: Any, how: str) -> None:
    # Given a model whose process exits in a request, or is killed
    quick = QuickScores(loaded, "classification", asked())
    if how == "killed":
        os.kill(loaded._process._child.pid, signal.SIGKILL)
    # When it is asked, then each request says that the process has ended
    for row in (asked(14), asked()):
        with pytest.raises(ProcessEnded):
            quick.answered(row)
    assert loaded.ended


def test_a_process_that_does_not_answer_is_ended(
    loaded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "SECONDS", 0.5)
    quick = QuickScores(loaded, "classification", asked())
    start = time.monotonic()
    with pytest.raises(ProcessEnded):
        quick.answered(asked(15))
    assert loaded.ended
    assert time.monotonic() - start < 60


def test_threads_get_their_own_answers(loaded: Any) -> None:
    # Given several threads that ask about rows of their own
    quick = QuickScores(loaded, "classification", asked())
    right = {n: quick.answered(asked(n / 10)).score.tolist() for n in range(8)}
    found: dict[int, list[list[float]]] = {n: [] for n in right}

    def ask(number: int) -> None:
        for _ in range(10):
            found[number].append(quick.answered(asked(number / 10)).score.tolist())

    # When they ask at the same time
    threads = [threading.Thread(target=ask, args=(n,)) for n in right]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    # Then each gets its own answers
    assert found == {n: [score] * 10 for n, score in right.items()}
