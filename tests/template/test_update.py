"""A project that was edited takes over what changes in the template, and the engine with it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import baked
import pytest
from evolving import change, evolving  # noqa: F401 - the fixture

from governed_ml.core.problem import Problem
from governed_ml.scaffold import pin
from governed_ml.scaffold.update import Update, update

CRUFT = [sys.executable, "-m", "cruft"]
CI = ".github/workflows/ci.yml"


@pytest.fixture
def project(evolving: Path, environment: Path, tmp_path: Path) -> baked.BakedProject:  # noqa: F811
    """A project from that template, its lock committed."""
    made = baked.bake(evolving, tmp_path / "out", environment, package="scores")
    source = pin.source(made.read("pyproject.toml"))
    lock = made.read("uv.lock")
    known = re.search(r'git = "(file://[^?"]+)\?rev=([0-9a-f]{40})#', lock)
    assert known
    # The lock is that of the session's environment: its engine is the same, from another clone.
    lock = lock.replace(known[1], source["git"]).replace(known[2], source["rev"])
    made.write("uv.lock", lock)
    baked.commit_all(made.path, "The lock")
    return made


def updated(project: baked.BakedProject) -> Update:
    """Run the update as the command does."""
    return update(project.path, lambda _: None)


def pinned(project: baked.BakedProject) -> str:
    """The commit that the engine is pinned to."""
    return pin.source(project.read("pyproject.toml"))["rev"]


def locked(project: baked.BakedProject) -> str:
    """Where the lock gets the engine from."""
    packages = tomllib.loads(project.read("uv.lock"))["package"]
    return next(str(one["source"]) for one in packages if one["name"] == pin.ENGINE)


def plain(project: baked.BakedProject) -> subprocess.CompletedProcess[str]:
    """Run `cruft update`, as a team may do without the command."""
    return baked.run_plain([*CRUFT, "update", "--skip-apply-ask"], project.path)


def test_an_edited_project_takes_over_a_change_and_the_engine(
    evolving: Path,  # noqa: F811
    project: baked.BakedProject,
) -> None:
    # Given a project whose team changed rendered and copied files and added one of its own
    module = "src/scores/features.py"
    text = project.read("pyproject.toml").replace('version = "0.1.0"', 'version = "1.7.0"')
    project.write("pyproject.toml", text)
    project.write(module, project.read(module) + "\n# the team's line\n")
    project.write("conf/model/ours.yaml", "name: ours\n")
    baked.commit_all(project.path, "Our work")
    # And a template that changed a workflow and a rendered file, and took one away
    change(evolving, CI, "timeout-minutes: 30", "timeout-minutes: 35")
    (evolving / "{{cookiecutter.project_slug}}" / ".dvcignore").unlink()
    commit = change(evolving, "pyproject.toml", 'testpaths = ["tests"]', 'testpaths = ["t"]')
    # When it is updated
    done = updated(project)
    # Then every change arrived, and the team's work is as it was
    assert not done.conflicts
    assert {CI, ".dvcignore", "pyproject.toml", "uv.lock", ".cruft.json"} == set(done.files)
    assert done.workflows == [CI]
    assert "timeout-minutes: 35" in project.read(CI)
    assert 'testpaths = ["t"]' in project.read("pyproject.toml")
    assert 'version = "1.7.0"' in project.read("pyproject.toml")
    assert project.read(module).endswith("# the team's line\n")
    # And the engine is the template's at the same commit, in pin, lock and `.cruft.json`
    assert pinned(project) == commit == done.commit
    assert commit in locked(project)
    assert json.loads(project.read(".cruft.json"))["commit"] == commit
    # And a second update has nothing to do
    baked.commit_all(project.path, "Update")
    assert updated(project).files == []


def test_the_command_says_what_to_do_next(
    evolving: Path,  # noqa: F811
    project: baked.BakedProject,
    tmp_path: Path,
) -> None:
    # Given a template that changed a workflow
    commit = change(evolving, CI, "timeout-minutes: 30", "timeout-minutes: 35")
    step, patch = tmp_path / "output", tmp_path / "update.patch"
    # When the command runs, then it says so, and writes all of it as a patch
    given = {"GITHUB_OUTPUT": str(step)}
    done = project.governance("update", "--json", "--patch", str(patch), code=0, **given)
    said = json.loads(done.stdout)
    assert (said["commit"], said["found"]) == (commit, [])
    assert commit in step.read_text(encoding="utf-8")
    assert all(f" b/{name}\n" in patch.read_text("utf-8") for name in (CI, "uv.lock"))
    # And what is in no commit has to be committed first
    assert "uncommitted changes" in project.governance("update", code=1).stderr


@pytest.mark.nightly
def test_cruft_alone_moves_the_pin_too(
    evolving: Path,  # noqa: F811
    project: baked.BakedProject,
) -> None:
    # Given a template with a newer commit, when a team runs `cruft update` itself
    commit = change(evolving, CI, "timeout-minutes: 30", "timeout-minutes: 35")
    done = plain(project)
    # Then pin and generated files have one commit, without a conflict
    assert "reflecting merge conflicts" not in done.stdout + done.stderr
    assert pinned(project) == json.loads(project.read(".cruft.json"))["commit"] == commit


@pytest.mark.parametrize(
    "source",
    [{"path": "../template"}, {"git": "https://example.org/fork", "rev": "1" * 40}],
    ids=["folder", "moved-apart"],
)
def test_a_separately_changed_pin_causes_no_conflict(
    evolving: Path,  # noqa: F811
    project: baked.BakedProject,
    source: pin.Source,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a project whose engine comes from elsewhere
    text = pin.rewritten(project.read("pyproject.toml"), source)
    project.write("pyproject.toml", text)
    baked.commit_all(project.path, "Another engine")
    commit = change(evolving, CI, "timeout-minutes: 30", "timeout-minutes: 35")
    monkeypatch.setattr("governed_ml.scaffold.update.lock", lambda _: None)  # the fork is not there
    # When it is updated, then nothing is in conflict; a folder stays, a commit follows
    assert not updated(project).conflicts
    expected = source if "path" in source else source | {"rev": commit}
    assert pin.source(project.read("pyproject.toml")) == expected


def test_a_conflict_in_an_update_is_named(evolving: Path, project: baked.BakedProject) -> None:  # noqa: F811
    # Given a team and a template that changed the same line
    name = ".dvcignore"
    project.write(name, project.read(name).replace(".venv", ".venv-ours", 1))
    baked.commit_all(project.path, "Our work")
    commit = change(evolving, name, ".venv", ".venv-theirs")
    # When the project is updated, then the conflict is named, although cruft exits 0
    done = project.governance("update", code=1)
    assert f"{name}: it conflicts with the template's change" in done.stdout
    # And what is left to do is that file alone: the pin has moved
    assert pinned(project) == commit
    # And the next update wants it finished first
    assert "uncommitted changes" in project.governance("update", code=1).stderr


@pytest.mark.nightly
def test_a_change_that_could_not_be_applied_is_named(
    evolving: Path,  # noqa: F811
    project: baked.BakedProject,
) -> None:
    # Given a template that changed a file which git knows of no common version for
    name = ".dvcignore"
    project.write(name, "something else entirely\n")
    baked.git(project.path, "add", "--all")
    baked.git(project.path, "update-ref", "-d", "HEAD")
    baked.commit_all(project.path, "One commit")
    baked.git(project.path, "reflog", "expire", "--expire=now", "--all")
    baked.git(project.path, "gc", "--quiet", "--prune=now")
    change(evolving, name, ".venv", ".venv-theirs")
    # When the project is updated, then what git left beside it is named
    assert any(
        one.startswith(f"{name}.rej: it holds changes that could not be applied")
        for one in updated(project).conflicts
    )


def test_an_update_that_cannot_be_locked_changes_nothing(
    evolving: Path,  # noqa: F811
    project: baked.BakedProject,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a template whose newer commit needs a package that is nowhere
    path = evolving / "pyproject.toml"
    text = path.read_text("utf-8").replace('"typer>=', '"nowhere-to-be-found>=1",\n  "typer>=', 1)
    path.write_text(text, encoding="utf-8")
    baked.commit_all(evolving, "A package that is nowhere")
    monkeypatch.setenv("UV_OFFLINE", "1")
    before = baked.git(project.path, "rev-parse", "HEAD")
    # When the project is updated, then it says why, and the project is as it was
    with pytest.raises(Problem, match=r"`uv lock` failed .*: nothing was changed"):
        updated(project)
    assert baked.git(project.path, "status", "--porcelain", "--untracked-files=all") == ""
    assert pinned(project) != baked.git(evolving, "rev-parse", "HEAD")
    assert baked.git(project.path, "rev-parse", "HEAD") == before


def test_trap_44_a_commit_on_no_branch_is_no_template(
    evolving: Path,  # noqa: F811
    project: baked.BakedProject,
) -> None:
    # Given a project whose template's commit is on no branch and no tag, as those of forks are
    change(evolving, CI, "timeout-minutes: 30", "timeout-minutes: 35")
    baked.git(evolving, "checkout", "--quiet", "--orphan", "another")
    baked.commit_all(evolving, "Another history")
    baked.git(evolving, "branch", "--quiet", "-D", "main")
    # When it is updated, then it is refused
    with pytest.raises(Problem, match="on no branch and no tag") as caught:
        updated(project)
    assert caught.value.exit_code == 1


def test_trap_40_an_edited_gate_is_still_found_after_an_update(
    evolving: Path,  # noqa: F811
    project: baked.BakedProject,
) -> None:
    # Given a project with an edited workflow, and a template that changed another file
    project.write(CI, project.read(CI) + "# ours\n")
    baked.commit_all(project.path, "A small improvement")
    change(evolving, "README.md", "#", "##")
    # When it is updated, then the edit is still found
    assert not updated(project).conflicts
    said = project.governance("check", "scaffold", code=1).stderr
    assert f"{CI}: it differs from this engine's template" in said


@pytest.mark.nightly
def test_a_new_question_gets_its_default(
    evolving: Path,  # noqa: F811
    project: baked.BakedProject,
) -> None:
    # Given a template that now asks one question more
    questions = json.loads((evolving / "cookiecutter.json").read_text(encoding="utf-8"))
    questions = {"project_name": questions.pop("project_name"), "contact": "desk"} | questions
    (evolving / "cookiecutter.json").write_text(json.dumps(questions, indent=2), encoding="utf-8")
    change(evolving, ".dvcignore", ".venv", ".venv\n# ask the {{ cookiecutter.contact }}")
    # When the project is updated, then the default is taken and the given answers stand
    assert not updated(project).conflicts
    assert "# ask the desk" in project.read(".dvcignore")
    assert project.answers["contact"] == "desk"
    assert project.answers["package"] == "scores"
