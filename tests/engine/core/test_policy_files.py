"""`conf/policy/`: one base with the rules, small tier files, and who says what in which file."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import policies
import pytest
import yaml
from baked import TEMPLATE

from governed_ml.checks.lineage.config_differences import Members
from governed_ml.core.config import policy_files
from governed_ml.core.config.composition import compose, compose_earlier
from governed_ml.core.problem import Problem
from governed_ml.github.workflow_run.verdicts import rule_lines

TIERS = ("minimal", "limited", "high")
FLOOR = """name: floor
confidence: 0.9
rules:
  evaluate.roc_auc: {task: classification, metric: evaluate.roc_auc, bound: at_least, block: 0.6,
    owner: board}
"""
LISTED = FLOOR.replace("  evaluate.roc_auc: {", "  - {id: evaluate.roc_auc, ")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder with the template's `conf/`, for the tier limited."""
    shutil.copytree(TEMPLATE / "conf", tmp_path / "conf")
    path = tmp_path / "conf" / "config.yaml"
    answers = {"__data": "synthetic", "__model": "hist_gradient_boosting_classifier",
               "risk_tier": "limited"}  # fmt: skip
    text = path.read_text(encoding="utf-8")
    for name, value in answers.items():
        text = text.replace(f"{{{{ cookiecutter.{name} }}}}", value)
    path.write_text(re.sub(r"{{.*?}}", '"x"', text), encoding="utf-8")
    return tmp_path


def edit(base: Path, name: str, old: str, new: str) -> None:
    """Replace text in a policy file; the old text must be there."""
    path = base / "conf" / "policy" / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_composes_to_the_base_with_its_differences(base: Path, tier: str) -> None:
    # Given the files of the template, when a tier is composed
    policy = compose(base / "conf", [f"policy={tier}"]).policy
    # Then it is what the two files say, put together without Hydra, in the same order
    right = policies.of_template(tier)
    assert policy.model_dump_json() == right.model_dump_json()
    assert [rule.id for rule in policy.rules][:2] == ["validate.contract", "split.test_rows"]


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_file_holds_only_what_differs(tier: str) -> None:
    # Given the base and a tier, when each value of the tier is held against the base
    folder = TEMPLATE / "conf" / "policy"
    shared, own = (
        yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8")) for name in ("base", tier)
    )
    assert own.pop("defaults") == ["base", "_self_"]
    assert own.pop("name") == tier

    def repeated(here: dict[str, Any], there: dict[str, Any], where: str) -> list[str]:
        found: list[str] = []
        for key, value in here.items():
            if isinstance(value, dict):
                found += repeated(value, there.get(key) or {}, f"{where}.{key}")
            elif key in there and there[key] == value:
                found.append(f"{where}.{key}")
        return found

    # Then none is there twice
    assert repeated(own, shared, tier) == []


def test_null_removes_a_rule_or_a_limit_and_a_new_rule_comes_last(base: Path) -> None:
    # Given a tier that drops a rule, drops a limit, and adds a rule
    added = "{metric: evaluate.brier, block: 0.2, owner: model-owner}"
    text = "rules:\n  explain.coverage: null\n  evaluate.roc_auc: {warn: null}\n"
    edit(base, "limited", "name: limited\n", f"name: limited\n{text}  evaluate.brier: {added}\n")
    # When it is composed
    rules = {rule.id: rule for rule in compose(base / "conf").policy.rules}
    # Then that is what the policy has
    assert "explain.coverage" not in rules
    assert (rules["evaluate.roc_auc"].warn, rules["evaluate.roc_auc"].block) == (None, 0.65)
    assert list(rules)[-1] == "evaluate.brier"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  split.overlap:\n", "  split.test_rows:\n", "found duplicate key split.test_rows"),
        ("  split.overlap:\n", "  split.overlap:\n    id: a.b\n", "also has an id, 'a.b'"),
        ("rules:\n", "rules:\n  a.b: 0.1\n", "policy.rules[a.b] is 0.1"),
        ("    block: 1000\n", "    blok: 1000\n", "policy.rules[split.test_rows].blok"),
        ("  split.overlap:\n", "  Overlap:\n", "policy.rules[Overlap].id"),
        ("    schema.new_columns:\n", "    schema.new_columns: 3\n    a.b:\n", "monitoring.rules["),
    ],
)
def test_an_invalid_mapping_of_rules_is_refused(base: Path, old: str, new: str, said: str) -> None:
    # Given a slip in the base, when it is composed, then the line names the rule
    edit(base, "base", old, new)
    with pytest.raises(Problem, match=re.escape(said)):
        compose(base / "conf")


def test_trap_30_only_conf_policy_has_a_say_in_the_policy(base: Path) -> None:
    # Given another group whose file reaches into the policy
    path = base / "conf" / "split" / "time.yaml"
    text = "# @package _global_\npolicy: {rules: {explain.coverage: null}}\nsplit:\n"
    inner = "".join(f"  {line}\n" for line in path.read_text("utf-8").splitlines())
    path.write_text(text + inner, encoding="utf-8")
    # When it is composed, then that is refused
    with pytest.raises(Problem, match=r"conf/split/time\.yaml sets values outside its group"):
        compose(base / "conf")
    # And of an earlier commit, which was composed without that check, the policy is compared
    with pytest.raises(Problem, match=r"differs from conf/policy/limited\.yaml"):
        compose_earlier(base / "conf")


