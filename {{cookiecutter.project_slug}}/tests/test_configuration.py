"""Whatever stands in `conf/` composes; what is wrong is refused with one line that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

MEMBERS = [
    pytest.param(path.parent.name, path.stem, id=f"{path.parent.name}={path.stem}")
    for path in sorted((ROOT / "conf").glob("*/*.yaml"))
]
RULE = "{id: a.b, metric: a.b, block: 0.1, owner: me}"
WAIVER = "{rule: a.x, reason: for the reason, approved_by: me, expires: 2030-01-01}"
WRONG = {
    "a misspelt key": (["+data.trget=repaid"], "data.trget: no such key"),
    "a misspelt key, so that another is missing": (
        ["~model.name", "+model.nmae=x"],
        "model.nmae: no such key",
    ),
    "a threshold outside the policy": (["+threshold=0.1"], "threshold: no such key"),
    "a string as a limit": (
        ["policy.rules=[{id: a.b, metric: a.b, block: '0.1', owner: me}]"],
        "policy.rules[a.b].block: Input should be a valid number",
    ),
    "an infinite limit": (
        ["policy.rules=[{id: a.b, metric: a.b, block: inf, owner: me}]"],
        "policy.rules[a.b].block: Input should be a finite number",
    ),
    "a metric without a limit": (
        ["policy.rules=[{id: a.b, metric: a.b, owner: me}]"],
        "rule a.b: a metric needs a limit",
    ),
    "a rule that is there twice": ([f"policy.rules=[{RULE}, {RULE}]"], "rule a.b is there twice"),
    "a waiver for a rule that is not there": (
        [f"policy.waivers=[{WAIVER}]"],
        "waiver for a.x: no such rule",
    ),
    "a policy without rules": (["policy.rules=[]"], "policy.rules: List should have at least 1"),
    "a group member that does not exist": (["model=no_such_model"], "no_such_model"),
}


@pytest.mark.parametrize(("group", "member"), MEMBERS)
def test_every_member_of_every_group_composes(
    group: str, member: str, root: Path, module: Callable[[str], Any]
) -> None:
    # Given the project's configuration, when one member of one group is chosen
    params = module("composition").compose(root / "conf", [f"{group}={member}"])
    # Then the whole validates, the policy's expressions are CEL and the model is from where it may
    module("pipeline.compose").check(params)


@pytest.mark.parametrize("model", [path.stem for path in sorted((ROOT / "conf/model").glob("*"))])
def test_every_model_can_be_made(model: str, root: Path, module: Callable[[str], Any]) -> None:
    # Given a member of conf/model, when it is instantiated for the tasks
    params = module("composition").compose(root / "conf", [f"model={model}"])
    refusals: list[str] = []
    for task in ("classification", "regression"):
        try:
            module("pipeline.train").estimator(params.model, task, params.seed)
        except module("problem").Problem as problem:
            refusals.append(str(problem))
    # Then it serves one of them
    assert len(refusals) < 2, refusals[0]


def test_what_is_configured_has_its_data_contract(root: Path, module: Callable[[str], Any]) -> None:
    # Given the configuration as it is, when its data contract is looked for
    data = module("composition").compose(root / "conf").data
    # Then it is there
    assert (root / data.contract).is_file(), (
        f"conf/data names {data.contract}, which is missing: `uv run governance contract draft`"
    )


@pytest.mark.parametrize(("overrides", "expected"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_refused_with_one_line(
    overrides: list[str], expected: str, root: Path, module: Callable[[str], Any]
) -> None:
    # Given a configuration with one thing wrong, when it is composed
    with pytest.raises(module("problem").Problem) as refused:
        module("composition").compose(root / "conf", overrides)
    # Then it is refused, with one line that names the key
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)
