"""Decode text files, and tell them from binary files."""

from __future__ import annotations

import codecs
import re
import shlex
from pathlib import Path

from governed_ml.core.problem import Problem, cause

WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def read(path: Path, most: int = -1) -> bytes:
    """Return a file's first `most` bytes, or all; empty for a symbolic link."""
    try:
        if path.is_symlink():
            return b""
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise Problem(f"cannot read {path.name}: {cause(error)}; fix its permissions") from error


def text(data: bytes) -> str | None:
    """Decode bytes as UTF-8, UTF-16 with a byte order mark, or Latin-1.

    Return None if they are not text.
    """
    try:
        found = data.decode("utf-16" if data.startswith(WIDE) else "utf-8-sig")
    except UnicodeDecodeError:
        found = data.decode("latin-1")
    return None if CONTROL.search(found) else found


def quoted(name: str) -> str:
    """Quote a path for a shell command that a person copies."""
    return shlex.quote(name)
