"""The delimiter of a CSV: the only one that fits, or the one that `conf/data` names."""

from __future__ import annotations

import csv
import json
from itertools import islice
from pathlib import Path

from governed_ml.pipeline.data.reading.answers import SourceQuestion

DELIMITERS = ",;\t|"
LOOKED_AT = 1_000  # lines


def delimiter_of(path: Path, uri: str) -> str:
    """Return the delimiter; raise `Problem` if several divide the lines equally well.

    One that leaves the header in one piece does not count. Of several, those count that give each
    line as many cells as the header.
    """
    widths = {one: _widths(path, one) for one in DELIMITERS}
    able = [one for one, found in widths.items() if found and found[0] > 1]
    if len(able) < 2:
        return able[0] if able else ","
    even = [one for one in able if len({*widths[one]}) == 1]
    if len(even) == 1:
        return even[0]
    cells = " and ".join(f"{widths[one][0]} cells with {one!r}" for one in even or able)
    raise SourceQuestion(
        f"data.source.path: line 1 of {uri} has {cells}, and the other lines do not decide which "
        "is meant",
        f": write `delimiter: {(even or able)[0]!r}` or the other under source in conf/data",
        "delimiter",
        [(json.dumps(one), f"{widths[one][0]} columns") for one in even or able],
    )


def _widths(path: Path, delimiter: str) -> list[int]:
    """Return the number of cells in each of the first lines that are not empty."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        try:
            rows = csv.reader(handle, delimiter=delimiter)
            return [len(row) for row in islice(rows, LOOKED_AT) if row]
        except csv.Error:
            return []
