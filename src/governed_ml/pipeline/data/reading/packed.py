"""Files with one table inside: gzip, and zip with exactly one member."""

from __future__ import annotations

import errno
import gzip
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import IO, cast

from governed_ml.core.problem import Problem

GZIP, ZIP = b"\x1f\x8b", b"PK"
WORKBOOK = "xl/workbook"  # a member of every Excel workbook begins like this
OTHERS = {
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with Zstandard",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
}


def unpacked(path: Path, uri: str, scratch: Path) -> Path:
    """Return the file inside a packed file, or the file itself if it is not packed."""
    with path.open("rb") as handle:
        head = handle.read(8)
    for sign, what in OTHERS.items():
        if head.startswith(sign):
            raise Problem(f"data.source.path: {uri} is {what}: unpack it, or pack it with gzip")
    target = scratch / f"{path.name}-unpacked"
    try:
        if head.startswith(GZIP):
            with gzip.open(path) as inner:
                return _copied(cast("IO[bytes]", inner), target)
        if head.startswith(ZIP) and not is_workbook(path):
            with zipfile.ZipFile(path) as archive, archive.open(_member(archive, uri)) as inner:
                return _copied(inner, target)
    except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError, NotImplementedError) as error:
        why = "needs a password" if isinstance(error, RuntimeError) else "is damaged"
        raise Problem(
            f"data.source.path: {uri} {why}: unpack it yourself, or fetch it again"
        ) from error
    except OSError as error:
        why = "no space to unpack it" if error.errno == errno.ENOSPC else "it is damaged"
        raise Problem(
            f"data.source.path: {uri} cannot be unpacked ({why}): free disk space, or fetch the "
            "file again"
        ) from error
    return path


def is_workbook(path: Path) -> bool:
    """Return whether a file is an Excel workbook, which is a zip file."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.startswith(WORKBOOK) for name in archive.namelist())


def _member(archive: zipfile.ZipFile, uri: str) -> zipfile.ZipInfo:
    """Return the only member; folders and what macOS adds do not count."""
    found = [
        one
        for one in archive.infolist()
        if not one.is_dir() and not one.filename.startswith("__MACOSX/")
    ]
    if len(found) != 1:
        raise Problem(
            f"data.source.path: {uri} has {len(found):,} files inside: pack exactly one table, or "
            "unpack it and name the table"
        )
    return found[0]


def _copied(inner: IO[bytes], target: Path) -> Path:
    with target.open("wb") as copy:
        shutil.copyfileobj(inner, copy, 1 << 20)
    return target
