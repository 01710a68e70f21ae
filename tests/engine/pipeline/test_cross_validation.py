"""Cross-validation: each row is predicted by a model that was trained without it, and no check
becomes empty because all rows are training rows of the released model.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import served
import whole_path
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from whole_path import Pipe

from governed_ml.core import model_file, tables
from governed_ml.core.config.split import Split
from governed_ml.core.evidence import Metric, Unusable
from governed_ml.core.problem import Problem
from governed_ml.pipeline import models, raw_rows
from governed_ml.pipeline.evaluation import champion
from governed_ml.pipeline.folds import assignment, fold_models
from governed_ml.pipeline.isolated import fit_process
from governed_ml.pipeline.model_outputs import predicted
from governed_ml.policy.count_agreement import contradictions

pytestmark = pytest.mark.slow
FOLDS = Split(kind="cross_validated", folds=4)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loans(rows: int = 240, **columns: Any) -> pd.DataFrame:
    """Loans without their day, which cross-validation refuses, and with these columns."""
    return served.loans(rows).drop(columns="applied_on").assign(**columns)


# --- the stages -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Pipe]:
    """A folder in which a table with folds was measured, and what the stages recorded.

    Every row has a text of its own, which predicts nothing. Ten rows are repeated.
    """
    folder = tmp_path_factory.mktemp("measured")
    frame = loans(240)
    frame = pd.concat([frame, frame.head(10)], ignore_index=True)
    frame["remark"] = [f"remark {row % 240}" for row in range(len(frame))]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, whole_path.run(frame, FOLDS, sensitive={"sex": {}})


def test_every_row_is_predicted_by_the_model_of_its_fold(
    measured: tuple[Path, Pipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(measured[0])
    found = tables.read(tables.PREDICTIONS)
    test = tables.read(tables.TEST)
    fold = assignment.of_rows(test)
    features = measured[1].bodies["train"].numeric + measured[1].bodies["train"].categorical
    # Given the predictions, each row is there once
    assert {*found["part"]} == {"test"}
    assert [*found[tables.ROW]] == [*test[tables.ROW]] == list(range(250))
    # Then they are those of the fold's model, and not of the released one
    for number in range(1, 5):
        with models.opened(fold_models.path_of(number)) as model:
            score, _ = predicted(model, test.loc[fold == number, features], "classification")
        np.testing.assert_array_equal(found.loc[fold == number, "score"], score)
    with models.opened() as released:
        score, _ = predicted(released, test[features], "classification")
    assert (found["score"] != score).mean() > 0.9


def test_counts_are_those_of_all_rows(measured: tuple[Path, Pipe]) -> None:
    bodies = measured[1].bodies
    assert bodies["split"].rows == {"train": 250, "test": 250}
    assert sum(bodies["split"].folds) == bodies["split"].whole == 250
    assert bodies["evaluate"].rows == sum(bodies["evaluate"].confusion.values()) == 250
    assert (bodies["drift"].reference_rows, bodies["drift"].current_rows) == (250, 250)
    assert [one.n for one in bodies["fairness"].attributes[0].groups] == [
        *pd.Series(tables_of(measured, tables.SENSITIVE_TEST)["sex"]).value_counts().sort_index()
    ]
    assert len(bodies["train"].fold_models) == 4


def tables_of(measured: tuple[Path, Pipe], path: Path) -> pd.DataFrame:
    """A table of the measured folder."""
    return pd.read_parquet(measured[0] / path)


def test_a_text_of_its_own_in_each_row_is_no_leak(measured: tuple[Path, Pipe]) -> None:
    # On its own training rows such a text predicts everything; on others nothing.
    assert (measured[1].metrics["evaluate"]["leak.remark"].value or 1) < 0.75


def test_equal_rows_overlap_only_in_different_folds(measured: tuple[Path, Pipe]) -> None:
    fold = tables_of(measured, tables.FOLDS)[tables.FOLD].to_numpy()
    apart = int((fold[:10] != fold[240:]).sum())
    overlap = measured[1].metrics["split"]["overlapping_rows"]
    assert 0 < apart < 10
    assert overlap.value == 2 * apart  # each of the two is tested
    assert "their fold's model" in overlap.note


def test_latency_and_explanations_are_of_the_released_model(measured: tuple[Path, Pipe]) -> None:
    assert measured[1].bodies["explain"].rows == 250
    assert tables.FOLD not in measured[1].bodies["explain"].importance


def test_a_leak_is_found_in_each_fold() -> None:
    frame = loans()
    paid = frame["repaid"].to_numpy() == "yes"
    paid[::60] = ~paid[::60]
    a = np.random.default_rng(5).normal(size=len(frame))
    frame = frame.assign(told=np.where(paid, "a", "b"), a=a, b=a + np.where(paid, 1.0, -1.0))
    pipe = whole_path.run(frame, FOLDS, sensitive={"sex": {}})
    found = pipe.metrics["evaluate"]
    assert (found["leak.told"].value or 0) > 0.95
    assert (found["leak_together"].value or 0) > 0.95
    assert (found["leak_together"].n, found["max_leak"].note) == (len(frame), "told")
    assert "mean over 4 folds" in found["leak_together"].note
    assert "told" in found["leak_model"].note
    assert "__fold" not in found["leak_model"].note


def test_folds_that_differ_drift_and_others_do_not() -> None:
    # Given persons of whom each has an income of their own, and a number that does not differ
    who = np.repeat(np.arange(8), 40)
    rng = np.random.default_rng(4)
    frame = loans(320, who=[f"p{one}" for one in who], own=who * 10.0 + rng.random(320))
    frame["same"] = rng.random(320)
    pipe = whole_path.run(frame, FOLDS, group="who", sensitive={"sex": {}})
    found = pipe.metrics["drift"]
    assert (found["own.psi_quantile10"].value or 0) > 0.5
    assert (found["own.ks_statistic"].value or 0) > 0.3
    assert "mean over 4 folds" in found["own.psi_quantile10"].note
    assert (found["same.psi_quantile10"].value or 0) < 0.1
    assert found["same.psi_quantile10"].n == 320
    # And the bins are those of all rows, because production is compared with them
    own = next(one for one in pipe.bodies["drift"].columns if one.name == "own")
    values = frame["own"]
    assert (own.edges[0], own.edges[-1]) == (values.min(), values.max())
    assert own.population_stability_index == found["own.psi_quantile10"].value


def test_a_regression_is_cross_validated_too() -> None:
    frame = loans()
    frame["limit"] = 100 * frame["debt_ratio"] + frame["age"] + np.arange(len(frame)) % 7
    conf = {"task": "regression", "target": "limit", "positive": None, "sensitive": {"sex": {}}}
    pipe = whole_path.run(frame.drop(columns="repaid"), FOLDS, **conf)
    assert (pipe.metrics["evaluate"]["r2"].value or 0) > 0.8
    assert pipe.metrics["evaluate"]["r2"].n == 240
    assert "sex.mean_prediction_difference" in pipe.metrics["fairness"]


# --- what must not pass ---------------------------------------------------------------------------


@pytest.fixture
def copied(measured: tuple[Path, Pipe], tmp_path: Path) -> Pipe:
    """The measured folder, to be changed."""
    shutil.copytree(measured[0], tmp_path, dirs_exist_ok=True)
    return measured[1]


def test_a_fold_model_that_was_not_trained_is_refused(copied: Pipe) -> None:
    digests = copied.bodies["train"].fold_models
    path = fold_models.path_of(2)
    path.write_bytes(model_file.PATH.read_bytes())  # it has seen every row
    said = "fold-2[.]skops is not the model that was trained"
    with pytest.raises(Problem, match=said), fold_models.opened(digests):
        pass


@pytest.mark.parametrize("digests", [None, []])
def test_split_and_train_must_agree_on_folds(copied: Pipe, digests: list[str] | None) -> None:
    said = "do not agree on whether there are folds"
    with pytest.raises(Problem, match=said), fold_models.measured(object(), digests):
        pass
    tables.FOLDS.unlink()
    trained = copied.bodies["train"].fold_models
    with pytest.raises(Problem, match=said), fold_models.measured(object(), trained):
        pass


@pytest.mark.parametrize("lost", ["a row", "twice"])
def test_a_table_of_folds_must_hold_each_row_once(copied: Pipe, lost: str) -> None:
    folds = tables.read(tables.FOLDS)
    folds = folds[1:] if lost == "a row" else pd.concat([folds, folds.head(1)])
    tables.write(folds, tables.FOLDS)
    data = served.data(sensitive={"sex": {}})
    with pytest.raises(Problem, match="does not hold each row once"):
        raw_rows.require_recounted(data)


def test_counts_that_contradict_one_another_are_named(copied: Pipe) -> None:
    def evidence(**changed: Any) -> Any:
        body = copied.bodies["split"].model_copy(update=changed)
        split = SimpleNamespace(body=body, metrics={})
        ingest = SimpleNamespace(body=SimpleNamespace(rows=250), metrics={})
        none = dict.fromkeys(("validate", "train", "evaluate", "drift", "fairness", "explain"))
        return {name: Unusable("none") for name in none} | {"split": split, "ingest": ingest}

    assert contradictions(evidence()) == {}
    assert [*contradictions(evidence(folds=[60, 60, 60, 60]))] == ["counts.folds"]
    assert "counts.rows_of_model" in contradictions(evidence(rows={"train": 200, "test": 250}))


# --- the champion ---------------------------------------------------------------------------------


def compared(pipe: Pipe, model: Any) -> Metric:
    """The comparison with a champion of this estimator, fitted on all rows."""
    body = pipe.bodies["split"]
    whole_path.fit(body, "classification", tables.TRAIN, champion.CHAMPION, model)
    features = pipe.bodies["train"].numeric + pipe.bodies["train"].categorical
    test, frame = tables.read(tables.PREDICTIONS), tables.read(tables.TEST)
    params: Any = SimpleNamespace(data=served.data(), policy=whole_path.POLICY)
    digest, found = champion.against_champion(test, frame, features, params)
    assert digest == model_file.digest(champion.CHAMPION)
    return found


def test_a_champion_of_the_same_pipeline_is_neither_better_nor_worse(copied: Pipe) -> None:
    found = compared(copied, LogisticRegression(max_iter=300))
    assert (found.value, found.lower, found.upper) == pytest.approx((0, 0, 0), abs=1e-9)
    assert "fitted anew on the same folds" in found.note


def test_a_champion_that_knows_the_test_rows_by_heart_does_not_win(copied: Pipe) -> None:
    # Given a champion that memorised every row that now is a test row
    tree = DecisionTreeClassifier(random_state=1)
    found = compared(copied, tree)
    with models.opened(champion.CHAMPION) as model:
        test = tables.read(tables.TEST)
        features = copied.bodies["train"].numeric + copied.bodies["train"].categorical
        knows = (model.predict(test[features]) == test[tables.TARGET]).mean()
    assert knows == 1
    # Then its pipeline is judged by what it says about rows that it has not seen
    assert (found.lower or 0) > 0.2


def test_a_champion_that_stays_fitted_is_not_compared(copied: Pipe) -> None:
    known = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])
    frozen = CalibratedClassifierCV(FrozenEstimator(known))
    with pytest.raises(Problem, match="a part of the champion is frozen"):
        fit_process.anew(frozen)


def test_a_better_champion_wins(copied: Pipe) -> None:
    # Given a model of each fold that knows nothing, and a champion that is the real pipeline
    predictions = tables.read(tables.PREDICTIONS).assign(score=0.5)
    tables.write(predictions, tables.PREDICTIONS)
    found = compared(copied, LogisticRegression(max_iter=300))
    assert (found.upper or 0) < -0.01
