"""What git, its settings and its other commands do around the ledger changes nothing in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import chains
import pytest
from chains import WRITER, Repository, body, command, ledger

from governed_ml.core.problem import Problem

# What git, its configuration and its other commands do around the ledger


def replaced(repo: Repository, _: Path) -> None:
    """A replacement for the second event's commit."""
    second, third = repo.entries()[1:3]
    text = second.event.canonical().replace("because", "just so") + "\n"
    new = repo.forge(body(text, [repo.entries()[0].commit]))
    repo.git("replace", second.commit, new)
    repo.git("replace", "--graft", third.commit)


def grafted(repo: Repository, _: Path) -> None:
    """A graft that lets the third event begin the history."""
    grafts = repo.path / ".git" / "info" / "grafts"
    grafts.parent.mkdir(exist_ok=True)
    grafts.write_text(repo.entries()[2].commit + "\n")


def packed(repo: Repository, _: Path) -> None:
    """All objects in a pack, all references in one file, a commit graph."""
    repo.git("gc", "--quiet", "--prune=now")
    repo.git("pack-refs", "--all", "--prune")
    repo.git("commit-graph", "write", "--reachable")


def configured_otherwise(repo: Repository, _: Path) -> None:
    """Settings that people have."""
    settings = {
        "commit.gpgsign": "true",
        "gpg.program": "/nowhere",
        "log.showSignature": "true",
        "i18n.commitEncoding": "latin1",
        "core.commentChar": "{",
        "core.hooksPath": str(repo.path / "hooks"),
        "core.logAllRefUpdates": "always",
        "receive.denyNonFastForwards": "true",
    }
    for name, value in settings.items():
        repo.git("config", name, value)
    hook = repo.path / "hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)


def checked_out(repo: Repository, _: Path) -> None:
    """The ledger's branch under a person's feet."""
    repo.git("checkout", "--quiet", "governance-ledger")


def worktree(repo: Repository, folder: Path) -> None:
    """A linked worktree that has the branch."""
    repo.git("worktree", "add", "--quiet", str(folder / "linked"), "governance-ledger")


def branches_alike(repo: Repository, _: Path) -> None:
    """Other references of that name."""
    first = repo.entries()[0].commit
    repo.git("tag", "governance-ledger", first)
    repo.git("update-ref", "refs/tags/refs/heads/governance-ledger", first)


@pytest.mark.parametrize(
    "done",
    [
        replaced,
        grafted,
        packed,
        configured_otherwise,
        checked_out,
        worktree,
        branches_alike,
    ],
)
def test_changes_to_the_repository_do_not_affect_the_ledger(
    repo: Repository, tmp_path: Path, done: Callable[[Repository, Path], None]
) -> None:
    # Given a ledger, and something done to its repository
    before = repo.entries()
    done(repo, tmp_path)
    # When it is read, then it is as before; and an event can be added
    assert repo.entries() == before
    repo.append(reason="Ünïcode")
    assert repo.verify().events == 5
    assert repo.verify().ok
    assert repo.git("status", "--porcelain", "--untracked-files=no") == ""


def test_git_variables_do_not_redirect_the_ledger(
    repo: Repository, empty: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given the variables that git sets in a hook of another repository, and others
    elsewhere = str(empty.path / ".git")
    for name in ("GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_NAMESPACE"):
        monkeypatch.setenv(name, elsewhere)
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", f"{elsewhere}/objects")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2001-01-01T00:00:00Z")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    # When an event is added, then here, as who one is, at the time that it is
    repo.append()
    assert repo.verify().events == 5
    assert ledger.head(empty.path) is None
    commit = repo.git("cat-file", "commit", ledger.REF)
    assert commit.count(f"{chains.ME} <{chains.ME}> ") == 2


def test_an_actor_beyond_ascii_in_any_locale(repo: Repository) -> None:
    # Given an actor with an umlaut, and a locale that has none
    repo.git("config", "user.email", "jörg@exämple.org")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    done = subprocess.run(
        command(WRITER, "me", "1"),
        cwd=repo.path,
        env=clean | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=False,
    )
    # When it adds an event, then it is read back
    assert done.returncode == 0, done.stderr
    assert repo.entries()[-1].event.actor == "jörg@exämple.org"
    assert "jörg@exämple.org" in repo.git("cat-file", "commit", ledger.REF)


def test_a_shallow_clone_says_what_it_lacks(repo: Repository, tmp_path: Path) -> None:
    # Given a clone with the ledger's last two commits
    clone = repo.clone(tmp_path / "clone", "--depth=2", "--branch=governance-ledger")
    # When it is read, then a line says how to get the rest
    with pytest.raises(Problem, match="git fetch --unshallow origin governance-ledger") as refused:
        clone.entries()
    assert refused.value.exit_code == 2
    with pytest.raises(Problem, match="this clone is shallow"):
        clone.verify()
    clone.git("fetch", "--quiet", "--unshallow", "origin", "governance-ledger")
    assert clone.verify().ok


def test_a_damaged_git_store_is_reported_in_one_line(repo: Repository) -> None:
    # Given a ledger whose second commit is lost, when it is read, then a line says so
    commit = repo.entries()[1].commit
    (repo.path / ".git" / "objects" / commit[:2] / commit[2:]).unlink()
    with pytest.raises(Problem, match="git rev-list: "):
        repo.entries()
    # And the same if the last is no commit
    blob = repo.git("hash-object", "-w", "-t", "blob", str(Path(__file__)))
    (repo.path / ".git" / ledger.REF).write_text(blob + "\n")
    with pytest.raises(Problem, match="is not a commit"):
        repo.entries()
    with pytest.raises(Problem, match="cannot be read: run `git fsck`"):
        ledger.append(repo.path, "reconciled")
    # And the same if the file that names the last one is empty, as after a power cut
    (repo.path / ".git" / ledger.REF).write_text("")
    for look in (repo.entries, repo.verify, lambda: ledger.append(repo.path, "reconciled")):
        with pytest.raises(
            Problem, match="git cannot read the existing refs/heads/governance-ledger"
        ):
            look()


def test_a_reference_to_another_branch_is_not_followed(repo: Repository) -> None:
    # Given somebody who made the ledger another name of a branch
    tip = repo.entries()[-1].commit
    repo.git("update-ref", "refs/heads/other", tip)
    repo.git("symbolic-ref", ledger.REF, "refs/heads/other")
    # When an event is added, then the other branch stays where it was
    repo.append()
    assert repo.git("rev-parse", "refs/heads/other") == tip
    assert repo.verify().events == 5


def test_a_repository_of_sha256(tmp_path: Path) -> None:
    # Given a repository whose names are of SHA-256, when events are added, then all is the same
    made = chains.new(tmp_path / "sha256", "--object-format=sha256")
    made.append(2)
    assert made.verify().ok
    assert len(made.entries()[1].commit) == 64
