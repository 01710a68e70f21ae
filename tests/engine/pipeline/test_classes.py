"""A target of three or more classes: from the configuration to the predictions."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import served
from served import in_own_folder  # noqa: F401 - a fixture
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from governed_ml.core import tables
from governed_ml.core.bodies import ingested
from governed_ml.core.bodies.ingested import IngestBody, TargetClass, TargetClasses
from governed_ml.core.config import Model
from governed_ml.core.config.data import Data
from governed_ml.core.evidence_bodies import Group
from governed_ml.core.problem import Problem
from governed_ml.measures.multiclass import fairness as class_fairness
from governed_ml.pipeline import model_outputs
from governed_ml.pipeline.data.columns import target_of
from governed_ml.pipeline.isolated import isolated_model
from governed_ml.pipeline.probabilities.requested import require_possible
from governed_ml.pipeline.stages import split
from governed_ml.policy.fixes.merging import size

pytestmark = pytest.mark.usefixtures("inside")
GRADES = ["good", "poor", "fair"]
ROWS = 300


def table(grades: list[Any] = GRADES) -> pd.DataFrame:
    """Loans with one of several grades."""
    row = np.arange(ROWS)
    return pd.DataFrame(
        {"age": 20 + row % 50, "debt": row % 7, "grade": [grades[i % len(grades)] for i in row]}
    )


def read(frame: pd.DataFrame, suffix: str = "csv", **conf: Any) -> tuple[Data, IngestBody]:
    """Ingest a table; return the configuration and what the evidence says."""
    bodies: list[IngestBody] = []
    source = served.write(frame, Path(f"table.{suffix}"))
    given = {"target": "grade", "positive": None} | conf
    data, _ = served.ingested(source, bodies=bodies, **given)
    return data, bodies[0]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"positive": "good"}, "positive and classes are both set"),
    ({"against": "rest"}, "against and classes are both set"),
    ({"task": "regression"}, "classes needs a classification, but task is regression"),
    ({"classes": ["good", "poor"]}, "classes lists 2 of at least 3 values"),
    ({"classes": []}, "classes lists 0 of at least 3 values"),
    ({"classes": list(range(51))}, "classes lists 51 values, and at most 50 are allowed"),
    ({"classes": ["1", 1, 2]}, "classes lists '1' twice"),
    ({"classes": ["a", "b", None]}, "classes holds an empty value"),
    ({"classes": ["a", "b → c", "d"]}, "class 'b → c' has an arrow in its name"),
    ({"classes": None}, "positive is missing: .*, or list three or more values under classes"),
]


@pytest.mark.parametrize(("conf", "said"), REFUSED)
def test_classes_that_contradict_the_configuration_are_refused(
    conf: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        served.data(**({"positive": None, "classes": GRADES} | conf))


def test_a_configuration_without_classes_is_dumped_as_before() -> None:
    assert "classes" not in served.data().model_dump()
    data = served.data(positive=None, classes=[1, 2.0, True])
    assert data.model_dump()["classes"] == [1, 2.0, True]
    assert data.class_names == ["1", "2", "true"]
    assert data.multiclass
    assert not served.data().multiclass


@pytest.mark.parametrize(
    ("grades", "classes"),
    [
        (GRADES, ["poor", "fair", "good"]),
        ([1, 2, 3], [3, 1, 2]),
        ([1, 2, 3], ["3", "1", "2"]),
        (["TRUE", "False", "unknown"], [True, False, "unknown"]),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_target_is_the_position_of_the_class(
    grades: list[Any], classes: list[Any], suffix: str
) -> None:
    # Given a table with three classes, when it is ingested
    data, body = read(table(grades), suffix, classes=classes)
    # Then each class is counted in the configured order, and the target is its position
    names = data.class_names
    listed = [TargetClass(name=name, rows=100) for name in names]
    assert body.classes == TargetClasses(target="grade", values=listed)
    raw = tables.read(tables.RAW)
    found = target_of(raw, data)
    assert found.dtype == "int64"
    wanted = [names.index(str(value).lower() if isinstance(value, str) else str(value))
              for value in table(grades)["grade"]]  # fmt: skip
    assert found.tolist() == wanted


def test_values_and_classes_must_be_the_same() -> None:
    said = r"has a value that data.classes does not list: 'fair' 100 times; list each under classes"
    with pytest.raises(Problem, match=said):
        read(table(), classes=["good", "poor", "bad"])
    said = r"data.classes: 'bad' is no value of the target 'grade', which has 'fair' 100 times"
    with pytest.raises(Problem, match=said):
        read(table(), classes=[*GRADES, "bad"])
    said = r"does not list: 'no' 100 times; .*; YAML reads yes, no, on and off without quotes"
    with pytest.raises(Problem, match=said):
        read(table(["yes", "no", "unsure"]).replace("yes", "true"), "parquet",
             classes=[True, "never", "unsure"])  # fmt: skip


def test_several_values_are_offered_as_classes_first() -> None:
    # Given a target with three values and one favourable value, when it is ingested
    with pytest.raises(Problem) as refused:
        read(table(), positive="good")
    # Then the line says what to write, classes first
    said = str(refused.value)
    assert "write in conf/data `classes: [fair, good, poor]` in place of `positive`" in said
    assert said.index("classes: [") < said.index("`against: rest` to predict 'good'")
    # And values that YAML would misread are in quotes
    with pytest.raises(Problem, match=r"`classes: \['1', '2', '3'\]`"):
        read(table([1, 2, 3]), positive=1)


def test_the_evidence_says_what_is_predicted() -> None:
    _, body = read(table(), classes=GRADES)
    assert ingested.about(body)["predicts"] == (
        "grade, one of 3 classes ('good', 'poor', 'fair'); the rarest is 'good' with 100 rows"
    )


def divided(frame: pd.DataFrame, classes: list[Any], **conf: Any) -> Any:
    """Split a table in the working folder; return the evidence's body."""
    data, _ = read(frame, classes=classes, **conf)
    kept: list[Any] = []
    how = SimpleNamespace(kind=conf.get("kind", "random"), test_share=0.3)
    params = SimpleNamespace(data=data, split=how, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "read", lambda *_: params)
        patch.setattr(split, "record", lambda *given, **_: kept.append(given[3]))
        split.main()
    return kept[0]


