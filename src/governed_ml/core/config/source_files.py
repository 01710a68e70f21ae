"""The files of a table: one file, or all files of a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from governed_ml.core.files import digest_of, file_digest
from governed_ml.core.problem import Problem, cause

ABOUT = ("readme", "license", "licence", "changelog")
"""Names, without their ending, of files that people lay beside tables."""
TEXTS = ("", "md", "txt", "rst", "html", "pdf", "adoc")
"""Endings of such files; `license.csv` is a table."""


def is_part(path: Path) -> bool:
    """Return whether a file in a folder is a part of its table.

    Hidden files, files such as `_SUCCESS` that other programs leave, pointers of DVC, checksums
    and texts such as `README.md` are not.
    """
    stem, _, ending = path.name.lower().partition(".")
    about = stem in ABOUT and ending in TEXTS
    return not (path.name.startswith((".", "_")) or path.suffix in (".dvc", ".crc") or about)


def parts_of(folder: Path) -> list[Path]:
    """Return the files of a folder that are parts of its table, sorted by name."""
    try:
        found = sorted((one for one in folder.iterdir() if is_part(one)), key=lambda one: one.name)
    except OSError as error:
        raise Problem(
            f"cannot read the folder {folder.as_posix()}: {cause(error)}; check its permissions"
        ) from error
    for one in found:
        if one.is_dir():
            raise Problem(
                f"{folder.as_posix()} has the folder {one.name} inside: put the files of one table "
                "into one folder"
            )
    return found


def is_here(source: Path) -> bool:
    """Return whether the file, or a folder with files, exists."""
    return source.is_file() or (source.is_dir() and bool(parts_of(source)))


def source_digest(source: Path) -> str:
    """Return the digest of a file, or that of a folder, from the name and digest of each part."""
    return file_digest(source) if not source.is_dir() else folder_digest(parts_of(source))


def folder_digest(parts: list[Path], names: list[str] | None = None) -> str:
    """Return the digest of a folder with these files; `names` if they are copies."""
    called = names or [one.name for one in parts]
    return digest_of([[name, file_digest(one)] for name, one in zip(called, parts, strict=True)])


def copy_source(source: Path, target: Path) -> None:
    """Copy a file, or the parts of a folder."""
    pairs = [(source, target)]
    if source.is_dir():
        pairs = [(one, target / one.name) for one in parts_of(source)]
    for one, copy in pairs:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(one, copy)
