"""Lock an open file: its writer lives as long as the lock is held, even if it was killed."""

from __future__ import annotations

import os
import sys

FAR = 2**40  # Windows locks bytes: this one is behind every content, so readers are not hindered


def locked(handle: int) -> bool:
    """Lock a file until its handle is closed; return False if another process has it.

    Raise `OSError` if the file system has no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