def test_every_class_is_in_both_parts() -> None:
    # Given three classes, when the table is divided
    body = divided(table(), GRADES)
    # Then each part has a third of each, and the evidence names the classes by position
    assert body.classes == GRADES
    assert "classes" in json.loads(body.model_dump_json())
    test = tables.read(tables.TEST)[tables.TARGET]
    assert test.value_counts().to_dict() == {0: 30, 1: 30, 2: 30}


def test_a_class_that_a_part_lacks_stops_the_split() -> None:
    frame = table().assign(grade=["rare", *(table()["grade"].iloc[1:])])
    said = (
        r"the (test|train) rows have none of the class 'rare' of 'grade', of which the table has "
        r"1 row: take more rows, merge the class"
    )
    with pytest.raises(Problem, match=said):
        divided(frame, [*GRADES, "rare"])


def sample() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(5)
    features = pd.DataFrame(rng.normal(size=(400, 3)), columns=["a", "b", "c"])
    noise = rng.normal(size=(400, 3))
    return features, (features.to_numpy() + noise).argmax(axis=1)


def parts(features: pd.DataFrame, target: np.ndarray) -> dict[str, pd.DataFrame]:
    whole = features.assign(**{tables.ROW: range(len(features)), tables.TARGET: target})
    return {"train": whole[:300], "test": whole[300:]}


def test_predictions_hold_the_probability_of_each_class() -> None:
    # Given a model of three classes
    features, target = sample()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, target)
    # When it predicts both parts
    found = model_outputs.predict_parts(
        model, parts(features, target), list(features), "classification"
    )
    # Then the score is the probability of the predicted class
    each = found[["score_0", "score_1", "score_2"]].to_numpy()
    assert np.array_equal(each, model.predict_proba(features))
    assert found["prediction"].tolist() == model.predict(features).tolist()
    assert found["score"].tolist() == each.max(axis=1).tolist()
    assert list(found) == [
        *(tables.ROW, "part", tables.TARGET, "score", "prediction"),
        *("score_0", "score_1", "score_2"),
    ]


def test_a_model_without_probabilities_is_sure_of_its_prediction() -> None:
    features, target = sample()
    model = RidgeClassifier().fit(features, target)
    found = model_outputs.answered(model, features, "classification")
    assert found.score.tolist() == [1.0] * 400
    assert np.array_equal(found.probabilities.argmax(axis=1), model.predict(features))


def test_the_columns_of_two_classes_are_as_before() -> None:
    features, target = sample()
    model = LogisticRegression().fit(features, target > 0)
    given = parts(features, (target > 0).astype("int64"))
    found = model_outputs.predict_parts(model, given, list(features), "classification")
    assert list(found) == [tables.ROW, "part", tables.TARGET, "score", "prediction"]
    assert found["score"].tolist() == model.predict_proba(features)[:, 1].tolist()


