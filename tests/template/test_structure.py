"""What a generated project looks like: nothing left over, small, valid, pinned."""

from __future__ import annotations

import configparser
import json
import re
import sys
import tomllib
from pathlib import Path

import baked
import pytest
import yaml
from baked import Bake

FILES, PYTHON_LINES, DEPENDENCIES = 55, 400, 12
"""What a generated project may have at birth; what is more belongs in the engine."""


def texts(project: baked.BakedProject) -> dict[str, str]:
    """The text of every file of a project, but for `.cruft.json`, which cites the questions."""
    return {name: project.read(name) for name in project.files if name != ".cruft.json"}


def test_no_template_syntax_is_left_over(project: baked.BakedProject) -> None:
    # Given a project, when its files are read without GitHub's own ${{ }}
    for name, text in texts(project).items():
        plain = re.sub(r"\$\{\{.*?\}\}", "", text)
        # Then none speaks of cookiecutter's variables, or holds Jinja (in Python, {{ is Python's)
        assert "cookiecutter." not in plain, name
        own = name.endswith((".py", ".json"))
        assert own or not re.search(r"\{\{|\}\}|\{%|%\}", plain), name
    assert not [name for name in project.files if "{" in name or "cookiecutter" in name]


def test_githubs_expressions_survive(project: baked.BakedProject, template: Path) -> None:
    # Given the template's files, when those of the project are counted against them
    source = template / "{{cookiecutter.project_slug}}"
    for path in sorted(source.rglob("*")):
        if path.is_file():
            name = path.relative_to(source).as_posix()
            name = name.replace("{{cookiecutter.package}}", project.package)
            # Then each has as many ${{ as it had
            assert project.read(name).count("${{") == path.read_text(encoding="utf-8").count("${{")


def test_every_file_of_the_template_arrives(project: baked.BakedProject, template: Path) -> None:
    # Given the template's files as git has them, when a project is generated
    prefix = "{{cookiecutter.project_slug}}/"
    names = baked.git(template, "ls-files", "-z").split("\0")
    expected = {
        name.removeprefix(prefix).replace("{{cookiecutter.package}}", project.package)
        for name in names
        if name.startswith(prefix)
    }
    # Then its first commit has just these, and where it comes from
    assert set(project.files) == expected | {".cruft.json"}


def test_the_project_is_light_enough_to_keep(project: baked.BakedProject) -> None:
    # Given a project at birth, when it is weighed
    metadata = tomllib.loads(project.read("pyproject.toml"))
    groups = metadata["dependency-groups"].values()
    wanted = [*metadata["project"]["dependencies"], *(one for group in groups for one in group)]
    direct = {re.split(r"[^\w.-]", one)[0] for one in wanted}
    python = [name for name in project.files if name.endswith(".py")]
    lines = sum(len(project.read(name).splitlines()) for name in python)
    # Then its three modules are there, and it is inside its budget
    assert {f"src/{project.package}/{name}.py" for name in ("sources", "features", "training")} <= {
        *python
    }
    assert "governed-ml" in direct
    assert len(project.files) <= FILES
    assert lines <= PYTHON_LINES
    assert len(direct) <= DEPENDENCIES, sorted(direct)


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"task": "regression", "risk_tier": "high", "dvc_remote": "s3", "license": "MIT"},
        {
            "risk_owner": "@a @b/c",
            "author_name": "Seán O'Brien",
            "description": "It's: 50% 'so' #1",
        },
    ],
    ids=["default", "other-choices", "awkward-text"],
)
def test_every_file_can_be_read_by_its_parser(bake: Bake, answers: dict[str, str]) -> None:
    # Given a project, when its files are parsed
    for name, text in texts(bake(**answers)).items():
        if name.endswith(".toml"):
            tomllib.loads(text)
        elif name.endswith((".yaml", ".yml")):
            assert yaml.safe_load(text), name
        elif name.endswith(".json"):
            json.loads(text)
        elif name.endswith(".py"):
            compile(text, name, "exec")
        elif name == ".dvc/config":
            configparser.ConfigParser().read_string(text)
        # Then all are valid, and end with one newline
        assert not text or (text.endswith("\n") and "\r" not in text), name


def test_trap_35_every_line_of_codeowners_has_an_owner_and_the_policy_the_risk_owner(
    bake: Bake,
) -> None:
    # Given a project with owners, when GitHub's rules for CODEOWNERS are applied
    project = bake(risk_owner="@org/risk @second", model_owner="@first")
    lines = [line for line in project.read(".github/CODEOWNERS").splitlines() if line]
    rules = [line.split() for line in lines if not line.startswith("#")]
    # Then each pattern has owners in GitHub's form
    for _pattern, *owners in rules:
        assert owners
        assert all(re.fullmatch(r"@[A-Za-z0-9-]+(/[a-z0-9_-]+)?", owner) for owner in owners)
    # And the last that matches is the risk owner's for what judges, the model owner's elsewhere
    assert rules[0] == ["*", "@first"]
    risk = {pattern for pattern, *owners in rules if owners == ["@org/risk", "@second"]}
    judged = {"/conf/config.yaml", "/conf/data/", "/conf/split/", "/dvc.yaml"}
    assert risk == {"/.cruft.json", "/conf/policy/", "/governance/", "/.github/"} | judged
    # And the actions of the team are the model owner's: these lines come later
    own = ("/.github/actions/deploy/", "/.github/actions/smoke/")
    assert rules[-2:] == [[pattern, "@first"] for pattern in own]


def test_no_output_of_the_line_can_be_committed(project: baked.BakedProject) -> None:
    # Given the pipeline, when git is asked about what DVC keeps in its cache
    for stage in yaml.safe_load(project.read("dvc.yaml"))["stages"].values():
        for kind in ("outs", "plots", "metrics"):
            for out in stage.get(kind, []):
                path, options = next(iter(out.items())) if isinstance(out, dict) else (out, {})
                ignored = baked.git_code(project.path, "check-ignore", "--quiet", path) == 0
                # Then it ignores that by the project's own file, and keeps the evidence
                assert ignored == ((options or {}).get("cache", True)), path


def test_ruff_is_content_with_the_template_in_place() -> None:
    # Given the template, its hooks and its tests, when ruff checks them, then it finds nothing
    baked.run_plain([sys.executable, "-m", "ruff", "check", "--no-cache", "."], baked.ROOT)
    baked.run_plain(
        [sys.executable, "-m", "ruff", "format", "--check", "--no-cache", "."], baked.ROOT
    )


def test_ruff_is_content_with_the_project(project: baked.BakedProject) -> None:
    # Given a generated project, when ruff checks it, then it finds nothing
    baked.run_plain([sys.executable, "-m", "ruff", "check", "--no-cache", "."], project.path)
    baked.run_plain(
        [sys.executable, "-m", "ruff", "format", "--check", "--no-cache", "."], project.path
    )
