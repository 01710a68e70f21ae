"""XGBoost, LightGBM and CatBoost: settings, safe storage, equal digests, exact explanations."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import baked
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from governed_ml.core import model_file
from governed_ml.core.code.team import TeamPackage
from governed_ml.core.config import Model
from governed_ml.core.problem import Problem
from governed_ml.measures.explanations import importance
from governed_ml.pipeline import estimators
from governed_ml.pipeline.boosters import settings, storage
from governed_ml.pipeline.named_classes import named_class

CLASSES = {
    "xgboost": ("xgboost.XGBClassifier", "xgboost.XGBRegressor"),
    "lightgbm": ("lightgbm.LGBMClassifier", "lightgbm.LGBMRegressor"),
    "catboost": ("catboost.CatBoostClassifier", "catboost.CatBoostRegressor"),
}
TARGETS = [target for pair in CLASSES.values() for target in pair]
CLASSIFIERS = [one for one in TARGETS if one.endswith("Classifier")]
MISSING = {
    library: pytest.mark.skipif(
        importlib.util.find_spec(library) is None,
        reason=f"{library} is not installed: `uv sync --all-extras` installs it",
    )
    for library in CLASSES
}


def each(targets: list[str]) -> Any:
    """The targets, each left out where its library is not installed."""
    marked = [pytest.param(one, marks=MISSING[one.partition(".")[0]]) for one in targets]
    return pytest.mark.parametrize("target", marked)


def task_of(target: str) -> Any:
    return "classification" if target.endswith("Classifier") else "regression"


def rows(count: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(count, 3))
    values[rng.random(values.shape) < 0.05] = np.nan
    return pd.DataFrame(values, columns=["income", "debt", "age"])


def target_of(features: pd.DataFrame, task: str) -> Any:
    rng = np.random.default_rng(4)
    score = features["income"].fillna(0) + rng.normal(size=len(features))
    return score.to_numpy() if task == "regression" else (score > 0).astype("int64").to_numpy()


def made(target: str, **given: Any) -> Any:
    given = {"n_estimators": 20} | given
    model = Model(name="m", estimator={"_target_": target} | given)
    return estimators.estimator(model, task_of(target), 7)


def fitted(target: str, **given: Any) -> Any:
    """A pipeline as `train` makes it, with the template's names of steps."""
    features = rows()
    numbers = ColumnTransformer([("numeric", StandardScaler(), list(features))])
    pipeline = Pipeline([("features", numbers), ("estimator", made(target, **given))])
    return pipeline.fit(features, target_of(features, task_of(target)))


def digest(content: bytes, tmp_path: Path) -> str:
    (tmp_path / "model.skops").write_bytes(content)
    return model_file.digest(tmp_path / "model.skops")