def test_a_model_of_other_classes_is_refused() -> None:
    features, target = sample()
    model = LogisticRegression().fit(features, target)
    model_outputs.require_classes(model, 3)
    for count in (2, 4):
        with pytest.raises(Problem, match=f"distinguishes 3 classes, but the target has {count}"):
            model_outputs.require_classes(model, count)


def test_a_model_that_answers_with_no_class_is_refused() -> None:
    features, target = sample()
    model = LogisticRegression().fit(features, target)
    model.predict = lambda rows: np.full(len(rows), 7)  # type: ignore[method-assign]
    with pytest.raises(Problem, match="predicts other values than its 3 classes"):
        model_outputs.answered(model, features, "classification")
    model = LogisticRegression().fit(features, target)
    for wrong in (np.nan, 1.0, -1.0):
        model.predict_proba = lambda rows, wrong=wrong: np.full((len(rows), 3), wrong)
        with pytest.raises(
            Problem, match="probabilities of its 3 classes are not from 0 to 1, or do not add"
        ):
            model_outputs.answered(model, features, "classification")


def test_a_mitigation_is_refused_before_training() -> None:
    # Given a model with mitigation, which weighs answers of yes and no
    search = {"_target_": "fairlearn.reductions.GridSearch"}
    model = Model(name="fair_m", estimator=search)
    # When the configuration is composed, then several classes are refused, and two are not
    with pytest.raises(Problem, match=r"conf/model: fair_m mitigates answers of yes or no, .* 3"):
        require_possible(model, "classification", 3)
    require_possible(model, "classification", 0)


def test_groups_to_merge_are_counted_in_the_rows_of_a_class() -> None:
    # Given the outcomes of a group, when rows of a class are counted
    counts = {"good → good": 5, "good → poor": 2, "poor → good": 3, "it's → good": 1}
    group = Group(name="g", n=11, counts=counts, rates={})
    found = {
        "rows of 'good'": 7,
        "rows of 'good' in the test rows": 7,
        "rows predicted 'good'": 9,
        "rows of other classes than 'good'": 4,
        'rows of "it\'s"': 1,
        "test rows": 11,
    }
    # Then those of the class count, whose name the reason quotes
    assert {unit: size(group, unit) for unit in found} == found
    assert found.keys() > {f"{class_fairness.units_of(one)[0]}" for one in ("good", "it's")}


class Answering:
    """A child process that holds a model of three classes, which it lists in its own order."""

    isolation = "none"

    def __init__(self, *_: Any, classes: tuple[int, ...] = (2, 0, 1)) -> None:
        """Describe the model, as the process does when it starts."""
        methods = ["predict", "predict_proba"]
        self.told = {"methods": methods, "classes": list(classes), "features": None, "type": "M"}
        self.gives = {"predict": [2.0, 0.0], "predict_proba": [[0.7, 0.2, 0.1], [0.3, 0.6, 0.1]]}

    def answer(self) -> tuple[dict[str, Any], list[bytes]]:
        """Return the description."""
        return self.told, []

    def ask(self, head: dict[str, Any], *_: Any, **__: Any) -> tuple[dict[str, Any], list[bytes]]:
        """Return what the methods give."""
        found: list[bytes] = []
        for method in head["methods"]:
            buffer = io.BytesIO()
            np.save(buffer, np.array(self.gives[method]))
            found.append(buffer.getvalue())
        return {}, found


def test_a_model_with_code_answers_in_the_order_of_the_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a model with code of its own, whose classes are in another order
    process = Answering()
    monkeypatch.setattr(isolated_model, "Process", lambda *_: process)
    model = isolated_model.IsolatedModel(b"")
    rows = pd.DataFrame({"a": [1.0, 2.0]})
    # When it is asked, then probabilities are by position of the class
    assert model.classes_ == [0, 1, 2]
    found = model_outputs.answered(model, rows, "classification")
    assert found.probabilities.tolist() == [[0.2, 0.1, 0.7], [0.6, 0.1, 0.3]]
    assert (found.prediction.tolist(), found.score.tolist()) == ([2, 0], [0.7, 0.6])
    # And what is no class, or no probability of each, is refused
    process.gives["predict"] = [3.0, 0.0]
    with pytest.raises(Problem, match="predict returns labels other than 0 to 2"):
        model.predict(rows)
    process.gives["predict_proba"] = [[0.5, 0.5], [0.5, 0.5]]
    with pytest.raises(Problem, match="does not return probabilities of 3 classes"):
        model.predict_proba(rows)


def test_a_model_with_code_and_other_classes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated_model, "Process", lambda *_: Answering(classes=(1, 2, 3)))
    with pytest.raises(Problem, match=r"classes are \[1, 2, 3\], not 0 to 2"):
        isolated_model.IsolatedModel(b"")
