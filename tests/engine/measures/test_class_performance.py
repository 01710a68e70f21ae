"""Performance with three or more classes: the numbers of plain scikit-learn, and right bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.datasets import load_digits, load_wine
from sklearn.naive_bayes import GaussianNB

from governed_ml.core import tables
from governed_ml.core.evidence import SAME_CLASS
from governed_ml.measures import champions, leaks, performance
from governed_ml.measures.multiclass import leaks as class_leaks
from governed_ml.measures.multiclass import performance as multiclass
from governed_ml.measures.multiclass.performance import ClassAnswers

CONFIDENCE, DRAWS = 0.95, 250


def real(name: str) -> ClassAnswers:
    """A naive model's answers for the second half of a real table."""
    data = load_wine() if name == "wine" else load_digits()
    order = np.random.default_rng(1).permutation(len(data.target))
    x, y = data.data[order][:, :6], data.target[order]
    half = len(y) // 2
    model = GaussianNB(var_smoothing=1e-3).fit(x[:half], y[:half])
    names = [str(one) for one in data.target_names]
    return ClassAnswers(y[half:], model.predict(x[half:]), model.predict_proba(x[half:]), names)


@pytest.mark.parametrize("name", ["wine", "digits"])
def test_metrics_are_those_of_scikit_learn(name: str) -> None:
    # Given a model's answers for a real table
    found = real(name)
    y, p, hat = found.target, found.probabilities, found.prediction
    # When they are measured
    metrics = multiclass.classification(found)
    # Then each metric is scikit-learn's macro average
    one_hot = np.eye(len(found.names))[y]
    right = {
        "roc_auc": sk.roc_auc_score(y, p, multi_class="ovr", average="macro"),
        "average_precision": sk.average_precision_score(one_hot, p, average="macro"),
        "accuracy": sk.accuracy_score(y, hat),
        "balanced_accuracy": sk.balanced_accuracy_score(y, hat),
        "f1": sk.f1_score(y, hat, average="macro"),
        "precision": sk.precision_score(y, hat, average="macro"),
        "recall": sk.recall_score(y, hat, average="macro"),
        "brier_score": sk.brier_score_loss(y, p, scale_by_half=True),
        "log_loss": sk.log_loss(y, p),
    }
    assert {one: metrics[one].value for one in right} == pytest.approx(right, abs=1e-12)
    # And of each class, scikit-learn's for this class alone
    for place, label in enumerate(found.names):
        mine = {
            "roc_auc": sk.roc_auc_score(y == place, p[:, place]),
            "average_precision": sk.average_precision_score(y == place, p[:, place]),
            "f1": sk.f1_score(y, hat, labels=[place], average=None)[0],
            "precision": sk.precision_score(y, hat, labels=[place], average=None)[0],
            "recall": sk.recall_score(y, hat, labels=[place], average=None)[0],
        }
        assert {one: metrics[f"class.{label}.{one}"].value for one in mine} == pytest.approx(mine)
    # And the note names the rarest and the weakest class
    recalls = [metrics[f"class.{label}.recall"].value or 0.0 for label in found.names]
    note = f"lowest for class {found.names[int(np.argmin(recalls))]!r}: {min(recalls):.4f}"
    assert metrics["recall"].note.endswith(note)
    assert "rows are of the rarest class " in metrics["recall"].note
    assert metrics["recall"].n == int(found.counts().min())


def test_the_mean_roc_curve_has_the_area_of_the_metric() -> None:
    found = real("digits")
    x, y = np.transpose(multiclass.roc_curve(found))
    area = multiclass.classification(found)["roc_auc"].value
    assert np.trapezoid(y, x) == pytest.approx(area, abs=0.002)


def test_a_class_that_is_never_predicted_has_no_precision() -> None:
    found = real("wine")
    moved = np.where(found.prediction == 2, 1, found.prediction)
    metrics = multiclass.classification(found._replace(prediction=moved))
    for name in ("class.class_2.precision", "precision"):
        assert metrics[name].value is None
        assert metrics[name].note == "class 'class_2' is never predicted"
    assert metrics["class.class_2.recall"].value == metrics["class.class_2.f1"].value == 0
    assert metrics["class.class_0.precision"].value is not None


