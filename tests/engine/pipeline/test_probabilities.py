"""Calibration and threshold, in this process: folds, the choice, and the model that is stored."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from governed_ml.core import model_file, tables
from governed_ml.core.config import Model
from governed_ml.core.config.threshold import Threshold
from governed_ml.core.evidence_bodies import SplitBody
from governed_ml.core.problem import Problem
from governed_ml.measures.explanations.importance import explain
from governed_ml.measures.explanations.wrapped_estimators import BEFORE
from governed_ml.pipeline.boosters import storage
from governed_ml.pipeline.probabilities import chosen_threshold, folds, told
from governed_ml.pipeline.probabilities.finished_model import finished
from governed_ml.pipeline.probabilities.requested import require_possible

LOGISTIC = {"_target_": "sklearn.linear_model.LogisticRegression"}
ROWS, COLUMNS = 900, ["a", "b", "c", "d"]
Makes = Callable[[], Any]


def model(**keys: Any) -> Model:
    """A model of conf/model with these keys."""
    return Model.model_validate({"name": "m", "estimator": LOGISTIC, **keys})


def table(seed: int = 1, rows: int = ROWS) -> tuple[pd.DataFrame, pd.Series]:
    """Features, and a target of which about a fifth is yes; three columns say the same."""
    rng = np.random.default_rng(seed)
    a, c = rng.normal(size=rows), rng.normal(size=rows)
    copies = {name: a + rng.normal(0, 0.1, rows) for name in ("b", "d")}
    frame = pd.DataFrame({"a": a, "c": c, **copies})[COLUMNS]
    return frame, pd.Series((a + c + rng.normal(0, 1, rows) > 1.4).astype("int64"))


def split(kind: str = "random", person: str | None = None) -> SplitBody:
    """What the split says about itself."""
    groups: dict[str, dict[str, int]] = {}
    body = {"rows": {"train": ROWS}, "numeric": COLUMNS, "categorical": [], "sensitive": groups}
    return SplitBody(kind=kind, person=person, cut=None, **body)  # pyright: ignore[reportArgumentType]


def piped(estimator: Any) -> Pipeline:
    """An unfitted pipeline, as the team's `fit` gets it."""
    features = ColumnTransformer([("numbers", StandardScaler(), COLUMNS)])
    return Pipeline([("features", features), ("estimator", estimator)])


def trained(make: Makes, wanted: Model, seed: int = 1) -> tuple[Any, Any, Any]:
    """The finished model, the one that it is made from, and the threshold that was chosen."""
    features, target = table(seed)

    def fit(rows: pd.DataFrame, known: pd.Series, fold: int = 0) -> Any:
        assert len(rows) < ROWS or not fold
        return piped(make()).fit(rows, known)

    plain = fit(features, target)
    parts = folds.divided(split(), frame(target), 7) if wanted.cross_validates else []
    whole, chosen = finished(plain, wanted, fit, features, target, parts)
    return whole, plain, chosen


def frame(target: Any) -> pd.DataFrame:
    """The training rows as folds see them."""
    return pd.DataFrame({tables.ROW: range(len(target)), tables.TARGET: np.asarray(target)})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"threshold": 0}, "every row has the same answer with threshold 0"),
        ({"threshold": 1}, "every row has the same answer with threshold 1"),
        ({"threshold": 1.5}, "every row has the same answer with threshold 1.5"),
        ({"threshold": "0.3"}, "give a number between 0 and 1"),
        ({"threshold": True}, "give a number between 0 and 1"),
        ({"threshold": {}}, "nothing is set"),
        ({"threshold": {"value": 0.3, "maximise": "f1"}}, "value and maximise is set"),
        ({"threshold": {"maximise": "recall"}}, "add `at_least: {precision: NUMBER}`"),
        (
            {"threshold": {"maximise": "recall", "at_least": {"recall": 0.5}}},
            "at_least names recall, which is maximised",
        ),
        ({"threshold": {"value": 0.2, "at_least": {"recall": 0.5}}}, "at_least needs `maximise`"),
        ({"threshold": {"costs": {"false_negative": 1}}}, "false_positive"),
        ({"calibration": "beta"}, "isotonic"),
    ],
)
def test_an_impossible_request_is_refused_with_what_to_write(
    keys: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        model(**keys)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "asked",
    [0.3, {"maximise": "f1"}, {"costs": {"false_negative": 4.0, "false_positive": 1.0}}],
)
def test_the_composed_configuration_has_the_request_as_written(asked: Any) -> None:
    wanted = model(threshold=asked, calibration="sigmoid").model_dump(mode="json")
    assert wanted["threshold"] == asked
    assert model(**{k: v for k, v in wanted.items() if k not in ("name", "estimator")})
    # And a model without these keys is dumped as by earlier engines
    assert list(model().model_dump(mode="json")) == ["name", "estimator", "attributes"]


