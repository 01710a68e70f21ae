"""Whatever stands in the template's `conf/` composes; a slip that hides another is named."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from baked import TEMPLATE, BakedProject
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from governed_ml.core.config import yaml_scalars
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


def test_every_configured_table_has_its_data_contract(project: BakedProject) -> None:
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
def test_an_invalid_configuration_is_refused_in_one_line(
    overrides: list[str], expected: str, project: BakedProject
) -> None:
    # Given a configuration with one thing wrong, when it is composed
    with pytest.raises(Problem) as refused:
        compose(project.path / "conf", overrides)
    # Then it is refused, with one line that names the key
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


LIMIT = "block: 0.65"
FROM_OUTSIDE: dict[str, dict[str, tuple[str, str]]] = {  # case → file → text, what stands there
    "in config.yaml": {"config.yaml": ("seed: 2026", "seed: 2026\npolicy: {confidence: 0.6}")},
    "in a group's file": {
        "data/synthetic.yaml": ("name: synthetic", "# @package _global_\npolicy: {confidence: 0.6}")
    },
    "in a file for everything": {
        "config.yaml": ("  - split: time", "  - split: time\n  - extra"),
        "extra.yaml": ("", "policy: {confidence: 0.6}\n"),
    },
    "by a value of config.yaml": {
        "config.yaml": ("seed: 2026", "seed: 2026\nlimit: 0.1"),
        "policy/base.yaml": (LIMIT, "block: ${limit}"),
    },
    "by a file of another name": {
        "config.yaml": ("- policy: limited", "- policy: other"),
        "policy/other.yaml": ("", "defaults: [limited, _self_]\nconfidence: 0.6\n"),
    },
    "by a file of that name in a folder": {
        "config.yaml": ("- policy: limited", "- policy: more/limited"),
        "policy/more/limited.yaml": ("", "defaults: [/policy/limited, _self_]\nconfidence: 0.6\n"),
    },
    "by another package": {"config.yaml": ("- policy: limited", "- policy@policy: limited")},
}


@pytest.mark.parametrize("case", FROM_OUTSIDE)
def test_nothing_but_its_own_folder_has_a_say_in_the_policy(
    case: str, project: BakedProject, tmp_path: Path
) -> None:
    # Given a limit that is set elsewhere than in conf/policy
    conf = Path(shutil.copytree(project.path / "conf", tmp_path / "conf"))
    honest = compose(conf).policy
    for name, (old, new) in FROM_OUTSIDE[case].items():
        path = conf / name
        path.parent.mkdir(exist_ok=True)
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
    # When it is composed, then it is refused, or the policy is as it was
    policy = honest
    with suppress(Problem):
        policy = compose(conf).policy
    assert policy == honest


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


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template's `conf/` without Jinja, for tests that add a member to it."""
    conf = tmp_path_factory.mktemp("written") / "conf"
    shutil.copytree(TEMPLATE / "conf", conf)
    text = (conf / "config.yaml").read_text(encoding="utf-8")
    for name, value in (("__data", "own"), ("__model", "logistic_regression")):
        text = text.replace("{{ cookiecutter." + name + " }}", value)
    text = re.sub(r"policy: \{\{.*?\}\}", "policy: limited", text)
    (conf / "config.yaml").write_text(re.sub(r"\{\{.*?\}\}", "a name", text), encoding="utf-8")
    return conf


OWN = """defaults:
  - synthetic
  - _self_
name: own
"""


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        ("positive: NO\n", 5, 'YAML reads NO as false. If it is a text, write "NO" in quotes'),
        ("target: on\n", 5, 'YAML reads on as true. If it is a text, write "on" in quotes'),
        (
            "drop: [application_id, Off]\n",
            5,
            'YAML reads Off as false. If it is a text, write "Off" in quotes',
        ),
        ("sensitive:\n  sex:\n    labels: {NO: Norway}\n", 7, "YAML reads NO as false"),
        ("sensitive:\n  NO: {}\n", 6, "YAML reads NO as false"),
        ("positive: 010\n", 5, 'YAML reads 010 as 8. If it is a text, write "010" in quotes'),
        ("sensitive:\n  sex:\n    labels:\n      01: male\n", 8, "YAML reads 01 as 1"),
        ("positive: 1:30\n", 5, "YAML reads 1:30 as 90"),
    ],
)
def test_a_value_that_yaml_reads_as_another_is_refused(
    lines: str, line: int, said: str, written: Path
) -> None:
    # Given a category, a group or a column with a name that YAML 1.1 takes for something else
    (written / "data" / "own.yaml").write_text(OWN + lines, encoding="utf-8")
    # When it is composed, then the line says where it is, what YAML reads and what to write
    with pytest.raises(Problem) as refused:
        compose(written)
    assert str(refused.value).startswith(f"conf/data/own.yaml, line {line}: {said}")


