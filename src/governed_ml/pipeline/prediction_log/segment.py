"""A segment: the open file of one writer. What was appended survives the writer's death.

Each batch is one write at the end of the file. The operating system has the bytes then, also if the
process is killed. A write that fails is undone, so that the file ends with a whole record.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

from governed_ml.pipeline.prediction_log.file_lock import locked
from governed_ml.pipeline.prediction_log.places import LINES, file_mode, make

_FLAGS = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)
_TRIES = 100


class Segment:
    """A new file in today's folder; only the process that made it appends to it.

    `names` are the columns that were written, and `broken` says that the end of the file is unsure.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self._handle = _created(folder)
        self.size = 0
        self.broken = False
        self.started = time.monotonic()
        self.names: set[str] = set()
        self._process = os.getpid()
        about = os.fstat(self._handle)
        self._identity = (about.st_dev, about.st_ino)

    @property
    def is_mine(self) -> bool:
        """Return whether this process made it. A fork has the same handle, but must not write."""
        return self._process == os.getpid()

    def is_there(self) -> bool:
        """Return whether this process can write to it: the file is still in its place."""
        return self.is_mine and is_file(self.path, self._identity)

    def takes(self, names: set[str]) -> bool:
        """Return whether columns can be added: names that differ only in case cannot."""
        if names <= self.names:
            return True
        every = self.names | names
        return len({name.casefold() for name in every}) == len(every)

    def write(self, content: bytes, names: set[str], *, sync: bool) -> None:
        """Append whole lines, or raise `OSError` and leave the file as it was.

        With `sync`, they are on the disk afterwards.
        """
        try:
            rest = memoryview(content)
            while rest:
                done = os.write(self._handle, rest)
                if done == 0:
                    raise OSError("nothing was written")
                rest = rest[done:]
            if sync:
                os.fsync(self._handle)
        except BaseException:
            self._undo()
            raise
        self.size += len(content)
        self.names |= names

    def _undo(self) -> None:
        try:
            os.ftruncate(self._handle, self.size)
        except OSError:
            self.broken = True

    def cut(self) -> None:
        """Remove what a failed write left, if that is possible by now."""
        if self.broken and self.is_mine:
            self._undo()

    def release(self) -> None:
        """Close the file and give up its lock."""
        with contextlib.suppress(OSError):  # the handle is free even if closing fails
            os.close(self._handle)


def is_file(path: Path, identity: tuple[int, int]) -> bool:
    """Return whether a path still names a file, given as device and number."""
    try:
        about = path.stat()
    except OSError:
        return False
    return (about.st_dev, about.st_ino) == identity


def _created(folder: Path) -> tuple[Path, int]:
    """Create a segment and lock it, before another process takes it for one of a dead writer."""
    now = datetime.now(UTC)
    dated = make(folder, now.strftime("%Y-%m-%d"))
    for _ in range(_TRIES):
        path = dated / f"{now:%H%M%S}.{secrets.token_hex(8)}{LINES}"
        handle = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, file_mode(folder))
        try:
            mine = locked(handle)
        except OSError:
            mine = True  # without locks, no process takes segments of others
        about = os.fstat(handle)
        if mine and is_file(path, (about.st_dev, about.st_ino)):
            return path, handle
        os.close(handle)
    raise OSError("no new file could be locked")