def test_tasks_without_a_probability_and_mitigations_are_refused() -> None:
    with pytest.raises(Problem, match="threshold is about probabilities, and the task is regr"):
        require_possible(model(threshold=0.3), "regression", 0)
    search = {"_target_": "fairlearn.reductions.GridSearch", "estimator": LOGISTIC}
    with pytest.raises(Problem, match="calibration would change the answers that the mitigation"):
        require_possible(model(estimator=search, calibration="isotonic"), "classification", 0)
    with pytest.raises(Problem, match="threshold tells yes from no, and conf/data lists 3 classes"):
        require_possible(model(threshold=0.3), "classification", 3)
    require_possible(model(calibration="isotonic"), "classification", 3)
    require_possible(model(estimator=search), "classification", 0)
    require_possible(model(threshold=0.3), "classification", 0)


def written(here: Path, name: Path, **columns: Any) -> None:
    """Write a table beside the training rows."""
    (here / name).parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_parquet(here / name)


def test_rows_of_a_person_lie_in_one_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given persons with several rows each, numbered over training and test rows
    monkeypatch.chdir(tmp_path)
    target, owner = table()[1], np.arange(ROWS) % 120
    written(tmp_path, tables.PERSONS, **{tables.ROW: range(ROWS), tables.PERSON: owner + 40})
    found = folds.divided(split("group", "id"), frame(target), 7)
    # When rows are divided, then no person is on both sides of a fold, and each row has one fold
    assert [set(owner[early]) & set(owner[late]) for early, late in found] == [set()] * folds.FOLDS
    assert sorted(np.concatenate([late for _, late in found])) == list(range(ROWS))
    # And other numbers for the same persons, as other test rows cause, change nothing
    other = np.random.default_rng(3).permutation(120)[owner]
    written(tmp_path, tables.PERSONS, **{tables.ROW: range(ROWS), tables.PERSON: other})
    again = folds.divided(split("group", "id"), frame(target), 7)
    assert all((a == b).all() for one, two in zip(found, again, strict=True)
               for a, b in zip(one, two, strict=True))  # fmt: skip


def test_folds_of_a_split_by_time_are_predicted_from_earlier_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given rows in no order of time, several of them at the same time
    monkeypatch.chdir(tmp_path)
    times = np.random.default_rng(2).integers(1, 60, ROWS)
    written(tmp_path, tables.TIMES, **{tables.ROW: range(ROWS), tables.TIME: times})
    found = folds.divided(split("time"), frame(table()[1]), 7)
    # Then each fold lies after all rows that its model is trained on
    assert len(found) == folds.FOLDS
    assert all(times[early].max() < times[late].min() for early, late in found)
    assert folds.described(split("time"), found).rows < ROWS


@pytest.mark.parametrize(
    ("kind", "target", "column", "said"),
    [
        ("random", [1] * 4 + [0] * 60, None, "one class has 4 rows: bring more rows"),
        ("group", [1, 0] * 40, [1, 2, 3, 4] * 20, "needs 5 persons in the training rows"),
        ("group", [1] * 16 + [0] * 64, [n // 16 for n in range(80)], "lack a class of the target"),
        ("time", [1, 0] * 40, [1, 2, 3, 4, 5] * 16, "needs 6 different times"),
        ("time", [1] * 20 + [0] * 60, list(range(80)), "fold 1 of 5"),
    ],
)
def test_too_few_rows_for_the_folds_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, target: Any, column: Any, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, key in ((tables.PERSONS, tables.PERSON), (tables.TIMES, tables.TIME)):
        written(tmp_path, name, **{tables.ROW: range(len(target)), key: column or 0})
    person = "id" if kind == "group" else None
    with pytest.raises(Problem) as refused:
        folds.divided(split(kind, person), frame(target), 1)
    assert said in str(refused.value)
    assert "set threshold to a number" in str(refused.value)


def test_a_missing_table_of_times_names_the_stage_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problem, match=r"times\.parquet is missing: run `uv run dvc repro --force"):
        folds.divided(split("time"), frame(table()[1]), 1)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_metrics_of_a_threshold_are_those_of_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    truth, answer = np.array(pairs, dtype="int64").T
    found = chosen_threshold.metrics(truth, answer)
    for name in ("accuracy", "f1", "precision", "recall"):
        known = getattr(sklearn_metrics, f"{name}_score")
        more = {} if name == "accuracy" else {"zero_division": 0}
        assert found[name] == pytest.approx(known(truth, answer, **more))
    if len(set(truth)) == 2:
        known = sklearn_metrics.balanced_accuracy_score(truth, answer)
        assert found["balanced_accuracy"] == pytest.approx(known)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10_000),
    st.sampled_from(["accuracy", "balanced_accuracy", "f1"]),
    st.floats(0.02, 0.5),
)
def test_no_hundredth_is_better_than_the_chosen_threshold(
    seed: int, metric: str, share: float
) -> None:
    rng = np.random.default_rng(seed)
    target = (rng.random(400) < share).astype("int64")
    target[:2] = [0, 1]
    scores = np.clip(rng.beta(2, 5, 400) + 0.2 * target, 0, 1)
    chosen = chosen_threshold.choose(scores, target, Threshold.model_validate({"maximise": metric}))
    worth = chosen_threshold.metrics(target, (scores >= chosen.value).astype("int64"))[metric]
    assert chosen.validated == {metric: worth}
    for other in np.arange(0.01, 1, 0.01):
        rival = chosen_threshold.metrics(target, (scores >= other).astype("int64"))[metric]
        assert rival <= worth + 1e-12