def plain(conf: Path) -> Path:
    """The same, with the table that the template has."""
    (conf / "data" / "own.yaml").unlink(missing_ok=True)
    text = (conf / "config.yaml").read_text(encoding="utf-8")
    text = text.replace("data: own", "data: synthetic")
    (conf / "config.yaml").write_text(text, encoding="utf-8")
    return conf


def test_a_table_that_is_not_in_use_stops_nothing(written: Path, tmp_path: Path) -> None:
    # Given a file of another table with a value that YAML reads as something else
    conf = plain(Path(shutil.copytree(written, tmp_path / "conf")))
    (conf / "data" / "other.yaml").write_text("name: other\npositive: NO\n", encoding="utf-8")
    # When the one in use is composed, then it composes
    assert compose(conf).data.name == "synthetic"
    # And once the other one is in use, by choice or as a part of it, then it is refused
    said = r"^conf/data/other\.yaml, line 2: YAML reads NO as false"
    with pytest.raises(Problem, match=said):
        compose(conf, ["data=other"])
    (conf / "data" / "synthetic.yaml").write_text(
        "defaults: [other, _self_]\n"
        + (conf / "data" / "synthetic.yaml").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    with pytest.raises(Problem, match=said):
        compose(conf)


def test_a_file_of_conf_that_cannot_be_read_is_named(written: Path, tmp_path: Path) -> None:
    # Given a link in conf/ to a file that is gone
    conf = plain(Path(shutil.copytree(written, tmp_path / "conf")))
    (conf / "data" / "other.yaml").symlink_to("gone.yaml")
    # When it is composed, then the line names it
    with pytest.raises(Problem, match=r"^conf/data/other\.yaml cannot be read: .*; fix"):
        compose(conf)


def test_the_same_values_in_quotes_are_taken(written: Path) -> None:
    # Given those names in quotes, or in a comment, and numbers that are what they look like
    (written / "data" / "own.yaml").write_text(
        OWN + 'positive: "NO"  # no, on\nsensitive:\n  "on":\n    labels: {"01": "no", 10: yes!}\n'
        "source: {rows: 1_000}\n",
        encoding="utf-8",
    )
    (written / "split" / "own.yaml").write_text("kind: random\ntest_share: 0.25\n", "utf-8")
    # When they are composed, then they are what was written
    data = compose(written, ["split=own"]).data
    assert data.positive == "NO"
    assert data.sensitive["on"].labels == {"01": "no", "10": "yes!"}
    assert data.source.rows == 1000


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("drop: [1e3]\n", "data.drop[0]: Input should be a valid string; it is 1000.0: put it in"),
        ("target: true\n", "data.target: Input should be a valid string; it is True: put it in"),
    ],
)
def test_a_number_in_the_place_of_a_text_is_to_be_quoted(
    lines: str, said: str, written: Path
) -> None:
    # Given a column whose name YAML rightly reads as a number, when it is composed
    (written / "data" / "own.yaml").write_text(OWN + lines, encoding="utf-8")
    # Then the line says what to do
    with pytest.raises(Problem) as refused:
        compose(written)
    assert said in str(refused.value)


@given(st.text(alphabet="nNoOyYeEsSfF01289:+-._ tTrRuU", min_size=1, max_size=6))
@example("00E0")
@example("-01e5")
@example("0_1E2")
@example("0_1")
@example("0__")
def test_no_text_silently_becomes_another_value(text: str) -> None:
    # Given any short text without quotes, when YAML reads it
    document = f"key: {text}\n"
    try:
        value = OmegaConf.to_container(OmegaConf.create(document))["key"]  # type: ignore[call-overload,index]
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, TypeError, KeyError):
        return
    # Then it is that text, or a number or boolean that looks like it, or it is refused
    same = isinstance(value, str) or value is None or text.strip().lower() == str(value).lower()
    if isinstance(value, int | float) and not same:
        sign = re.fullmatch(r"[-+]?([1-9][\d_]*|0|[\d_]*\.[\d_]*)([eE][-+]?\d+)?", text.strip())
        same = sign is not None
    assert same or list(yaml_scalars.misread(document)), (text, value)
