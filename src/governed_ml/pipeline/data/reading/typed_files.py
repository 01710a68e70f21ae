"""Excel workbooks and Arrow files as Parquet, so that one reader serves all typed files."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core.problem import Problem, first_line
from governed_ml.pipeline.data.cells import EXACT
from governed_ml.pipeline.data.reading.answers import SourceQuestion
from governed_ml.pipeline.data.reading.foreign_files import title_above
from governed_ml.pipeline.data.reading.packed import ZIP, is_workbook

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET, ARROW, STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"  # how files begin
OLD = {
    b"\xd0\xcf\x11\xe0": "an old or encrypted Excel workbook: save it as .xlsx without a password",
    b"FEA1": "Feather of version 1: write it again with a current library",
}
UNNAMED = "Unnamed: {}"


def as_parquet(path: Path, sheet: str | None, uri: str, scratch: Path) -> Path:
    """Return a Parquet file with the table of an Excel workbook or an Arrow file.

    Any other file is returned as it is.
    """
    with path.open("rb") as handle:
        head = handle.read(8)
    for sign, what in OLD.items():
        if head.startswith(sign):
            raise Problem(f"data.source.path: {uri} is {what}")
    if head.startswith((ARROW, STREAM)):
        return arrow_as_parquet(path, uri, scratch)
    if head.startswith(ZIP) and is_workbook(path):
        return excel_as_parquet(path, sheet, uri, scratch)
    return path


def arrow_as_parquet(path: Path, uri: str, scratch: Path) -> Path:
    """Write an Arrow file (Feather) or an Arrow stream to Parquet, batch by batch."""
    import pyarrow as pa
    from pyarrow import parquet

    target = scratch / f"{path.name}-parquet"
    try:
        with pa.memory_map(str(path)) as source:
            with path.open("rb") as handle:
                whole = handle.read(len(ARROW)) == ARROW
            reader: Any = pa.ipc.open_file(source) if whole else pa.ipc.open_stream(source)
            with parquet.ParquetWriter(target, reader.schema) as writer:
                batches = (
                    (reader.get_batch(place) for place in range(reader.num_record_batches))
                    if whole
                    else reader
                )
                for batch in batches:
                    writer.write_batch(batch)
    except (pa.ArrowException, OSError) as error:
        raise Problem(
            f"data.source.path: {uri} cannot be read as Arrow: {first_line(error, 100)}; fetch it "
            "again, or save it as Parquet"
        ) from error
    return target


def excel_as_parquet(path: Path, sheet: str | None, uri: str, scratch: Path) -> Path:
    """Write one sheet of an Excel workbook to Parquet, with the types of its cells."""
    from pyarrow import parquet

    rows = _rows(path, sheet, uri)
    rows = [row for row in rows if any(cell != "" for cell in row)]
    if not rows:
        raise Problem(f"data.source.path: {uri} has an empty sheet: give a table with rows")
    if len(rows) > 1:
        title_above([_text(cell) for cell in rows[0]], [_text(cell) for cell in rows[1]], uri)
    columns: dict[str, pa.Array] = {}
    for place, title in enumerate(rows[0]):
        cells = [None if row[place] == "" else row[place] for row in rows[1:]]
        name = _text(title) if title != "" else UNNAMED.format(place)
        if title == "" and all(cell is None for cell in cells):
            continue
        if name in columns:
            raise Problem(f"column {name!r} is in the table twice: rename one")
        columns[name] = _column(name, cells)
    import pyarrow as pa

    target = scratch / f"{path.name}-parquet"
    parquet.write_table(pa.table(columns), target)
    return target


def _rows(path: Path, sheet: str | None, uri: str) -> list[list[Any]]:
    """Return the cells of the sheet that is asked for, or of the only one that has any."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ModuleNotFoundError as error:
        raise Problem(
            f"data.source.path: {uri} is an Excel workbook, which needs another package: run `uv "
            "add python-calamine`, or save the sheet as CSV"
        ) from error
    try:
        with path.open("rb") as handle:
            book = CalamineWorkbook.from_filelike(handle)
            names = [one for one in book.sheet_names if book.get_sheet_by_name(one).height]
            if sheet is None and len(names) > 1:
                raise SourceQuestion(
                    f"data.source.path: {uri} has {len(names):,} sheets with cells "
                    f"({', '.join(map(repr, names[:5]))})",
                    f": write `sheet: {names[0]!r}` or another under source in conf/data",
                    "sheet",
                    [(json.dumps(one, ensure_ascii=False), "") for one in names],
                )
            if sheet is not None and sheet not in book.sheet_names:
                raise Problem(
                    f"data.source.sheet: {uri} has no sheet {sheet!r}, but "
                    f"{', '.join(map(repr, book.sheet_names[:5]))}: correct the name"
                )
            chosen = sheet or next(iter(names), book.sheet_names[0])
            return book.get_sheet_by_name(chosen).to_python(skip_empty_area=True)
    except (CalamineError, OSError) as error:
        raise Problem(
            f"data.source.path: {uri} cannot be read as Excel: {first_line(error, 100)}; save it "
            "again, or as CSV"
        ) from error


def _column(name: str, cells: list[Any]) -> pa.Array:
    """Return cells in the one type that all of them have; otherwise as texts."""
    import pyarrow as pa

    kinds = {type(cell) for cell in cells if cell is not None}
    if dt.timedelta in kinds:
        raise Problem(f"column {name!r} is a duration: write a number of one unit, such as days")
    if kinds == {bool}:
        return pa.array(cells, pa.bool_())
    if kinds and kinds <= {dt.date, dt.datetime}:
        moments = [None if cell is None else _moment(cell) for cell in cells]
        return pa.array(moments, pa.timestamp("us"))
    if kinds and kinds <= {int, float}:
        if all(cell is None or (float(cell).is_integer() and abs(cell) < EXACT) for cell in cells):
            return pa.array([None if cell is None else int(cell) for cell in cells], pa.int64())
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    return pa.array([None if cell is None else _text(cell) for cell in cells], pa.string())


def _moment(cell: dt.date) -> dt.datetime:
    return cell if isinstance(cell, dt.datetime) else dt.datetime.combine(cell, dt.time())


def _text(cell: Any) -> str:
    """Return a cell as people read it: 7 for 7.0, and true for TRUE."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < EXACT:
        return str(int(cell))
    return cell.isoformat(sep=" ") if isinstance(cell, dt.datetime) else str(cell)
