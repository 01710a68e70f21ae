"""Data that a team brings as the README says are kept, whatever git and DVC commands follow."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import baked
import pytest
from baked import BakedProject
from dvc.repo import Repo

from governed_ml.checks import pushed_data
from governed_ml.core.problem import Problem
from governed_ml.registry.remeasure import fetch as fetching
from governed_ml.registry.remeasure.ignored_dvc_files import unseen

NAMES = ["loans.csv", "2026/q1/März 50%.csv", "loans[12] #1.csv"]
OLD_RULE = "/data/source/*\n!/data/source/.gitkeep\n!/data/source/*.dvc\n"


@pytest.fixture
def team(project: BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BakedProject:
    """A project with the remote that the answers give it, below a home of its own; committed."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    copied = baked.copy_project(project, tmp_path)
    config = copied.read(".dvc/config").replace("../.dvc-remote", baked.DEFAULT_REMOTE)
    copied.write(".dvc/config", config)
    copied.write("dvc.yaml", "stages: {}\n")  # what has not run cannot be checked out
    use(copied, f"data/source/{NAMES[0]}")
    baked.commit_all(copied.path, "A remote that others reach")
    return copied


@contextmanager
def dvc(path: Path) -> Generator[Repo]:
    """DVC in a folder, as its commands use it."""
    with Repo(str(path)) as repo:
        yield repo


def use(project: BakedProject, path: str) -> None:
    """Configure a file in place of the synthetic table."""
    name = "conf/data/synthetic.yaml"
    head, _, tail = project.read(name).partition("source:\n")
    _, _, tail = tail.partition("target:")
    project.write(name, f"{head}source: {{kind: file, path: '{path}'}}\ntarget:{tail}")


def add(project: BakedProject, contents: dict[str, str], message: str) -> None:
    """Put files into `data/source/`, `dvc add` and commit them."""
    for name, text in contents.items():
        project.write(f"data/source/{name}", text)
    os.chdir(project.path)
    with dvc(project.path) as repo:
        repo.add([f"data/source/{name}" for name in contents])
    baked.commit_all(project.path, message)


def here(path: Path) -> dict[str, str]:
    """Name → content of the files in `data/source/`."""
    return {
        name: (path / "data/source" / name).read_text(encoding="utf-8")
        for name in NAMES
        if (path / "data/source" / name).is_file()
    }


