"""A column may have any name, from `ingest` to the prediction log, or `ingest` refuses it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
import served
import whole_path
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import in_own_folder  # noqa: F401 - a fixture

from governed_ml.core import tables
from governed_ml.core.config import Feed, Monitor
from governed_ml.core.config.policy_schema import Rule
from governed_ml.core.problem import Problem
from governed_ml.monitoring import window_rows
from governed_ml.pipeline.contract.prediction_rows import answered
from governed_ml.pipeline.data.columns import check_names
from governed_ml.policy.expected_rules import Scope, expected

OWN = ["score", "prediction", "target", "label", "part", "model_version", "predicted_at"]
OWN += [*tables.IN_LOG_ONLY]
PYTHON = ["self", "mean", "values", "columns", "index", "shape", "None", "name"]
SQL = ["select", "*", "x0", "f0", "s0", "k0", "v", "n", "p", "person", "rowid", "; drop table t;--"]
SIGNS = [
    "a.b",
    "a b",
    "it's",
    'say "x"',
    "a[0]",
    "{x}",
    "%s",
    "\\",
    "<b>",
    "naïve",
    "日本",
    "n" * 1000,
]
ENCODED = ["a", "a_b", "numeric", "categorical__x", "__row__", "__score", "id"]
EVERY = [*OWN, "row", "request_id", *PYTHON, *SQL, *SIGNS, *ENCODED]


def table(names: list[str], seed: int = 1, rows: int = 200) -> pd.DataFrame:
    """A table whose features are texts and numbers in turn, with these names."""
    chance = np.random.default_rng(seed)
    features = {
        name: chance.normal(size=rows).round(3) if place % 2 else chance.choice(["b", "c"], rows)
        for place, name in enumerate(names)
    }
    repaid = np.where(chance.random(rows) < 0.5, "yes", "no")
    return pd.DataFrame(features).assign(sex=chance.choice(["f", "m"], rows), repaid=repaid)


def check(frame: pd.DataFrame, names: list[str], suffix: str = "csv", **conf: Any) -> None:
    """Run every stage, and predict the same rows: every feature is measured under its name."""
    pipe = whole_path.run(frame, **conf)
    assert {*pipe.bodies["explain"].importance} == {*names}
    assert {*pipe.bodies["evaluate"].leaks} == {*names}
    drifted = {column.name for column in pipe.bodies["drift"].columns}
    assert drifted == {*map(tables.in_drift, names), "prediction", "target"}
    answers = whole_path.predicted(pipe, frame, suffix, **conf)
    scores = pd.read_parquet(tables.PREDICTIONS).sort_values(tables.ROW)["score"].to_numpy()
    assert np.abs(answers["score"].to_numpy() - scores).max() < 1e-12
    [log] = Path("data/prediction_log").glob("*/*.parquet")
    logged = pd.read_parquet(log)
    for name in names:  # no value of the table is taken for one of the engine, or lost
        found = logged[tables.in_log(name)]
        assert found.tolist() == frame[name].tolist(), name


@pytest.mark.slow
@pytest.mark.usefixtures("inside")
def test_features_of_any_name_are_computed_with() -> None:
    check(table(EVERY), EVERY, sensitive={"sex": {}})


@pytest.mark.slow
@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_target_and_sensitive_attributes_have_any_name(task: str) -> None:
    # Given a target and attributes with names that the engine uses itself
    names = ["self", "target"]
    frame = table(names).rename(columns={"sex": "prediction", "repaid": "score"})
    frame["x0"] = np.where(np.arange(len(frame)) % 3, "old", "young")
    conf: dict[str, Any] = {"target": "score", "sensitive": {"prediction": {}, "x0": {}}}
    if task == "regression":
        frame["score"] = np.arange(len(frame)) % 7 / 4
        conf |= {"task": task, "positive": None}
    # When every stage runs, then each is what it is
    check(frame, names, "jsonl", **conf)


@pytest.mark.nightly
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(st.sampled_from(EVERY), st.text(min_size=1, max_size=9).map(str.strip)),
                min_size=2, max_size=6, unique_by=str.casefold),
       st.sampled_from(["csv", "parquet", "jsonl"]))  # fmt: skip
def test_random_names_are_computed_with_or_refused(names: list[str], suffix: str) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        try:
            frame = table(names)
            check_names([*frame.columns])
        except (Problem, ValueError):  # pandas cannot make a frame of lone surrogates
            return
        try:
            check(frame, names, suffix, sensitive={"sex": {}})
        except Problem as problem:
            assert "rename" in str(problem) or "drop" in str(problem), problem  # noqa: PT017


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["__row"], "'__row': the engine reserves this name; rename it"),
        (["__TARGET"], "'__TARGET': the engine reserves this name; rename it"),
        (["__person"], "'__person': the engine reserves this name; rename it"),
        (["input.Score"], "'input.Score': the engine reserves this name; rename it"),
        (["a", "A"], "columns 'a' and 'A' differ only in case: rename one"),
        (["a", "b", "a"], "column 'a' is in the table 2 times: rename one"),
    ],
)
def test_names_that_would_collide_are_refused(names: list[str], said: str) -> None:
    with pytest.raises(Problem, match=said.replace(".", r"\.")):
        check_names(names)
    check_names(["input.x", "__rows", "row", "score", "b"])  # these collide with nothing


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("name", ["row", "Request_ID"])
def test_a_target_by_whose_name_labels_are_joined_is_refused(name: str) -> None:
    # Given a target, then a sensitive attribute, that is called like a key of the log
    source = served.write(table(["x", "y"]).rename(columns={"repaid": name}), Path("table.csv"))
    # When it is ingested, then it is refused, because its labels could not be joined
    said = f"'{name}' is the target or a sensitive attribute, and `monitor` joins these"
    with pytest.raises(Problem, match=said):
        served.ingested(source, target=name)
    with pytest.raises(Problem, match=said):
        served.ingested(source, target="x", sensitive={name: {}})


@pytest.mark.usefixtures("inside")
def test_production_has_the_same_names_in_a_file_and_in_the_log() -> None:
    # Given a model with features that are called like columns of the log
    names = ["row", "score", "prediction", "model_version"]
    frame = table(names)
    model = served.train(served.write(frame, Path("train.csv")), sensitive={"sex": {}})
    # When rows are predicted and the log is read, then features and scores are not mixed up
    answers = model.predict(served_path(frame))
    with model._opened():
        feed = Feed(kind="log")
        now = pd.Timestamp.now("UTC").to_pydatetime() + pd.Timedelta(hours=1)
        found = window_rows.gather(feed, model.origin, Monitor(), None, now)
        rows = window_rows.complete(found.new, model.origin, Monitor())
    for name in names:
        assert rows.features[name].tolist() == frame[name].tolist(), name
    assert np.allclose(rows.score, answers["score"])
    # And a batch of a file has them under their own names
    given_rows, completed = model.monitor(served.write(frame, Path("batch.csv")))
    assert "input.score" not in given_rows.lost
    for name in names:
        assert completed.features[name].tolist() == frame[name].tolist(), name
    assert np.allclose(completed.score, answers["score"])


@pytest.mark.usefixtures("inside")
def test_a_log_of_an_earlier_engine_has_features_under_their_names() -> None:
    # Given a model with features that are called like columns that only later logs have
    names = [*tables.IN_LOG_ONLY]
    frame = table(names)
    model = served.train(served.write(frame, Path("train.csv")), sensitive={"sex": {}})
    answers = model.predict(served_path(frame))
    [log] = Path("data/prediction_log").glob("*/*.parquet")
    earlier = pd.read_parquet(log).drop(columns="arm").assign(request_id="earlier")
    renamed = earlier.rename(columns={tables.in_log(name): name for name in names})
    # When a log has rows of both forms, then each feature has its values
    served.write(renamed, log.with_name("earlier.parquet"))
    with model._opened():
        now = pd.Timestamp.now("UTC").to_pydatetime() + pd.Timedelta(hours=1)
        found = window_rows.gather(Feed(kind="log"), model.origin, Monitor(), None, now)
        rows = window_rows.complete(found.new, model.origin, Monitor())
    assert len(found.new.frame) == 2 * len(frame)
    for request, part in found.new.frame.groupby("request_id"):
        for name in names:
            assert rows.features.loc[part.index, name].tolist() == frame[name].tolist(), request
    assert np.allclose(rows.score, [*answers["score"], *answers["score"]])


def served_path(frame: pd.DataFrame) -> Path:
    """Write new rows; return their path."""
    served.write(frame, Path("new.csv"))
    return Path("new.csv")


def test_a_rule_for_each_feature_names_the_drift_of_the_feature() -> None:
    # Given a rule about the drift of each feature, of which one is called target
    rule = Rule.model_validate({"id": "drift.data", "metric": "drift.{each}.psi_quantile10",
                                "each": "feature", "block": 0.25, "owner": "risk"})  # fmt: skip
    scope = Scope("classification", ("target", "age"), ())
    policy: Any = type("Policy", (), {"rules": [rule]})
    # When it is expanded, then the metric of the feature is named, not that of the target
    assert [(one.id, one.metric) for one in expected(policy, scope)] == [
        ("drift.data[target]", "drift.input.target.psi_quantile10"),
        ("drift.data[age]", "drift.age.psi_quantile10"),
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("inside")
def test_contributions_go_to_the_feature_whose_column_it_is() -> None:
    # Given a text `a` with the category `b_x`, and a text `a_b` with the category `x`
    chance = np.random.default_rng(3)
    told = chance.random(300) < 0.5
    frame = table(["z"], rows=300).assign(
        a=np.where(chance.random(300) < 0.5, "b_x", "c"),
        a_b=np.where(told, "x", "y"),
        repaid=np.where(told ^ (chance.random(300) < 0.1), "yes", "no"),
    )
    # When the model is explained, then importance is that of the same table with other names
    plain = whole_path.run(frame.rename(columns={"a": "one", "a_b": "two"}), sensitive={"sex": {}})
    named = whole_path.run(frame, sensitive={"sex": {}})
    right = plain.bodies["explain"].importance
    found = named.bodies["explain"].importance
    assert found["a"] == pytest.approx(right["one"], rel=1e-6)
    assert found["a_b"] == pytest.approx(right["two"], rel=1e-6)
    assert right["two"] > 5 * right["one"]


def test_a_prediction_contract_tells_a_feature_from_the_answer() -> None:
    # Given a feature that is called like the model's answer, when both are to be judged
    found = answered(served.data(), pd.DataFrame({"score": [7.0], "self": [1]}), [0.25], [1])
    # Then each has its own name
    assert found.to_dict("list") == {
        "input.score": [7.0],
        "self": [1],
        "score": [0.25],
        "prediction": [1],
    }
    assert [tables.from_drift(tables.in_drift(name)) for name in EVERY] == EVERY
