"""Before a push: are the data that the pushed `dvc.lock` names in DVC's remote?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from governed_ml.checks.finding import CheckFinding
from governed_ml.checks.lineage.locked import LOCK
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import attempt, git

FIRST, LAST = "PRE_COMMIT_FROM_REF", "PRE_COMMIT_TO_REF"  # what is pushed, as a hook is told
POINTERS = (LOCK, ":(glob)**/*.dvc")


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Ask DVC's remote for every object of the commits. Whole project.

    A push of several branches: pre-commit names the first; CI asks for the others' data.
    """
    found = attempt(base, "rev-parse", "--verify", f"{os.environ.get(LAST) or 'HEAD'}^{{commit}}")
    if found.returncode:
        return []  # nothing is pushed
    last, first = found.stdout.decode().strip(), os.environ.get(FIRST, "")
    span = attempt(base, "rev-list", f"{first}..{last}", "--", *POINTERS) if first else None
    commits = [last] if span is None or span.returncode else span.stdout.decode().split()
    return list(dict.fromkeys(one for commit in commits for one in _in(base, commit)))


def _in(base: Path, commit: str) -> list[CheckFinding]:
    tracked = git(base, "ls-tree", "-r", "-z", "--name-only", commit).split("\0")
    if not any(name == LOCK or name.endswith(".dvc") for name in tracked):
        return []  # the pipeline has not run, and no data were added
    try:
        lost = _lost(base, commit)
    except Exception as error:
        said = first_line(error, 160)
        raise Problem(
            f"DVC's remote cannot be asked: {said}; `uv run dvc push` says more"
        ) from error
    return [
        CheckFinding(name, f"is not in DVC's remote, and {LOCK} of {commit[:12]} names it", fix)
        for name, fix in sorted(lost.items())
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