def test_a_day_of_git_and_dvc_commands_loses_no_data(
    team: BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given data in `data/source/` that were added, changed, committed and pushed
    monkeypatch.chdir(team.path)
    start = baked.git(team.path, "rev-parse", "HEAD")
    first, second = ({name: f"{name} {day}\n" for name in NAMES} for day in ("mon", "tue"))
    add(team, first, "Data")
    before = baked.git(team.path, "rev-parse", "HEAD")
    add(team, second, "New data")
    with dvc(team.path) as repo:
        # Then git has no row of them, and the remote has every one of both commits
        assert not {f"data/source/{name}" for name in NAMES} & set(team.files)
        assert {f"data/source/{name}.dvc" for name in NAMES} <= set(team.files)
        assert repo.push(all_commits=True) == 2 * len(NAMES)
        # When data are checked out and unused ones are deleted
        repo.checkout()
        repo.gc(workspace=True)
        repo.checkout()
    assert here(team.path) == second
    # When a commit of before the data is checked out, one with the first data, and the last
    for commit, wanted in ((start, {}), (before, first), ("main", second)):
        baked.git(team.path, "checkout", "--quiet", commit)
        with dvc(team.path) as repo:
            repo.pull()
        assert here(team.path) == wanted
    # When everything that git ignores is deleted, DVC's cache too
    baked.git(team.path, "clean", "--force", "-xd")
    with dvc(team.path) as repo:
        repo.pull()
    # Then the data come back
    assert here(team.path) == second
    # When it is cloned to another place, a worktree is made, and the folder gets another name
    (tmp_path / "far" / "away").mkdir(parents=True)
    clone = tmp_path / "far" / "away" / "clone"
    baked.git(tmp_path, "clone", "--quiet", str(team.path), str(clone))
    baked.git(team.path, "worktree", "add", "--quiet", str(tmp_path / "tree"), "--detach")
    renamed = team.path.rename(tmp_path / "renamed 100%")
    for place in (clone, renamed, tmp_path / "tree"):
        monkeypatch.chdir(place)
        if place.name == "tree":
            baked.git(renamed, "worktree", "repair", str(place))
        with dvc(place) as repo:
            repo.pull()
        # Then each of them has the data
        assert here(place) == second
    # When CI fetches them into an empty clone
    baked.git(tmp_path, "clone", "--quiet", str(renamed), "ci")
    monkeypatch.setattr(fetching, "shared_remote", lambda _: True)
    start = fetching.fetch(tmp_path / "ci", fork=False)
    # Then they are there, and the pipeline starts with them
    assert (start.mode, start.stage) == ("recompute", "ingest")
    assert here(tmp_path / "ci") == second


COPY = """\
stages:
  copy:
    cmd: python -c "import shutil; shutil.copy('data/source/loans.csv', 'copied.csv')"
    deps: [data/source/loans.csv]
    outs: [copied.csv]
"""


def test_queued_experiments_run_on_the_data_of_their_commit(
    team: BakedProject, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given data that were added, and a stage that reads them
    monkeypatch.chdir(team.path)
    team = BakedProject(team.path, environment, team.variables)
    team.write("dvc.yaml", COPY)
    add(team, {"loans.csv": "a,b\n1,mon\n"}, "Data")
    # When an experiment is queued, the data change, and then the queue runs
    team.run(["dvc", "exp", "run", "--queue", "--name", "monday"])
    add(team, {"loans.csv": "a,b\n1,tue\n"}, "New data")
    team.run(["dvc", "exp", "run", "--run-all"])
    # Then the workspace has the new data, and the experiment has made its result of the old ones
    assert here(team.path) == {"loans.csv": "a,b\n1,tue\n"}
    with dvc(team.path) as repo:
        repo.experiments.apply("monday")
    assert team.read("copied.csv") == "a,b\n1,mon\n"
    assert here(team.path) == {"loans.csv": "a,b\n1,mon\n"}
    # And the new data come back with their commit
    baked.git(team.path, "checkout", "--quiet", "--force", "main")
    with dvc(team.path) as repo:
        repo.checkout()
    assert here(team.path) == {"loans.csv": "a,b\n1,tue\n"}


def test_data_that_dvc_does_not_see_are_named_with_the_line_to_change(
    team: BakedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a project of an older template, or with a rule of its own, that ignores the folder
    monkeypatch.chdir(team.path)
    text = team.read(".gitignore")
    start, end = text.index("/data/source/**/?*"), text.index("/models/champion")
    team.write(".gitignore", f"{text[:start]}{OLD_RULE}{text[end:]}")
    add(team, {"loans.csv": "a,b\n1,2\n"}, "Data")
    # When the pointer is looked at, then the line is named, and what to write instead
    line = 1 + team.read(".gitignore").splitlines().index("/data/source/*")
    fix = (
        f"replace line {line} of .gitignore with two lines: "
        "`/data/source/**/?*` and `!/data/source/**/`"
    )
    assert unseen(team.path, team.files) == {"data/source/loans.csv.dvc": fix}
    # And nothing is fetched, for which DVC would delete the file
    monkeypatch.setattr(fetching, "shared_remote", lambda _: True)
    with pytest.raises(Problem, match="`dvc checkout` deletes them; replace line"):
        fetching.fetch(team.path, fork=False)
    assert (team.path / "data/source/loans.csv").is_file()
    # And a push is refused with the same words
    (found,) = pushed_data.check(team.path, [])
    assert found.file == "data/source/loans.csv"
    assert "data/source/loans.csv.dvc of " in found.reason
    assert found.fix == f"{fix}, then run `uv run dvc push`"
    # When they are followed, then DVC pushes the data, and nothing is found
    two = "/data/source/**/?*\n!/data/source/**/\n"
    team.write(".gitignore", team.read(".gitignore").replace("/data/source/*\n", two, 1))
    with dvc(team.path) as repo:
        assert repo.push() == 1
    assert unseen(team.path, team.files) == {}
    assert pushed_data.check(team.path, []) == []
    # And a line that ignores all of data/ is to be taken out
    team.write(".gitignore", "/data/\n")
    fix = "remove line 1 from .gitignore: `/data/`"
    assert unseen(team.path, team.files) == {"data/source/loans.csv.dvc": fix}


def test_the_check_of_a_push_names_the_command_that_helps(
    team: BakedProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given two commits with other data under one name, none of which was pushed
    monkeypatch.chdir(team.path)
    monkeypatch.setenv(pushed_data.FIRST, baked.git(team.path, "rev-parse", "HEAD"))
    for day in ("mon", "tue"):
        add(team, {"loans.csv": f"a,b\n1,{day}\n"}, day)
    # When they are looked at, then the plain command is for the newest, and another for the older
    fixes = [one.fix for one in pushed_data.check(team.path, [])]
    assert fixes == ["run `uv run dvc push`", "run `uv run dvc push --all-commits`"]
    with dvc(team.path) as repo:
        repo.push()
        assert [one.fix for one in pushed_data.check(team.path, [])] == fixes[1:]
        repo.push(all_commits=True)
    assert pushed_data.check(team.path, []) == []
    # When data are in no cache any more, then they have to be added again
    for folder in (tmp_path / "home" / "dvc-remotes", team.path / ".dvc" / "cache"):
        for path in [one for one in folder.rglob("*") if one.is_file()]:
            path.unlink()
    fixes = [one.fix for one in pushed_data.check(team.path, [])]
    again = "it is not here either, so restore it, run `uv run dvc add data/source/loans.csv`"
    assert fixes == [f"{again}, then push"] * 2
