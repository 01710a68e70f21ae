"""The Parquet files that hold every record of a store, also of segments that are being written."""

from __future__ import annotations

import shutil
from pathlib import Path

from governed_ml.core.files import shown
from governed_ml.core.problem import Problem, cause
from governed_ml.pipeline.prediction_log.closed_files import parquet_of
from governed_ml.pipeline.prediction_log.places import CLOSED, LINES
from governed_ml.pipeline.prediction_log.typed_lines import to_parquet


def files(place: Path, scratch: Path) -> list[Path]:
    """Return the closed files in a folder, and copies of its segments, written to `scratch`.

    Each record is in exactly one of them, whatever writers do meanwhile. `place` may also be one
    file of the log.
    """
    copies: dict[Path, Path] = {}
    scratch.mkdir(parents=True, exist_ok=True)  # else a copy that fails looks like a closed file
    try:
        for number, segment in enumerate(_named(place, LINES)):
            copy = scratch / f"segment{number}{CLOSED}"
            if not parquet_of(segment).exists() and _copied(segment, copy):
                copies[parquet_of(segment)] = copy
        # A segment goes only after its Parquet file came, so these are listed last.
        closed = _named(place, CLOSED)
    except OSError as error:
        raise Problem(f"cannot read {shown(place)}: {cause(error)}") from error
    there = set(closed)
    return [*closed, *(copy for path, copy in copies.items() if path not in there)]


def _named(place: Path, ending: str) -> list[Path]:
    if place.is_dir():
        return sorted(place.rglob(f"*{ending}"))
    other = place.with_suffix(ending)
    return [other] if other.exists() else []


def _copied(segment: Path, copy: Path) -> bool:
    """Write the whole records of a segment as Parquet; return whether there were any."""
    lines = copy.with_suffix(LINES)
    try:
        shutil.copyfile(segment, lines)
    except FileNotFoundError:  # closed meanwhile
        return False
    try:
        return to_parquet(lines, copy)
    finally:
        lines.unlink()
