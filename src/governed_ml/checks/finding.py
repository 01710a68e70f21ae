"""What a check finds, and the files it may look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from governed_ml.core.files import COMPOSED
from governed_ml.core.repository import attempt, git


class CheckFinding(NamedTuple):
    """One thing that must not be committed: where, why, and the command that fixes it."""

    file: str
    reason: str
    fix: str


WRITTEN = ("code.json", "dvc.lock", *COMPOSED, "uv.lock", ".cruft.json")

Check = Callable[[Path, list[str]], list[CheckFinding]]
"""Root and relative POSIX paths → findings; a check of the whole ignores the paths."""


def tracked(base: Path) -> list[str]:
    """Return the files that git tracks and that are there."""
    names = git(base, "ls-files", "--cached", "--deduplicate", "-z").split("\0")
    return [name for name in names if name and (base / name).is_file()]


def edited_since(base: Path, path: str) -> set[str]:
    """Return the files that are not as in the last commit that changed a path.

    Without such a commit: not as in the last one; without any, none.
    """
    since = attempt(base, "log", "-1", "--format=%H", "--", path).stdout.decode().strip()
    done = attempt(base, "diff", "--name-only", "-z", since or "HEAD", "--")
    return set(done.stdout.decode().split("\0")) - {""}


def is_text(path: Path) -> bool:
    """Return whether a file is text, as git sees it: without a zero byte at its beginning."""
    if not path.is_file() or path.is_symlink():
        return False
    with path.open("rb") as file:
        return b"\0" not in file.read(8000)


def written(name: str) -> bool:
    """Return whether a program writes a file: a stage of the pipeline, DVC or uv."""
    return name.startswith("reports/") or name in WRITTEN
