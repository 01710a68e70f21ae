"""Predict: the champion's numbers with their origin, logged; input that does not fit is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import registry
from baked import BakedProject

pytestmark = pytest.mark.slow


def test_a_prediction_says_which_model_gave_it_and_is_logged(
    contested: BakedProject, tmp_path: Path
) -> None:
    # Given rows of the table, as CSV and as Parquet, and what the pipeline predicted for them
    raw = pd.read_parquet(contested.path / "data" / "raw.parquet").head(400)
    raw.to_csv(tmp_path / "in.csv", index=False)
    raw.sample(frac=1, axis=1, random_state=0).to_parquet(tmp_path / "in.parquet")
    # When the champion and the challenger predict
    answers = {}
    for alias, source, out in (
        ("champion", "in.csv", "champion.csv"),
        ("champion", "in.parquet", "champion.parquet"),
        ("challenger", "in.csv", "challenger.csv"),
    ):
        words = ["predict", str(tmp_path / source), "--output", str(tmp_path / out), "--json"]
        done = contested.call(*words, "--alias", alias)
        answers[out] = json.loads(done.stdout)
    found = pd.read_csv(tmp_path / "champion.csv")
    same = pd.read_parquet(tmp_path / "champion.parquet")
    other = pd.read_csv(tmp_path / "challenger.csv")
    # Then the file's format makes no difference, the model does
    assert (found["score"] - same["score"]).abs().max() < 1e-12
    line = pd.read_parquet(contested.path / "data" / "predictions.parquet")
    trained = line.sort_values("__row").head(400)["score"].reset_index(drop=True)
    assert (other["score"] - trained).abs().max() < 1e-12
    assert (found["score"] - other["score"]).abs().max() > 0.001
    # And each row says which version gave it, when, and for which request
    assert set(found["model_version"]) == {1}
    assert set(other["model_version"]) == {2}
    assert set(found["request_id"]) == {answers["champion.csv"]["request"]}
    assert found["predicted_at"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()
    digest = registry.ledger(contested)[0]["subject"]["model"]
    assert set(found["model_digest"]) == {digest}
    # And the log, which git does not see, has what came in and what went out
    log = pd.read_parquet(contested.path / answers["champion.csv"]["log"])
    assert log["score"].tolist() == same["score"].tolist()
    assert {"income", "request_id", "model_version"} <= set(log.columns)
    assert set(log["arm"]) == {"champion"}
    assert (log["income"] - raw["income"]).abs().max() < 1e-9
    assert len(list((contested.path / "data" / "prediction_log").rglob("*.parquet"))) == 3
    # And it has the sensitive attributes apart, where only the same user reads them
    assert not {"sex", "age_group"} & set(log.columns)
    apart = contested.path / answers["champion.csv"]["log"].replace("prediction", "sensitive")
    people = pd.read_parquet(apart)
    assert list(people.columns) == ["request_id", "row", "sex", "age_group"]
    assert people["sex"].tolist() == raw["sex"].tolist()
    assert apart.parents[1].stat().st_mode & 0o077 == 0
    assert "_log" not in contested.run(["git", "status", "--porcelain"]).stdout


def test_input_that_does_not_fit_is_refused_in_a_line(
    contested: BakedProject, tmp_path: Path
) -> None:
    # Given rows with something wrong, when they are given to the champion, then it says what
    raw = pd.read_parquet(contested.path / "data" / "raw.parquet").head(50)
    wrong = {
        "column 'income' is missing, and the model needs it": raw.drop(columns="income"),
        "1 of 50 values of 'income' are not a number": raw.assign(
            income=["a lot", *raw["income"].astype(str)[1:]]
        ),
        "50 of 50 values of 'late_payments' are not a number, which is what the model was trained "
        "on (row 1, 2, 3, …)": raw.assign(late_payments="none"),
        "1 of 50 values of 'purpose' are not a known spelling": raw.assign(
            purpose=[f" {raw['purpose'].iloc[0].title()}", *raw["purpose"].iloc[1:]]
        ),
        "has no rows": raw.head(0),
    }
    for number, (cause, frame) in enumerate(wrong.items()):
        path = tmp_path / f"{number}.csv"
        frame.to_csv(path, index=False)
        out = tmp_path / "out.csv"
        done = contested.call("predict", str(path), "--output", str(out), code=None)
        registry.refused(done, cause, code=2)
        assert not out.exists()
    lost = ["predict", str(tmp_path / "lost.csv"), "--output", str(tmp_path / "out.csv")]
    registry.refused(contested.call(*lost, code=None), "lost.csv does not exist", code=2)
    kind = ["predict", str(tmp_path / "0.csv"), "--output", str(tmp_path / "out.xls")]
    registry.refused(contested.call(*kind, code=None), ".csv or .parquet", code=2)
    alias = ["predict", str(tmp_path / "0.csv"), "--output", str(tmp_path / "out.csv")]
    done = contested.call(*alias, "--alias", "latest", code=None)
    registry.refused(done, "there is no alias 'latest'", code=2)
    assert not (contested.path / "data" / "prediction_log").exists()


def test_without_a_champion_there_is_no_prediction(
    registered: BakedProject, tmp_path: Path
) -> None:
    # Given a model that is pending review, when somebody wants predictions, then there are none
    rows = registered.path / "data" / "raw.parquet"
    words = ["predict", str(rows), "--output", str(tmp_path / "out.csv")]
    registry.refused(registered.call(*words, code=None), "there is no champion yet")


def test_a_request_is_answered_once_and_unknown_values_are_no_error(
    contested: BakedProject, tmp_path: Path
) -> None:
    # Given rows with a missing number and a category that training never saw
    raw = pd.read_parquet(contested.path / "data" / "raw.parquet").head(5)
    raw.loc[0, "income"] = None
    raw.loc[1, "purpose"] = "a boat"
    raw.to_csv(tmp_path / "in.csv", index=False)
    words = ["predict", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.csv")]
    # When they are predicted with a request's id, then all have a score
    done = contested.governance(*words, "--request", "claim-17")
    assert pd.read_csv(tmp_path / "out.csv")["score"].between(0, 1).all()
    assert "1 values of 'purpose' did not occur in training" in done.stdout
    # And the same request is not answered again, nor one that is no name
    done = contested.call(*words, "--request", "claim-17", code=None)
    registry.refused(done, "request claim-17 already has an answer")
    done = contested.call(*words, "--request", "../../x", code=None)
    registry.refused(done, "a request id is at most 64 letters", code=2)
