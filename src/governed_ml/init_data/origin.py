"""The table that somebody names: a file, a folder with one file, a URL, or a database."""

from __future__ import annotations

import filecmp
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governed_ml.core.config.data import Source
from governed_ml.core.problem import Problem, cause

SOURCE = Path("data/source")
ENDINGS = {
    *(".csv", ".tsv", ".txt", ".parquet", ".pq", ".json", ".jsonl", ".ndjson"),
    *(".feather", ".arrow", ".xlsx", ".xls", ".gz", ".zip"),
}
"""Endings of the files in a folder that may be tables."""


@dataclass(frozen=True)
class NamedTable:
    """A name for the table, its `source` in `conf/data`, and the file that somebody named."""

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
        """Copy the file to `data/source/`, unless it lies in the project already."""
        if self.file is None or (base / self.source["path"]).exists():
            return
        target = base / self.source["path"]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.part")
            shutil.copyfile(self.file, part)
            part.replace(target)
        except OSError as error:
            raise Problem(
                f"cannot copy {self.file.as_posix()} to {SOURCE.as_posix()}: {cause(error)}; free "
                "disk space or fix the permissions"
            ) from error


def origin_of(where: str, query: str | None, base: Path) -> NamedTable:
    """Return where a table comes from; nothing is copied yet."""
    scheme = where.partition("://")[0] if "://" in where else ""
    if scheme in ("http", "https"):
        return NamedTable(
            _name(where.rstrip("/").rpartition("/")[2]), {"kind": "file", "path": where}
        )
    if scheme or where.startswith("env:"):
        return _database(where, query)
    if query is not None:
        raise Problem("--query is for a database: give a database's URL, or leave --query out")
    path = _only_file(Path(where)).resolve()
    if path.is_relative_to(base.resolve()):
        kept = path.relative_to(base.resolve())
    else:
        kept = SOURCE / path.name
        if (base / kept).is_file() and not filecmp.cmp(path, base / kept, shallow=False):
            raise Problem(
                f"{kept.as_posix()} exists with other content: rename one of the two files, or "
                "delete the older one"
            )
    return NamedTable(_name(path.name), {"kind": "file", "path": kept.as_posix()}, path)


def _only_file(path: Path) -> Path:
    if not path.exists():
        raise Problem(f"{path.as_posix()} does not exist: name a file, a folder or a URL")
    if path.is_file():
        return path
    files = sorted(one for one in path.iterdir() if one.suffix.lower() in ENDINGS)
    if len(files) == 1:
        return files[0]
    listed = ", ".join(one.name for one in files[:5]) + (", …" if len(files) > 5 else "")
    found = f"has {len(files)} ({listed})" if files else "has none"
    raise Problem(
        f"{path.as_posix()} must have one table file, but {found}: name the file, or join the "
        "files to one table first"
    )


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
