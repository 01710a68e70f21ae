"""Which models the engine's own process loads: those of a closed list of classes, and no others."""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from fairlearn.preprocessing import CorrelationRemover
from sklearn import (
    calibration,
    compose,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_selection,
    gaussian_process,
    impute,
    kernel_approximation,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    preprocessing,
    svm,
    tree,
)
from sklearn.gaussian_process import kernels
from sklearn.isotonic import IsotonicRegression
from sklearn.pipeline import FeatureUnion, make_pipeline

from governed_ml.core import model_file, plain_model
from governed_ml.core.problem import Problem

ROWS, COLUMNS = 40, 3


def names() -> Iterator[tuple[str, Any]]:
    """What the template's `conf/model` and `features.py` may name, unfitted."""
    logistic, ridge = linear_model.LogisticRegression(), linear_model.Ridge()
    for make in (
        *(linear_model.LinearRegression, linear_model.Lasso, linear_model.ElasticNet),
        *(linear_model.SGDClassifier, linear_model.SGDRegressor, linear_model.RidgeClassifier),
        *(linear_model.HuberRegressor, linear_model.BayesianRidge, linear_model.LassoCV),
        *(linear_model.LogisticRegressionCV, linear_model.PoissonRegressor),
        *(linear_model.QuantileRegressor, tree.DecisionTreeClassifier, tree.ExtraTreeRegressor),
        *(ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor),
        *(svm.SVC, svm.SVR, svm.LinearSVC, neighbors.KNeighborsClassifier, naive_bayes.GaussianNB),
        *(discriminant_analysis.LinearDiscriminantAnalysis, IsotonicRegression),
        *(preprocessing.StandardScaler, preprocessing.MinMaxScaler, preprocessing.RobustScaler),
        *(preprocessing.MaxAbsScaler, preprocessing.Normalizer, preprocessing.Binarizer),
        *(preprocessing.OneHotEncoder, preprocessing.OrdinalEncoder, preprocessing.TargetEncoder),
        *(preprocessing.KBinsDiscretizer, preprocessing.PolynomialFeatures, decomposition.PCA),
        *(preprocessing.PowerTransformer, preprocessing.QuantileTransformer),
        *(preprocessing.FunctionTransformer,),
        *(impute.SimpleImputer, impute.MissingIndicator, impute.KNNImputer),
        *(kernel_approximation.Nystroem, feature_selection.VarianceThreshold),
    ):
        yield make.__name__, make()
    for make in (
        *(
            ensemble.RandomForestClassifier,
            ensemble.RandomForestRegressor,
            ensemble.IsolationForest,
        ),
        *(ensemble.ExtraTreesClassifier, ensemble.GradientBoostingClassifier),
        *(ensemble.GradientBoostingRegressor, ensemble.BaggingClassifier),
        *(ensemble.AdaBoostClassifier, ensemble.AdaBoostRegressor),
    ):
        yield make.__name__, make(n_estimators=2)
    for metric in ("euclidean", "manhattan", "chebyshev", "minkowski"):
        for algorithm in ("kd_tree", "ball_tree"):
            made = neighbors.KNeighborsRegressor(algorithm=algorithm, metric=metric, p=3)
            yield f"{algorithm} by {metric}", made
    sphere = neighbors.KNeighborsClassifier(algorithm="ball_tree", metric="haversine")
    yield "ball_tree by haversine", make_pipeline(decomposition.PCA(2), sphere)
    for solver in ("adam", "sgd", "lbfgs"):
        yield solver, neural_network.MLPClassifier((2,), solver=solver, max_iter=3)
    for method in ("sigmoid", "isotonic", "temperature"):
        yield method, calibration.CalibratedClassifierCV(logistic, method=method, cv=2)
    yield "selected", feature_selection.SelectFromModel(logistic)
    yield "eliminated", feature_selection.RFE(logistic)
    union = FeatureUnion([("a", preprocessing.StandardScaler()), ("b", decomposition.PCA(1))])
    yield "union", make_pipeline(union, logistic)
    columns = compose.ColumnTransformer([("a", "passthrough", [0, 1])], remainder="drop")
    yield "columns", make_pipeline(columns, logistic)
    number = preprocessing.StandardScaler()
    yield "transformed", compose.TransformedTargetRegressor(ridge, transformer=number)
    yield "decorrelated", CorrelationRemover(sensitive_feature_ids=[0])
    yield "random state", ensemble.RandomForestRegressor(1, random_state=np.random.RandomState(1))
    for whole in (
        kernels.ConstantKernel() * kernels.RBF() + kernels.WhiteKernel(),
        kernels.Matern() + kernels.RationalQuadratic() + kernels.ExpSineSquared(),
        kernels.DotProduct() ** 2,
    ):
        made = gaussian_process.GaussianProcessRegressor(whole, alpha=1.0, optimizer=None)
        yield f"process {whole}", made
    yield "process of classes", gaussian_process.GaussianProcessClassifier(optimizer=None)
    three = gaussian_process.GaussianProcessClassifier(optimizer=None)
    yield "process of three classes", three


def fitted(name: str, model: Any) -> bytes:
    """A model's file."""
    rows = np.random.default_rng(1).random((ROWS, COLUMNS))
    target = (rows[:, 0] * (3 if "three" in name else 2)).astype(int)
    features = rows[:, 0] if name == "IsotonicRegression" else rows
    return skops.io.dumps(model.fit(features, target))


