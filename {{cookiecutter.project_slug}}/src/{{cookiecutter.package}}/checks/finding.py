"""What a check finds, and the files it may look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..governance.repository import git


class Finding(NamedTuple):
    """One thing that must not be committed: where, why, and the command that mends it."""

    file: str
    reason: str
    mend: str


Check = Callable[[Path, list[str]], list[Finding]]
"""Root and relative POSIX paths → findings; a check of the whole ignores the paths."""


def tracked(base: Path) -> list[str]:
    """Return the files that git tracks and that are there."""
    names = git(base, "ls-files", "--cached", "--deduplicate", "-z").split("\0")
    return [name for name in names if name and (base / name).is_file()]
