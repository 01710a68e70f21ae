"""Decode text files; refuse what is neither text nor a known image."""

from __future__ import annotations

import codecs
import re
import shlex
from pathlib import Path

from governed_ml.core.problem import Problem, cause

WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def read(path: Path, most: int = -1) -> bytes:
    """Return a file's first bytes, or all; none of a link, which git keeps as a path."""
    try:
        if path.is_symlink():
            return b""
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise Problem(f"cannot read {path.name}: {cause(error)}; fix its permissions") from error


def text(data: bytes) -> str | None:
    """Return bytes as text (UTF-8, UTF-16 with its mark, Latin-1), or None where they are none."""
    try:
        found = data.decode("utf-16" if data.startswith(WIDE) else "utf-8-sig")
    except UnicodeDecodeError:
        found = data.decode("latin-1")
    return None if CONTROL.search(found) else found


def quoted(name: str) -> str:
    """Quote a path for a command line that a person copies."""
    return shlex.quote(name)
