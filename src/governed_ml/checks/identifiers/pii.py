"""Find direct identifiers in files and data, and sensitive attributes among the features."""

from __future__ import annotations

import re
from pathlib import Path

from governed_ml.checks.files.texts import read, text
from governed_ml.checks.finding import CheckFinding
from governed_ml.checks.identifiers.allowances import allowed
from governed_ml.checks.identifiers.detection import find, masked

LARGEST = 5 << 20  # bytes; `data-in-git` reports larger files
ESCAPES = re.compile(r"\\[nrt]")  # escaped line ends in notebooks and code
DELIMITER = re.compile(r"[,;\t|]")
DATA = ("dvc.lock", "params.yaml", "data/", "conf/data/", "conf/config.yaml", "reports/evidence/")
FIX = "remove it, or write one that belongs to nobody (name@example.org)"


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Find identifiers in the files, and in the data if `names` contains a file about the data."""
    found = [finding for name in names for finding in _in_file(base, name)]
    if any(name.startswith(DATA) for name in names):
        from governed_ml.checks.identifiers import pii_columns, pii_features

        found += pii_features.findings(base)
        found += pii_columns.findings(base)
    return found


def _in_file(base: Path, name: str) -> list[CheckFinding]:
    """Return one finding for each kind of identifier in a text file."""
    data = read(base / name, LARGEST + 1)
    whole = text(data) if len(data) <= LARGEST else None
    if whole is None:
        return []  # `data-in-git` reports it
    lines = ESCAPES.sub("  ", whole).split("\n")
    about = lines[0] if DELIMITER.search(lines[0]) else ""
    places: dict[str, list[tuple[int, str]]] = {}
    for hit in find(lines, about):
        if not allowed(base, name, hit.kind, hit.written):
            places.setdefault(hit.kind, []).append((hit.line + 1, masked(hit.written)))
    return [CheckFinding(name, _told(kind, found), FIX) for kind, found in places.items()]


def _told(kind: str, places: list[tuple[int, str]]) -> str:
    line, shown = min(places)
    more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
    return f"line {line} holds what looks like {_article(kind)} {kind}: {shown}{more}"


def _article(kind: str) -> str:
    return "an" if kind[0] in "AEIaei" else "a"