def test_rows_without_a_class_have_no_mean_over_the_classes() -> None:
    found = real("wine")
    there = found.target != 1
    fewer = ClassAnswers(*(part[there] for part in found[:3]), found.names)
    metrics = multiclass.classification(fewer)
    for name in ("roc_auc", "average_precision", "recall", "f1", "balanced_accuracy"):
        assert (metrics[name].value, metrics[name].note) == (None, "no row is of class 'class_1'")
    assert metrics["class.class_0.roc_auc"].value is not None
    assert metrics["accuracy"].value is not None


def test_the_calibration_error_is_that_of_the_worst_class() -> None:
    # Given classes of which the third is badly calibrated
    rng = np.random.default_rng(2)
    p = rng.dirichlet([2, 2, 2], 3000)
    y = np.array([rng.choice(3, p=one) for one in p])
    tilted = p * [1.0, 1.0, 2.0]
    tilted /= tilted.sum(axis=1, keepdims=True)
    found = ClassAnswers(y, tilted.argmax(axis=1), tilted, ["a", "b", "c"])
    # When it is measured
    metrics = multiclass.classification(found, CONFIDENCE)
    each = [metrics[f"class.{name}.expected_calibration_error"] for name in "abc"]
    whole = metrics["expected_calibration_error"]
    # Then value and upper bound are the largest, and the lower one holds for all classes at once
    assert whole.value == each[2].value == max(one.value or 0 for one in each)
    assert "largest for class 'c'" in whole.note
    assert whole.upper == max(one.upper or 0 for one in each)
    bins = performance.reliability(*found.one(2))
    assert whole.lower is not None
    assert each[2].lower is not None
    assert 0 < whole.lower < each[2].lower
    # And the table is that of this class
    assert multiclass.calibration_table(found) == (bins, "c")


@pytest.mark.slow
@pytest.mark.parametrize("classes", [3, 5])
def test_bounds_of_the_worst_calibration_hold(classes: int) -> None:
    # Given perfect models, when their calibration error is bounded from below
    rng = np.random.default_rng(3)
    above = 0
    for _ in range(DRAWS):
        p = rng.dirichlet(np.full(classes, 1.5), 300)
        y = (p.cumsum(axis=1) > rng.random((300, 1))).argmax(axis=1)
        found = ClassAnswers(y, p.argmax(axis=1), p, [str(k) for k in range(classes)])
        bound = multiclass.worst_calibration(found, CONFIDENCE, [1.0] * classes).lower
        above += (bound or 0.0) > 0
    # Then the bound is wrong in at most 5 % of them, give or take chance
    assert above <= DRAWS * 0.05 + 2 * np.sqrt(DRAWS * 0.05 * 0.95)


def test_the_same_class_for_every_row_avoids_no_error() -> None:
    found = real("wine")
    most = int(found.counts().argmax())
    metrics = multiclass.against_majority(found)
    share = found.counts().max() / len(found.target)
    assert metrics["majority_accuracy"].value == share
    right = sk.accuracy_score(found.target, found.prediction)
    assert metrics["errors_avoided"].value == pytest.approx((right - share) / (1 - share))
    always = found._replace(prediction=np.full(len(found.target), most))
    avoided = multiclass.against_majority(always)["errors_avoided"]
    assert avoided.value is None
    assert avoided.note.startswith(f"{SAME_CLASS}; always answering {found.names[most]!r} is right")


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_two_classes_are_measured_as_one_probability(seed: int) -> None:
    # Given the answers of two binary models
    rng = np.random.default_rng(seed)
    y, a, b = rng.integers(0, 2, 60), rng.random(60), rng.random(60)
    y[:2] = 0, 1
    two = ClassAnswers(y, (a > 0.5).astype(int), np.column_stack([1 - a, a]), ["no", "yes"])
    other = two._replace(probabilities=np.column_stack([1 - b, b]))
    # When they are measured as a model of two classes, then the numbers are those of one score
    assert two.squared_errors() == pytest.approx((a - y) ** 2)
    gain = multiclass.champion_difference(other, two, CONFIDENCE)
    right = champions.champion_difference(y.astype(float), b, a, CONFIDENCE)
    numbers = [(one.value, one.lower, one.upper) for one in (gain, right)]
    assert numbers[0] == pytest.approx(numbers[1])


