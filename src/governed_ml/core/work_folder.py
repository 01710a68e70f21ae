"""A temporary folder for tables of a project, which is always removed.

It is removed when the command ends, also by SIGTERM. What a killed command left is removed by the
next one: a folder whose lock nobody holds belongs to no process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

PREFIX, LOCK = "governed-ml-work-", "lock"
YOUNG = 60.0  # seconds in which a new folder's lock may not be held yet


@contextmanager
def work_folder() -> Generator[Path]:
    """Give an empty folder that only this user reads; remove it, and what others have left."""
    from filelock import FileLock

    remove_left_over()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, FileLock(Path(name) / LOCK):
        inside = Path(name) / "work"
        inside.mkdir()
        yield inside


def remove_left_over() -> list[Path]:
    """Remove this user's folders that no process works in; return which."""
    from filelock import FileLock, Timeout

    removed: list[Path] = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        try:
            if not _left(folder):
                continue
            with FileLock(folder / LOCK, timeout=0):
                pass
            shutil.rmtree(folder)
        except (Timeout, OSError):
            continue  # somebody works in it, or another command removes it just now
        removed.append(folder)
    return removed


def _left(folder: Path) -> bool:
    about = folder.lstat()
    mine = os.name == "nt" or about.st_uid == os.getuid()
    return mine and folder.is_dir() and not folder.is_symlink() and age(about.st_mtime) > YOUNG


def age(moment: float) -> float:
    """Return the seconds since a file's time."""
    return time.time() - moment
