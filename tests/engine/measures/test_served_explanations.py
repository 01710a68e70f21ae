"""Explanations of single answers add up to them, whatever the model, the row and the request."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import served_models
from served_models import CATEGORICAL, fitted, rows, strange
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from governed_ml.measures.explanations import by_asking, importance
from governed_ml.measures.explanations.outputs import TOLERANCE, TOLERANCE_SINGLE
from governed_ml.measures.explanations.served import MOST, ExplainedRows, RowExplainer

CLASSIFIERS = [
    (LogisticRegression(), "shap"),
    (RidgeClassifier(), "shap"),
    (DecisionTreeClassifier(max_depth=4, random_state=1), "shap"),
    (RandomForestClassifier(10, random_state=1), "shap"),
    (ExtraTreesClassifier(10, random_state=1), "shap"),
    (HistGradientBoostingClassifier(max_iter=10, random_state=1), "shap"),
    (GaussianNB(), "shap_permutation"),
]
REGRESSORS = [
    LinearRegression(),
    RandomForestRegressor(10, random_state=1),
    HistGradientBoostingRegressor(max_iter=10),
]


def explainer(model: Any, task: str = "classification", others: Any = None) -> RowExplainer:
    """What explains a model, compared with rows of the training table."""
    return RowExplainer(model, rows(60) if others is None else others, CATEGORICAL, task, 1)


def require_sums(found: ExplainedRows, given: pd.DataFrame, tolerance: float = TOLERANCE) -> None:
    """Assert that contributions of the original features add up to the output of each row."""
    assert found.covered.all()
    assert len(found.output) == len(given)
    for place in range(len(given)):
        one = found.of(place)
        assert one is not None
        assert list(one.by_feature) == list(given)
        total = np.sum(list(one.by_feature.values()), axis=0) + one.base
        limit = tolerance * np.maximum(1, np.abs(one.output))
        assert (np.abs(total - one.output) <= limit).all()


def check(model: Any, task: str, method: str, tolerance: float = TOLERANCE) -> ExplainedRows:
    """Explain one row and many; compare with what evidence says of the same rows."""
    given = strange()
    prepared = explainer(model, task, given)
    assert prepared.method == method
    many = prepared.explain(given.head(12))
    require_sums(many, given.head(12), tolerance)
    one = prepared.explain(given.iloc[3:4])
    require_sums(one, given.iloc[3:4], tolerance)
    # (alone, a row is explained as among others)
    assert one.values[0] == pytest.approx(many.values[3], abs=1e-9)
    if method == "shap":
        whole = prepared.explain(given)
        right = importance.explain(model, given, CATEGORICAL, task, 1)
        assert (right.method, right.output) == (whole.method, whole.name)
        each = np.abs(whole.values).mean(axis=0 if whole.values.ndim == 2 else (0, 2))
        assert dict(zip(whole.features, each.tolist(), strict=True)) == pytest.approx(
            right.importance, rel=1e-9, abs=1e-12
        )
    return many


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(("estimator", "method"), CLASSIFIERS, ids=lambda one: type(one).__name__)
def test_contributions_to_each_class_add_up(estimator: Any, method: str, classes: int) -> None:
    found = check(fitted(estimator, classes), "classification", method)
    assert found.output.shape == ((12,) if classes == 2 else (12, classes))
    assert found.values.shape == (12, 5) if classes == 2 else (12, 5, classes)


@pytest.mark.parametrize("classes", [2, 3])
def test_gradient_boosting_of_several_classes_is_explained_by_asking(classes: int) -> None:
    estimator = GradientBoostingClassifier(n_estimators=5, random_state=1)
    method = "shap" if classes == 2 else "shap_permutation"
    check(fitted(estimator, classes), "classification", method)


@pytest.mark.parametrize("estimator", REGRESSORS, ids=lambda one: type(one).__name__)
def test_contributions_to_a_number_add_up(estimator: Any) -> None:
    assert check(fitted(estimator, 0), "regression", "shap").name == "predict"


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("library", served_models.BOOSTERS)
def test_contributions_of_boosters_add_up(library: str, classes: int) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: `uv sync --all-extras` installs it")
    model = fitted(served_models.booster(library, classes), classes)
    tolerance = TOLERANCE_SINGLE if library == "xgboost" else TOLERANCE
    check(model, "classification" if classes else "regression", "shap", tolerance)


@pytest.mark.parametrize(
    ("keys", "output"),
    [
        ({"threshold": 0.3}, "decision_function"),
        ({"calibration": "isotonic"}, "decision_function before calibration"),
        ({"calibration": "sigmoid", "threshold": 0.4}, "decision_function before calibration"),
    ],
)
@pytest.mark.parametrize("name", ["logistic_regression", "hist_gradient_boosting_classifier"])
def test_what_is_inside_a_threshold_or_a_calibration_is_explained(
    name: str, keys: dict[str, Any], output: str
) -> None:
    assert check(*served_models.configured(name, **keys), "shap").name == output


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["fair_logistic_regression", "fair_hist_gradient_boosting_classifier"]
)
def test_models_that_were_made_fairer_are_explained_like_others(name: str) -> None:
    check(*served_models.configured(name), "shap")


def test_any_model_behind_predict_is_explained_by_asking() -> None:
    # Given a weighted sum of numbers and a text
    class Sum:
        def predict(self, table: pd.DataFrame) -> Any:
            return 3 * table["income"] - table["debt"] + 5.0 * (table["housing"] == "owner")

    given = rows(40).fillna({"income": 0.0, "debt": 0.0})
    # When single rows are explained
    prepared = explainer(Sum(), "regression", given)
    found = prepared.explain(given.iloc[30:36])
    # Then each feature has what it adds, as Shapley's values of a sum are
    require_sums(found, given.iloc[30:36])
    other, some = given.head(by_asking.BACKGROUND), given.iloc[30:36]
    places = {name: place for place, name in enumerate(found.features)}
    for name, part in (
        ("income", 3 * (some["income"] - other["income"].mean())),
        ("debt", other["debt"].mean() - some["debt"]),
        ("housing", 5.0 * ((some["housing"] == "owner") - (other["housing"] == "owner").mean())),
        ("age", 0.0 * some["income"]),
    ):
        assert found.values[:, places[name]] == pytest.approx(part.to_numpy())


@pytest.mark.slow
def test_the_numbers_are_those_of_shaps_permutation_explainer() -> None:
    # Given a model in which features act together
    import shap

    model = fitted(SVC(gamma=0.5), 2)
    given = strange().drop(columns=CATEGORICAL).fillna(0.0).assign(housing="owner", purpose="")
    given = given.astype(dict.fromkeys(CATEGORICAL, "str"))
    background, some = given.iloc[: by_asking.BACKGROUND], given.iloc[30:33]

    def ask(matrix: Any) -> Any:
        numbers = pd.DataFrame(matrix, columns=list(given)[:3])
        return model.decision_function(numbers.assign(housing="owner", purpose=""))

    found = explainer(model, others=given).explain(some)
    for place in range(len(some)):
        # When SHAP itself explains each row, with the same number of orders
        masker = shap.maskers.Independent(background.iloc[:, :3].to_numpy())
        wanted = by_asking.evaluations(5) // 7 * 7
        theirs = shap.explainers.Permutation(ask, masker, seed=1)
        right = theirs(some.iloc[place : place + 1, :3].to_numpy(), max_evals=wanted, silent=True)
        # Then the numbers are the same (SHAP's sums are off by 1e-8)
        assert found.values[place, :3] == pytest.approx(np.asarray(right.values)[0], rel=1e-6)
        assert found.base[place] == pytest.approx(float(np.ravel(right.base_values)[0]))
        assert found.values[place, 3:].tolist() == [0, 0]


def test_a_row_is_explained_alike_by_many_threads_and_after_other_rows() -> None:
    # Given a model that is asked, and the explanation of each row alone
    prepared = explainer(fitted(GaussianNB(), 2))
    given = strange(16)
    right = [prepared.explain(given.iloc[n : n + 1]).values[0].tolist() for n in range(16)]
    # When threads explain them at the same time, in another order
    with ThreadPoolExecutor(4) as pool:
        order = [n * 7 % 16 for n in range(16)]
        each = pool.map(lambda n: prepared.explain(given.iloc[n : n + 1]).values[0].tolist(), order)
        found = dict(zip(order, each, strict=True))
    # Then each has the same explanation
    assert [found[n] for n in range(16)] == right


def test_categories_that_training_did_not_have_are_explained() -> None:
    given = strange().head(1)
    assert given["housing"].tolist() != rows()["housing"].unique().tolist()
    for model in (fitted(LogisticRegression()), fitted(GaussianNB())):
        require_sums(explainer(model).explain(given), given)


def test_names_that_fit_two_features_are_told_apart() -> None:
    # Given the features `a` and `a_b`, and the category `b` of `a`
    frame = pd.DataFrame({"a": ["b", "c"] * 40, "a_b": np.arange(80.0) % 7})
    frame = frame.astype({"a": "str"})
    encoding = ColumnTransformer(
        [
            ("texts", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["a"]),
            ("numbers", StandardScaler(), ["a_b"]),
        ]
    )
    target = 3 * (frame["a"] == "b") + frame["a_b"]
    model = Pipeline([("features", encoding), ("estimator", LinearRegression())])
    model.fit(frame, target)
    # When a row is explained, then each feature has its own part
    prepared = RowExplainer(model, frame, ["a"], "regression", 1)
    one = prepared.explain(frame.head(1)).of(0)
    assert one is not None
    assert one.by_feature == pytest.approx({"a": 1.5, "a_b": 0 - frame["a_b"].mean()})


def test_encoded_columns_that_are_of_no_one_feature_are_explained_by_asking() -> None:
    # Given products of features, whose contributions belong to no feature alone
    numbers = make_pipeline(StandardScaler(), PolynomialFeatures(2))
    frame = rows(80)[["income", "debt"]].fillna(0.0)
    encoding = ColumnTransformer([("numbers", numbers, ["income", "debt"])])
    model = Pipeline([("features", encoding), ("estimator", LinearRegression())])
    model.fit(frame, frame["income"] * frame["debt"])
    # When a row is explained, then nothing is lost
    prepared = RowExplainer(model, frame, [], "regression", 1)
    assert prepared.method == "shap_permutation"
    require_sums(prepared.explain(frame.head(3)), frame.head(3))


def test_contributions_that_do_not_add_up_are_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an explainer whose values are wrong for one of two rows
    prepared = explainer(fitted(LogisticRegression()))
    exact = prepared._exact
    assert exact is not None
    right = exact.values

    def wrong(matrix: Any) -> Any:
        values, base = right(matrix) or (0, 0)
        values[1] += 1e-3
        return values, base

    monkeypatch.setattr(exact, "values", wrong)
    # When both are explained, then only the right one is given
    found = prepared.explain(rows(2))
    assert found.covered.tolist() == [True, False]
    assert found.of(0) is not None
    assert found.of(1) is None
    assert abs(found.gap[1]) > 1e-3 > 1e-9 > abs(found.gap[0])


def test_answers_that_vary_are_not_explained() -> None:
    rng = np.random.default_rng(1)

    class Dice:
        def predict(self, table: pd.DataFrame) -> Any:
            return rng.normal(size=len(table))

    found = explainer(Dice(), "regression").explain(rows(3))
    assert found.covered.tolist() == [False] * 3
    assert found.of(0) is None


def test_an_output_that_is_no_number_is_not_explained() -> None:
    class Nothing:
        def predict(self, table: pd.DataFrame) -> Any:
            return np.full(len(table), np.nan)

    found = explainer(Nothing(), "regression").explain(rows(1))
    assert found.covered.tolist() == [False]


def test_the_limit_of_rows_is_smaller_where_the_model_is_asked_about_many_features() -> None:
    assert explainer(fitted(LogisticRegression())).most_rows == MOST
    wide = pd.DataFrame(np.zeros((30, 600)), columns=[f"f{n}" for n in range(600)])

    class Nought:
        def predict(self, table: pd.DataFrame) -> Any:
            return np.zeros(len(table))

    assert RowExplainer(Nought(), wide, [], "regression", 1).most_rows == 27


@pytest.mark.slow
def test_only_models_of_trees_need_shap() -> None:
    # Given a process that has not imported SHAP, when a linear model and another one are explained
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SHAP], capture_output=True, text=True, check=False
    )
    # Then it has still not
    assert done.stdout.split() == ["shap", "shap_permutation", "False"], done.stderr


WITHOUT_SHAP = """
import sys
import numpy as np, pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from governed_ml.measures.explanations.served import RowExplainer
rows = pd.DataFrame({"a": np.arange(30.0), "b": np.arange(30.0) % 7})
for made in (LinearRegression(), Pipeline([("one", KNeighborsRegressor())])):
    encoding = ColumnTransformer([("n", StandardScaler(), ["a", "b"])])
    model = Pipeline([("features", encoding), ("estimator", made)])
    model = model if isinstance(made, LinearRegression) else made
    model.fit(rows, rows["a"])
    found = RowExplainer(model, rows, [], "regression", 1)
    assert found.explain(rows.head(2)).covered.all()
    print(found.method)
print("shap" in sys.modules)
"""
