"""What a generated project looks like: nothing left over, small, valid, pinned."""

from __future__ import annotations

import configparser
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import baked
import pytest
import template_package
import yaml
from conftest import Bake

# What a generated project may have at birth, and how much of its code `dvc repro` and
# `governance gate` run: what the registry adds costs nobody anything who does not use it.
FILES, DEPENDENCIES, DAILY, LINES = 136, 24, 4000, 10100

# Action, version and commit, as resolved in the action's own repository.
PINS = {
    "actions/attest": ("v4.2.2", "1e69f48acb82d1966a394da916b4c1698aa569d6"),
    "actions/checkout": ("v7.0.1", "3d3c42e5aac5ba805825da76410c181273ba90b1"),
    "actions/setup-python": ("v7.0.0", "5fda3b95a4ea91299a34e894583c3862153e4b97"),
    "actions/upload-artifact": ("v7.0.0", "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"),
    "astral-sh/setup-uv": ("v10.0.1", "20cfd1bf945f4377ade1205e4dbc17946fc9a30d"),
    "aws-actions/configure-aws-credentials": ("v6.2.3", "e6de054238d6b7531b4efff3b6587d9aade6a06c"),
    "azure/login": ("v3.0.1", "f5d393ae46f8fde4be8b75f32e3fc50e654ad0ca"),
    "google-github-actions/auth": ("v3.0.0", "7c6bc770dae815cd3e89ee6cdf493a5fab2cc093"),
}
WORKFLOWS = sorted(
    path
    for folder in (baked.ROOT, baked.TEMPLATE)
    for path in (folder / ".github" / "workflows").glob("*.yml")
)


def each_workflow() -> pytest.MarkDecorator:
    """Run a test on every workflow, of the template and of the generated project."""
    owner = {True: "project", False: "template"}
    names = [f"{owner[path.is_relative_to(baked.TEMPLATE)]}-{path.stem}" for path in WORKFLOWS]
    return pytest.mark.parametrize("workflow", WORKFLOWS, ids=names)


def load(workflow: Path) -> dict[str, Any]:
    """A workflow, with its key `on` as the text that YAML 1.1 takes for a boolean."""
    found = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    found["on"] = found.pop(True, None) or found.get("on")
    return found


def steps(workflow: Path) -> list[dict[str, Any]]:
    """All steps of all jobs."""
    return [step for job in load(workflow)["jobs"].values() for step in job.get("steps", [])]


def texts(project: baked.BakedProject) -> dict[str, str]:
    """The text of every file of a project, but for `.cruft.json`, which cites the questions."""
    return {name: project.read(name) for name in project.files if name != ".cruft.json"}


def test_no_template_syntax_is_left_over(project: baked.BakedProject) -> None:
    # Given a project, when its files are read without GitHub's own ${{ }}
    for name, text in texts(project).items():
        plain = re.sub(r"\$\{\{.*?\}\}", "", text)
        # Then none speaks of cookiecutter's variables, or holds Jinja (in Python, {{ is Python's)
        assert "cookiecutter." not in plain, name
        assert name.endswith((".py", ".json")) or not re.search(r"\{\{|\}\}|\{%|%\}", plain), name
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
    direct = [*metadata["project"]["dependencies"], *(one for group in groups for one in group)]
    # The stages under pipeline/ are the team's from the first day, as are the tests and conf/.
    code = {name for name in project.files if re.fullmatch(r"src/\w+/(?!pipeline/).*\.py", name)}
    daily = code & daily_modules(project)
    lines = {name: len(project.read(name).splitlines()) for name in code}
    assert len(daily) > 20
    # Then it is inside its budget
    assert len(project.files) <= FILES
    assert len(direct) <= DEPENDENCIES
    assert sum(lines[name] for name in daily) <= DAILY
    assert sum(lines.values()) <= LINES


