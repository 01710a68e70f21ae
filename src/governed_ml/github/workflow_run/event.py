"""The event that started a workflow run, as GitHub describes it to every step."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from governed_ml.core.files import read_json
from governed_ml.core.problem import Problem
from governed_ml.core.repository import attempt

QUEUE = re.compile(r"refs/heads/gh-readonly-queue/.+/pr-(\d+)-[0-9a-f]+")


def payload() -> dict[str, Any]:
    """Return the event's content; empty outside of a workflow."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    if not path or not os.environ.get("GITHUB_ACTIONS"):
        return {}
    found = read_json(Path(path))
    if not isinstance(found, dict):
        raise Problem("GITHUB_EVENT_PATH names no readable event: run the workflow again")
    return found


def from_fork(event: dict[str, Any]) -> bool:
    """Return whether this is a pull request from another repository, which gets no secrets."""
    pull = event.get("pull_request")
    if not isinstance(pull, dict):
        return False
    head, base = (_of(pull, side, "repo", "full_name") for side in ("head", "base"))
    return head is None or head != base


def base_commit(base: Path, event: dict[str, Any]) -> str | None:
    """Return the commit that the change of an event is based on, or None if it has none.

    Raise `Problem` if this clone lacks the commit.
    """
    places = (("pull_request", "base", "sha"), ("merge_group", "base_sha"), ("before",))
    found = next((sha for one in places if isinstance(sha := _of(event, *one), str)), "")
    if not found.strip("0"):
        return None
    if attempt(base, "cat-file", "-e", f"{found}^{{commit}}").returncode:
        raise Problem(
            f"commit {found[:12]} to compare with is not in this clone: check out with "
            "`fetch-depth: 0`"
        )
    return found


def pull_number(event: dict[str, Any]) -> int | None:
    """Return the pull request's number, also in the merge queue, or None."""
    number = _of(event, "pull_request", "number")
    if isinstance(number, int):
        return number
    found = QUEUE.fullmatch(str(_of(event, "merge_group", "head_ref")))
    return int(found[1]) if found else None


def _of(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
