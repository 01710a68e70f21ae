"""The template's files in a project are the template's: compared, updated, never half."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import baked
import pytest

pytestmark = pytest.mark.slow  # all together
WORKFLOW = ".github/workflows/ci.yml"


def template(
    project: baked.BakedProject, *words: str, code: int, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `governance template …` as `uv run --group tools` would."""
    command = [sys.executable, "-m", f"{project.package}.cli", "template", *words]
    source = str(project.path / "src")
    return baked.run_plain(command, project.path, code, PYTHONPATH=source, **variables)


@pytest.fixture
def evolving(template: Path, tmp_path: Path) -> Path:
    """A copy of the template that a test may change."""
    return shutil.copytree(template, tmp_path / "template")


@pytest.fixture
def project(evolving: Path, tmp_path: Path) -> baked.BakedProject:
    """A project of that template."""
    return baked.bake(evolving, tmp_path / "out", package="scores")


def change(template: Path, name: str, old: str, new: str) -> str:
    """Replace text in a file of the project's template, and commit it."""
    path = template / "{{cookiecutter.project_slug}}" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")
    return baked.commit_all(template, f"Change {name}")


def outputs(path: Path) -> dict[str, str]:
    """The outputs that a step has set."""
    lines = path.read_text(encoding="utf-8").splitlines()
    names = [line.partition("<<")[0] for line in lines[::3]]
    return dict(zip(names, lines[1::3], strict=True))


# What is compared


def test_a_fresh_project_is_the_templates(project: baked.BakedProject) -> None:
    # Given a fresh project, in which the team works on what is the team's
    project.write("conf/model/ours.yaml", "name: ours\n")
    project.write("src/scores/pipeline/ours.py", '"""Ours."""\n')
    project.write("src/scores/pipeline/preprocessing.py", '"""Ours."""\n')
    project.write(".github/actions/deploy/action.yml", "name: ours\n")
    project.write("README.md", "# Ours\n")
    (project.path / "src" / "scores" / "__pycache__").mkdir()
    project.write("src/scores/__pycache__/cli.cpython-311.pyc", "")
    # When it is compared with its template, then nothing is found
    done = template(project, "verify", "--json", code=0)
    state = json.loads(project.read(".cruft.json"))
    expected = {"template": state["template"], "commit": state["commit"], "found": []}
    expected |= {"declared": []}
    assert json.loads(done.stdout) == expected


def link(project: baked.BakedProject) -> None:
    """Put the same bytes elsewhere, where nobody looks at them, and a link in their place."""
    path = project.path / "src/scores/governance/policy.py"
    path.rename(project.path / "conf" / "policy.py")
    path.symlink_to("../../../conf/policy.py")


