"""Whatever stands in the template's `conf/` composes; a slip that hides another is named."""

from __future__ import annotations

import pytest
import yaml
from baked import TEMPLATE, BakedProject

from governed_ml.core.config.composition import compose
from governed_ml.core.problem import Problem
from governed_ml.ledger.approvers import Approvers
from governed_ml.pipeline.estimators import estimator
from governed_ml.pipeline.stages.compose import check

MEMBERS = [
    pytest.param(path.parent.name, path.stem, id=f"{path.parent.name}={path.stem}")
    for path in sorted((TEMPLATE / "conf").glob("*/*.yaml"))
    if path.parts[-2:] != ("policy", "base.yaml")  # no tier
]
MODELS = sorted(path.stem for path in (TEMPLATE / "conf" / "model").glob("*.yaml"))


@pytest.mark.parametrize(("group", "member"), MEMBERS)
def test_every_member_of_every_group_composes(
    group: str, member: str, project: BakedProject
) -> None:
    # Given a project's configuration, when one member of one group is chosen
    params = compose(project.path / "conf", [f"{group}={member}"])
    # Then the whole validates, the policy's expressions are CEL and the model is from where it may
    check(params)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_can_be_made(model: str, project: BakedProject) -> None:
    # Given a member of conf/model, when it is instantiated for the tasks
    params = compose(project.path / "conf", [f"model={model}"])
    refusals: list[str] = []
    for task in ("classification", "regression"):
        try:
            estimator(params.model, task, params.seed)
        except Problem as problem:
            refusals.append(str(problem))
    # Then it serves one of them
    assert len(refusals) < 2, refusals[0]


def test_what_is_configured_has_its_data_contract(project: BakedProject) -> None:
    assert project.has_file(compose(project.path / "conf").data.contract)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["~model.name", "+model.nmae=x"], "model.nmae: no such key"),
        (["+threshold=0.1"], "threshold: no such key"),
        (["model=no_such_model"], "no_such_model"),
    ],
    ids=[
        "a misspelt key, so that another is missing",
        "a threshold outside the policy",
        "a group member that does not exist",
    ],
)
def test_what_is_wrong_is_refused_with_one_line(
    overrides: list[str], expected: str, project: BakedProject
) -> None:
    # Given a configuration with one thing wrong, when it is composed
    with pytest.raises(Problem) as refused:
        compose(project.path / "conf", overrides)
    # Then it is refused, with one line that names the key
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("tier", ["minimal", "limited", "high"])
def test_a_tier_says_who_has_to_approve(tier: str, project: BakedProject) -> None:
    # Given a tier, when its policy is read
    approvals = compose(project.path / "conf", [f"policy={tier}"]).policy.approvals
    # Then it names roles and how long an approval lasts, and the highest tier names two
    assert approvals
    assert approvals.valid_days >= 1
    assert len(set(approvals.roles)) == (2 if tier == "high" else 1)


def test_the_generated_list_of_approvers_can_be_read(project: BakedProject) -> None:
    # Given the file as it was generated, when it is read, then it breaks no rule
    assert Approvers.model_validate(yaml.safe_load(project.read("governance/approvers.yaml")))