# --- leaks ----------------------------------------------------------------------------------------


def written(folder: Path, classes: int, rows: int = 4000) -> tuple[Path, Path, pd.DataFrame]:
    """Two tables with a feature that shows class 0, one that shows all, and noise."""
    rng = np.random.default_rng(4)
    y = rng.integers(0, classes, rows)
    frame = pd.DataFrame(
        {
            tables.ROW: range(rows),
            "all": y + rng.normal(0, 0.01, rows),
            "first": (y == 0) + rng.normal(0, 0.01, rows),
            "noise": rng.normal(size=rows),
            "text": np.where(rng.random(rows) < 0.9, y.astype(str), "?"),
            tables.TARGET: y,
        }
    ).astype({"text": "object"})
    frame.loc[rng.random(rows) < 0.05, "noise"] = np.nan
    paths = folder / "train.parquet", folder / "test.parquet"
    half = rows // 2
    for path, part in zip(paths, (frame[:half], frame[half:]), strict=True):
        part.to_parquet(path, index=False)
    return *paths, frame[half:]


def test_a_feature_that_shows_one_class_of_five_is_no_leak_of_the_answer(tmp_path: Path) -> None:
    train, test, _ = written(tmp_path, 5)
    found = class_leaks.target_leaks(train, test, ["all", "first", "noise"], ["text"], 5)
    assert found["all"] == pytest.approx(1.0, abs=0.005)
    # one class is told apart (1.0), of each other it is only known that a row is not of the first
    assert found["first"] == pytest.approx((1 + 4 * 0.625) / 5, abs=0.01)
    assert found["noise"] == pytest.approx(0.5, abs=0.03)
    assert 0.98 < (found["text"] or 0) < 1


def test_leaks_of_classes_are_the_mean_of_each_class_against_the_rest(tmp_path: Path) -> None:
    # Given a table of three classes, and the same with one class against the rest
    train, test, frame = written(tmp_path, 3)
    found = class_leaks.target_leaks(train, test, ["all", "first", "noise"], ["text"], 3)
    together = class_leaks.together(train, test, ["all", "first", "noise"], ["a", "b", "c"])
    alone, sums = [], []
    for place in range(3):
        paths = []
        for path in (train, test):
            part = pd.read_parquet(path)
            part[tables.TARGET] = (part[tables.TARGET] == place).astype("int64")
            paths.append(path.with_stem(f"{path.stem}-{place}"))
            part.to_parquet(paths[-1], index=False)
        alone.append(leaks.target_leaks(*paths, ["all", "first", "noise"], ["text"],
                                        "classification"))  # fmt: skip
        sums.append(leaks.together(*paths, ["all", "first", "noise"], "classification").value)
    # Then each leak is the mean of the three
    for name, value in found.items():
        assert value == pytest.approx(np.mean([one[name] for one in alone]), abs=1e-12)
    assert together.value == pytest.approx(np.mean(sums), abs=1e-12)
    assert together.n == len(frame)
    assert "predict the class; 'a' best, with 1.0000" in together.note


def test_the_features_that_a_model_rests_on_are_named() -> None:
    data = load_wine()
    frame = pd.DataFrame(data.data, columns=data.feature_names)
    model = GaussianNB().fit(frame, data.target)
    found = ClassAnswers(
        data.target, model.predict(frame), model.predict_proba(frame), ["a", "b", "c"]
    )
    whole = multiclass.classification(found)["roc_auc"]
    told = performance.relied_on(whole, frame, data.target, model.predict_proba, "classification")
    assert told.value == whole.value
    assert "the model rests most on " in told.note
