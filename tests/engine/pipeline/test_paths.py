"""A path is a path: the named file is read and no other, whatever its name means elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from governed_ml.core import tables
from governed_ml.core.config.data import Source
from governed_ml.core.config.production.monitor import Feed
from governed_ml.core.problem import Problem
from governed_ml.monitoring.feeds import feed_of, read
from governed_ml.pipeline.data.batch import relation
from governed_ml.pipeline.data.column_readers import plain
from governed_ml.pipeline.data.sources import engine, file

RIGHT, WRONG = "[3, 4]", "[30, 40]"
ODD = "[]{}()*?%#!~=&'\"$;,@+:\\ -_äß漢😀ab1."
if os.name == "nt":
    ODD = re.sub(r'[<>:"/\\|?*]', "", ODD)
NAMES = st.text(ODD, min_size=1, max_size=12).filter(lambda name: not name.endswith((".", " ")))
KINDS = ("csv", "parquet", "json")


@cache
def content(kind: str, values: str) -> bytes:
    """A table of one format: two rows with these ages."""
    frame = pd.DataFrame({"age": json.loads(values), "y": ["yes", "no"]})
    if kind == "parquet":
        return bytes(frame.to_parquet())
    text = frame.to_csv(index=False) if kind == "csv" else frame.to_json(orient="records")
    return str(text).encode()


def write(path: Path, kind: str, values: str) -> None:
    """Write a table under any name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(kind, values))


def decoys(name: str) -> set[str]:
    """Names that a pattern, an address or an escape of this name would also mean."""
    found = {re.sub(r"\[!?(.)[^]]*\]", r"\1", name), re.sub(r"[*?]", "a", name)}
    found |= {name.replace("\\", ""), name.partition("?")[0], name.partition("#")[0]}
    found |= {name.replace("%20", " "), name.replace("*", ""), f"{name}b"}
    return {one for one in found if one.strip(". ") and one != name}


@given(folder=NAMES, name=NAMES, kind=st.sampled_from(KINDS))
@example("x", "loans[12].csv", "csv")
@example("year=2024", "~loans.csv.gz", "csv")
@example("a[1]", "b*?.parquet", "parquet")
@example("50%20#1", "c?d=e.json", "json")
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_named_file_is_read_and_its_digest_is_of_what_was_read(
    folder: str, name: str, kind: str
) -> None:
    # Given a file of any name in a folder of any name, and others beside it that look like it
    with tempfile.TemporaryDirectory() as top, tempfile.TemporaryDirectory() as scratch:
        path = Path(top) / folder / name
        for other in decoys(name):
            write(path.parent / other, kind, WRONG)
        for other in decoys(folder):
            write(Path(top) / other / name, kind, WRONG)
        write(path, kind, RIGHT)
        source = Source(kind="file", path=str(path))
        with engine() as db:
            # When it is read for training, for a prediction and for a window
            found = file(source, 0, db, Path(scratch))
            rows = db.execute(f"SELECT * FROM {found.relation}").fetchall()
            asked = db.execute(f"FROM {relation(source, db, Path(scratch)).sql}").fetchall()
        window = read(feed_of(path), plain({"age": "BIGINT", "y": "VARCHAR"}))
        # Then each has its rows and columns, and the digest is that of the file
        assert rows == [(3, "yes"), (4, "no")]
        assert [(int(age), y) for age, y in asked] == rows
        assert window.frame["age"].tolist() == [3, 4]
        assert window.strange == ()
        assert found.sha256 == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@given(folder=NAMES)
@example("a[1]?")
@example("year=2024")
@example("\\[?]")
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_table_of_a_project_is_read_whatever_the_project_is_called(folder: str) -> None:
    # Given a project's table, and one in a folder that looks like the project's
    with tempfile.TemporaryDirectory() as top:
        for one, values in [*((other, WRONG) for other in decoys(folder)), (folder, RIGHT)]:
            write(Path(top) / one / tables.RAW, "parquet", values)
        path = Path(top) / folder / tables.RAW
        if "\\" in folder and {*folder} & {*"*?["}:
            # When DuckDB has no name for it, then it is refused, and no other is read
            with pytest.raises(Problem, match="rename it"):
                tables.table(path)
            return
        # When it is read by its whole path, then it is this one
        assert tables.rows(f"SELECT age FROM {tables.table(path)}") == [(3,), (4,)]
        assert list(tables.columns(path)) == ["age", "y"]


def test_a_folder_of_a_window_is_read_file_by_file(tmp_path: Path) -> None:
    # Given a folder whose files have names that would be patterns of each other
    for number, name in enumerate(["new[1].csv", "new1.csv", "new*.csv"]):
        if os.name != "nt" or "*" not in name:
            write(tmp_path / "ä" / name, "csv", f"[{number}, {number}]")
    # When it is read, then each file counts once
    found = read(Feed(kind="folder", path=str(tmp_path / "ä")), plain({"age": "BIGINT"}))
    wanted = [0, 0, 1, 1] if os.name == "nt" else [0, 0, 1, 1, 2, 2]
    assert sorted(found.frame["age"]) == wanted


def test_a_file_that_changes_while_it_is_read_is_read_as_its_digest_says(tmp_path: Path) -> None:
    # Given a file that another program writes anew as soon as it was looked at
    path, scratch = tmp_path / "rows.csv", tmp_path / "scratch"
    scratch.mkdir()
    write(path, "csv", RIGHT)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with engine() as db:
        found = file(Source(kind="file", path=str(path)), 0, db, scratch)
        write(path, "csv", WRONG)
        # When its rows are read, then they are those of the digest
        rows = db.execute(f"SELECT age FROM {found.relation}").fetchall()
    assert rows == [(3,), (4,)]
    assert found.sha256 == f"sha256:{before}"
