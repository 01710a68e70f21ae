"""The table that somebody names: a file, a folder with one file, a URL, or a database."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from governed_ml.core.problem import Problem, cause

SOURCE = Path("data/source")
ENDINGS = {
    *(".csv", ".tsv", ".txt", ".parquet", ".pq", ".json", ".jsonl", ".ndjson"),
    *(".feather", ".arrow", ".xlsx", ".xls", ".gz", ".zip"),
}
"""Endings of the files in a folder that may be tables."""


def source_of(
    where: str, query: str | None, base: Path, *, dry: bool
) -> tuple[str, dict[str, Any]]:
    """Return a name for the table and its `source` in `conf/data`.

    A file outside of `data/source/` is copied there, unless `dry`; then it is read where it is.
    """
    scheme = where.partition("://")[0] if "://" in where else ""
    if scheme in ("http", "https"):
        return _name(where.rstrip("/").rpartition("/")[2]), {"kind": "file", "path": where}
    if scheme or where.startswith("env:"):
        return _database(where, query)
    if query is not None:
        raise Problem("--query is for a database: give a database's URL, or leave --query out")
    path = _only_file(Path(where))
    inside = path.resolve()
    if inside.is_relative_to(base.resolve()):
        kept = inside.relative_to(base.resolve())
    else:
        kept = SOURCE / path.name
        if not dry:
            _copy(path, base / kept)
    shown = (
        path.as_posix() if dry and not inside.is_relative_to(base.resolve()) else kept.as_posix()
    )
    return _name(path.name), {"kind": "file", "path": shown}


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


def _copy(path: Path, target: Path) -> None:
    try:
        if target.is_file() and target.read_bytes() != path.read_bytes():
            raise Problem(
                f"{SOURCE.as_posix()}/{target.name} exists with other content: rename one of the "
                "two files, or delete the older one"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(path, part)
        part.replace(target)
    except OSError as error:
        raise Problem(
            f"cannot copy {path.as_posix()} to {SOURCE.as_posix()}: {cause(error)}; free disk "
            "space or fix the permissions"
        ) from error


def _database(where: str, query: str | None) -> tuple[str, dict[str, Any]]:
    if query is None:
        raise Problem(
            "a database needs a query: add --query 'SELECT * FROM TABLE' with the table's name"
        )
    table = re.search(r"\bfrom\s+[\"`\[]?([A-Za-z_][A-Za-z0-9_]*)", query, re.IGNORECASE)
    name = table[1] if table else "query"
    return _name(name), {"kind": "sql", "url": where, "query": query}


def _name(text: str) -> str:
    """Return a file name as the name of a table: small letters, digits and underscores."""
    stem = text.partition("?")[0]
    while Path(stem).suffix.lower() in ENDINGS:
        stem = Path(stem).stem
    plain = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")
    return plain if plain and not plain[0].isdigit() else f"table_{plain}".strip("_")