@pytest.mark.parametrize(
    ("group", "head", "named"),
    [
        ("model", "# @package _global_\nseed: 7\nmodel:\n", "_global_"),
        ("model", "\n #  @package   data\nmodel:\n", "data"),
        ("split", "defaults:\n  - override /data: other\nsplit:\n", "override /data"),
        ("model", "defaults:\n  - /data@_global_.data: other\nmodel:\n", "/data@_global_.data"),
        ("model", '"d\\x65faults":\n  - "/data@\\x5fglobal_.data": other\nmodel:\n', "/data@_glob"),
    ],
)
def test_trap_29_a_file_of_a_group_sets_nothing_of_another_group(
    base: Path, group: str, head: str, named: str
) -> None:
    # Given a file that the model owner may change, and that reaches into what another one owns
    path = base / "conf" / group / "more.yaml"
    path.write_text(f"{head}  name: more\n", encoding="utf-8")
    # When the configuration is composed, whether it is chosen or not, then that is refused
    said = rf"conf/{group}/more\.yaml sets values outside its group with `{re.escape(named)}"
    with pytest.raises(Problem, match=said):
        compose(base / "conf")


def test_a_file_of_a_group_may_be_made_from_another_of_its_group(base: Path) -> None:
    # Given a model that differs from another one in one value
    conf = base / "conf"
    (conf / "model/more.yaml").write_text(
        "defaults:\n  - logistic_regression\n  - _self_\nname: more\n", "utf-8"
    )
    # When it is chosen, then it is composed
    assert compose(conf, ["model=more"]).model.name == "more"


def test_the_base_is_no_tier(base: Path) -> None:
    # Given the base, when it is chosen as a policy, then it is refused; nobody is told to choose it
    with pytest.raises(Problem, match=r"Interpolation key 'policy\.name' not found"):
        compose(base / "conf", ["policy=base"])
    with pytest.raises(Problem, match="there are high, limited, minimal"):
        compose(base / "conf", ["policy=qqq"])
    found = policy_files.members(base / "conf", "policy")
    assert [path.stem for path in found] == ["high", "limited", "minimal"]


@pytest.mark.parametrize("text", [FLOOR, LISTED], ids=["mapping", "list"])
def test_a_floor_may_have_its_rules_as_a_list_or_by_id(base: Path, text: str) -> None:
    # Given an organisation's floor in either form, when it is pinned, then its rules are read
    (base / "floor.yaml").write_text(text, encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    edit(base, "limited", "name: limited\n",
         f"name: limited\nfloor: {{file: floor.yaml, sha256: {digest}}}\n")  # fmt: skip
    floor = compose(base / "conf").policy.floor
    assert floor is not None
    assert [(rule.id, rule.block) for rule in floor.rules] == [("evaluate.roc_auc", 0.6)]


def test_a_floor_with_a_rule_twice_is_refused(base: Path) -> None:
    # Given a floor whose second rule of one name would replace the first
    text = FLOOR + FLOOR.partition("rules:\n")[2].replace("0.6", "0.1")
    (base / "floor.yaml").write_text(text, encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    edit(base, "limited", "name: limited\n",
         f"name: limited\nfloor: {{file: floor.yaml, sha256: {digest}}}\n")  # fmt: skip
    with pytest.raises(Problem, match=r"duplicate key evaluate\.roc_auc"):
        compose(base / "conf")


def test_a_rule_is_located_in_the_file_and_line_that_set_it_last(base: Path) -> None:
    # Given a tier that changes one limit
    edit(base, "limited", "name: limited\n", "name: limited\nrules:\n  evaluate.r2: {warn: 0.6}\n")
    # When the lines of the rules are asked for
    lines = rule_lines(base)
    # Then the changed one is in the tier's file, the others are in the base
    file, line = lines["evaluate.r2"]
    assert file == "conf/policy/limited.yaml"
    assert "evaluate.r2:" in (base / file).read_text("utf-8").splitlines()[line - 1]
    file, line = lines["drift.data"]
    assert file == "conf/policy/base.yaml"
    text = (base / file).read_text("utf-8").splitlines()
    assert text[line - 1 : line + 1] == ["  drift.data:", "    each: feature"]
    assert lines[""] == ("conf/policy/limited.yaml", 1)
    # And so is the file of one value
    members = Members(base)
    assert members.file("policy.rules[evaluate.r2].warn") == "conf/policy/limited.yaml"
    assert members.file("policy.rules[evaluate.r2].block") == "conf/policy/base.yaml"
    assert members.file("policy.monitoring.liveness_days") == "conf/policy/base.yaml"
    assert members.file("policy.name: this key is missing") == "conf/policy/limited.yaml"
    assert members.file("seed") == "conf/config.yaml"


def test_a_policy_with_lists_as_before_still_composes(base: Path) -> None:
    # Given a policy in one file, with its rules as a list, as projects had it before
    policy = policies.read(TEMPLATE / "conf" / "policy", "limited")
    path = base / "conf" / "policy" / "limited.yaml"
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    # When it is composed, then it is the same policy, and its rules have lines
    assert compose(base / "conf").policy == policies.of_template("limited")
    assert rule_lines(base)["explain.coverage"][0] == "conf/policy/limited.yaml"
