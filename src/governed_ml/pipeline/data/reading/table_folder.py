"""A folder of files that are built alike, as one file: CSV and Parquet."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import IO, TYPE_CHECKING

from governed_ml.core.config.data import Source
from governed_ml.core.config.source_files import folder_digest, parts_of
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.tables import exact, literal, table
from governed_ml.pipeline.data.reading.delimiters import delimiter_of
from governed_ml.pipeline.data.reading.encodings import as_utf8
from governed_ml.pipeline.data.reading.packed import unpacked
from governed_ml.pipeline.data.reading.typed_files import PARQUET, as_parquet

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

Parts = tuple[tuple[str, int], ...]
"""Name of a file → the line of the joined file that is its first line below the header."""


def joined(
    folder: Path,
    source: Source,
    db: duckdb.DuckDBPyConnection,
    scratch: Path,
    copied: Callable[[Path, str, Path], Path],
) -> tuple[Path, str, Parts]:
    """Return one file with the rows of all files in a folder, its digest, and where parts begin.

    Raise `Problem` naming the first file that differs in kind, columns, their order or types.
    """
    members = parts_of(folder)
    if not members:
        raise Problem(
            f"data.source.path: {folder.as_posix()} is a folder without a table: put CSV or "
            "Parquet files into it, or name a file"
        )
    copies = [copied(one, one.as_posix(), scratch) for one in members]
    digest = folder_digest(copies, [one.name for one in members])
    parts: list[tuple[str, Path]] = []
    for member, copy in zip(members, copies, strict=True):
        name = member.as_posix()
        path = as_parquet(unpacked(copy, name, scratch), source.sheet, name, scratch)
        parts.append((name, path))
    kinds = {name: _kind(name, path) for name, path in parts}
    first = next(iter(kinds))
    odd = next((name for name in kinds if kinds[name] != kinds[first]), None)
    if odd is not None:
        raise Problem(
            f"data.source.path: {odd} is {kinds[odd]}, and {first} is {kinds[first]}: a folder "
            "must hold files of one kind"
        )
    if kinds[first] == "CSV":
        path, starts = _joined_texts(parts, source, scratch)
        return path, digest, starts
    return _joined_parquet(parts, db, scratch), digest, ()


def _kind(name: str, path: Path) -> str:
    with path.open("rb") as handle:
        head = handle.read(64)
    if head.startswith(PARQUET):
        return "Parquet"
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        raise Problem(f"data.source.path: {name} is empty: fetch it again, or remove it")
    if head.startswith((b"%PDF", b"\x89PNG", b"\xff\xd8", b"GIF8", b"SQLite")):
        raise Problem(f"data.source.path: {name} is no table: move it out of the folder")
    if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"{", b"["):
        raise Problem(
            f"data.source.path: {name} is JSON, which is read from one file only: join the files"
        )
    return "CSV"


def _joined_texts(
    parts: list[tuple[str, Path]], source: Source, scratch: Path
) -> tuple[Path, Parts]:
    """Write the rows of all CSV files below the header of the first one, in UTF-8."""
    target, line = scratch / "folder.csv", 1
    starts: list[tuple[str, int]] = []
    first: _Head | None = None
    with target.open("wb") as whole:
        for name, raw in parts:
            path = as_utf8(raw, source.encoding, name)
            head = _Head(name, path, source.delimiter or delimiter_of(path, name))
            if first is None:
                first = head
                whole.write(head.text)
                line += head.lines
            head.require_like(first)
            starts.append((name, line - head.lines))
            line += head.append_to(whole)
    return target, tuple(starts)


class _Head:
    """The header of a CSV file: its names, its bytes, and how it ends lines."""

    def __init__(self, name: str, path: Path, delimiter: str) -> None:
        self.name, self.path, self.delimiter = name, path, delimiter
        try:
            with path.open(encoding="utf-8-sig", newline="") as handle:
                reader = csv.reader(handle, delimiter=delimiter)
                self.names = [one.strip() for one in next(reader, [])]
                self.lines = reader.line_num
        except csv.Error as error:
            raise Problem(
                f"data.source.path: the header of {name} cannot be read: {first_line(error)}"
            ) from error
        with path.open("rb") as handle:
            self.text = b"".join(handle.readline() for _ in range(self.lines))
        self.end = b"\r\n" if self.text.endswith(b"\r\n") else b"\n"
        if not self.text.endswith(b"\n"):
            self.text += self.end

    def require_like(self, first: _Head) -> None:
        """Raise `Problem` if the columns, the delimiter or the ends of lines differ."""
        if self.delimiter != first.delimiter:
            raise Problem(
                f"data.source.path: {self.name} has the delimiter {self.delimiter!r}, and "
                f"{first.name} has {first.delimiter!r}: save both with the same delimiter"
            )
        if self.names != first.names:
            raise _differs(self.name, first.name, _columns(self.names, first.names))
        if self.end != first.end:
            raise Problem(
                f"data.source.path: {self.name} has other line endings than {first.name}: convert "
                "both to the same line endings"
            )

    def append_to(self, whole: IO[bytes]) -> int:
        """Append the rows below the header; return the number of lines."""
        lines, last = 0, b"\n"
        with self.path.open("rb") as handle:
            for _ in range(self.lines):
                handle.readline()
            while block := handle.read(1 << 20):
                whole.write(block)
                lines += block.count(b"\n")
                last = block[-1:]
        if last != b"\n":
            whole.write(self.end)
            lines += 1
        return lines


def _joined_parquet(
    parts: list[tuple[str, Path]], db: duckdb.DuckDBPyConnection, scratch: Path
) -> Path:
    """Write the rows of all Parquet files to one."""
    first: tuple[str, dict[str, str]] | None = None
    for name, path in parts:
        found = {str(r[0]): str(r[1]) for r in _described(db, name, path)}
        first = first or (name, found)
        if list(found) != list(first[1]):
            raise _differs(name, first[0], _columns(list(found), list(first[1])))
        other = next((one for one in found if found[one] != first[1][one]), None)
        if other is not None:
            was = f"has column {other!r} as {found[other]} instead of {first[1][other]}"
            raise _differs(name, first[0], was)
    target = scratch / "folder.parquet"
    listed = ", ".join(exact(path) for _, path in parts)
    db.execute(
        f"COPY (FROM read_parquet([{listed}], hive_partitioning = false)) TO "
        f"{literal(str(target))} (FORMAT parquet)"
    )
    return target


def _described(db: duckdb.DuckDBPyConnection, name: str, path: Path) -> list[tuple[object, ...]]:
    import duckdb

    try:
        return db.execute(f"DESCRIBE FROM {table(path)}").fetchall()
    except duckdb.Error as error:
        raise Problem(
            f"data.source.path: {name} is a damaged Parquet file: fetch it again"
        ) from error


def _columns(mine: list[str], wanted: list[str]) -> str:
    """Return in which columns a file differs."""
    lost = [name for name in wanted if name not in mine]
    new = [name for name in mine if name not in wanted]
    if not lost and not new:
        return "has the columns in another order"
    told = [f"lacks column {lost[0]!r}"] if lost else []
    told += [f"has the column {new[0]!r}"] if new else []
    return " and ".join(told)


def _differs(name: str, first: str, how: str) -> Problem:
    return Problem(
        f"data.source.path: {name} {how}, unlike {first}: the files of a folder must have the same "
        "columns in the same order and of the same types"
    )
