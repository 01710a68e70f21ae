"""Check before a push that DVC's remote has the data that the pushed `dvc.lock` names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from governed_ml.checks.finding import CheckFinding
from governed_ml.core.config.dvc_files import LOCK
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import attempt, git
from governed_ml.registry.remeasure.ignored_dvc_files import unseen

FIRST, LAST = "PRE_COMMIT_FROM_REF", "PRE_COMMIT_TO_REF"  # set by pre-commit for pushes
POINTERS = (LOCK, ":(glob)**/*.dvc")
FIX = {
    "push": "run `uv run dvc push`",
    "push all": "run `uv run dvc push --all-commits`",  # plain `dvc push`: the working tree only
    "gone": "run `uv run dvc repro`, then `uv run dvc push`",
}


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Find data of the pushed commits that DVC's remote lacks; `names` are ignored.

    If several branches are pushed, pre-commit names only the first. CI checks the data of the
    others.
    """
    found = attempt(base, "rev-parse", "--verify", f"{os.environ.get(LAST) or 'HEAD'}^{{commit}}")
    if found.returncode:
        return []  # there is no commit to push
    last, first = found.stdout.decode().strip(), os.environ.get(FIRST, "")
    span = attempt(base, "rev-list", f"{first}..{last}", "--", *POINTERS) if first else None
    commits = [last] if span is None or span.returncode else span.stdout.decode().split()
    return list(dict.fromkeys(one for commit in commits for one in _in(base, commit)))


def _in(base: Path, commit: str) -> list[CheckFinding]:
    tracked = git(base, "ls-tree", "-r", "-z", "--name-only", commit).split("\0")
    added = [name for name in tracked if name.endswith(".dvc")]
    if LOCK not in tracked and not added:
        return []  # the pipeline has not run, and there are no `*.dvc` files
    try:
        lost = _lost(base, commit)
    except Exception as error:
        said = first_line(error, 160)
        raise Problem(
            f"cannot list what is in DVC's remote: {said}; `uv run dvc push` says more"
        ) from error
    hidden = unseen(base, added)
    found: list[CheckFinding] = []
    for name, state in sorted(lost.items()):
        if any(name.startswith(f"{folder}/") for folder in lost):
            continue
        data = next((one for one in added if f"{name}/".startswith(f"{one[:-4]}/")), "")
        reason = f"it is not in DVC's remote, but {data or LOCK} of {commit[:12]} names it"
        fix = f"{hidden[data]}, then {FIX['push']}" if data in hidden else FIX[state]
        if state == "gone" and data:
            fix = (
                f"it is not here either, so restore it, run `uv run dvc add {data[:-4]}`, then push"
            )
        found.append(CheckFinding(name, reason, fix))
    return found


def _lost(base: Path, commit: str) -> dict[str, str]:
    """Return path → the key in `FIX` for how to get the data into the remote."""
    from dvc.repo import Repo

    with Repo(str(base)) as repo:
        status = repo.cloud.status(
            {one for _ in repo.brancher(revs=[commit], workspace=False) for one in _used(repo)}
        )
        ours = repo.cloud.status(_used(repo)).new if status.new else set[Any]()
    found = {str(one.obj_name): "push" if one in ours else "push all" for one in status.new}
    return found | {str(one.obj_name): "gone" for one in status.missing}


def _used(repo: Any) -> set[Any]:
    """Return the objects that DVC would push."""
    return {one for used in repo.index.used_objs(push=True).values() for one in used}
