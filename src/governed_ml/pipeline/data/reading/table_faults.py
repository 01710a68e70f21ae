"""Say why a table cannot be read, without quoting its rows."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from governed_ml.core.problem import Problem, first_line
from governed_ml.pipeline.data.sources import Found
from governed_ml.pipeline.data.table_files import LONGEST

ROW_NAMES = " (R's write.table writes names of rows without a header: use row.names = FALSE)"
UNREADABLE = {  # part of DuckDB's message → our message, because DuckDB's would quote the row
    "not utf-8": "is not UTF-8: save it as UTF-8",
    "invalid UTF-8": "is not UTF-8: save it as UTF-8",
    "Malformed JSON": "is incomplete JSON, or neither JSON lines nor a list of objects: fix it",
    "duplicate key": "has a row that repeats a name: fix it",
    "Failed to read": "is a damaged Parquet file: fetch it again",
}


def torn(path: Path, delimiter: str, width: int) -> str | None:
    """Return the first line of a CSV that breaks its format, as a message, or None."""
    line = 0
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = csv.reader(handle, delimiter=delimiter, strict=True)
        try:
            for row in rows:
                if row and len(row) != width:
                    return (
                        f"has {len(row)} cells in line {line + 1} and {width} in its header: "
                        "fix the line, or set data.source.delimiter"
                        + (ROW_NAMES if line == 1 and len(row) == width + 1 else "")
                    )
                line = rows.line_num
        except UnicodeDecodeError:
            return None  # DuckDB reports it, with the line
        except csv.Error as error:
            if "limit" in str(error) and rows.line_num == line + 1:
                return (
                    f"has a cell of more than {LONGEST:,} characters in line {line + 1}: shorten it"
                )
            return f"has a quote in line {line + 1} that stands alone or is never closed: fix it"
        several = isinstance(handle.newlines, tuple)
    return "mixes several kinds of line endings: save it with one kind" if several else None


def unreadable(found: Found, error: Exception) -> Problem:
    """Return a problem saying why DuckDB could not read a source, without quoting the row."""
    message = str(error)
    words = next((say for sign, say in UNREADABLE.items() if sign.lower() in message.lower()), "")
    words = (torn(*found.csv) if found.csv else None) or words
    if not words:
        plain = message.split("Original Line")[0].partition("LINE 1:")[0]
        words = f"cannot be read: {first_line(ValueError(plain), 160)}"
    line = re.search(r"(?:on line:|in line|in record/value) (\d+)", message, re.IGNORECASE)
    where = f" (line {line[1]})" if line and not re.search(r"line \d", words) else ""
    told = f"{words}{where}"
    if found.parts:
        told = re.sub(r"line (\d+)", lambda line: _in_part(found, int(line[1])), told, count=1)
    return Problem(f"data.source: {found.uri} {told}")


def _in_part(found: Found, line: int) -> str:
    """Return a line of joined files as a line of the file that it came from."""
    name, start = next(one for one in reversed(found.parts) if one[1] < line or one[1] <= 1)
    return f"line {line - start + 1} of {name}"
