"""Which commit of the protected branch the doctor reads, and what a command says without one."""

from __future__ import annotations

from pathlib import Path

import baked
import pytest

from governed_ml.core.problem import Problem
from governed_ml.core.repository import protected
from governed_ml.doctor.stores import protected_here


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with a commit on main, and a bare remote that has nothing."""
    baked.git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    baked.git(tmp_path, "init", "--quiet", "--initial-branch", "main", "here")
    here = tmp_path / "here"
    baked.git(here, "remote", "add", "origin", str(tmp_path / "origin.git"))
    baked.git(here, "commit", "--quiet", "--allow-empty", "--message", "first")
    return here


def test_a_remote_without_the_branch_is_to_be_pushed_to(clone: Path) -> None:
    # Given a remote without main, when main is fetched, then the message says to push it
    with pytest.raises(Problem, match="That branch says who may approve: push it first"):
        protected(clone)


def test_the_doctor_reads_what_was_pushed_since_the_last_fetch(clone: Path) -> None:
    # Given a branch that was pushed and fetched
    baked.git(clone, "push", "--quiet", "origin", "main")
    first = protected(clone)
    assert protected_here(clone) == first
    # When another commit is pushed, and no command fetches it
    baked.git(clone, "commit", "--quiet", "--allow-empty", "--message", "second")
    baked.git(clone, "push", "--quiet", "origin", "main")
    # Then the doctor reads the newer commit
    assert protected_here(clone) == baked.git(clone, "rev-parse", "HEAD").strip() != first
