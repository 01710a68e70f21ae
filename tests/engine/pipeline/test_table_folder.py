"""A folder of files with the same columns is read as one table."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from governed_ml.core.config.data import Source
from governed_ml.core.config.source_files import copy_source, is_here, parts_of, source_digest
from governed_ml.core.problem import Problem
from governed_ml.pipeline.data import sources
from governed_ml.pipeline.data.batch import file_source
from governed_ml.pipeline.data.reading.table_faults import unreadable

JANUARY = pd.DataFrame({"amount": [1, 2], "kind": ["a", "b"]})
FEBRUARY = pd.DataFrame({"amount": [3, 4], "kind": ["a", "c"]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files of a table, and files that are no part of it."""
    folder = tmp_path / "loans"
    folder.mkdir()
    FEBRUARY.to_csv(folder / "2024-02.csv", index=False)
    JANUARY.to_csv(folder / "2024-01.csv", index=False)
    for name in ("README.md", "_SUCCESS", ".hidden", "2024-01.csv.dvc"):
        (folder / name).write_text("no table", encoding="utf-8")
    return folder


def test_a_table_that_is_called_like_a_text_is_a_part(folder: Path) -> None:
    FEBRUARY.to_csv(folder / "license.csv", index=False)
    (folder / "LICENSE").write_text("no table", encoding="utf-8")
    assert [one.name for one in parts_of(folder)] == ["2024-01.csv", "2024-02.csv", "license.csv"]


def found(folder: Path, scratch: Path) -> tuple[sources.Found, list[tuple[object, ...]]]:
    """Read a folder; return what is found and its rows."""
    scratch.mkdir(exist_ok=True)
    with sources.engine() as db:
        one = sources.file(Source(kind="file", path=str(folder)), 0, db, scratch)
        return one, db.execute(f"FROM {one.relation}").fetchall()


@pytest.mark.parametrize("form", ["csv", "packed", "cp1252", "parquet", "feather"])
def test_the_files_are_one_table_in_the_order_of_their_names(
    folder: Path, tmp_path: Path, form: str
) -> None:
    # Given two files of one kind
    for path, table in {"2024-01.csv": JANUARY, "2024-02.csv": FEBRUARY}.items():
        if form in ("parquet", "feather"):
            (folder / path).unlink()
            getattr(table, f"to_{form}")(folder / path.replace("csv", form))
        elif form == "packed":
            table.to_csv(folder / path, index=False, compression="gzip")
    # When the folder is read, then its rows are those of all files, and nothing else
    one, rows = found(folder, tmp_path / "scratch")
    assert rows == [(1, "a"), (2, "b"), (3, "a"), (4, "c")]
    assert one.sha256 == source_digest(folder)


def test_the_digest_changes_with_each_file_and_not_with_what_is_no_part(folder: Path) -> None:
    before = source_digest(folder)
    (folder / "README.md").write_text("other", encoding="utf-8")
    assert source_digest(folder) == before
    (folder / "2024-02.csv").write_text("amount,kind\n3,a\n", encoding="utf-8")
    assert source_digest(folder) != before
    copy_source(folder, folder.with_name("copy"))
    assert source_digest(folder.with_name("copy")) == source_digest(folder)
    assert is_here(folder)
    assert not is_here(folder.with_name("none"))


OTHERS: dict[str, tuple[str, bytes, str]] = {  # what differs → a third file, and what is said
    "a column more": ("3.csv", b"amount,kind,x\n1,a,2\n", "3.csv has the column 'x', unlike"),
    "a column less": ("3.csv", b"amount,sort\n1,a\n", "3.csv lacks column 'kind' and has the"),
    "the order": ("3.csv", b"kind,amount\na,1\n", "3.csv has the columns in another order"),
    "the delimiter": ("3.csv", b"amount;kind\n1;a\n", "3.csv has the delimiter ';', and"),
    "line ends": ("3.csv", b"amount,kind\r\n1,a\r\n", "3.csv has other line endings than"),
    "no row": ("3.csv", b"", "3.csv is empty"),
    "a picture": ("3.png", b"\x89PNG\r\n", "3.png is no table: move it out of the folder"),
    "JSON": ("3.json", b'{"amount": 1}', "3.json is JSON, which is read from one file only"),
    "another kind": ("3.parquet", b"PAR1", "3.parquet is Parquet, and"),
    "an encoding": ("3.csv", b"amount,kind\n1,\xfc\n", "3.csv is not UTF-8: line 2"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_file_that_differs_is_named(folder: Path, tmp_path: Path, case: str) -> None:
    name, content, said = OTHERS[case]
    (folder / name).write_bytes(content)
    with pytest.raises(Problem) as refused:
        found(folder, tmp_path / "scratch")
    assert said in str(refused.value)


def test_parquet_files_of_other_types_are_refused(tmp_path: Path) -> None:
    for place, amount in enumerate((1, 1.5)):
        pd.DataFrame({"amount": [amount]}).to_parquet(tmp_path / f"{place}.parquet")
    with pytest.raises(Problem, match=r"1\.parquet has column 'amount' as DOUBLE instead of BIGI"):
        found(tmp_path, tmp_path / "_scratch")


def test_a_folder_in_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "year=2024").mkdir()
    with pytest.raises(Problem, match="has the folder year=2024 inside"):
        found(folder, tmp_path / "scratch")


def test_a_fault_names_the_line_of_its_file(folder: Path, tmp_path: Path) -> None:
    (folder / "2024-02.csv").write_text("amount,kind\n3,a\n4,c,5\n", encoding="utf-8")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with sources.engine() as db:
        one = sources.file(Source(kind="file", path=str(folder)), 0, db, scratch)
        with pytest.raises(duckdb.Error) as fault:
            db.execute(f"DESCRIBE FROM {one.relation}")
    assert f"line 3 of {folder.as_posix()}/2024-02.csv" in str(unreadable(one, fault.value))


def test_rows_to_predict_are_one_file(folder: Path) -> None:
    with pytest.raises(Problem, match="is a folder: name one file in it"):
        file_source(str(folder), Source(kind="file", path="x"))