EDITS: dict[str, tuple[str, Callable[[baked.BakedProject], object]]] = {
    "a gate": (
        "src/scores/governance/policy.py: was changed",
        lambda one: one.write("src/scores/governance/policy.py", "ALLOW = True\n"),
    ),
    "one byte": (
        "src/scores/measures/drift.py: was changed",
        lambda one: one.write(
            "src/scores/measures/drift.py", one.read("src/scores/measures/drift.py") + "\n"
        ),
    ),
    "a module beside": (
        "src/scores/typing.py: is not the template's",
        lambda one: one.write("src/scores/typing.py", "ALLOW = True\n"),
    ),
    "a package beside": (
        "src/sklearn_ours/__init__.py: is not the template's",
        lambda one: one.write("src/sklearn_ours/__init__.py", "ALLOW = True\n"),
    ),
    "a workflow": (
        f"{WORKFLOW}: was changed",
        lambda one: one.write(WORKFLOW, one.read(WORKFLOW).replace("pytest", "pytest -k none")),
    ),
    "a workflow beside": (  # a job of this name would satisfy a required check
        ".github/workflows/other.yml: is not the template's",
        lambda one: one.write(".github/workflows/other.yml", "jobs: {decision: {}}\n"),
    ),
    "a library that judges": (
        "pyproject.toml: [tool.uv] is not as the template has it",
        lambda one: one.write(
            "pyproject.toml",
            one.read("pyproject.toml") + '\n[tool.uv.sources]\ntyper = {path = "vendor/typer"}\n',
        ),
    ),
    "a schema": (
        "governance/schemas/decision.json: is missing",
        lambda one: (one.path / "governance/schemas/decision.json").unlink(),
    ),
    "a link": ("src/scores/governance/policy.py: was changed", link),
    "the console script": (
        "pyproject.toml: [project.scripts] is not as the template has it",
        lambda one: one.write(
            "pyproject.toml", one.read("pyproject.toml").replace("scores.cli:main", "evil:main")
        ),
    ),
    "left out of updates": (  # cruft itself would compare nothing of it
        "src/scores/governance/policy.py: was changed",
        lambda one: (
            one.write(
                "pyproject.toml", one.read("pyproject.toml").replace('".git",', '".git", "src",')
            ),
            one.write("src/scores/governance/policy.py", "ALLOW = True\n"),
        ),
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_trap_40_an_edited_gate_is_found(project: baked.BakedProject, name: str) -> None:
    # Given a project in which somebody edited what judges, and committed it
    said, edit = EDITS[name]
    edit(project)
    baked.commit_all(project.path, "A small improvement")
    # When it is compared with its template
    done = template(project, "verify", code=1)
    # Then one line names the file, what is wrong and how to mend it
    lines = done.stdout.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(said)
    assert "restore it with git" in lines[0] or "take it out" in lines[0]


def test_trap_40_a_gate_edited_into_the_answers_is_found(project: baked.BakedProject) -> None:
    # Given an edited gate, and answers that name a package with the template's own beside it
    shutil.copytree(project.path / "src" / "scores", project.path / "src" / "other")
    project.write("src/scores/governance/policy.py", "ALLOW = True\n")
    state = json.loads(project.read(".cruft.json"))
    state["context"]["cookiecutter"]["package"] = "other"
    project.write(".cruft.json", json.dumps(state))
    # When it is compared, then the edited one is no file of the template
    command = [sys.executable, "-m", "scores.cli", "template", "verify"]
    source = str(project.path / "src")
    done = baked.run_plain(command, project.path, 1, PYTHONPATH=source)
    assert "src/scores/governance/policy.py: is not the template's" in done.stdout


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("template", "file:///nowhere/at/all", "cannot fetch the template"),
        ("template", "--upload-pack=touch owned", "cannot fetch the template"),
        ("commit", None, "commit: "),
        ("commit", "0" * 40, "on no branch and no tag"),
    ],
)
def test_what_cannot_be_fetched_cannot_be_judged(
    project: baked.BakedProject, key: str, value: object, words: str
) -> None:
    # Given a project whose template is not there, or has lost the commit
    state = json.loads(project.read(".cruft.json"))
    project.write(".cruft.json", json.dumps(state | {key: value}))
    # When it is compared, then it could not judge, and says in one line what it wants
    done = template(project, "verify", code=2)
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (project.path / "owned").exists()


def test_a_commit_that_only_a_pull_request_has_is_no_template(
    evolving: Path, project: baked.BakedProject
) -> None:
    # Given a template's pull request by anybody, whose commit the project names
    baked.git(evolving, "checkout", "--quiet", "-b", "theirs")
    gate = "src/{{cookiecutter.package}}/governance/policy.py"
    commit = change(evolving, gate, '"""', '"""Allow. ')
    baked.git(evolving, "checkout", "--quiet", "main")
    baked.git(evolving, "update-ref", "refs/pull/7/head", commit)
    baked.git(evolving, "branch", "--quiet", "-D", "theirs")
    state = json.loads(project.read(".cruft.json"))
    project.write(".cruft.json", json.dumps(state | {"commit": commit}))
    # When it is compared, then it could not judge
    assert "on no branch and no tag" in template(project, "verify", code=2).stderr


# The update


