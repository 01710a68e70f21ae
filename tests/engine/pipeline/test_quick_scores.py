"""A service's short ways to the answers for few rows give what the model's own way gives."""

from __future__ import annotations

import importlib.util
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import served_models
import threadpoolctl
from served_models import CATEGORICAL, NUMERIC, fitted, rows, strange
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from governed_ml.pipeline.model_outputs import Answers, answered
from governed_ml.pipeline.quick import scores
from governed_ml.pipeline.quick.encoding import quick_encoding
from governed_ml.pipeline.quick.scores import QuickScores

NAMES = ("score", "prediction", "probabilities")


def same(one: Any, other: Any) -> bool:
    """Whether two answers are the same, bit by bit."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in NAMES]
    return all(
        (a is None and b is None) or (a.dtype == b.dtype and a.tobytes() == b.tobytes())
        for a, b in pairs
    )


def compare(model: Any, task: str) -> QuickScores:
    """Ask both ways for one row, some and many, and compare; return the quick way."""
    quick = QuickScores(model, task, rows(100))
    given = strange()
    for some in (given.head(1), given.tail(1), given.iloc[20:27], given, rows()):
        assert same(quick.answered(some), answered(model, some, task))
    return quick


@pytest.fixture(scope="module", name="default")
def default_model() -> tuple[Any, str]:
    """The model that the template has at first, and its task."""
    return served_models.configured("hist_gradient_boosting_classifier")


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in served_models.CONFIGURED.glob("*.yaml"))
)
def test_every_model_of_the_template_answers_alike(name: str) -> None:
    # Given a model of the template, when it is asked in the short ways, then nothing differs
    quick = compare(*served_models.configured(name))
    assert quick.encodes
    assert quick.asks_once == ("hist_gradient_boosting_classifier" in name)


@pytest.mark.parametrize("name", ["logistic_regression", "hist_gradient_boosting_classifier"])
@pytest.mark.parametrize(
    "keys",
    [
        {"threshold": 0.3},
        {"calibration": "isotonic"},
        {"calibration": "sigmoid", "threshold": {"maximise": "f1"}},
    ],
    ids=str,
)
def test_calibration_and_threshold_are_asked_once(name: str, keys: dict[str, Any]) -> None:
    quick = compare(*served_models.configured(name, **keys))
    assert quick.encodes
    assert quick.asks_once


def test_a_score_on_the_threshold_is_a_yes_in_both_ways() -> None:
    # Given a model, and the same model with one of its scores as threshold
    plain, task = served_models.configured("hist_gradient_boosting_classifier")
    score = answered(plain, strange(), task).score[4]
    model, _ = served_models.configured("hist_gradient_boosting_classifier", threshold=float(score))
    # When that row is asked about, then the answer is yes
    quick = compare(model, task)
    assert quick.asks_once
    assert quick.answered(strange().iloc[4:5]).prediction.tolist() == [1]


ONCE = [
    HistGradientBoostingClassifier(max_iter=10, random_state=1),
    GradientBoostingClassifier(n_estimators=5, random_state=1),
    RandomForestClassifier(10, random_state=1),
    ExtraTreesClassifier(10, random_state=1),
    CalibratedClassifierCV(LogisticRegression(), cv=2),
]
TWICE = [
    LogisticRegression(),
    RidgeClassifier(),
    DecisionTreeClassifier(max_depth=4, random_state=1),
    GaussianNB(),
    KNeighborsClassifier(),
    MLPClassifier((4,), max_iter=20, random_state=1),
    SVC(),
]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("estimator", [*ONCE, *TWICE], ids=lambda one: type(one).__name__)
def test_classifiers_of_scikit_learn_answer_alike(estimator: Any, classes: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations
        model = fitted(estimator, classes)
    quick = compare(model, "classification")
    assert quick.encodes
    assert quick.asks_once == (estimator in ONCE)


@pytest.mark.parametrize("estimator", [Ridge(), HistGradientBoostingRegressor(max_iter=10)])
def test_regressions_answer_alike(estimator: Any) -> None:
    assert compare(fitted(estimator, 0), "regression").encodes


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("library", served_models.BOOSTERS)
def test_boosters_answer_alike(library: str, classes: int) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: `uv sync --all-extras` installs it")
    model = fitted(served_models.booster(library, classes), classes)
    quick = compare(model, "classification" if classes else "regression")
    assert quick.encodes
    assert quick.asks_once == (library == "lightgbm" and classes > 0)


def columns(numbers: Any, texts: Any) -> ColumnTransformer:
    """An encoding of the two kinds of columns."""
    return ColumnTransformer([("n", numbers, NUMERIC), ("t", texts, CATEGORICAL)])


ONE_HOT = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
ORDINAL = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
FREQUENT = SimpleImputer(strategy="most_frequent")
QUICK = [
    columns("passthrough", ONE_HOT),
    columns(StandardScaler(with_mean=False), ORDINAL),
    columns(StandardScaler(with_std=False), make_pipeline(FREQUENT, ONE_HOT)),
    columns(SimpleImputer(strategy="constant", fill_value=-7.5), "drop"),
    ColumnTransformer([("t", ONE_HOT, CATEGORICAL), ("n", "passthrough", NUMERIC[:1])]),
]
SLOW = [
    columns(RobustScaler(), ONE_HOT),
    columns(make_pipeline(SimpleImputer(), KBinsDiscretizer(encode="ordinal")), ONE_HOT),
    columns(SimpleImputer(add_indicator=True), ONE_HOT),
    columns(SimpleImputer(), OneHotEncoder(handle_unknown="ignore", sparse_output=True)),
    ColumnTransformer(
        [("n", "passthrough", NUMERIC), ("t", ONE_HOT, CATEGORICAL)], transformer_weights={"n": 2.0}
    ),
]


@pytest.mark.parametrize("features", [*QUICK, *SLOW], ids=lambda one: str(one)[-60:])
def test_an_encoding_is_taken_over_only_where_its_steps_are_known(features: Any) -> None:
    # Given an encoding, when a model with it is asked, then its answers are the same
    forest = RandomForestClassifier(10, random_state=1)
    quick = compare(fitted(forest, 2, features), "classification")
    # And steps that the short way does not know are the model's own
    assert quick.encodes == (features in QUICK)


def test_every_cell_of_the_quick_encoding_is_the_transformers() -> None:
    # Given the template's encoding, with rare categories in one column
    features = served_models.encoding().fit(rows())
    quick = quick_encoding(features)
    assert quick is not None
    # When rows with gaps and new categories are encoded, then each cell is the same
    for some in (strange(), strange().head(1), rows()):
        made = quick.encoded(some)
        assert made is not None
        assert made.tobytes() == np.ascontiguousarray(features.transform(some)).tobytes()


@pytest.mark.parametrize(
    "change",
    [{"income": 1}, {"income": np.inf}, {"housing": 7}, {"housing": None}],
    ids=str,
)
def test_rows_of_other_types_go_the_models_own_way(
    change: dict[str, Any], default: tuple[Any, str]
) -> None:
    # Given rows with another type than in training, or a value that scikit-learn refuses
    model, task = default
    quick = QuickScores(model, task, rows(50))
    given = rows(3).assign(**change)
    # When both ways are asked, then the results are alike, be they answers or errors
    assert outcome(lambda: quick.answered(given)) == outcome(lambda: answered(model, given, task))


def outcome(ask: Callable[[], Answers]) -> Any:
    """The answers as lists, or the error in words."""
    try:
        found = ask()
    except ValueError as error:
        return str(error)
    return found.score.tolist(), found.prediction.tolist()


def test_a_missing_column_is_refused_as_by_the_model_itself(default: tuple[Any, str]) -> None:
    model, task = default
    quick = QuickScores(model, task, rows(50))
    with pytest.raises(ValueError, match="debt"):
        quick.answered(rows(2).drop(columns="debt"))


def test_a_short_way_that_differs_in_one_bit_is_not_taken(
    default: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a short way whose probabilities are off by the last bit
    model, task = default
    right = scores.both_of(model[-1])
    assert right is not None

    def wrong(matrix: Any) -> Any:
        found = right(matrix)
        moved = np.nextafter(found.probabilities, 2)
        return type(found)(found.classes_, found.labels, moved)

    monkeypatch.setattr(scores, "both_of", lambda _: wrong)
    # When the model is prepared, then it is asked in its own way
    quick = compare(model, task)
    assert not quick.asks_once
    assert not quick.encodes


def test_an_encoding_that_differs_in_one_bit_is_not_taken(
    default: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task = default
    encode = scores.quick_encoding(model[0])
    assert encode is not None
    right = encode.encoded
    monkeypatch.setattr(encode, "encoded", lambda some: np.nextafter(right(some), 2))
    monkeypatch.setattr(scores, "quick_encoding", lambda _: encode)
    quick = compare(model, task)
    assert quick.asks_once
    assert not quick.encodes


def test_many_rows_are_asked_as_everywhere(
    default: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task = default
    quick = QuickScores(model, task, rows(50))
    monkeypatch.setattr(scores, "FEW", 10)
    monkeypatch.setattr(quick, "_quickly", lambda _: pytest.fail("the short way was taken"))
    assert same(quick.answered(rows(11)), answered(model, rows(11), task))
    # (and no rows at all)
    none = rows(11).head(0)
    assert outcome(lambda: quick.answered(none)) == outcome(lambda: answered(model, none, task))


def test_numeric_libraries_use_one_thread_in_each_thread_that_predicts(
    default: tuple[Any, str],
) -> None:
    # Given a thread that may use two threads of OpenMP
    model, task = default
    quick = QuickScores(model, task, rows(50))
    seen: list[int] = []

    def predict() -> None:
        threadpoolctl.threadpool_limits(limits=2)
        quick.answered(rows(1))
        seen.append(_openmp_effective_n_threads(None))

    # When it predicts, then it uses one
    one = threading.Thread(target=predict)
    one.start()
    one.join(60)
    assert seen == [1]
