"""Files that are no tables, and lines above a table, which other programs write."""

from __future__ import annotations

import csv
import json
import re
from itertools import islice
from pathlib import Path
from typing import TextIO

from governed_ml.core.problem import Problem
from governed_ml.pipeline.data.reading.answers import SourceQuestion

TABLES = "CSV, JSON, Parquet, Arrow or Excel"
NO_TABLES = {  # beginning of a file → its type, and what reads it
    b"PK": "an archive in an archive, or OpenDocument",
    b"\x1f\x8b": "packed twice",
    b"SQLite": "a database (kind: sql reads it)",
    b"%PDF": "a PDF",
    b"<stata_": "a Stata file, which pandas.read_stata reads",
    b"$FL": "an SPSS file, which pandas.read_spss reads",
    b"\0\0\0\0\0\0\0\0": "a SAS file, which pandas.read_sas reads, or a damaged file",
    b"RDX": "a file of R, which R saves as CSV with write.csv(…, row.names = FALSE)",
    b"RDA": "a file of R, which R saves as CSV with write.csv(…, row.names = FALSE)",
    b"X\n\0\0": "a file of R, which R saves as CSV with write.csv(…, row.names = FALSE)",
    b"\x89HDF": "an HDF5 file, which pandas.read_hdf reads",
    b"\x93NUMPY": "a NumPy array, which numpy.load reads",
    b"\x80\x04\x95": "a pickle, which can run code when it is read",
    b"\x80\x05\x95": "a pickle, which can run code when it is read",
    b"ORC": "an ORC file, which pandas.read_orc reads",
    b"Obj\x01": "an Avro file",
    b"@relation": "an ARFF file, which scipy.io.arff reads",
}
OLD_STATA = re.compile(rb"[\x6e-\x73][\x01\x02]\x01\x00")
WEB = ("<!doctype", "<html", "<?xml", "<table")
LOOKED_AT = 50  # lines in which a table may begin
SHOWN = 40  # characters of a line in a message
BLANKS = re.compile(r"\S+( +\S+)+\s*")


def require_table(head: bytes, uri: str) -> None:
    """Raise `Problem` if a file's first bytes are those of a file that is no table."""
    for sign, what in NO_TABLES.items():
        if head.lower().startswith(sign.lower()):
            raise Problem(f"data.source.path: {uri} is {what}: give {TABLES}")
    if OLD_STATA.match(head):
        what = NO_TABLES[b"<stata_"]
        raise Problem(f"data.source.path: {uri} is {what}: give {TABLES}")


def require_header(path: Path, delimiter: str, names: list[str], uri: str) -> None:
    """Raise `Problem` if the first line of a CSV does not name its columns."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        first = handle.readline(100_000)
        handle.seek(0)
        lines = _lines(handle, delimiter)
    if first.lstrip().lower().startswith(WEB):
        raise Problem(f"data.source.path: {uri} is a web page, not a table: check the address")
    if first.lower().startswith("sep="):
        raise Problem(
            f"data.source.path: line 1 of {uri} is `sep=…`, which only Excel reads: delete this "
            "line"
        )
    if not names:
        raise Problem(f"data.source.path: {uri} has no header: name the columns in its first line")
    width = max((len(row) for _, row in lines), default=0)
    wide = [(line, row) for line, row in lines if len(row) == width]
    if len(names) == 1 < width or (width > 1 and is_title(names, wide[1:2])):
        begin = wide[0] if len(names) == 1 else wide[1]
        raise _above(names[0] or names[-1], begin[0], begin[1], uri)
    if len(names) > 1:
        return
    only = f"data.source.path: {uri} has only one column with the delimiter {delimiter!r}"
    parts = len(first.split())
    even = all(len(row[0].split()) == parts for _, row in lines[1:3])
    if BLANKS.fullmatch(first.strip()) and even:
        raise SourceQuestion(
            f"{only}, and its cells seem to be divided by blanks",
            ": write `delimiter: ' '` under source in conf/data",
            "delimiter",
            [(json.dumps(" "), f"{parts} columns")],
        )
    raise Problem(
        f"{only}: set data.source.delimiter if another sign divides its cells; a table needs a "
        "target and a feature"
    )


def _lines(handle: TextIO, delimiter: str) -> list[tuple[int, list[str]]]:
    """Return number and cells of the first lines, up to one that cannot be read."""
    rows, found = csv.reader(handle, delimiter=delimiter), list[tuple[int, list[str]]]()
    try:
        for row in islice(rows, LOOKED_AT):
            if row:
                found.append((rows.line_num, row))
    except csv.Error:
        return found  # DuckDB reports it, with the line
    return found


def is_title(names: list[str], following: list[tuple[int, list[str]]]) -> bool:
    """Return whether most cells of the first line are empty, and the next line has names there."""
    empty = [place for place, name in enumerate(names) if not name.strip()]
    if len(empty) < 2 or len(empty) * 2 < len(names) or not following:
        return False
    cells = [following[0][1][place].strip() for place in empty]
    return all(cell and not _is_number(cell) for cell in cells)


def title_above(names: list[str], cells: list[str], uri: str) -> None:
    """Raise `Problem` if the first row of a sheet is a title, and the second has the names."""
    if is_title(names, [(2, cells)]):
        raise _above(next((one for one in names if one.strip()), ""), 2, cells, uri)


def _above(said: str, line: int, row: list[str], uri: str) -> Problem:
    listed = ", ".join(repr(cell) for cell in row[:3]) + (", …" if len(row) > 3 else "")
    return Problem(
        f"data.source.path: line 1 of {uri} ({said[:SHOWN]!r}) does not name the columns, and the "
        f"table seems to begin in line {line:,} ({listed}): delete the lines above the names of "
        "the columns"
    )


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
