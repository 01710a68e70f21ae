"""A project that was edited takes over what changes in the template."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import baked
import pytest

CRUFT = [sys.executable, "-m", "cruft"]


@pytest.fixture
def evolving(template: Path, tmp_path: Path) -> Path:
    """A copy of the template that a test may change."""
    return shutil.copytree(template, tmp_path / "template")


def change(template: Path, name: str, old: str, new: str) -> None:
    """Replace text in a file of the project's template."""
    path = template / "{{cookiecutter.project_slug}}" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")


def update(project: baked.BakedProject) -> subprocess.CompletedProcess[str]:
    """Run `cruft update` as a team would."""
    return baked.run_plain([*CRUFT, "update", "--skip-apply-ask"], project.path)


def test_an_edited_project_takes_over_a_change(evolving: Path, tmp_path: Path) -> None:
    # Given a project whose team changed a rendered file, a copied file and added one of its own
    answers = {"project_slug": "edited", "author_name": "Seán O'Brien", "dvc_remote": "s3"}
    project = baked.bake(evolving, tmp_path / "out", **answers)
    module = f"src/{project.package}/__init__.py"
    pyproject = project.read("pyproject.toml")
    project.write("pyproject.toml", pyproject.replace('version = "0.1.0"', 'version = "1.7.0"'))
    project.write(module, project.read(module) + "\n# the team's line\n")
    project.write("conf/model/ours.yaml", "name: ours\n")
    baked.commit_all(project.path, "Our work")
    # And a template that changed a rendered, a copied and a workflow file, added one, removed one
    change(evolving, "pyproject.toml", 'testpaths = ["tests"]', 'testpaths = ["tests", "more"]')
    change(evolving, "src/{{cookiecutter.package}}/cli.py", '"""', '"""Changed. ')
    change(evolving, ".github/workflows/ci.yml", "timeout-minutes: 30", "timeout-minutes: 35")
    source = evolving / "{{cookiecutter.project_slug}}"
    (source / "src" / "{{cookiecutter.package}}" / "arrived.py").write_text('"""New."""\n')
    (source / ".dvcignore").unlink()
    commit = baked.commit_all(evolving, "A new version")
    # When the team updates
    done = update(project)
    # Then every change arrived, the team's work is as it was, and nothing is in conflict
    assert 'testpaths = ["tests", "more"]' in project.read("pyproject.toml")
    assert '"""Changed. ' in project.read(f"src/{project.package}/cli.py")
    assert "timeout-minutes: 35" in project.read(".github/workflows/ci.yml")
    assert project.has_file(f"src/{project.package}/arrived.py")
    assert not project.has_file(".dvcignore")
    assert 'version = "1.7.0"' in project.read("pyproject.toml")
    assert project.read(module).endswith("# the team's line\n")
    assert project.has_file("conf/model/ours.yaml")
    assert_no_conflict(project, done)
    assert json.loads(project.read(".cruft.json"))["commit"] == commit
    # And a second update has nothing to do
    baked.commit_all(project.path, "Update from the template")
    assert "already up to date" in update(project).stdout
    baked.run_plain([*CRUFT, "check"], project.path)


def test_a_new_question_gets_its_default(evolving: Path, tmp_path: Path) -> None:
    # Given a project, and a template that now asks one question more
    project = baked.bake(evolving, tmp_path / "out", package="scores")
    questions = json.loads((evolving / "cookiecutter.json").read_text(encoding="utf-8"))
    questions = {"project_name": questions.pop("project_name"), "contact": "desk"} | questions
    (evolving / "cookiecutter.json").write_text(json.dumps(questions, indent=2), encoding="utf-8")
    change(evolving, ".dvcignore", ".venv", ".venv\n# ask the {{ cookiecutter.contact }}")
    baked.commit_all(evolving, "Ask for a contact")
    # When the team updates
    done = update(project)
    # Then the default is taken and the given answers stand
    assert "# ask the desk" in project.read(".dvcignore")
    assert project.answers["contact"] == "desk"
    assert project.answers["package"] == "scores"
    assert_no_conflict(project, done)


def test_a_project_from_a_cloned_branch_updates(evolving: Path, tmp_path: Path) -> None:
    # Given a project from a branch of a template that cookiecutter had to clone
    address = evolving.as_uri()
    done = baked.cookiecutter(f"git+{address}", tmp_path, {}, options=["--checkout", "main"])
    assert done.returncode == 0, done.stderr
    project = baked.BakedProject(tmp_path / "governed-model")
    state = json.loads(project.read(".cruft.json"))
    assert (state["template"], state["checkout"]) == (address, "main")
    # When the template changes and the team updates
    change(evolving, ".dvcignore", ".venv", ".venv\n.new")
    commit = baked.commit_all(evolving, "A new version")
    done = update(project)
    # Then the change arrived, and `.cruft.json` itself is in no conflict
    assert ".new" in project.read(".dvcignore")
    assert json.loads(project.read(".cruft.json"))["commit"] == commit
    assert_no_conflict(project, done)


def assert_no_conflict(project: baked.BakedProject, done: subprocess.CompletedProcess[str]) -> None:
    """Assert that git knows of no conflict: cruft itself exits 0 in either case."""
    assert "reflecting merge conflicts" not in done.stdout + done.stderr
    status = baked.git(project.path, "status", "--porcelain", "--untracked-files=all")
    assert not [line for line in status.splitlines() if line[:2] in ("UU", "AA", "DU", "UD", "AU")]
    assert not [path for path in project.path.rglob("*.rej") if ".git" not in path.parts]
    baked.git(project.path, "diff", "--check", "HEAD")
