"""`conf/model` names estimators, transformers and calibrators, and nothing that runs code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from governed_ml.core.config import Model
from governed_ml.core.problem import Problem
from governed_ml.pipeline import estimators
from governed_ml.pipeline.named_classes import named_class, require_named


@pytest.mark.parametrize(
    "target",
    [
        "sklearn.linear_model.LogisticRegression",
        "sklearn.ensemble.HistGradientBoostingRegressor",
        "sklearn.preprocessing.StandardScaler",
        "sklearn.calibration.CalibratedClassifierCV",
        "fairlearn.reductions.GridSearch",
        "fairlearn.reductions.DemographicParity",
    ],
)
def test_estimators_transformers_calibrators_and_mitigations_can_be_named(target: str) -> None:
    assert isinstance(named_class(target), type)


REFUSED = {
    "numpy.testing.runstring": "is not from any of sklearn, fairlearn",
    "numpy.f2py.compile": "is not from any of sklearn, fairlearn",
    "os.system": "is not from any of sklearn, fairlearn",
    "sklearnx.Evil": "is not from any of sklearn, fairlearn",
    "sklearn.__builtins__.exec": "is not from any of sklearn, fairlearn",
    "sklearn.model_selection.cross_val_score": "is not an estimator, transformer or calibrator",
    "sklearn.utils.Bunch": "is not an estimator, transformer or calibrator",
    "sklearn.base.warnings.warn": "is not an estimator, transformer or calibrator",
    "fairlearn.metrics.MetricFrame": "is not an estimator, transformer or calibrator",
    "sklearn.linear_model.Nothing": "there is no sklearn.linear_model.Nothing",
}


@pytest.mark.parametrize("target", REFUSED)
def test_trap_55_a_class_that_is_no_estimator_is_refused(target: str) -> None:
    with pytest.raises(Problem, match=REFUSED[target]):
        named_class(target)


@pytest.mark.parametrize("place", ["itself", "an argument"])
def test_trap_55_an_expression_in_conf_model_is_not_executed(tmp_path: Path, place: str) -> None:
    mark = tmp_path / "ran"
    code = {"_target_": "numpy.testing.runstring", "astr": f"open({str(mark)!r}, 'w')", "dict": {}}
    inside = {"_target_": "sklearn.linear_model.LogisticRegression", "class_weight": code}
    model = Model(name="m", estimator=code if place == "itself" else inside)
    with pytest.raises(Problem, match=r"'numpy\.testing\.runstring' is not from any of sklearn"):
        estimators.estimator(model, "classification", 1)
    assert not mark.exists()


def test_the_check_of_a_name_imports_nothing() -> None:
    require_named("sklearn.there_is_no_such_module.Estimator")


TARGETS = {
    "pipeline": "sklearn.pipeline.Pipeline",
    "logistic": "sklearn.linear_model.LogisticRegression",
    "clusters": "sklearn.cluster.FeatureAgglomeration",
    "bagging": "sklearn.ensemble.BaggingClassifier",
    "search": "sklearn.model_selection.GridSearchCV",
}
LOGISTIC = {"_target_": TARGETS["logistic"]}
STEPS = [["model", LOGISTIC]]
CACHED = {"_target_": TARGETS["pipeline"], "steps": STEPS, "memory": "cache_dir"}
PIPELINE = {"_target_": TARGETS["pipeline"], "steps": STEPS}
SEARCH = {"_target_": TARGETS["search"], "estimator": PIPELINE}
FOLDERS: dict[str, dict[str, Any]] = {
    "of a pipeline": CACHED,
    "of an estimator within": {"_target_": TARGETS["bagging"], "estimator": CACHED},
    "of a step": PIPELINE
    | {"steps": [["x", {"_target_": TARGETS["clusters"], "memory": "cache_dir"}], *STEPS]},
    "that a search sets": SEARCH | {"param_grid": {"memory": ["cache_dir"]}},
    "that a search sets within": SEARCH | {"param_grid": [{"model__memory": ["cache_dir"]}]},
    "of a pipeline that a search sets": SEARCH | {"param_grid": {"model": [CACHED]}},
}


@pytest.mark.parametrize("estimator", FOLDERS.values(), ids=FOLDERS)
def test_trap_55_a_folder_to_unpickle_from_is_refused(estimator: dict[str, Any]) -> None:
    # Given a configuration with a folder of scikit-learn's cache, when it is made
    # Then it is refused: whatever lies in that folder would run as code
    with pytest.raises(Problem, match=r"memory names a folder .* scikit-learn loads pickled code"):
        estimators.estimator(Model(name="m", estimator=estimator), "classification", 1)
    # And without one it is taken
    plain = PIPELINE | {"memory": None}
    assert estimators.estimator(Model(name="m", estimator=plain), "classification", 1)


def test_trap_55_a_text_that_becomes_a_setting_is_refused() -> None:
    # Given a folder in a text that the composition leaves, and that Hydra resolves
    text = "${oc.decode:'{memory: [cache_dir]}'}"
    model = Model(name="m", estimator=SEARCH | {"param_grid": text})
    # When the estimator is made, then it is refused
    with pytest.raises(Problem, match="is an escaped interpolation: write the value itself"):
        estimators.estimator(model, "classification", 1)
