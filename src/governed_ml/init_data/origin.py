"""The table that somebody names: a file, a folder, a URL, or a database."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governed_ml.core.config.data import Source
from governed_ml.core.config.source_files import copy_source, is_here, is_part, source_digest
from governed_ml.core.problem import Problem, cause
from governed_ml.pipeline.data.table_files import public

SOURCE = Path("data/source")
NO_DATABASES = ("ftp", "ftps", "sftp", "ssh", "file", "s3", "gs", "az", "abfs", "hdfs", "dbfs")
SQLITE = b"SQLite format 3"
ENDINGS = {
    *(".csv", ".tsv", ".txt", ".parquet", ".pq", ".json", ".jsonl", ".ndjson"),
    *(".feather", ".arrow", ".xlsx", ".xls", ".gz", ".zip"),
}
"""Endings of the files in a folder that may be tables."""


@dataclass(frozen=True)
class NamedTable:
    """A name for the table, its `source` in `conf/data`, and the named file or folder."""

    name: str
    source: dict[str, Any]
    file: Path | None = None

    def readable(self, source: Source, base: Path) -> Source:
        """Return a source with an absolute path; a file that is not copied yet is read in place."""
        if source.kind != "file" or source.path is None or "://" in source.path:
            return source
        named = self.file is not None and source.path == self.source["path"]
        path = self.file if named and self.file is not None else base / source.path
        return source.model_copy(update={"path": str(path)})

    def keep(self, base: Path) -> None:
        """Copy the file or folder to `data/source/`, unless it lies in the project already."""
        if self.file is None or (base / self.source["path"]).exists():
            return
        target = base / self.source["path"]
        part = target.with_name(f".{target.name}.part")
        try:
            copy_source(self.file, part)
            part.replace(target)
        except OSError as error:
            raise Problem(
                f"cannot copy {self.file.as_posix()} to {SOURCE.as_posix()}: {cause(error)}; free "
                "disk space or fix the permissions"
            ) from error
        finally:  # also if somebody interrupts the command
            shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)


def origin_of(where: str, query: str | None, base: Path) -> NamedTable:
    """Return where a table comes from; nothing is copied yet."""
    scheme = where.partition("://")[0] if "://" in where else ""
    if scheme in ("http", "https"):
        return NamedTable(
            _name(where.rstrip("/").rpartition("/")[2]), {"kind": "file", "path": where}
        )
    if scheme in NO_DATABASES:
        raise Problem(
            f"{public(where)} is not an http or https address: download the file, and name it"
        )
    if scheme or where.startswith("env:"):
        return _database(where, query)
    if query is not None:
        raise Problem("--query is for a database: give a database's URL, or leave --query out")
    path = _file_or_folder(Path(where)).resolve()
    if path.is_relative_to(base.resolve()):
        kept = path.relative_to(base.resolve())
    else:
        kept = SOURCE / path.name
        if is_here(base / kept) and source_digest(path) != source_digest(base / kept):
            raise Problem(
                f"{kept.as_posix()} exists with other content: rename one of the two, or delete "
                "the older one"
            )
    return NamedTable(_name(path.name), {"kind": "file", "path": kept.as_posix()}, path)


def _file_or_folder(path: Path) -> Path:
    """Return a file, also the only table in a folder; or a folder whose files are one table."""
    if not path.exists():
        raise Problem(f"{path.as_posix()} does not exist: name a file, a folder or a URL")
    if path.is_file():
        with path.open("rb") as handle:
            if handle.read(len(SQLITE)) == SQLITE:
                raise Problem(
                    f"{path.as_posix()} is an SQLite database: give sqlite:///{path.as_posix()} "
                    "and --query 'SELECT * FROM TABLE' with the table's name"
                )
        return path
    files = sorted(
        one
        for one in path.iterdir()
        if one.is_file() and is_part(one) and one.suffix.lower() in ENDINGS
    )
    if not files:
        raise Problem(
            f"{path.as_posix()} has no table file: name a file, or a folder with CSV or Parquet "
            "files"
        )
    return files[0] if len(files) == 1 else path


def _database(where: str, query: str | None) -> NamedTable:
    if query is None:
        raise Problem(
            "a database needs a query: add --query 'SELECT * FROM TABLE' with the table's name"
        )
    table = re.search(r"\bfrom\s+[\"`\[]?([A-Za-z_][A-Za-z0-9_]*)", query, re.IGNORECASE)
    name = table[1] if table else "query"
    return NamedTable(_name(name), {"kind": "sql", "url": where, "query": query})


def _name(text: str) -> str:
    """Return a file name as the name of a table: small letters, digits and underscores."""
    stem = text.partition("?")[0]
    while Path(stem).suffix.lower() in ENDINGS:
        stem = Path(stem).stem
    plain = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")
    return plain if plain and not plain[0].isdigit() else f"table_{plain}".strip("_")
