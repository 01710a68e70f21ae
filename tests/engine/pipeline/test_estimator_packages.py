"""`estimator_packages` in the policy: a package is used in processes of its own, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import skops.io
import team_projects
from baked import TEMPLATE
from pydantic import ValidationError
from team_projects import in_own_folder  # noqa: F401 - a fixture, too

from governed_ml.core import model_file
from governed_ml.core.code.team import TeamPackage
from governed_ml.core.config import Model
from governed_ml.core.config.composition import compose
from governed_ml.core.config.params import Params, parse
from governed_ml.core.config.policy_schema import Floor, Policy
from governed_ml.core.problem import Problem
from governed_ml.pipeline import estimators, models
from governed_ml.pipeline.named_classes import named_class, require_named
from governed_ml.pipeline.stages.compose import check
from governed_ml.policy.measured_under import differences
from governed_ml.policy.weaker_policy import below_floor

FOREST = {"_target_": "imblearn.ensemble.BalancedRandomForestClassifier", "n_estimators": 5}
LISTED = ["imblearn"]


@pytest.fixture(name="params", scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """The configuration of a project, with the template's policy."""
    conf = tmp_path_factory.mktemp("project") / "conf"
    for path in sorted((TEMPLATE / "conf").rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        for name, value in ANSWERS.items():
            text = text.replace(f"{{{{ cookiecutter.{name} }}}}", value)
        target = conf / path.relative_to(TEMPLATE / "conf")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return compose(conf)


ANSWERS = {
    "__data": "synthetic",
    "__model": "logistic_regression",
    "risk_tier": "limited",
    "project_name | tojson": '"A"',
    "organisation | tojson": '"B"',
    "risk_owner | tojson": '"@r"',
    "model_owner | tojson": '"@m"',
    "project_slug | tojson": '"a"',
}


def listing(params: Params, listed: list[str] | None, **model: Any) -> Params:
    """The configuration with a list in its policy, read as a file would be."""
    values = params.model_dump(mode="json")
    values["policy"]["estimator_packages"] = listed
    values["model"] |= model
    return parse(values)


def test_the_template_lists_no_package(params: Params) -> None:
    assert params.policy.estimator_packages == []
    assert "packages" not in params.model.model_dump()


def test_a_class_of_a_package_may_be_named_once_the_policy_lists_it(params: Params) -> None:
    # Given a model of another package, when the policy does not list it, then it is refused
    with pytest.raises(
        Problem, match="ask the risk owner to list its package under estimator_pack"
    ):
        check(listing(params, [], estimator=FOREST))
    # And it is not, when the policy does
    found = listing(params, LISTED, estimator=FOREST)
    check(found)
    assert found.model.model_dump()["packages"] == LISTED
    # And the list of another package is of no use
    with pytest.raises(Problem, match=r"is not from any of sklearn, fairlearn, .*catboost, mapie:"):
        check(listing(params, ["mapie"], estimator=FOREST))


def test_a_model_cannot_list_its_own_package(params: Params) -> None:
    with pytest.raises(Problem, match=r"model\.packages differs from estimator_packages"):
        listing(params, [], estimator=FOREST, packages=LISTED)


@pytest.mark.parametrize("name", ["os", "subprocess", "governed_ml", "imblearn.ensemble", ""])
def test_the_list_takes_packages_of_libraries_only(name: str, params: Params) -> None:
    with pytest.raises(ValidationError, match="is not a library's package: write the first part"):
        Policy.model_validate(params.policy.model_dump() | {"estimator_packages": [name]})


def test_a_policy_without_a_list_keeps_its_digest(params: Params) -> None:
    values = params.policy.model_dump(mode="json")
    values.pop("estimator_packages")
    assert "estimator_packages" not in Policy.model_validate(values).model_dump(mode="json")
    assert "estimator_packages" not in Floor(file="f", sha256="0" * 64).model_dump(mode="json")


def test_a_floor_refuses_packages_that_it_does_not_list(params: Params) -> None:
    floor = Floor(file="f", sha256="0" * 64, estimator_packages=["mapie"])
    own = params.policy.model_copy(update={"floor": floor, "estimator_packages": LISTED})
    assert below_floor(own) == {
        "estimator_packages": "conf/model may name imblearn, the floor does not list it"
    }
    for listed in ([], ["mapie"], None):
        assert below_floor(own.model_copy(update={"estimator_packages": listed})) == {}
    open_ = own.model_copy(update={"floor": floor.model_copy(update={"estimator_packages": None})})
    assert below_floor(open_) == {}


def test_a_version_of_a_package_that_the_list_has_lost_is_measured_again(params: Params) -> None:
    measured, today = listing(params, LISTED), listing(params, [])
    found = differences(measured, {}, today, None)
    assert "main no longer asks for it" in found["policy.estimator_packages"]
    assert "policy.estimator_packages" not in differences(measured, {}, measured, None)
    assert "policy.estimator_packages" not in differences(today, {}, measured, None)


def test_trap_55_functions_of_a_listed_package_cannot_be_named() -> None:
    pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")
    assert named_class(FOREST["_target_"], LISTED)
    for target in ("imblearn.show_versions", "imblearn.ensemble._forest.deepcopy"):
        with pytest.raises(Problem, match="is not an estimator, transformer or calibrator"):
            named_class(target, LISTED)
    with pytest.raises(Problem, match="is not from any of"):
        require_named("imblearn.__loader__.exec_module", LISTED)


def test_a_mitigation_does_not_wrap_a_class_of_a_listed_package() -> None:
    search = {
        "_target_": "fairlearn.reductions.GridSearch",
        "constraints": {"_target_": "fairlearn.reductions.DemographicParity"},
        "estimator": FOREST,
    }
    model = Model(name="m", estimator=search, packages=LISTED)
    with pytest.raises(Problem, match="runs in the engine's own process, which loads no imblearn"):
        estimators.estimator(model, "classification", 1)


@pytest.mark.slow
def test_a_model_of_a_listed_package_is_trained_and_asked_in_processes_of_its_own(
    here: Path,
) -> None:
    pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")
    # Given a project, and a policy that lists a package
    team_projects.make(here)
    # When a model of it is trained twice
    digests = set[str]()
    for _ in range(2):
        team_projects.train(FOREST, packages=LISTED)
        digests.add(model_file.digest())
    # Then both have one digest, and the engine's process does not load them
    assert len(digests) == 1
    assert not model_file.is_plain(model_file.PATH.read_bytes())
    assert any(one.startswith("imblearn.") for one in model_file.types())
    # And it answers in a process of its own
    with models.opened() as model:
        assert isinstance(model, models.IsolatedModel)
        assert model.predict_proba(team_projects.asked_about()).shape == (600, 2)
    # And without the list, a model with its classes is not a model
    content = model_file.PATH.read_bytes()
    assert model_file.sealed(content, TeamPackage("credit", {}), LISTED) == content
    with pytest.raises(
        Problem, match=r"the model contains imblearn\.[\w.]+, which is not from any"
    ):
        model_file.sealed(content, TeamPackage("credit", {}))


STRANGE = """
import re
def fit(pipeline, features, target):
    fitted = pipeline.fit(features, target)
    fitted.named_steps["estimator"].pattern_ = NAME
    return fitted
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("__import__('pathlib').PurePosixPath('a')", r"pathlib\.PurePosixPath"),
        ("__import__('decimal').Decimal('1.5')", r"decimal\.Decimal"),
    ],
)
def test_a_type_that_cannot_be_stored_safely_is_named(here: Path, value: str, named: str) -> None:
    # Given training that puts a type of another library into the model
    team_projects.make(here, training=STRANGE.replace("NAME", value))
    # When it is trained, then one line names the type
    with pytest.raises(Problem, match=rf"{named}") as caught:
        team_projects.train(packages=LISTED)
    assert "\n" not in str(caught.value)
    assert not model_file.PATH.exists()


def test_the_digest_of_a_model_without_other_packages_does_not_change() -> None:
    model = Model(name="m", estimator={"_target_": "sklearn.linear_model.Ridge"})
    assert json.loads(model.model_dump_json()) == {
        "name": "m",
        "estimator": {"_target_": "sklearn.linear_model.Ridge"},
        "attributes": None,
    }
    assert skops.io.get_untrusted_types(data=skops.io.dumps([1])) == []
