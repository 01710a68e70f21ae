"""The findings of checks, and the files that checks look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from governed_ml.core.files import COMPOSED
from governed_ml.core.repository import attempt, git


class CheckFinding(NamedTuple):
    """Something that must not be committed: the place, the reason, and the command to fix it."""

    file: str
    reason: str
    fix: str


WRITTEN = ("code.json", "dvc.lock", *COMPOSED, "uv.lock", ".cruft.json")

Check = Callable[[Path, list[str]], list[CheckFinding]]
"""(root, relative POSIX paths) → findings. A check of the whole project ignores the paths."""


def tracked(base: Path) -> list[str]:
    """Return the files that git tracks and that exist."""
    names = git(base, "ls-files", "--cached", "--deduplicate", "-z").split("\0")
    return [name for name in names if name and (base / name).is_file()]


def edited_since(base: Path, path: str) -> set[str]:
    """Return the files that changed since the last commit that changed `path`.

    If no commit changed it, return the files that differ from HEAD. Return none if there is no
    commit.
    """
    since = attempt(base, "log", "-1", "--format=%H", "--", path).stdout.decode().strip()
    done = attempt(base, "diff", "--name-only", "-z", since or "HEAD", "--")
    return set(done.stdout.decode().split("\0")) - {""}


def is_text(path: Path) -> bool:
    """Return whether git would treat a file as text: no zero byte among its first 8000 bytes."""
    if not path.is_file() or path.is_symlink():
        return False
    with path.open("rb") as file:
        return b"\0" not in file.read(8000)


def written(name: str) -> bool:
    """Return whether a file is written by a program: a stage, DVC or uv."""
    return name.startswith("reports/") or name in WRITTEN