def test_a_metric_is_maximised_where_another_is_high_enough() -> None:
    # Given scores, when the highest precision is wanted with a recall of 0.8
    rng = np.random.default_rng(5)
    target = (rng.random(5000) < 0.01).astype("int64")
    scores = np.clip(rng.beta(1, 60, 5000) + 0.03 * target, 0, 1)
    asked = {"maximise": "precision", "at_least": {"recall": 0.8}}
    found = chosen_threshold.choose(scores, target, Threshold.model_validate(asked))
    # Then both are said, and with rare yeses the threshold is fine enough
    every = [chosen_threshold.metrics(target, (scores >= one).astype("int64")) for one in scores]
    best = max(one["precision"] for one in every if one["recall"] >= 0.8)
    assert found.validated["recall"] >= 0.8
    assert best * 0.97 <= found.validated["precision"] <= best
    assert found.value < 0.1
    # And what no threshold reaches is said, with what is nearest
    asked = {"maximise": "recall", "at_least": {"precision": 0.99}}
    with pytest.raises(Problem, match=r"precision of at least 0\.99 in .*; the nearest is 0\."):
        chosen_threshold.choose(scores, target, Threshold.model_validate(asked))


@pytest.mark.parametrize("make", [GaussianNB, LogisticRegression, LinearSVC])
@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_calibration_equals_that_of_scikit_learn_with_the_same_folds(
    make: Makes, method: str
) -> None:
    # Given scikit-learn's calibrator, which fits the whole pipeline in the same folds
    features, target = table()
    parts = folds.divided(split(), frame(target), 7)
    theirs: Any = CalibratedClassifierCV(piped(make()), method=method, cv=parts, ensemble=False)
    theirs.fit(features, target)
    # Then the engine's probabilities are the same
    ours, plain, _ = trained(make, model(calibration=method))
    rows, known = table(2, 5000)
    np.testing.assert_allclose(ours.predict_proba(rows), theirs.predict_proba(rows), rtol=1e-9)
    # And better than before, where these were bad
    if make is GaussianNB:
        before, after = (
            sklearn_metrics.brier_score_loss(known, one.predict_proba(rows)[:, 1])
            for one in (plain, ours)
        )
        assert after < before - 0.003


def test_three_classes_are_calibrated_as_by_scikit_learn() -> None:
    features, target = table()
    target = target + (features["a"] > 0.3).astype("int64")
    parts = folds.divided(split(), frame(target), 7)
    theirs: Any = CalibratedClassifierCV(
        piped(GaussianNB()), method="isotonic", cv=parts, ensemble=False
    ).fit(features, target)

    def fit(rows: pd.DataFrame, known: pd.Series, _: int = 0) -> Any:
        return piped(GaussianNB()).fit(rows, known)

    wanted = model(calibration="isotonic")
    ours, _ = finished(fit(features, target), wanted, fit, features, target, parts)
    rows = table(2)[0]
    np.testing.assert_allclose(ours.predict_proba(rows), theirs.predict_proba(rows), rtol=1e-9)
    assert model_file.is_plain(storage.dumps(ours))


