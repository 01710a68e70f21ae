"""Traps 42, 43: code that no digest names runs nowhere, and no model brings its own."""

from __future__ import annotations

import marshal
from collections.abc import Callable
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import team_projects
from team_projects import HONEST, in_own_folder  # noqa: F401 - a fixture, too

from governed_ml.core import model_file
from governed_ml.core.code import stage_code, team
from governed_ml.core.problem import Problem

pytestmark = pytest.mark.slow


LATE = """
import importlib

def fit(pipeline, features, target):
    late = importlib.import_module("." + "late", __package__)
    return late.fit(pipeline, features, target)
"""


def test_trap_43_a_module_that_no_digest_names_is_not_imported(here: Path) -> None:
    # Given a module that `fit` imports by a text, so that no digest of the stage has it
    team_projects.make(here, training=LATE)
    package, mark = Path("src/credit"), here / "ran"
    (package / "late.py").write_text(HONEST, encoding="utf-8")
    named = [path.name for path in stage_code.team_modules("train")]
    assert ("training.py" in named, "late.py" in named) == (True, False)
    # And bytecode that Python would run without a look at the source
    code = compile(f"open({str(mark)!r}, 'w')\n" + HONEST, "features.py", "exec")
    unchecked = MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(code)
    (package / "__pycache__").mkdir()
    for name in ("features", "training", "late"):
        cached = Path(cache_from_source(f"{name}.py")).name
        (package / "__pycache__" / cached).write_bytes(unchecked)
    (package / "late.pyc").write_bytes(unchecked)
    # When it trains, then there is no such module
    with pytest.raises(Problem, match=r"no module credit\.late: .* in src/credit/training\.py"):
        team_projects.train()
    assert not Path("models/model.skops").exists()
    # And where a statement names it, it is in the digest, and its source is what runs
    text = "from credit import late\n\n\n" + HONEST.replace("pipeline.fit(", "late.fit(pipeline, ")
    (package / "training.py").write_text(text, encoding="utf-8")
    assert "late.py" in [path.name for path in stage_code.team_modules("train")]
    team_projects.train()
    assert Path("models/model.skops").exists()
    assert not mark.exists()


def through_partial() -> Any:
    """A library's function that unpickles, in a partial."""
    from functools import partial

    return partial(np.load, allow_pickle=True)


FUNCTIONS: dict[str, Callable[[], Any]] = {
    "a function": lambda: np.load,
    "a partial": through_partial,
    "a method": lambda: np.random.default_rng(1).bytes,
    "a universal function": lambda: np.log1p,
}


@pytest.mark.parametrize("make", FUNCTIONS.values(), ids=FUNCTIONS)
def test_trap_42_a_library_function_in_a_model_is_not_called_here(make: Callable[[], Any]) -> None:
    # Given a model of library classes that holds something to call
    import skops.io
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    harmless = skops.io.dumps(make_pipeline(StandardScaler(), FunctionTransformer()))
    calling = skops.io.dumps(make_pipeline(StandardScaler(), FunctionTransformer(make())))
    # When it is looked at, then it is not for this process; without it, it is
    assert model_file.is_plain(harmless)
    assert not model_file.is_plain(calling)


@pytest.mark.parametrize(
    ("name", "content_of", "what"),
    [
        ("code/sklearn/__init__.py", "evil = True", "source code"),
        ("classes.json", '{"classes": ["good", "fair", "poor"]}', "names of classes"),
    ],
)
def test_trap_42_what_only_the_engine_writes_into_a_model_file_is_refused_from_training(
    name: str, content_of: str, what: str
) -> None:
    # Given a model file with a member beside the model, as a process may send it
    import io
    import zipfile

    import skops.io
    from sklearn.dummy import DummyClassifier

    content = io.BytesIO(skops.io.dumps(DummyClassifier()))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr(name, content_of)
    # When it is to be saved, then it is refused: the engine alone puts this in
    with pytest.raises(Problem, match=f"has {what} of its own in its file"):
        model_file.sealed(content.getvalue(), team.TeamPackage("credit", {"__init__.py": b""}))


RENAMING = """
import io
import zipfile

from governed_ml.pipeline.boosters import storage

dumps = storage.dumps

def renamed(model):
    content = io.BytesIO(dumps(model))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("classes.json", '{"classes": ["poor", "fair", "good"]}')
    return content.getvalue()

def fit(pipeline, features, target):
    storage.dumps = renamed
    return pipeline.fit(features, target)
"""


@pytest.mark.parametrize("training", [HONEST, RENAMING], ids=["honest", "renaming"])
def test_trap_42_the_classes_of_a_model_file_are_those_of_the_split(
    here: Path, training: str
) -> None:
    # Given training rows of three classes
    team_projects.make(here, training=training)
    rows = team_projects.rows(600, 1).assign(__target=lambda frame: frame["__row"] % 3)
    rows.to_parquet("data/split/train.parquet")
    classes = ["good", "fair", "poor"]
    # When training adds names to the model file itself, then it is refused
    if training == RENAMING:
        with pytest.raises(Problem, match="has names of classes of its own in its file"):
            team_projects.train(classes=classes)
        assert not Path("models/model.skops").exists()
        return
    # And otherwise the file has the names of the split
    team_projects.train(classes=classes)
    assert model_file.class_names() == classes


@pytest.mark.parametrize(
    "name", ["credit/../../x.py", "/etc/x.py", "credit/x.pth", "a b/x.py", "credit\\x.py"]
)
def test_trap_42_code_in_a_model_file_stays_in_its_folder(name: str) -> None:
    # Given a model file whose code would be laid elsewhere
    import io
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"code/{name}", "")
    # When its code is read, then it is refused
    with pytest.raises(Problem, match="is not a Python module of the project's one package"):
        model_file.code(content)


@pytest.mark.parametrize("package", ["sklearn", "json", "governed_ml", "numpy"])
def test_trap_43_a_package_with_the_name_of_a_library_is_refused(package: str) -> None:
    # Given the source of a package that is called like a library, when it is to be imported
    with pytest.raises(Problem, match="has the name of an installed library"):
        team.install(team.TeamPackage(package, {"__init__.py": b""}))