def test_an_update_arrives_and_says_what_changed(
    evolving: Path, project: baked.BakedProject, tmp_path: Path
) -> None:
    # Given a template that changed a workflow and a gate, and a team's work
    project.write("conf/model/ours.yaml", "name: ours\n")
    baked.commit_all(project.path, "Our work")
    before = json.loads(project.read(".cruft.json"))["commit"]
    change(evolving, WORKFLOW, "timeout-minutes: 30", "timeout-minutes: 35")
    commit = change(evolving, "src/{{cookiecutter.package}}/cli.py", '"""', '"""Changed. ')
    # When the project is updated in a workflow's step
    step = tmp_path / "outputs"
    done = template(project, "update", "--json", code=0, GITHUB_OUTPUT=str(step))
    # Then both are there, and it says so
    files = [".cruft.json", WORKFLOW, "src/scores/cli.py"]
    said = json.loads(done.stdout)
    assert said["files"] == files
    assert (said["before"], said["commit"], said["found"]) == (before, commit, [])
    assert outputs(step) == {"changed": "true", "workflows": "true", "commit": commit}
    assert "timeout-minutes: 35" in project.read(WORKFLOW)
    # And when it is committed, there is nothing to do
    baked.commit_all(project.path, "Update")
    step.unlink()
    done = template(project, "update", code=0, GITHUB_OUTPUT=str(step))
    assert "nothing to do" in done.stdout
    assert outputs(step) == {"changed": "false", "workflows": "false", "commit": commit}


def test_what_conflicts_is_named(evolving: Path, project: baked.BakedProject) -> None:
    # Given a team and a template that changed the same line
    name = ".dvcignore"
    project.write(name, project.read(name).replace(".venv", ".venv-ours", 1))
    baked.commit_all(project.path, "Our work")
    change(evolving, name, ".venv", ".venv-theirs")
    # When the project is updated, then the conflict is named, although cruft exits 0
    done = template(project, "update", code=1)
    assert f"{name}: in conflict with the template's change" in done.stdout
    # And the next update wants it mended first
    assert "changes that are in no commit" in template(project, "update", code=1).stderr


def test_what_could_not_be_applied_is_named(evolving: Path, project: baked.BakedProject) -> None:
    # Given a template that changed a file which git knows of no common version for
    name = ".dvcignore"
    project.write(name, "something else entirely\n")
    baked.git(project.path, "add", "--all")
    baked.git(project.path, "commit", "--quiet", "--amend", "--message", "One commit")
    baked.git(project.path, "reflog", "expire", "--expire=now", "--all")
    baked.git(project.path, "gc", "--quiet", "--prune=now")
    change(evolving, name, ".venv", ".venv-theirs")
    # When the project is updated, then what git left beside it is named
    done = template(project, "update", code=1)
    assert f"{name}.rej: what could not be applied" in done.stdout


def test_trap_40_an_update_does_not_carry_an_edited_gate_along(
    evolving: Path, project: baked.BakedProject
) -> None:
    # Given a project with an edited gate, and a template that changed another file
    name = "src/scores/governance/policy.py"
    project.write(name, project.read(name) + "\nALLOW = True\n")
    baked.commit_all(project.path, "A small improvement")
    change(evolving, WORKFLOW, "timeout-minutes: 30", "timeout-minutes: 35")
    # When the project is updated, then the edit is found
    assert f"{name}: was changed" in template(project, "update", code=1).stdout


def test_an_update_that_leaves_workflows_out_is_found(
    evolving: Path, project: baked.BakedProject
) -> None:
    # Given a project that tells cruft to leave the workflows alone
    text = project.read("pyproject.toml").replace('".git",', '".git", ".github/workflows",')
    project.write("pyproject.toml", text)
    baked.commit_all(project.path, "Our own workflows")
    change(evolving, WORKFLOW, "timeout-minutes: 30", "timeout-minutes: 35")
    # When it is updated, then what is missing is found
    assert f"{WORKFLOW}: was changed" in template(project, "update", code=1).stdout
