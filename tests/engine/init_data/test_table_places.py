"""`init-data` finds a table's files, copies them whole, and refuses what is no table."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import strangers

from governed_ml.core.problem import Problem
from governed_ml.init_data.run import propose
from governed_ml.init_data.wishes import Wishes, settings


def test_a_file_from_elsewhere_is_copied_and_never_overwritten(
    base: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("elsewhere") / "table.csv"
    strangers.customers().to_csv(path, index=False)
    strangers.drafted(base, path)
    assert (base / "data/source/table.csv").read_bytes() == path.read_bytes()
    strangers.customers(300).to_csv(path, index=False)
    with pytest.raises(Problem, match=r"data/source/table\.csv exists with other content: rename"):
        strangers.drafted(base, path)


def test_an_encoding_is_proposed_and_never_taken(base: Path) -> None:
    path = base / "data/source/customers.csv"
    path.parent.mkdir(parents=True)
    strangers.customers(remark="Müller").to_csv(path, index=False, encoding="cp1252")
    with pytest.raises(Problem, match=r"'ü' in cp1252; add --set 'source: \{encoding: cp1252\}'"):
        strangers.drafted(base, path)
    found = strangers.drafted(base, path, settings=settings(["source: {encoding: cp1252}"]))
    assert found.columns["remark"] == "drop"


SLIPS: dict[str, tuple[dict[str, Any], str]] = {
    "task": ({"task": "regresion"}, "--task 'regresion' does not exist: choose classification or"),
    "tier": ({"tier": "hihg"}, "--tier 'hihg' does not exist: choose high or limited or minimal"),
    "key": ({"settings": {"drops": ["age"]}}, "did you mean drop"),
    "value": ({"settings": {"numeric": 7}}, "numeric: Input should be a valid list"),
}


@pytest.mark.parametrize("case", SLIPS)
def test_a_slip_in_an_option_is_named_and_nothing_is_copied(
    base: Path, case: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("elsewhere") / "table.csv"
    strangers.customers().to_csv(path, index=False)
    given, words = SLIPS[case]
    with pytest.raises(Problem, match=words):
        strangers.drafted(base, path, **given)
    assert not (base / "data").exists()


def test_the_files_of_a_folder_are_one_table(
    base: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Given a folder with a file for each month, and a text beside them
    folder = tmp_path_factory.mktemp("all") / "By Month"
    folder.mkdir()
    for month in (1, 2):
        strangers.customers(600 * month).to_csv(folder / f"{month}.csv", index=False)
    (folder / "README.md").write_text("about", encoding="utf-8")
    # When it is drafted, then all rows are read, and only the tables are copied
    found = strangers.drafted(base, folder)
    assert found.rows == 1_800
    assert found.draft.keys["source"]["path"] == "data/source/By Month"
    copied = sorted(path.name for path in (base / "data/source").rglob("*"))
    assert copied == ["1.csv", "2.csv", "By Month"]
    # And with one file left, this file is the table
    (folder / "2.csv").unlink()
    assert strangers.drafted(base, folder).draft.keys["source"]["path"] == "data/source/1.csv"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("none", "none does not exist: name"),
        ("empty", "empty has no table file: name a file"),
        ("header.csv", "header.csv has columns but no rows"),
        ("s3://bucket/t.csv?signature=geheim", "s3://bucket/t.csv is not an http or https addr"),
        ("sqlite:///loans.db", "a database needs a query: add --query"),
    ],
)
def test_a_place_without_a_table_is_refused(base: Path, where: str, said: str) -> None:
    (base / "empty" / "folder").mkdir(parents=True)
    (base / "header.csv").write_text("a,churned\n", encoding="utf-8")
    with pytest.raises(Problem, match=said):
        propose(base, where, None, Wishes(target="churned"), None, lambda line: None)


def test_an_interrupted_copy_leaves_nothing(
    base: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given somebody who interrupts while the second file of a folder is copied
    folder = tmp_path_factory.mktemp("months")
    for month in (1, 2):
        strangers.customers().to_csv(folder / f"{month}.csv", index=False)
    copyfile = shutil.copyfile

    def interrupted(one: Path, copy: Path) -> None:
        copyfile(one, copy)
        if one.name == "2.csv":
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", interrupted)
    with pytest.raises(KeyboardInterrupt):
        strangers.drafted(base, folder)
    # Then there is neither a half copy nor a configuration
    assert not list((base / "data/source").iterdir())
    assert not list((base / "conf/data").glob("months*"))


def test_a_table_is_found_from_a_folder_of_the_project(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a file that is named from where it lies, inside the project
    (base / "data" / "source").mkdir(parents=True)
    monkeypatch.chdir(base / "data" / "source")
    strangers.customers().to_csv("own.csv", index=False)
    found = strangers.drafted(base, Path("own.csv"))
    # Then its path counts from the project's root
    assert found.draft.keys["source"]["path"] == "data/source/own.csv"
