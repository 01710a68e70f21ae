"""A temporary folder for tables of a project, which is always removed.

It is removed when the command ends, also by SIGTERM. If a command was killed, the next command
removes its folder: nobody holds the folder's lock any more.
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
YOUNG = 60.0  # seconds after which a folder's lock must be held


@contextmanager
def work_folder() -> Generator[Path]:
    """Provide an empty folder that only this user can read, and remove it at the end.

    Folders that killed commands left are removed, too.
    """
    from filelock import FileLock

    remove_left_over()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, FileLock(Path(name) / LOCK):
        inside = Path(name) / "work"
        inside.mkdir()
        yield inside


def remove_left_over() -> list[Path]:
    """Remove this user's folders that no process uses; return their paths."""
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
            continue  # it is in use, or another command is removing it
        removed.append(folder)
    return removed


def _left(folder: Path) -> bool:
    about = folder.lstat()
    mine = os.name == "nt" or about.st_uid == os.getuid()
    return mine and folder.is_dir() and not folder.is_symlink() and age(about.st_mtime) > YOUNG


def age(moment: float) -> float:
    """Return the seconds since a file's time stamp."""
    return time.time() - moment
