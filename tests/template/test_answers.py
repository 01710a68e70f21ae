"""Every answer that changes a file, and every answer that has to be refused."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tomllib
from pathlib import Path

import baked
import pytest
import yaml
from baked import Bake

GIT = shutil.which("git") or "git"


@pytest.mark.parametrize(
    ("answers", "file", "expected"),
    [
        ({"license": "Proprietary"}, "LICENSE", "All rights reserved"),
        ({"license": "Apache-2.0"}, "LICENSE", "Apache License"),
        ({"license": "MIT"}, "LICENSE", "MIT License"),
        ({"license": "BSD-3-Clause"}, "LICENSE", "BSD 3-Clause License"),
        ({"license": "Apache-2.0"}, "pyproject.toml", 'license = "Apache-2.0"'),
        ({"python_version": "3.11"}, ".python-version", "3.11"),
        ({"python_version": "3.12"}, ".python-version", "3.12"),
        ({"python_version": "3.13"}, ".python-version", "3.13"),
        ({"dvc_remote": "local"}, "pyproject.toml", '"dvc>='),
        ({"dvc_remote": "local"}, ".dvc/config", "url = ~/dvc-remotes/governed-model\n"),
        ({"dvc_remote": "s3"}, "pyproject.toml", '"dvc[s3]>='),
        ({"dvc_remote": "gs"}, ".dvc/config", "url = gs://governed-model/dvc"),
        ({"dvc_remote": "azure"}, ".dvc/config", "url = azure://governed-model/dvc"),
        ({"dvc_remote": "ssh"}, ".dvc/config", "url = ssh://"),
        ({"dvc_remote_url": "../../elsewhere"}, ".dvc/config", "url = ../../elsewhere"),
        ({"dvc_remote_url": "~/else/where"}, ".dvc/config", "url = ~/else/where"),
        ({"risk_owner": "@a/risk @b"}, ".github/CODEOWNERS", "/conf/policy/ @a/risk @b\n"),
        ({"model_owner": "@c"}, ".github/CODEOWNERS", "\n* @c\n"),
        ({"package": "scores"}, "pyproject.toml", 'package = "scores"'),
        ({"organisation": "Ämter"}, ".github/CODEOWNERS", "@amter/model-risk"),
    ],
)
def test_an_answer_arrives_in_its_file(
    bake: Bake, answers: dict[str, str], file: str, expected: str
) -> None:
    # Given an answer, when a project is generated
    project = bake(**answers)
    # Then the file that depends on it says so, and the file can still be read
    assert expected in project.read(file)
    assert tomllib.loads(project.read("pyproject.toml"))


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("tier", ["minimal", "limited", "high"])
def test_task_and_tier_arrive_in_the_configuration(bake: Bake, task: str, tier: str) -> None:
    # Given a task and a risk tier, when a project is generated
    project = bake(task=task, risk_tier=tier)
    # Then its defaults list names the policy of the tier, and a table and a model for the task
    defaults = yaml.safe_load(project.read("conf/config.yaml"))["defaults"]
    chosen = {
        group: name for entry in defaults if entry != "_self_" for group, name in entry.items()
    }
    assert chosen["policy"] == tier
    for group in ("data", "model", "split", "policy"):
        assert project.has_file(f"conf/{group}/{chosen[group]}.yaml")
    assert ("regress" in chosen["data"]) == ("regress" in chosen["model"]) == (task == "regression")


def test_names_of_people_may_hold_apostrophes_and_accents(bake: Bake) -> None:
    # Given names as people have them
    answers = {
        "project_name": "Müller's model",
        "author_name": "Seán O'Brien",
        "organisation": "L'Été, Ltd. (Île)",
        "description": "It's what the 50% need: a model #1, 日本語 too.",
        "author_email": "o'brien@example.org",
        "risk_owner": "@ete/risk",
        "model_owner": "@ete/model",
    }
    # When a project is generated
    project = bake(project_slug="people", **answers)
    # Then they are what was given, in TOML, in the licence and in the commit
    metadata = tomllib.loads(project.read("pyproject.toml"))["project"]
    assert metadata["authors"] == [{"name": "Seán O'Brien", "email": "o'brien@example.org"}]
    assert metadata["description"] == answers["description"]
    assert answers["organisation"] in project.read("LICENSE")
    assert baked.git(project.path, "log", "--format=%an") == "Seán O'Brien"


HOSTILE = [
    ({"project_name": ""}, None),  # then the folder's name is empty too, and cookiecutter refuses
    ({"project_name": "", "project_slug": "a"}, "project_name is empty"),
    ({"project_name": "a; rm -rf x", "project_slug": "a"}, "project_name holds ;"),
    ({"project_name": "$(touch pwned)", "project_slug": "a"}, "project_name holds $"),
    ({"project_name": "`touch pwned`", "project_slug": "a"}, "project_name holds `"),
    ({"project_name": "x' + __import__(os) + '", "project_slug": "../x"}, "project_slug '../x'"),
    ({"description": 'say "hi"'}, 'description holds "'),
    ({"description": "a\nb"}, "description is not one plain line"),
    ({"description": "a\u202eb"}, "description is not one plain line"),
    ({"description": "a \\ b"}, "description holds \\"),
    ({"description": "{{ 7 * 7 }}"}, "description holds Jinja"),
    ({"author_name": "{% raw %}"}, None),
    ({"author_name": "{# x #}"}, "author_name holds Jinja"),
    ({"author_name": "<script>"}, "author_name holds < >"),
    ({"organisation": " "}, "organisation is empty"),
    ({"organisation": "x" * 201, "risk_owner": "@a"}, "organisation is longer than 200"),
    ({"author_email": "nobody"}, "author_email 'nobody' is not an e-mail address"),
    ({"author_email": "a@b c.org"}, "author_email 'a@b c.org' is not an e-mail address"),
    ({"project_slug": "Über-model"}, "project_slug '\\xdcber-model' must be words of a-z and 0-9"),
    ({"project_slug": "My Model"}, "project_slug 'My Model' must be words of a-z and 0-9"),
    ({"project_slug": "-model"}, "project_slug '-model' must be words of a-z and 0-9"),
    ({"project_slug": "aux"}, "project_slug 'aux' is a name of a library or of Windows"),
    ({"project_slug": "mlflow"}, "project_slug 'mlflow' is a name of a library or of Windows"),
    ({"package": ""}, "package '' is not a lower-case Python identifier"),
    ({"package": "my-model"}, "package 'my-model' is not a lower-case Python identifier"),
    ({"package": "2model"}, "package '2model' is not a lower-case Python identifier"),
    ({"package": "mödel"}, "package 'm\\xf6del' is not a lower-case Python identifier"),
    ({"package": "class"}, "package 'class' is a Python keyword"),
    ({"package": "json"}, "package 'json' is a name of Python"),
    ({"package": "numpy"}, "package 'numpy' is a name of Python, a library"),
    ({"package": "test"}, "package 'test' is a name of Python, a library"),
    ({"package": "con"}, "package 'con' is a name of Python, a library or Windows"),
    ({"risk_tier": "unacceptable"}, "Article 5 of the EU AI Act prohibits"),
    ({"dvc_remote": "s3", "dvc_remote_url": "gs://b/x"}, "does not fit dvc_remote 's3'"),
    ({"dvc_remote": "azure", "dvc_remote_url": "azure://"}, "does not fit dvc_remote 'azure'"),
    ({"dvc_remote_url": "s3://b/x"}, "does not fit dvc_remote 'local'"),
    ({"dvc_remote_url": "../data"}, "is inside the project"),
    ({"dvc_remote_url": "store"}, "is inside the project"),
    ({"dvc_remote_url": "~"}, "is inside the project"),
    ({"dvc_remote_url": "/x\n[core]\nremote = y"}, "may hold only letters, digits"),
    ({"dvc_remote_url": "/x'; touch pwned"}, "may hold only letters, digits"),
]


@pytest.mark.parametrize(("answers", "cause"), HOSTILE, ids=[str(i) for i, _ in enumerate(HOSTILE)])
def test_a_bad_answer_is_refused_in_one_line(
    template: Path, tmp_path: Path, answers: dict[str, str], cause: str | None
) -> None:
    # Given an answer that would not make a working project, when cookiecutter runs
    folder = tmp_path / "inner"
    folder.mkdir()
    done = baked.cookiecutter(template, folder, answers)
    # Then one line says what is wrong, nothing was executed, and nothing is left behind
    assert done.returncode != 0
    refusals = [line for line in done.stderr.splitlines() if line.startswith("refused: ")]
    if cause is not None:
        assert [line for line in refusals if cause in line], done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["inner"]


@pytest.mark.parametrize("role", ["risk_owner", "model_owner"])
@pytest.mark.parametrize(
    "owner",
    ["", " ", "risk", "@", "@-a", "@a-", "@a/", "@a b", "@a,@b", "@a/B C", "a@b.org", "@a*"],
)
def test_trap_35_38_an_empty_or_malformed_owner_is_refused(
    template: Path, tmp_path: Path, role: str, owner: str
) -> None:
    # Given an owner whom GitHub would ignore, when cookiecutter runs
    done = baked.cookiecutter(template, tmp_path, {role: owner})
    # Then the answer is named, and there is no project
    assert done.returncode != 0
    assert f"refused: {role} " in done.stderr
    assert not list(tmp_path.iterdir())


def test_all_bad_answers_are_named_at_once(template: Path, tmp_path: Path) -> None:
    # Given four bad answers, when cookiecutter runs
    answers = {"package": "class", "risk_owner": "", "author_email": "x", "project_name": "a|b"}
    done = baked.cookiecutter(template, tmp_path, answers | {"project_slug": "a"})
    # Then each has its line
    assert done.stderr.count("refused: ") == 4


def test_an_unknown_choice_is_refused(template: Path, tmp_path: Path) -> None:
    # Given a task that there is not, when cookiecutter runs
    done = baked.cookiecutter(template, tmp_path, {"task": "clustering"})
    # Then cookiecutter itself names the choices, and there is no project
    assert done.returncode != 0
    assert "the choices are ['classification', 'regression']" in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_refused_and_unchanged(template: Path, tmp_path: Path) -> None:
    # Given a folder of the project's name, with somebody's file
    (tmp_path / "governed-model").mkdir()
    (tmp_path / "governed-model" / "thesis.txt").write_text("mine")
    # When cookiecutter runs
    done = baked.cookiecutter(template, tmp_path, {})
    # Then it is refused and the folder is as it was
    assert done.returncode != 0
    assert "already exists" in done.stderr + done.stdout
    assert [p.name for p in (tmp_path / "governed-model").rglob("*")] == ["thesis.txt"]


def test_an_existing_folder_is_refused_even_when_forced(template: Path, tmp_path: Path) -> None:
    # Given a folder with somebody's file, when the project is forced into it
    (tmp_path / "governed-model").mkdir()
    (tmp_path / "governed-model" / "thesis.txt").write_text("mine")
    done = baked.cookiecutter(template, tmp_path, {}, options=["--overwrite-if-exists"])
    # Then it is refused and the folder is as it was
    assert "refused: the folder 'governed-model' already has files" in done.stderr
    assert [p.name for p in (tmp_path / "governed-model").rglob("*")] == ["thesis.txt"]


def born_well(project: Path) -> None:
    """Assert one commit on main, a clean tree, and nothing that git was made to overlook."""
    assert baked.git(project, "rev-list", "--count", "--all") == "1"
    assert baked.git(project, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert baked.git(project, "status", "--porcelain", "--ignored") == ""
    assert ".cruft.json" in baked.git(project, "ls-files")


def test_a_project_can_be_generated_without_a_git_identity(template: Path, tmp_path: Path) -> None:
    # Given a machine whose git knows nobody
    home = tmp_path / "home"
    home.mkdir()
    nobody = {"HOME": str(home), "USERPROFILE": str(home), "XDG_CONFIG_HOME": str(home)}
    # When cookiecutter runs
    out = tmp_path / "out"
    out.mkdir()
    done = baked.cookiecutter(template, out, {}, GIT_CONFIG_NOSYSTEM="1", **nobody)
    # Then the first commit is the author's, and the next steps are said, the hooks first
    assert done.returncode == 0, done.stderr
    born_well(out / "governed-model")
    author = baked.git(out / "governed-model", "log", "--format=%an <%ae>")
    assert author == "Model Team <model-team@example.org>"
    said = [line.strip() for line in done.stdout.splitlines() if line.startswith("    uv run")]
    steps = ["uv run pre-commit install", "uv run dvc repro", "uv run governance gate"]
    assert [line.split("#")[0].strip() for line in said] == steps


def test_a_name_that_the_console_cannot_show_makes_a_project(
    template: Path, tmp_path: Path
) -> None:
    # Given a name that a console in cp1252 has no letters for, when a project is generated there
    answers = {"project_name": "信用 model", "project_slug": "loans", "package": "loans"}
    done = baked.cookiecutter(template, tmp_path, answers, PYTHONIOENCODING="cp1252")
    # Then it is there, with its first commit
    assert done.returncode == 0, done.stderr
    assert baked.git(tmp_path / "loans", "log", "--format=%s")


def test_a_project_generated_in_a_repository_has_its_own_repository(
    template: Path, tmp_path: Path
) -> None:
    # Given a repository, and its variables set as they are inside a git hook
    baked.git(tmp_path, "init", "--quiet")
    outer = {"GIT_DIR": str(tmp_path / ".git"), "GIT_INDEX_FILE": str(tmp_path / ".git/index")}
    # When a project is generated inside it
    out = tmp_path / "out"
    out.mkdir()
    done = baked.cookiecutter(template, out, {}, GIT_WORK_TREE=str(tmp_path), **outer)
    # Then the project has its own repository, and the outer one has no commit and no index
    assert done.returncode == 0, done.stderr
    born_well(out / "governed-model")
    assert baked.git(tmp_path, "rev-list", "--count", "--all") == "0"
    assert not (tmp_path / ".git" / "index").exists()


def test_a_users_git_settings_do_not_reach_the_first_commit(template: Path, tmp_path: Path) -> None:
    # Given settings that sign, refuse, ignore and convert
    hooks = tmp_path / "hooks"
    (hooks / "hooks").mkdir(parents=True)
    for hook in (hooks / "pre-commit", hooks / "hooks" / "pre-commit"):
        hook.write_text(f"#!/bin/sh\ntouch '{tmp_path / 'hook-ran'}'\nexit 1\n")
        hook.chmod(0o755)
    (tmp_path / "ignore").write_text("*.json\n*.py\n")
    settings = f"""
        [commit]\n gpgsign = true
        [user]\n signingkey = nothing
        [core]\n hooksPath = {hooks.as_posix()}\n autocrlf = true\n safecrlf = true
        excludesFile = {(tmp_path / "ignore").as_posix()}
        [init]\n templateDir = {hooks.as_posix()}\n defaultBranch = trunk
    """
    (tmp_path / "gitconfig").write_text(settings)
    # When cookiecutter runs with them
    out = tmp_path / "out"
    out.mkdir()
    done = baked.cookiecutter(template, out, {}, GIT_CONFIG_GLOBAL=str(tmp_path / "gitconfig"))
    # Then the first commit has everything, on main, and no hook ran
    assert done.returncode == 0, done.stderr
    born_well(out / "governed-model")
    assert not (tmp_path / "hook-ran").exists()
    assert b"\r\n" not in (out / "governed-model" / "pyproject.toml").read_bytes()


def test_without_git_there_is_one_clear_line(template: Path, tmp_path: Path) -> None:
    # Given a machine without git, when cookiecutter runs
    (tmp_path / "bin").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    done = baked.cookiecutter(template, out, {}, PATH=str(tmp_path / "bin"))
    # Then it is said, and there is no project
    assert done.returncode != 0
    assert "refused: git was not found" in done.stderr
    assert not list(out.iterdir())


def test_the_origin_is_kept_as_cruft_keeps_it(template: Path, tmp_path: Path) -> None:
    # Given a template that was named by a relative path, when a project is generated
    out = tmp_path / "out"
    out.mkdir()
    relative = Path(os.path.relpath(template, out))
    done = baked.cookiecutter(relative, out, {}, PWD=str(out))
    assert done.returncode == 0, done.stderr
    ours = json.loads((out / "governed-model" / ".cruft.json").read_text())
    # Then `.cruft.json` names the template's repository and commit, and no folder of the run
    assert Path(ours["template"]) == template
    assert ours["commit"] == baked.git(template, "rev-parse", "HEAD")
    assert not {"_output_dir", "_repo_dir"} & set(ours["context"]["cookiecutter"])


def test_a_template_without_history_says_so(template: Path, tmp_path: Path) -> None:
    # Given a template that is no repository, inside a repository that is not its own
    baked.git(tmp_path, "init", "--quiet")
    plain = shutil.copytree(template, tmp_path / "plain", ignore=shutil.ignore_patterns(".git"))
    # When a project is generated
    done = baked.cookiecutter(plain, tmp_path, {})
    # Then it is generated all the same, without a commit to update from, and says so
    assert done.returncode == 0, done.stderr
    assert "note: the template's commit is unknown" in done.stdout
    assert json.loads((tmp_path / "governed-model" / ".cruft.json").read_text())["commit"] is None


def test_caches_in_a_working_template_do_not_arrive(template: Path, tmp_path: Path) -> None:
    # Given a template in which somebody has run Python and ruff
    working = shutil.copytree(template, tmp_path / "template")
    source = working / "{{cookiecutter.project_slug}}"
    for cache in (source / ".ruff_cache", source / "src/{{cookiecutter.package}}/__pycache__"):
        cache.mkdir()
        (cache / "module.cpython-311.pyc").write_bytes(b"\x00\x01{{")
        # What looks like text and is not UTF-8: cookiecutter would render it
        (cache / "15312").write_bytes(b"a file of text " * 20 + b"\x89")
    # When a project is generated
    out = tmp_path / "out"
    out.mkdir()
    done = baked.cookiecutter(working, out, {})
    # Then it has none of that
    assert done.returncode == 0, done.stderr
    born_well(out / "governed-model")
    assert not list((out / "governed-model").rglob("*cache*"))


def test_cruft_create_leaves_a_clean_tree(template: Path, tmp_path: Path) -> None:
    # Given the template, when cruft generates the project instead of cookiecutter
    command = [sys.executable, "-m", "cruft", "create", str(template), "--output-dir", "."]
    baked.run_plain([*command, "--no-input"], tmp_path)
    # Then cruft's own `.cruft.json` is, byte by byte, the one in the first commit
    born_well(tmp_path / "governed-model")
