"""With three or more classes, what is predicted, logged and read back has the classes' names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import served
from hypothesis import given
from hypothesis import strategies as st
from served import in_own_folder  # noqa: F401 - a fixture

from governed_ml.core import tables
from governed_ml.core.problem import Problem
from governed_ml.monitoring import label_values
from governed_ml.pipeline.contract.prediction_rows import answered
from governed_ml.pipeline.data.columns import check_names
from governed_ml.pipeline.predict_version import checked_request
from governed_ml.pipeline.prediction_log.places import PREDICTIONS

pytestmark = pytest.mark.usefixtures("inside")
GRADES = ["good", "poor", "fair"]
LOGGED = {"kind": "log"}
SOON = datetime.now(UTC) + timedelta(hours=1)


def loans(grades: list[Any] = GRADES, rows: int = 300) -> pd.DataFrame:
    """Loans of which the debt tells the grade, most of the time."""
    chance = np.random.default_rng(3)
    debt = chance.normal(size=rows).round(3)
    place = np.clip(np.round(debt + chance.normal(size=rows) / 2).astype(int) + 1, 0, 2)
    return pd.DataFrame(
        {
            "debt": debt,
            "sex": chance.choice(["f", "m"], rows),
            "grade": [grades[one] for one in place],
        }
    )


def trained(grades: list[Any] = GRADES, name: str = "loans.csv", **columns: Any) -> served.Served:
    """A model of the loans, which are in this file."""
    conf = {"target": "grade", "positive": None, "classes": grades, "sensitive": {"sex": {}}}
    return served.train(served.write(loans(grades).assign(**columns), Path(name)), **conf)


@pytest.mark.parametrize("grades", [GRADES, [10, 2, 30], ["a", "A", 'b, "c"\nd']])
def test_the_log_has_the_name_of_the_class_and_each_probability(grades: list[Any]) -> None:
    # Given a model of three classes, when it predicts
    conf = {"distinct": ["grade"]} if "A" in grades else {}
    source = served.write(loans(grades), Path("loans.parquet"))
    model = served.train(source, target="grade", positive=None, classes=grades, **conf)
    found = model.predict(Path("loans.parquet"))
    # Then each row has the name of its class, and its probability
    names = [str(one) for one in grades]
    scores = [name for name in found.columns if name.startswith("score[")]
    assert len({name.casefold() for name in scores}) == 3
    if "A" not in grades:
        assert scores == [f"score[{name}]" for name in names]
    each = found[scores].to_numpy()
    assert each.sum(axis=1) == pytest.approx(1)
    assert found["prediction"].tolist() == [names[one] for one in each.argmax(axis=1)]
    assert found["score"].tolist() == each.max(axis=1).tolist()
    # And the log has the same columns, and the input's
    [log] = PREDICTIONS.glob("*/*.parquet")
    logged = pd.read_parquet(log)
    pd.testing.assert_frame_equal(logged[found.columns], found)
    assert set(logged.columns) - set(found.columns) == {"arm", "debt", "sex", "grade"}
    # And when it is read back, it has the positions of the classes
    _, read = model.monitor(LOGGED, SOON)
    assert read.unfit is None
    assert read.probabilities is not None
    assert read.prediction.tolist() == each.argmax(axis=1).tolist()
    assert read.probabilities.to_numpy() == pytest.approx(each)
    assert read.target.tolist() == [names.index(str(one)) for one in loans(grades)["grade"]]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_was_served_is_read_from_any_file_as_it_is_predicted_again(suffix: str) -> None:
    # Given answers for numbers that are classes, and the same rows without answers
    model = trained([10, 2, 30], "loans.parquet")
    found = model.predict(Path("loans.parquet"))
    rows = loans([10, 2, 30])
    served.write(rows, Path(f"plain.{suffix}"))
    served.write(pd.concat([found, rows], axis=1), Path(f"served.{suffix}"))
    # When both are read as production rows, then they have the same answers
    frames = [model.monitor({"kind": "file", "path": f"{name}.{suffix}"})[1]
              for name in ("plain", "served")]  # fmt: skip
    assert [one.unfit for one in frames] == [None, None]
    plain, given_back = frames
    assert given_back.prediction.tolist() == plain.prediction.tolist()
    assert plain.probabilities is not None
    assert given_back.probabilities is not None
    assert given_back.probabilities.to_numpy() == pytest.approx(plain.probabilities.to_numpy())
    assert given_back.target.tolist() == plain.target.tolist()


def test_a_served_class_that_the_model_does_not_have_is_named() -> None:
    # Given answers of which some name another class
    model = trained()
    found = pd.concat([model.predict(Path("loans.csv")), loans()], axis=1)
    found.loc[:11, "prediction"] = "awful"
    served.write(found, Path("served.csv"))
    # When they are read, then they are not measured, and the class is named
    _, read = model.monitor({"kind": "file", "path": "served.csv"})
    assert read.unfit is not None
    assert read.unfit.startswith(
        "12 of 300 rows have no 'prediction' that is one of the model's 3 classes (there are "
        "'awful' 12 times): give the values that were served"
    )


@pytest.mark.parametrize("lost", ["score[poor]", "score"])
def test_a_served_row_without_a_probability_is_not_measured(lost: str) -> None:
    model = trained()
    found = pd.concat([model.predict(Path("loans.csv")), loans()], axis=1)
    served.write(found.drop(columns=lost), Path("served.csv"))
    _, read = model.monitor({"kind": "file", "path": "served.csv"})
    assert read.unfit is not None
    assert f"300 of 300 rows have no {lost!r} that is a number from 0 to 1" in read.unfit


def test_served_probabilities_that_do_not_add_up_are_not_measured() -> None:
    model = trained()
    found = pd.concat([model.predict(Path("loans.csv")), loans()], axis=1)
    names = [name for name in found if str(name).startswith("score[")]
    found.loc[:4, names] = 0.0
    served.write(found, Path("served.csv"))
    _, read = model.monitor({"kind": "file", "path": "served.csv"})
    assert read.unfit is not None
    assert "5 of 300 rows have probabilities that do not add up to 1" in read.unfit


def test_a_label_that_is_no_class_is_named_and_does_not_count() -> None:
    # Given labels of which some are no class
    data = trained().origin.data
    labels = pd.Series(["good", None, "Poor", *["late"] * 12], dtype="object")
    # When they are read, then they are none, and what occurs often is named
    target, notes = label_values.target_of(labels, data)
    assert [None if pd.isna(one) else one for one in target] == [0, None, None, *[None] * 12]
    [note] = notes
    assert note.startswith("labels: values that the target does not have (good, poor, fair): 13, ")
    assert note.endswith("such as 'late' 12 times")


def test_answers_of_a_model_of_two_classes_are_left_out_of_the_same_log() -> None:
    # Given a log with rows of a model of two classes and of one of three
    first = served.train(
        served.write(loans(), Path("loans.csv")), target="grade", positive="good", against="rest"
    )
    first.origin = first.origin.__class__(**{**vars(first.origin), "digest": "sha256:2"})
    first.predict(served_again("one.csv"))
    second = trained()
    second.predict(served_again("two.csv"))
    # When each version's rows are read, then they are its own
    for model, kind in ((first, None), (second, 3)):
        rows, read = model.monitor(LOGGED, SOON)
        assert len(rows.frame) == 300
        assert read.unfit is None
        assert rows.strange == ()
        assert (None if read.probabilities is None else read.probabilities.shape[1]) == kind


def served_again(name: str) -> Path:
    """The loans in a file with another name, which is that of the request."""
    served.write(loans(), Path(name))
    return Path(name)


def test_a_column_that_is_called_like_a_probability_keeps_its_values() -> None:
    # Given a feature with the name of what `predict` adds
    column = loans()["debt"] * 2
    model = trained(GRADES, "loans.csv", **{"score[poor]": column})
    # When it predicts, then the log has both
    answers = model.predict(Path("loans.csv"))
    [log] = PREDICTIONS.glob("*/*.parquet")
    logged = pd.read_parquet(log)
    assert logged["input.score[poor]"].tolist() == column.tolist()
    assert logged["score[poor]"].tolist() == answers["score[poor]"].tolist()
    rows, read = model.monitor(LOGGED, SOON)
    assert read.features["score[poor]"].tolist() == column.tolist()
    assert rows.lost == ()
    # And no table has that name
    with pytest.raises(Problem, match=r"'input.score\[poor\]': the engine reserves this name"):
        check_names(["input.score[poor]"])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_answers_are_written_over_and_no_other_file_is(suffix: str) -> None:
    # Given answers with classes whose names need quotes, and a table that looks similar
    names = [*tables.LOGGED[:4], *tables.class_scores(["a", 'b,"c"', "d\ne"]), *tables.LOGGED[4:]]
    ours, theirs = Path(f"out{suffix}"), Path(f"table{suffix}")
    served.write(pd.DataFrame([[1] * len(names)], columns=names), ours)
    served.write(pd.DataFrame([[1] * 8], columns=[*tables.LOGGED[:7], "score[a]"]), theirs)
    # When both are named as output, then only the answers may be written over
    assert checked_request(Path("in.csv"), ours, "one") == "one"
    with pytest.raises(Problem, match="exists and holds no predictions"):
        checked_request(Path("in.csv"), theirs, "one")


@given(st.lists(st.text(), min_size=3, max_size=8, unique=True))
def test_every_class_has_a_column_of_its_own_even_without_case(names: list[str]) -> None:
    found = tables.class_scores(names)
    assert len({one.casefold() for one in found}) == len(names)
    assert all(tables.in_log(one) == f"input.{one}" for one in found)


def test_a_prediction_contract_is_about_the_name_of_the_class() -> None:
    features = pd.DataFrame({"debt": [1.0, 2.0]})
    found = answered(trained().origin.data, features, [0.5, 0.9], [2, 0])
    assert found["prediction"].tolist() == ["fair", "good"]
