"""The texts of `docs/models.md` are models, and a library that is missing is named at `compose`."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import team_projects
import yaml
from baked import ROOT, BakedProject, copy_project
from in_process import inside
from team_projects import in_own_folder  # noqa: F401 - a fixture, too

from governed_ml.core import model_file
from governed_ml.core.config import Model
from governed_ml.core.installation import distributions, extras
from governed_ml.core.problem import Problem
from governed_ml.pipeline import estimators
from governed_ml.pipeline.boosters import storage
from governed_ml.pipeline.stages import compose

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
TEXTS = dict(re.findall(r"^`conf/model/(\w+)\.yaml`:\n\n```yaml\n(.*?)^```", PAGE, re.M | re.S))
LIBRARIES = ("xgboost", "lightgbm", "catboost")
NAMES = [f"{library}_{kind}" for library in LIBRARIES for kind in ("classifier", "regressor")]


def test_the_page_has_a_text_for_each_library_and_task() -> None:
    assert list(TEXTS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_text_of_the_page_makes_a_model_that_can_be_stored(name: str) -> None:
    # Given a text of the page
    library, _, kind = name.partition("_")
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: `uv sync --all-extras` installs it")
    model = Model.model_validate(yaml.safe_load(TEXTS[name]))
    # When it is made for its task and fitted
    task: Any = "classification" if kind == "classifier" else "regression"
    found: Any = estimators.estimator(model, task, 1)
    rows = np.random.default_rng(1).normal(size=(300, 3))
    target = (rows[:, 0] > 0).astype(int) if kind == "classifier" else rows[:, 0]
    found.fit(rows, target)
    # Then it has the file's name, and this process loads it
    assert model.name == name
    assert model_file.is_plain(storage.dumps(found))
    # And it is no model for the other task
    other: Any = "regression" if kind == "classifier" else "classification"
    with pytest.raises(Problem, match=f"is not an estimator for {other}"):
        estimators.estimator(model, other, 1)


@pytest.mark.parametrize("library", LIBRARIES)
def test_compose_names_the_extra_that_is_missing(
    library: str, project: BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a project that chooses a library which is not installed
    own = copy_project(project, tmp_path)
    own.write(f"conf/model/{library}_classifier.yaml", TEXTS[f"{library}_classifier"])
    config = own.read("conf/config.yaml")
    chosen = config.replace("hist_gradient_boosting_classifier", f"{library}_classifier")
    assert chosen != config
    own.write("conf/config.yaml", chosen)
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == library else name)
    # When it is composed, then it stops with the change to make
    line = (
        f"{library} is not installed: add the extra `{library}` to the group pipeline in "
        f'pyproject.toml, as in "governed-ml[pipeline,{library}]", and run `uv sync`'
    )
    with inside(own.path, own.package, {}), pytest.raises(Problem) as caught:
        compose.main()
    assert str(caught.value) == line
    assert not (own.path / "params.yaml").exists()
    # And the change fits the project's file
    assert '"governed-ml[pipeline]"' in own.read("pyproject.toml")
    # And `train` and whoever loads a model say the same
    with pytest.raises(Problem) as caught:
        estimators.estimator(
            Model.model_validate(yaml.safe_load(TEXTS[f"{library}_classifier"])),
            *("classification", 1),
        )
    assert str(caught.value) == line
    # And with the library it composes
    monkeypatch.setattr(extras, "find_spec", lambda name: name)
    with inside(own.path, own.package, {}):
        assert f"{library}_classifier" in compose.main()


@pytest.mark.nightly
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_mitigation_wraps_an_estimator_of_the_library(library: str, here: Path) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: `uv sync --all-extras` installs it")
    # Given a project with a mitigation over one of the libraries, when it is trained twice
    team_projects.make(here)
    inner = yaml.safe_load(TEXTS[f"{library}_classifier"])["estimator"]
    search = {
        "_target_": "fairlearn.reductions.GridSearch",
        "constraints": {"_target_": "fairlearn.reductions.DemographicParity"},
        "estimator": inner,
        "grid_size": 3,
    }
    before = sorted(path.name for path in here.iterdir())
    digests = set[str]()
    for _ in range(2):
        found = team_projects.train(search)
        digests.add(model_file.digest())
    # Then one digest results, the search was made, and the engine's own process wrote no file
    assert len(digests) == 1
    assert found.mitigation
    assert found.mitigation.tried == 3
    assert model_file.is_plain(model_file.PATH.read_bytes())
    assert sorted(path.name for path in here.iterdir()) == before


def test_a_project_installs_none_of_the_libraries_by_default(project: BakedProject) -> None:
    text = project.read("pyproject.toml")
    assert not [one for one in LIBRARIES if f"{one}>=" in text or f',{one}]"' in text]


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_files_of_an_installed_library_are_compared_with_its_record(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: `uv sync --all-extras` installs it")
    found = {one.name for one in distributions.computing()}
    assert extras.distribution(library) in found
    assert not {"matplotlib", "plotly", "graphviz"} & found