@each(TARGETS)
def test_two_trainings_give_the_same_digest_and_write_nothing(
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # Given a folder and a configuration without a seed, when a model is trained twice there
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    first, second = (storage.dumps(fitted(target)) for _ in range(2))
    # Then both files have one digest, and another seed or row has another
    assert digest(first, tmp_path) == digest(second, tmp_path)
    assert digest(storage.dumps(fitted(target, n_estimators=21)), tmp_path) != digest(
        first, tmp_path
    )
    # And nothing was printed or written
    assert capfd.readouterr() == ("", "")
    assert list(work.iterdir()) == []


@each(TARGETS)
def test_this_process_loads_a_booster_that_answers_as_before(target: str, tmp_path: Path) -> None:
    # Given a fitted model, when it is stored and loaded
    model = fitted(target)
    content = storage.dumps(model)
    assert model_file.is_plain(content)
    loaded: Any = model_file.load(content)
    # Then it answers exactly as before
    features = rows()
    assert (loaded.predict(features) == model.predict(features)).all()
    if task_of(target) == "classification":
        assert (loaded.predict_proba(features) == model.predict_proba(features)).all()
    # And its file may be part of a release, and gives the same digest when stored again
    assert model_file.sealed(content, TeamPackage("", {})) == content
    assert digest(storage.dumps(loaded), tmp_path) == digest(content, tmp_path)


FORMATS: dict[str, Callable[[bytes], bool]] = {
    "xgboost": lambda one: (
        one.startswith(b"{L") and b"Config{" in one and b"Model{" in one
    ),  # UBJSON
    "lightgbm": lambda one: one.startswith(b"tree\nversion="),
    "catboost": lambda one: one.startswith(b"CBM1") and b"train_finish_time" not in one,
}


@each([pair[0] for pair in CLASSES.values()])
def test_a_booster_is_stored_in_the_format_of_its_library(target: str) -> None:
    library = target.partition(".")[0]
    content = storage.dumps(made(target).fit(rows(), target_of(rows(), "classification")))
    assert FORMATS[library](payload(content))


def holder(schema: Any) -> tuple[dict[str, Any], str]:
    """The attributes that hold the trees, and the name of the one that is the trees."""
    todo = [schema]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            for name in ("handle", "_handle", "__model"):
                if isinstance(one.get(name), dict):
                    return one, name
            todo += one.values()
        elif isinstance(one, list):
            todo += one
    raise AssertionError("the file holds no booster")


def payload(content: bytes) -> bytes:
    """The trees in a model's file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        attributes, name = holder(json.loads(archive.read("schema.json")))
        node = attributes[name]
        return (
            archive.read(node["file"]) if "file" in node else json.loads(node["content"]).encode()
        )


def rewritten(content: bytes, change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> bytes:
    """A model's file with another schema or other members."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members.pop("schema.json"))
    change(schema, members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, one in members.items():
            archive.writestr(name, one)
        archive.writestr("schema.json", json.dumps(schema))
    return buffer.getvalue()


def with_trees(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A model's file with other trees."""

    def edit(schema: dict[str, Any], members: dict[str, bytes]) -> None:
        attributes, name = holder(schema)
        node = attributes[name]
        if "file" in node:
            members[node["file"]] = change(members[node["file"]])
        else:
            node["content"] = json.dumps(change(json.loads(node["content"]).encode()).decode())

    return rewritten(content, edit)


FIRST = [pair[0] for pair in CLASSES.values()]


@each(FIRST)
def test_other_trees_give_another_digest(target: str, tmp_path: Path) -> None:
    # Given a model, and its file with one number of a tree changed, which still loads
    content = storage.dumps(fitted(target))
    other = with_trees(content, lambda trees: payload(storage.dumps(fitted(target, max_depth=2))))
    assert model_file.is_plain(other)
    # When the digest of the file is computed, then it is another one, so no gate accepts the file
    assert digest(other, tmp_path) != digest(content, tmp_path)


@pytest.mark.slow
@each(["xgboost.XGBClassifier"])
def test_a_model_of_an_older_xgboost_answers_as_before(target: str, tmp_path: Path) -> None:
    # Given a model's file in which an older version of the library is named
    def older(trees: bytes) -> bytes:
        head = rb"(version\[#L\0{7}\x03i.i)."
        named, count = re.subn(head, rb"\1" + b"\x01", trees, flags=re.DOTALL)
        assert count == 2
        return named

    model = fitted(target)
    content = with_trees(storage.dumps(model), older)
    # When it is loaded, then it answers as before
    loaded: Any = model_file.load(content)
    assert (loaded.predict_proba(rows()) == model.predict_proba(rows())).all()
    # And XGBoost's warning, which comes once in a process, is not shown; skops alone shows it
    (tmp_path / "older.skops").write_bytes(content)
    words = [sys.executable, "-c", LOADING, str(tmp_path / "older.skops")]
    said = [baked.run_plain([*words, how], tmp_path).stderr for how in ("engine", "skops")]
    assert ["generated by an older version of XGBoost" in one for one in said] == [False, True]


LOADING = """import sys
from pathlib import Path
import skops.io
from governed_ml.core import model_file
content = Path(sys.argv[1]).read_bytes()
if sys.argv[2] == "engine":
    model_file.load(content)
else:
    skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
"""


@each(FIRST)
def test_a_damaged_booster_is_refused_in_one_line(target: str) -> None:
    content = storage.dumps(fitted(target))
    with pytest.raises(Problem, match=r"^models/model\.skops is not a readable model \(") as caught:
        model_file.load(with_trees(content, lambda _: b"no trees"), "models/model.skops")
    assert "\n" not in str(caught.value)


@each(FIRST)
@pytest.mark.parametrize("how", ["another node", "another object", "another class"])
def test_a_booster_of_another_form_is_not_loaded_by_this_process(target: str, how: str) -> None:
    # Given a model's file whose booster holds something else than trees in its library's format
    def edit(schema: dict[str, Any], members: dict[str, bytes]) -> None:
        attributes, name = holder(schema)
        node = attributes[name]
        if how == "another node":
            node["__loader__"] = "ObjectNode"
        elif how == "another object":
            attributes["more"] = {
                "__loader__": "ObjectNode",
                "__module__": "sklearn.svm._classes",
                "__class__": "SVC",
                "content": None,
            }
        else:
            node |= {"__loader__": "ObjectNode", "__module__": "sklearn.svm._classes"}
            node |= {"__class__": "SVC", "content": None}

    content = storage.dumps(fitted(target))
    assert model_file.is_plain(rewritten(content, lambda *_: None))
    # When this process looks at it, then it does not load it
    forged = rewritten(content, edit)
    with suppress(Problem):
        assert not model_file.is_plain(forged)
    with pytest.raises(Problem, match=r"not on the engine.s list|is not a readable model"):
        model_file.load(forged)


def test_a_model_file_that_names_a_class_of_python_is_refused_by_every_process() -> None:
    # Given a model's file in which a class of the standard library takes an estimator's place
    content = skops.io.dumps(StandardScaler().fit(rows()))
    for module, name in (("subprocess", "Popen"), ("governed_ml.core.files", "Json")):

        def edit(
            schema: dict[str, Any], _: dict[str, bytes], module: str = module, name: str = name
        ) -> None:
            schema |= {"__module__": module, "__class__": name}

        forged = rewritten(content, edit)
        # When it is loaded, then the engine's process and the model's own process both refuse
        assert not model_file.is_plain(forged)
        with pytest.raises(Problem, match=rf"the model contains {module}\.{name}, which is not"):
            model_file.load_carrying(forged)
        # And training could not have returned it
        with pytest.raises(Problem, match=rf"the model contains {module}\.{name}, which is not"):
            model_file.sealed(forged, TeamPackage("credit", {}))


@each(TARGETS)
def test_explanations_add_up_to_the_sum_of_the_trees(target: str) -> None:
    # Given a model as it is stored
    model = model_file.load(storage.dumps(fitted(target, n_estimators=60)))
    # When it is explained
    found = importance.explain(model, rows(), [], task_of(target), 1)
    # Then its trees are explained, for every row, and the feature with the effect comes first
    assert found.method == "shap"
    assert found.coverage.value == 1.0, found.coverage.note
    assert found.rows == len(rows())
    assert max(found.importance, key=lambda name: found.importance[name]) == "income"
    assert found.output in ("predict(output_margin=True)", "predict(raw_score=True)",
                            "predict(prediction_type=RawFormulaVal)")  # fmt: skip


@each(FIRST)
def test_explanations_of_other_trees_do_not_add_up(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a model, and SHAP values that are wrong by a thousandth (the test above can fail)
    model = fitted(target)
    right = importance.shap_values(model, rows())
    assert right
    wrong = (right[0], right[1] + 1e-3, right[2])
    monkeypatch.setattr(importance, "shap_values", lambda *_: wrong)
    # When it is explained, then no row is covered
    assert importance.explain(model, rows(), [], "classification", 1).coverage.value == 0.0


@pytest.mark.slow
@each(["lightgbm.LGBMClassifier"])
def test_a_model_that_its_library_cannot_explain_is_explained_by_asking(target: str) -> None:
    model = fitted(target, linear_tree=True)
    found = importance.explain(model, rows(), [], "classification", 1)
    assert (found.method, found.coverage.value) == ("shap_permutation", 1.0)


@each(CLASSIFIERS)
def test_a_calibrated_booster_is_plain_and_explained(target: str, tmp_path: Path) -> None:
    # Given a booster inside a calibration of scikit-learn
    inner = {"_target_": target, "n_estimators": 10}
    outer = {"_target_": "sklearn.calibration.CalibratedClassifierCV", "estimator": inner, "cv": 2}
    files = []
    for _ in range(2):
        model = estimators.estimator(Model(name="m", estimator=outer), "classification", 7)
        assert isinstance(model, CalibratedClassifierCV)
        fit = model.fit(rows().to_numpy(), target_of(rows(), "classification"))
        files.append(storage.dumps(fit))
    # When it is trained twice, then this process loads it, and the digests are equal
    assert model_file.is_plain(files[0])
    assert digest(files[0], tmp_path) == digest(files[1], tmp_path)


@each(FIRST)
@pytest.mark.parametrize(
    "key", ["train_dir", "snapshot_file", "forcedsplits_filename", "input_model", "callbacks"]
)
def test_settings_that_use_files_or_call_functions_are_refused(target: str, key: str) -> None:
    for place in (key, f"estimator__{key}"):
        with pytest.raises(Problem, match=rf"^conf/model: {place} lets the library use files"):
            made(target, **{place: "somewhere"})
    # And a setting that turns this off is taken
    settings.require_inside([target], {"allow_writing_files": False, "callbacks": None})


def test_settings_are_added_only_where_they_are_not_set() -> None:
    # Given estimators of the three libraries, one inside another, with some settings of their own
    node = {
        "_target_": "sklearn.calibration.CalibratedClassifierCV",
        "estimator": {"_target_": "lightgbm.LGBMClassifier", "num_threads": 2, "verbosity": 0},
        "more": [
            {"_target_": "xgboost.XGBClassifier", "seed": 5},
            {"_target_": "catboost.CatBoostClassifier", "logging_level": "Info"},
        ],
    }
    # When they are completed
    assert settings.completed(node, 9) == {
        "_target_": "sklearn.calibration.CalibratedClassifierCV",
        "estimator": {
            "_target_": "lightgbm.LGBMClassifier",
            "num_threads": 2,
            "verbosity": 0,
            "random_state": 9,
            "deterministic": True,
            "force_row_wise": True,
        },
        "more": [
            {"_target_": "xgboost.XGBClassifier", "seed": 5, "n_jobs": 1},
            {
                "_target_": "catboost.CatBoostClassifier",
                "logging_level": "Info",
                "random_seed": 9,
                "thread_count": 1,
                "allow_writing_files": False,
            },
        ],
    }


@each(FIRST)
def test_the_seed_of_the_project_is_used(target: str, tmp_path: Path) -> None:
    def trained(seed: int) -> str:
        model = Model(name="m", estimator={"_target_": target, **SAMPLED[target.partition(".")[0]]})
        found: Any = estimators.estimator(model, "classification", seed)
        return digest(
            storage.dumps(found.fit(rows(), target_of(rows(), "classification"))), tmp_path
        )

    assert trained(1) == trained(1) != trained(2)


SAMPLED: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 5, "subsample": 0.5},
    "lightgbm": {"n_estimators": 5, "subsample": 0.5, "subsample_freq": 1},
    "catboost": {"n_estimators": 5},
}
NOT_ESTIMATORS = [
    *("xgboost.XGBRanker", "xgboost.XGBRFClassifier", "xgboost.callback.EarlyStopping"),
    *("lightgbm.LGBMRanker", "lightgbm.Booster", "xgboost.sklearn.os.system"),
    *("catboost.CatBoost", "catboost.CatBoostRanker", "catboost.Pool"),
]


@each(NOT_ESTIMATORS)
def test_trap_55_other_classes_of_the_libraries_cannot_be_named(target: str) -> None:
    with pytest.raises(Problem, match="is not an estimator, transformer or calibrator"):
        named_class(target)
