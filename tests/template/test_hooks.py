"""The hooks of a generated project, as git runs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from importlib import import_module
from pathlib import Path

import baked
import pytest
import yaml
from baked import Bake, BakedProject
from editing import replaced, with_uv
from tables import REAL

CONFIG = ".pre-commit-config.yaml"


def commit(project: BakedProject, message: str, code: int = 0) -> str:
    """Commit all changes as a person does, through the hooks; return what was printed."""
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    project.run(["git", "add", "--all"])
    done = project.run(["git", *author, "commit", "--message", message], code=code)
    return done.stdout + done.stderr


def refused(project: BakedProject, *words: str) -> str:
    """A commit of all changes does not go through, each reason is said; the changes are undone."""
    before = baked.git(project.path, "rev-parse", "HEAD")
    said = commit(project, "It must not go through", code=1)
    for one in words:
        assert one in said, said
    assert baked.git(project.path, "rev-parse", "HEAD") == before
    baked.git(project.path, "reset", "--quiet", "--hard")
    return said


def installed(project: BakedProject) -> BakedProject:
    """Commit the environment's lock, and install the hooks."""
    project = with_uv(project)
    baked.commit_all(project.path, "The environment", "--allow-empty")
    project.run(["pre-commit", "install"])
    for kind in ("pre-commit", "pre-push"):
        assert (project.path / ".git" / "hooks" / kind).is_file()
    return project


def test_trap_30_every_check_has_a_hook_and_none_can_be_switched_off(project: BakedProject) -> None:
    # Given the hooks of a fresh project
    config = yaml.safe_load(project.read(CONFIG))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    # Then each check is run by one
    entries = [hook["entry"].split() for hook in hooks]
    run = [words[words.index("check") + 1] for words in entries if "governance" in words]
    assert sorted(name for one in run for name in one.split(",")) == sorted(
        import_module("governed_ml.checks.run").CHECKS
    )
    for hook in hooks:
        # And none fetches anything, leaves files out, waits to be asked, or hides its exit code
        assert hook["language"] == "system"
        assert hook["entry"].startswith("uv run --no-sync ")
        assert not {"exclude", "exclude_types", "additional_dependencies"} & hook.keys()
        assert hook.get("stages", ["pre-commit"]) in (["pre-commit"], ["pre-push"])
        assert not set("|;&") & set(hook["entry"])
    assert config.keys() == {"default_install_hook_types", "default_stages", "repos"}
    # And CI runs them all again
    assert "uv run pre-commit run --all-files" in project.read(".github/workflows/ci.yml")


@pytest.mark.slow
def test_the_hooks_of_a_fresh_project_are_green_and_say_no_where_they_must(
    bake_runnable: Bake,
) -> None:
    # Given a fresh project, when all its hooks run, then they are content
    project = installed(bake_runnable())
    done = project.run(["pre-commit", "run", "--all-files"], code=None)
    assert done.returncode == 0, done.stdout
    # And so they are with the first commit, of words alone, for which few are run
    project.write("README.md", project.read("README.md") + "\nMore words.\n")
    said = commit(project, "Words")
    assert re.findall(r"(?m)^(.+?)\.{3,}.*Passed", said) == [
        "engine and libraries are as pinned (`uv sync` installs them)",
        "hygiene, data in git, secrets, identifiers, deleted files",
    ]
    # When a commit has a blank at a line's end, a secret, a torn file, code that is not formatted,
    # and a waiver that expired
    key, policy = "AKIA" + "Z7Q2" * 4, "conf/policy/base.yaml"
    waiver = (
        'waivers:\n  - {rule: drift.target, reason: "For a time only", approved_by: "@risk", '
        "expires: 2026-01-31}\n"
    )
    project.write("README.md", project.read("README.md") + f"\nkey {key} \n")
    project.write("conf/data/ours.json", "{")
    project.write("tests/test_ours.py", "def test_ours( ) :\n    assert True\n")
    project.write(policy, project.read(policy).replace("waivers: []\n", waiver))
    said = refused(
        project,
        "README.md: it had blanks at the end of a line; the check fixed it, so review it and run",
        "looks like a secret (AWS Access Key)",
        "conf/data/ours.json: Failed to json decode",
        "1 file would be reformatted",
        f"{policy}: the waiver for drift.target expired on 2026-01-31",
    )
    # Then each is said, and not the secret
    assert key not in said
    # When a commit only takes files away, for which pre-commit itself runs nothing
    gate = ".github/workflows/governance.yml"
    (project.path / gate).unlink()
    # Then what would have looked at them does
    refused(project, f"{gate}: it is missing")
    (project.path / policy).unlink()
    refused(project, "Could not load 'policy/base'")
    # And one that takes away nothing that matters goes through
    (project.path / "LICENSE").unlink()
    commit(project, "No license")


def test_a_commit_in_a_new_worktree_says_how_to_make_its_environment(
    project: BakedProject, tmp_path: Path
) -> None:
    # Given a worktree, which has no environment yet, and an edit in it
    tree = tmp_path / "tree"
    home = baked.copy_project(project, tmp_path).path
    baked.git(home, "worktree", "add", "--quiet", "-b", "mine", str(tree))
    (tree / "README.md").write_text("Other words.\n", encoding="utf-8")
    baked.git(tree, "add", "--all")
    # When its hooks run, then the first stops it in a line that says what to run
    folders = os.environ["PATH"].split(os.pathsep)
    path = os.pathsep.join(one for one in folders if not shutil.which("governance", path=one))
    command = [sys.executable, "-m", "pre_commit", "run"]
    done = baked.run_plain(command, tree, code=1, PATH=path, UV_PYTHON=sys.executable)
    assert re.findall(r"(?m)^(.+?)\.{3,}.*(Failed|Passed)", done.stdout) == [
        ("engine and libraries are as pinned (`uv sync` installs them)", "Failed")
    ]


