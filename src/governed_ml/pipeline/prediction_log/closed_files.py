"""Turn segments into Parquet files: their own when they are full, those of dead writers later.

The Parquet file appears whole, before the segment goes. While both exist, readers skip the segment.
"""

from __future__ import annotations

import os
from pathlib import Path

from governed_ml.core.files import shown
from governed_ml.core.problem import Problem, cause
from governed_ml.pipeline.prediction_log.file_lock import locked
from governed_ml.pipeline.prediction_log.places import CLOSED, LINES
from governed_ml.pipeline.prediction_log.segment import is_file
from governed_ml.pipeline.prediction_log.typed_lines import to_parquet

DAMAGED = ".damaged"
_PART = 1_000_000  # bytes that are read at once


def parquet_of(segment: Path) -> Path:
    """Return the Parquet file that a segment becomes."""
    return segment.with_suffix(CLOSED)


def close(segment: Path) -> None:
    """Turn a segment that nobody writes any more into Parquet; raise `Problem` if that fails.

    The segment itself stays; `remove` removes it. Only the holder of its lock may call this.
    """
    target = parquet_of(segment)
    if target.exists():
        return
    try:
        draft = segment.with_name(f".{target.name}.tmp")
        if not to_parquet(segment, draft):
            return
        with draft.open("r+b") as file:
            os.fsync(file.fileno())
        draft.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise Problem(
            f"cannot close {shown(segment)}: {cause(error)}; free disk space or fix the permissions"
        ) from error


def remove(segment: Path) -> None:
    """Remove a segment that is closed; keep it as `.damaged` if lines in it cannot be read.

    Where somebody is reading it, Windows refuses; the next call removes it.
    """
    try:
        if _unreadable(segment):
            segment.replace(segment.with_suffix(DAMAGED))
        else:
            segment.unlink(missing_ok=True)
    except OSError:
        return


def adopt(folder: Path) -> list[Problem]:
    """Close the segments whose writers are dead; return what prevented that."""
    found: list[Problem] = []
    for segment in sorted(folder.glob(f"*/*{LINES}")):
        try:
            handle = os.open(segment, os.O_RDWR)
        except OSError:
            continue  # another process has closed it, or may
        try:
            about = os.fstat(handle)
            dead = _is_free(handle) and is_file(segment, (about.st_dev, about.st_ino))
            if dead:
                close(segment)
        except Problem as problem:
            found.append(problem)
            dead = False
        finally:
            os.close(handle)
        if dead:
            remove(segment)
    return found


def _is_free(handle: int) -> bool:
    try:
        return locked(handle)
    except OSError:
        return False  # without locks, nobody knows whether its writer lives


def _unreadable(segment: Path) -> bool:
    """Return whether a line was written whole and is not in the Parquet file."""
    from pyarrow import parquet

    target = parquet_of(segment)
    rows = parquet.read_metadata(target).num_rows if target.exists() else 0
    lines = 0
    with segment.open("rb") as file:
        while part := file.read(_PART):
            lines += part.count(b"\n")
    return lines > rows


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders have no handle there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
