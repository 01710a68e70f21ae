"""Check that cached bytecode is what its source compiles to.

Python runs a `.pyc` without looking at the source if its header matches (the source's time and
size, or no check at all). No RECORD lists bytecode that was compiled after the installation, so it
is compared with what the source compiles to: about 0.3 s for 50,000 lines. The digests of correct
bytecode are kept in the environment, so that later comparisons only compute digests. This list is
as trustworthy as a RECORD: whoever may write to the environment may write both.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

from governed_ml.core.files import write_text
from governed_ml.core.problem import Problem

HEADER = 16
HASHED, CHECKED = 1, 2  # flags of PEP 552
COMPARED = "compared-bytecode.txt"
"""File in the environment's folder: one digest a line, of a source and the bytecode that matches
it.
"""


def forged(sources: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """Yield each cached bytecode file that Python would run and that differs from its source.

    The second item of each pair says what is wrong.
    """
    compared, right = _compared(), set[str]()
    for source in sources:
        try:
            cached = cache_from_source(source)
            with open(cached, "rb") as file:  # noqa: PTH123
                raw = file.read()
            with open(source, "rb") as file:  # noqa: PTH123
                text, status = file.read(), os.fstat(file.fileno())
        except OSError:
            continue  # without bytecode Python runs the source; `records` reports a missing source
        both = hashlib.sha256(hashlib.sha256(raw).digest() + hashlib.sha256(text).digest())
        if not _runs(raw, status, text) or both.hexdigest() in compared:
            continue
        if _compiled_from(raw, text, source):
            right.add(both.hexdigest())
        else:
            yield Path(cached), f"is not what {Path(source).name} compiles to"
    if right:
        _remember(compared | right)


def _compared() -> set[str]:
    """Return the digests of bytecode found correct earlier; empty outside a virtual environment."""
    try:
        return set((Path(sys.prefix) / COMPARED).read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return set()


def _remember(compared: set[str]) -> None:
    """Keep the digests of correct bytecode.

    If the environment is read-only, the bytecode is compared again each time.
    """
    if sys.prefix != sys.base_prefix:
        with suppress(Problem):
            write_text(Path(sys.prefix) / COMPARED, "\n".join(sorted(compared)) + "\n")


def _runs(raw: bytes, source: os.stat_result, text: bytes) -> bool:
    """Return whether Python would treat this bytecode as up to date and run it."""
    if len(raw) < HEADER or raw[:4] != MAGIC_NUMBER:
        return False
    flags = int.from_bytes(raw[4:8], "little")
    if flags & HASHED:
        return not flags & CHECKED or raw[8:16] == source_hash(text)
    made, size = int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF
    return raw[8:16] == made.to_bytes(4, "little") + size.to_bytes(4, "little")


def _compiled_from(raw: bytes, text: bytes, source: str) -> bool:
    try:
        code = compile(text, source, "exec", dont_inherit=True)
        return marshal.loads(raw[HEADER:]) == code  # noqa: S302 - it would be run otherwise
    except (ValueError, EOFError, TypeError, SyntaxError):
        return False
