"""An update that does not come about leaves everything as it was, what no commit has among it."""

from __future__ import annotations

from pathlib import Path

import baked
import pytest

from governed_ml.core.problem import Problem
from governed_ml.scaffold import update as updating


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A repository with one commit, and a lock beside it that `uv run` made."""
    baked.git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    (tmp_path / "README.md").write_text("Loans\n", encoding="utf-8")
    baked.commit_all(tmp_path, "First")
    (tmp_path / "uv.lock").write_text("version = 1\n", encoding="utf-8")
    return tmp_path


def test_a_refused_update_keeps_the_lock_that_no_commit_has(base: Path) -> None:
    # Given a change that no commit has, when an update is asked for, then it is refused
    (base / "README.md").write_text("Loans, and more\n", encoding="utf-8")
    with pytest.raises(Problem, match="uncommitted changes"):
        updating.update(base, lambda _: None)
    # Then the lock is there
    assert (base / "uv.lock").read_text(encoding="utf-8") == "version = 1\n"


def test_an_interrupted_update_keeps_it_too(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given somebody who stops it while it works, when it has begun
    def stop(_: Path) -> None:
        assert not (base / "uv.lock").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(updating, "origin", stop)
    with pytest.raises(KeyboardInterrupt):
        updating.update(base, lambda _: None)
    # Then the lock is there
    assert (base / "uv.lock").read_text(encoding="utf-8") == "version = 1\n"