def boosters() -> list[Makes]:
    """The classifiers of the extras that are installed."""
    found: list[Makes] = []
    if importlib.util.find_spec("xgboost"):
        import xgboost

        found.append(lambda: xgboost.XGBClassifier(n_estimators=5, n_jobs=1))
    if importlib.util.find_spec("lightgbm"):
        import lightgbm

        found.append(lambda: lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1))
    if importlib.util.find_spec("catboost"):
        import catboost

        more = {"verbose": False, "allow_writing_files": False, "thread_count": 1}
        found.append(lambda: catboost.CatBoostClassifier(iterations=5, **more))
    return found


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(GaussianNB, marks=pytest.mark.slow),
        LogisticRegression,
        lambda: HistGradientBoostingClassifier(max_iter=5, random_state=1),
        *boosters(),
    ],
)
def test_a_finished_model_is_plain_the_same_again_and_explained(
    make: Makes, tmp_path: Path
) -> None:
    # Given an estimator of one of the libraries, when it is calibrated and its threshold tuned
    wanted = model(calibration="isotonic", threshold={"maximise": "balanced_accuracy"})
    whole, plain, chosen = trained(make, wanted)
    content = storage.dumps(whole)
    # Then this process loads it, it answers yes from the threshold on, and it is stored once
    loaded: Any = model_file.load(content)
    rows = table(2)[0]
    assert (loaded.predict(rows) == (loaded.predict_proba(rows)[:, 1] >= chosen.value)).all()
    assert 0.05 < chosen.value < 0.5
    told.require_applied(content, rows, chosen.value)
    with pytest.raises(Problem, match=r"does not answer yes from a probability of 0\.9 on"):
        told.require_applied(content, rows, 0.9)
    # And trained again, its digest is the same
    digests = set[str]()
    for name, one in (("a", content), ("b", storage.dumps(trained(make, wanted)[0]))):
        (tmp_path / name).write_bytes(one)
        digests.add(model_file.digest(tmp_path / name))
    assert len(digests) == 1
    # And SHAP explains the classifier inside, or what is asked is the calibrated probability
    some = rows.head(40)
    found = explain(loaded, some, [], "classification", 1)
    bare = explain(plain, some, [], "classification", 1)
    assert found.coverage.value == 1.0
    if bare.method == "shap":
        assert found.importance == pytest.approx(bare.importance)
        assert found.output == bare.output + BEFORE
    else:
        assert (found.method, found.output) == ("shap_permutation", "predict_proba")


def test_a_threshold_alone_changes_no_explanation() -> None:
    whole, plain, _ = trained(LogisticRegression, model(threshold=0.2))
    rows = table(2)[0]
    assert explain(whole, rows, [], "classification", 1) == explain(
        plain, rows, [], "classification", 1
    )
    assert (whole.predict(rows) != plain.predict(rows)).any()


def test_a_model_without_probabilities_gets_them_by_calibration_only() -> None:
    with pytest.raises(Problem, match="has no predict_proba: set calibration, or choose another"):
        trained(LinearSVC, model(threshold=0.4))
    whole, _, _ = trained(LinearSVC, model(threshold=0.4, calibration="sigmoid"))
    rows = table(2)[0]
    assert (whole.predict(rows) == (whole.predict_proba(rows)[:, 1] >= 0.4)).all()


def test_a_threshold_of_costs_costs_least() -> None:
    # Given a calibrated model, and a false no that costs five times as much as a false yes
    wanted = {"costs": {"false_negative": 5, "false_positive": 1}}
    whole, _, chosen = trained(LogisticRegression, model(threshold=wanted))
    assert chosen is None
    # When the costs on new rows are counted for every threshold
    rows, truth = table(3, 40_000)
    score = whole.predict_proba(rows)[:, 1]
    cost = {t: np.mean(np.where(truth == 1, 5 * (score < t), score >= t))
            for t in np.arange(0.05, 0.6, 0.05)}  # fmt: skip
    # Then the formula's threshold is within one per cent of the best
    own = np.mean(np.where(truth == 1, 5 * (whole.predict(rows) == 0), whole.predict(rows) == 1))
    assert own <= min(cost.values()) * 1.01


@pytest.mark.parametrize("validated", [{"f1": 0.7}, {"f1": 0.7, "recall": 0.5}, {"recall": 0.9}])
def test_metrics_that_do_not_fit_the_request_are_refused(validated: dict[str, float]) -> None:
    # Given a threshold that maximises F1 with a least recall, when training says other metrics
    estimator = {"_target_": "sklearn.linear_model.LogisticRegression"}
    wanted = {"maximise": "f1", "at_least": {"recall": 0.8}}
    model = Model.model_validate({"name": "m", "estimator": estimator, "threshold": wanted})
    good = {"value": 0.3, "validated": {"f1": 0.7, "recall": 0.85}}
    assert told.threshold(model, good) is not None
    with pytest.raises(Problem, match="which does not fit `threshold` in conf/model"):
        told.threshold(model, good | {"validated": validated})
