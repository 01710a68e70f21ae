"""One thing that the doctor looked at, and what state it is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

OK, NOTE, WARNING, WRONG, UNKNOWN = "ok", "note", "warning", "wrong", "unknown"


class Diagnosis(NamedTuple):
    """One thing that was looked at."""

    what: str
    state: str
    line: str


Look = Callable[[Path], Iterator[Diagnosis]]
