"""Files with a table: download or copy them, and read their columns."""

from __future__ import annotations

import csv
import errno
import http.client
import os
import shutil
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from governed_ml.core.config.data import Source
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.tables import literal, named
from governed_ml.pipeline.data.reading.delimiters import delimiter_of
from governed_ml.pipeline.data.reading.encodings import as_utf8
from governed_ml.pipeline.data.reading.foreign_files import require_header

UNNAMED = "Unnamed: {}"
LONGEST = 100_000  # most characters of a cell; a longer one is an unclosed quote
TYPES = [
    "BIGINT",
    "DOUBLE",
    "DATE",
    "TIMESTAMP",
    "VARCHAR",
]  # types that DuckDB may detect in a text column


def csv_relation(path: Path, source: Source, uri: str) -> tuple[str, list[str], str, Path]:
    """Return a CSV as a relation (SQL), its column names, its delimiter, and the file in UTF-8.

    A column without a name gets the one that pandas gives it, such as `Unnamed: 0`.
    """
    csv.field_size_limit(LONGEST)
    path = as_utf8(path, source.encoding, uri)
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            delimiter = source.delimiter or delimiter_of(path, uri)
            names = next(csv.reader(handle, delimiter=delimiter), [])
    except (csv.Error, TypeError, ValueError) as error:
        raise Problem(
            f"data.source.path: the header of {uri} cannot be read: {first_line(error)}"
        ) from error
    require_header(path, delimiter, names, uri)
    unnamed = any(not name.strip() for name in names)
    names = [name if name.strip() else UNNAMED.format(place) for place, name in enumerate(names)]
    listed = f"names=[{', '.join(map(literal, names))}], " if unnamed else ""
    nulls = ", ".join(literal(text) for text in ["", *source.missing])
    types = ", ".join(literal(name) for name in TYPES)
    relation = (
        f"read_csv({named(path)}, header=true, {listed}skip=0, delim={literal(delimiter)}, "
        f"quote='\"', escape='\"', comment='', nullstr=[{nulls}], sample_size=-1, "
        f"auto_type_candidates=[{types}])"
    )
    return relation, names, delimiter, path


def as_texts(relation: str) -> str:
    """Return a CSV's relation with each cell as text."""
    before, csv, after = relation.rpartition("header=true, ")  # the path is in the first part
    return f"{before}{csv}all_varchar=true, {after}"


def parquet_names(path: Path, uri: str) -> list[str]:
    """Return the column names of a Parquet file."""
    from pyarrow import ArrowException, parquet, types

    try:
        schema = parquet.read_schema(path)
    except (ArrowException, OSError) as error:
        raise Problem(
            f"data.source.path: {uri} is a damaged Parquet file: fetch it again"
        ) from error
    if not schema.names:
        raise Problem(f"data.source.path: {uri} has no columns: give a table with columns")
    for one in schema:
        if types.is_duration(one.type):  # stored as integers in an unknown unit
            raise Problem(
                f"column {one.name!r} is a duration: write a number of one unit, such as days"
            )
    return list(schema.names)


def copied(path: Path, uri: str, scratch: Path) -> Path:
    """Copy a file, so that the digest belongs to the content that is read, even if it changes.

    The copy's name has no meaning for DuckDB, such as a pattern or an ending `.gz`.
    """
    handle, name = tempfile.mkstemp(prefix="table-", dir=scratch)
    target = Path(name)
    try:
        with os.fdopen(handle, "wb") as copy, path.open("rb") as file:
            shutil.copyfileobj(file, copy, 1 << 20)
    except IsADirectoryError as error:
        raise Problem(f"data.source.path: {uri} is a folder: name one file in it") from error
    except FileNotFoundError as error:
        raise Problem(
            f"data.source.path: {uri} does not exist (paths count from the project's root)"
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise Problem(
                f"no space for a copy of {uri} in {scratch.parent}: free disk space, or set "
                "TMPDIR to another folder"
            ) from error
        raise Problem(
            f"data.source.path: {uri} cannot be read: {error.strerror}; check the path and its "
            "permissions"
        ) from error
    return target


def download(where: str, scratch: Path) -> Path:
    """Download a file completely from an http or https URL."""
    target = scratch / "download"
    try:
        parts = urlsplit(where)
        if parts.scheme not in ("http", "https"):
            raise Problem(
                f"data.source.path: {public(where)} is not an http or https address: download the "
                "file yourself, save it under data/source and name that path"
            )
        if parts.password:
            raise Problem(
                "data.source.path holds a password, and conf/ is in git: download the file "
                "yourself, save it under data/source and name that path"
            )
        request = urllib.request.urlopen(where, timeout=60)  # noqa: S310 - http or https, seen above
        with request as answer, target.open("wb") as handle:
            while block := answer.read(1 << 20):
                handle.write(block)
            lost = answer.length  # bytes announced but not received; `read(n)` does not report it
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None)
        said = first_line(reason if isinstance(reason, OSError) else error)
        raise Problem(
            f"data.source.path: {public(where)} cannot be fetched: {said}; check the address "
            "and the network"
        ) from error
    if lost:
        raise Problem(
            f"data.source.path: the download of {public(where)} broke off, and {lost:,} bytes "
            "are missing: run the command again"
        )
    return target


def public(where: str) -> str:
    """Return a URL without user, password and query, which may contain a signature."""
    scheme, separator, rest = where.partition("://")
    if not separator:
        return where
    place, slash, path = rest.partition("?")[0].partition("#")[0].partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"
