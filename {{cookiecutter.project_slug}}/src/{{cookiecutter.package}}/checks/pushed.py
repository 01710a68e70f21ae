"""Before a push: are the data that the pushed `dvc.lock` names in DVC's remote?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..governance.repository import attempt, git
from ..problem import Problem, first_line
from .finding import Finding
from .locked import LOCK

COMMIT = "PRE_COMMIT_TO_REF"  # what is pushed, as pre-commit tells a hook


def check(base: Path, names: list[str]) -> list[Finding]:
    """Ask DVC's remote for every object of the commit. Whole project."""
    found = attempt(base, "rev-parse", "--verify", f"{os.environ.get(COMMIT) or 'HEAD'}^{{commit}}")
    if found.returncode:
        return []  # nothing is pushed
    commit = found.stdout.decode().strip()
    tracked = git(base, "ls-tree", "-r", "-z", "--name-only", commit).split("\0")
    if not any(name == LOCK or name.endswith(".dvc") for name in tracked):
        return []  # the line has not run, and no data were added
    try:
        lost = _lost(base, commit)
    except Exception as error:
        said = first_line(error, 160)
        raise Problem(
            f"DVC's remote cannot be asked: {said}; `uv run dvc push` says more"
        ) from error
    return [
        Finding(name, f"is not in DVC's remote, and {LOCK} of {commit[:12]} names it", mend)
        for name, mend in sorted(lost.items())
        if not any(name.startswith(f"{folder}/") for folder in lost)
    ]


def _lost(base: Path, commit: str) -> dict[str, str]:
    """Return path → how it gets into the remote."""
    from dvc.repo import Repo

    with Repo(str(base)) as repo:
        objects: set[Any] = set()
        for _ in repo.brancher(revs=[commit], workspace=False):
            for used in repo.index.used_objs(push=True).values():
                objects |= used
        status = repo.cloud.status(objects)
    return {str(one.obj_name): "run `uv run dvc push`" for one in status.new} | {
        str(one.obj_name): "run `uv run dvc repro`, then `uv run dvc push`"
        for one in status.missing
    }