def daily_modules(project: baked.BakedProject) -> set[str]:
    """The modules behind the stages and the gate, by what they import."""
    closure = template_package.module("closure")
    todo = {closure.PACKAGE / "cli.py", closure.PACKAGE / "governance" / "gate.py"}
    found = {module for stage in closure.runnable() for module in closure.modules(stage)}
    while todo:
        module = todo.pop()
        found.add(module)
        todo |= set() if module.name == "cli.py" else closure.imports(module) - found
    paths = {path.relative_to(closure.PACKAGE).as_posix() for path in found}
    return {f"src/{project.package}/{path}" for path in paths}


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
    code, judged = f"/src/{project.package}/", {"/conf/config.yaml", "/conf/data/", "/dvc.yaml"}
    assert risk == {"/conf/policy/", "/governance/", "/.github/", code} | judged
    # And the stages of the code and the team's own actions are the model owner's: these come later
    assert rules[-2:] == [[f"{code}pipeline/", "@first"], ["/.github/actions/", "@first"]]


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


@each_workflow()
def test_trap_24_actions_are_pinned_to_the_commit_of_their_version(workflow: Path) -> None:
    # Given a workflow, when the lines that use an action are read
    uses = re.findall(r"uses:\s*(\S+)(.*)", workflow.read_text(encoding="utf-8"))
    assert uses
    for action, comment in uses:
        name, commit = action.split("@")
        # Then each names a commit, and its comment tells that commit's version
        version, expected = PINS[name]
        assert commit == expected, action
        assert comment.strip() == f"# {version}", action


@each_workflow()
def test_trap_18_no_failure_is_passed_over(workflow: Path) -> None:
    # Given a workflow, when its text is searched for what turns red into green
    text = workflow.read_text(encoding="utf-8")
    # Then there is none of it
    found = re.findall(
        r"continue-on-error|allow_failure|\|\|\s*(?:true|:)|always\(\)|set \+e", text
    )
    assert not found


@each_workflow()
def test_trap_19_a_failure_in_a_pipe_is_seen(workflow: Path) -> None:
    # Given a workflow, when its shells are read
    found = load(workflow)
    # Then all are GitHub's `bash`, which runs with pipefail
    assert found["defaults"]["run"]["shell"] == "bash"
    assert all(step.get("shell", "bash") == "bash" for step in steps(workflow))


@each_workflow()
def test_permissions_are_none_and_then_the_least(workflow: Path) -> None:
    # Given a workflow, when its permissions are read
    found = load(workflow)
    # Then it has none as a whole, each job may read the code, and no checkout keeps the token
    assert found["permissions"] == {}
    assert all(job["permissions"] == {"contents": "read"} for job in found["jobs"].values())
    assert all(job["timeout-minutes"] <= 180 for job in found["jobs"].values())
    checkouts = [step for step in steps(workflow) if "checkout" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_trap_23_a_judgement_is_never_cancelled() -> None:
    # Given the workflow that judges, when its concurrency is read
    found = load(baked.TEMPLATE / ".github" / "workflows" / "governance.yml")
    # Then each run has a group of its own, so that no other run can cancel it or its place
    assert found["concurrency"]["cancel-in-progress"] is False
    assert "github.run_id" in found["concurrency"]["group"]


def test_trap_21_the_gates_need_no_secret() -> None:
    # Given the project's workflows, when they are read, then none uses a secret
    for workflow in (baked.TEMPLATE / ".github" / "workflows").glob("*.yml"):
        assert "secrets" not in workflow.read_text(encoding="utf-8")


def test_trap_31_a_missing_artifact_is_an_error_and_artifacts_hold_no_rows() -> None:
    # Given the workflow that judges, when what it uploads is read
    workflow = baked.TEMPLATE / ".github" / "workflows" / "governance.yml"
    uploads = [step["with"] for step in steps(workflow) if "upload" in step.get("uses", "")]
    # Then nothing to upload is an error, and only reports are
    assert uploads
    for upload in uploads:
        assert upload["if-no-files-found"] == "error"
        assert all(path.startswith("reports/") for path in upload["path"].split())


def test_the_linters_of_workflows_are_content(project: baked.BakedProject) -> None:
    # Given the workflows of the template and of a project, when they are linted
    zizmor = ["zizmor", "--offline", "--no-progress", "--strict-collection", "--persona", "auditor"]
    schema = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    for folder in (baked.ROOT, project.path):
        workflows = sorted(str(path) for path in (folder / ".github" / "workflows").glob("*.yml"))
        # Then nothing is found
        baked.run_plain([*zizmor, str(folder / ".github")], folder)
        baked.run_plain([*schema, "vendor.github-workflows", *workflows], folder)
        baked.run_plain([*schema, "vendor.dependabot", ".github/dependabot.yml"], folder)