@pytest.mark.filterwarnings("ignore")
def test_models_of_scikit_learn_are_plain() -> None:
    # Given a model of each kind that a project may name, when it is fitted and looked at
    files = {name: fitted(name, model) for name, model in names()}
    # Then this process loads it
    assert [name for name, file in files.items() if not model_file.is_plain(file)] == []
    # And the list has no class that none of them needs
    found = {one for file in files.values() for one in skops.io.get_untrusted_types(data=file)}
    assert found == set(plain_model.MADE_EMPTY)


LOGISTIC = linear_model.LogisticRegression()
PAIR: list[tuple[str, Any]] = [("a", LOGISTIC), ("b", tree.DecisionTreeClassifier())]
APART: dict[str, Callable[[], Any]] = {
    "a dictionary of a library's own": lambda: ensemble.VotingClassifier(PAIR),
    "the same in a stack": lambda: ensemble.StackingClassifier(PAIR, cv=2),
    "a function in a spline": preprocessing.SplineTransformer,
    "a function in a selection": feature_selection.SelectKBest,
    "another distance": lambda: neighbors.KNeighborsClassifier(
        algorithm="ball_tree", metric="canberra"
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", APART.values(), ids=APART)
def test_a_model_with_other_classes_is_loaded_in_a_child_process(make: Callable[[], Any]) -> None:
    # Given a model with a class that is not on the list, or with a function
    content = fitted("apart", make())
    # When it is looked at, then this process does not load it
    assert not model_file.is_plain(content)
    with pytest.raises(Problem, match="so this process does not load it"):
        model_file.load(content)


def node(kind: str, module: str, name: str, **more: Any) -> dict[str, Any]:
    return {"__loader__": kind, "__module__": module, "__class__": name, **more}


def value(one: Any) -> dict[str, Any]:
    return node("JsonNode", "builtins", "str", content=json.dumps(one), is_json=True)


def mapping(key: str, content: dict[str, Any]) -> dict[str, Any]:
    keys = [node("TypeNode", "builtins", key) for _ in content]
    types = node("ListNode", "builtins", "list", content=keys)
    return node("DictNode", "builtins", "dict", key_types=types, content=content)


def instance(module: str, name: str, **attributes: Any) -> dict[str, Any]:
    return node("ObjectNode", module, name, content=mapping("str", attributes))


def written(schema: dict[str, Any], protocol: int = 2) -> bytes:
    """The file of a schema that no estimator has."""
    content = io.BytesIO()
    whole = schema | {"protocol": protocol, "_skops_version": "0.16.0"}
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("schema.json", json.dumps(whole))
    return content.getvalue()


class Code:
    """What unpickling runs: a file appears."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.mark),))


@pytest.mark.filterwarnings("ignore")  # the archive of the attack cannot be closed
def test_trap_42_attributes_of_library_classes_run_no_code(tmp_path: Path) -> None:
    # Given a pipeline whose steps are an archive of NumPy's that unpickles a file when it is asked
    array = np.empty(1, dtype=object)
    array[0] = Code(tmp_path / "ran")
    pickled = io.BytesIO()
    np.lib.format.write_array(pickled, array, allow_pickle=True)
    (tmp_path / "member.npy.gz").write_bytes(gzip.compress(pickled.getvalue()))
    place = instance(
        "numpy.lib._datasource",
        "DataSource",
        _destpath=value(str(tmp_path)),
        _istmpdest=value(False),
    )
    steps = instance(
        "numpy.lib._npyio_impl",
        "NpzFile",
        zip=place,
        _files=mapping("int", {"-1": value(str(tmp_path / "member.npy.gz"))}),
        files=node("ListNode", "builtins", "list", content=[value("a")]),
        allow_pickle=value(True),
        max_header_size=value(10_000),
        pickle_kwargs=mapping("str", {}),
    )
    content = written(instance("sklearn.pipeline", "Pipeline", steps=steps, memory=value(None)))
    # When this process looks at the model
    assert not model_file.is_plain(content)
    with pytest.raises(Problem, match="so this process does not load it"):
        hasattr(model_file.load(content), "predict")
    # Then nothing has run
    assert not (tmp_path / "ran").exists()
    # And loaded without that look, it would have
    types = skops.io.get_untrusted_types(data=content)
    hasattr(skops.io.loads(content, trusted=types), "predict")
    assert (tmp_path / "ran").is_dir()


def test_models_with_unusual_steps_or_older_formats_are_not_plain() -> None:
    # Given a pipeline as it is, when it is looked at, then it is plain
    steps = node("ListNode", "builtins", "list", content=[])
    plain = instance("sklearn.pipeline", "Pipeline", steps=steps)
    assert model_file.is_plain(written(plain))
    # And it is not in a format that other nodes read, or with steps that are something else
    assert not model_file.is_plain(written(plain, protocol=1))
    for other in (mapping("str", {}), value("steps"), instance("sklearn.svm._classes", "SVC")):
        assert not model_file.is_plain(
            written(instance("sklearn.pipeline", "Pipeline", steps=other))
        )
    assert not model_file.is_plain(written(instance("sklearn.pipeline", "Pipeline")))