@pytest.mark.slow
def test_trap_15_data_that_were_not_pushed_stop_the_push(
    finished: BakedProject, tmp_path: Path
) -> None:
    # Given a project whose line ran, and a place to push to
    project = installed(finished)
    project.run(["git", "init", "--quiet", "--bare", str(tmp_path / "origin.git")])
    project.run(["git", "remote", "add", "origin", str(tmp_path / "origin.git")])
    # When it is pushed before its data are
    done = project.run(["git", "push", "origin", "main"], code=1)
    said = done.stdout + done.stderr
    # Then it is refused, the files are named, and how to go on
    for name in ("data/raw.parquet", "models/model.skops", "data/split"):
        assert f"{name}: it is not in DVC's remote, but dvc.lock of" in said
    assert "run `uv run dvc push`" in said
    assert baked.git(tmp_path / "origin.git", "branch", "--list") == ""
    # When they are pushed first, then it goes through
    project.run(["dvc", "push", "--quiet"])
    project.run(["git", "push", "--quiet", "origin", "main"])
    assert "main" in baked.git(tmp_path / "origin.git", "branch", "--list")
    # When a lock whose data are nowhere is taken back in a later commit
    lock = project.read("dvc.lock")
    found = re.search(r"path: data/raw.parquet\n *hash: md5\n *md5: (\w+)", lock)
    assert found
    for text in (lock.replace(found[1], "ab" * 16), lock):
        project.write("dvc.lock", text)
        baked.commit_all(project.path, "Another lock", "--no-verify")
    # Then the push is refused, for the commit in between
    done = project.run(["git", "push", "origin", "main"], code=1)
    between = baked.git(project.path, "rev-parse", "--short=12", "HEAD~1")
    said = f"data/raw.parquet: it is not in DVC's remote, but dvc.lock of {between} names it"
    assert said in done.stdout + done.stderr
    baked.git(project.path, "reset", "--quiet", "--hard", "HEAD~2")
    # When the remote is lost, then it is said that nobody could ask it
    text = project.read(".dvc/config")
    project.write(".dvc/config", text.replace("remote = storage", "remote = lost"))
    done = project.governance("check", "pushed", code=2)
    assert "cannot list what is in DVC's remote" in done.stderr
    # And a push in which no lock has changed asks nobody
    project.write("README.md", project.read("README.md") + "\nMore words.\n")
    baked.commit_all(project.path, "Words", "--no-verify")
    project.run(["git", "push", "--quiet", "origin", "main"])


ADULT = next(table for table in REAL if table.name == "adult")


@pytest.mark.nightly  # on every push: test_checks_lineage.py, without git's hooks
@pytest.mark.skipif(not ADULT.path.is_file(), reason=f"no {ADULT.path}: see GOVERNED_ML_DATA")
def test_each_change_on_adult_is_named_before_the_commit_goes_through(bake_runnable: Bake) -> None:
    # Given a project whose line ran on a real table that DVC keeps, committed through the hooks
    project = installed(bake_runnable())
    ADULT.configure(project)
    table = f"data/source/{ADULT.file}"
    project.run(["dvc", "add", "--quiet", table])
    project.run(["dvc", "repro", "--quiet", "ingest"])
    project.governance("contract", "draft")
    project.run(["dvc", "repro", "--quiet"])
    commit(project, "The pipeline ran")
    assert json.loads(project.read("reports/decision.json"))["verdict"] == "deny"
    # When one value of the raw table changes, and DVC is told
    kept = (project.path / table).read_text(encoding="utf-8")
    (project.path / table).write_text(kept.replace("39,", "40,", 1), encoding="utf-8", newline="")
    project.run(["dvc", "add", "--quiet", table])
    refused(project, f"{table}: it changed since ingest ran; run `uv run dvc repro`")
    project.run(["dvc", "checkout", "--quiet", f"{table}.dvc"])
    # When one line of code does
    code = f"src/{project.package}/training.py"
    project.write(code, project.read(code) + "\n# Another line\n")
    refused(project, f"{code}: it changed since train ran")
    # When one limit does
    policy = "conf/policy/base.yaml"
    project.write(policy, str(replaced(project, policy, "block: 0.25", "block: 0.3")[policy]))
    refused(
        project,
        f"{policy}: policy.rules[drift.data].block 0.25 → 0.3 since decide ran",
        "note: loosened: drift.data: block is 0.3, the base has 0.25",
    )
    # When one dependency's version does
    found = re.search(r'name = "scikit-learn"\nversion = "([^"]+)"', project.read("uv.lock"))
    assert found
    lock = project.read("uv.lock").replace(found[0], f'{found[0][:-1]}.9"')
    files = f"scikit_learn-{found[1]}"  # the names of the package's files say it, too
    project.write("uv.lock", lock.replace(files, f"{files}.9"))
    refused(project, f"uv.lock: scikit-learn {found[1]} → {found[1]}.9 since train, ")
    # And words alone go through
    project.write("README.md", project.read("README.md") + "\nMore words.\n")
    assert "Passed" in commit(project, "Words")
