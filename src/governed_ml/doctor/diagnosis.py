"""One row of the doctor: what was checked, its state, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

OK, NOTE, WARNING, WRONG, UNKNOWN = "ok", "note", "warning", "wrong", "unknown"


class Diagnosis(NamedTuple):
    """The result of one check of the setup."""

    what: str
    state: str
    line: str


Look = Callable[[Path], Iterator[Diagnosis]]
