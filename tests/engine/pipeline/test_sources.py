"""What comes in: every source gives one table, and bad input is one line that names it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from baked import BakedProject

from governed_ml.core.config.composition import compose
from governed_ml.core.problem import Problem
from governed_ml.pipeline.data.synthetic import book
from governed_ml.pipeline.stages import ingest as stage

Ingest = Callable[..., pd.DataFrame]
CSV = "age,income (€),y#1\n30,1.5,yes\n40,?,no\n"
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "header only": (b"age,y#1\n", "has columns but no row"),
    "one column": (b"age:y#1\n1:2\n", "set data.source.delimiter"),
    "not UTF-8": ("age,y#1\n1,é\n".encode("latin-1"), "is not UTF-8"),
    "UTF-16": ("age,y#1\n1,2\n".encode("utf-16"), "is not UTF-8"),
    "a column twice": (b"age,y#1,age\n1,2,3\n", "'age' is in the table 2 times"),
    "names that differ in case": (b"age,y#1,Age\n1,2,3\n", "'age' and 'Age' differ only in case"),
    "no name": (
        b"age,y#1,\n1,2,3\n",
        "column 'Unnamed: 2' is the index of a pandas",
    ),
    "ragged": (b"age,y#1\n" + b"1,2\n" * 50_000 + b"1,2,3\n", "3 cells in line 50002"),
    "infinite": (b"age,y#1\n1,2.5\n2,inf\n", "'y#1' holds values that are infinite"),
    "10 MB in a cell": (b"age,y#1\n1," + b"x" * 10_000_000 + b"\n2,y\n", "100,000 characters"),
    "no target": (b"age,y_1\n1,2\n", "data.target: the table has no column 'y#1'"),
    "archive": (b"PK\x03\x04", "is damaged: unpack it yourself"),
    "nested": (b'[{"age": 1, "y#1": {"b": 2}}]', "pandas.json_normalize"),
    "damaged": (b"PAR1 and no more", "damaged Parquet"),
}


@pytest.fixture
def ingest(project: BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ingest:
    """Run the stage in an empty folder with a source; returns the table that it wrote."""
    values = compose(project.path / "conf").model_dump(mode="json")
    shutil.copy(project.path / "pyproject.toml", tmp_path)
    shutil.copytree(project.path / "src", tmp_path / "src")
    monkeypatch.chdir(tmp_path)

    def run(**source: Any) -> pd.DataFrame:
        plain = {"target": "y#1", "positive": "yes", "sensitive": {}, "drop": [], "time": None}
        synthetic = source["kind"] == "synthetic"
        data = values["data"] | ({} if synthetic else plain) | {"source": source}
        text = yaml.safe_dump(values | {"data": data, "seed": 7})
        Path("params.yaml").write_text(text, encoding="utf-8")
        stage.main()
        return pd.read_parquet("data/raw.parquet")

    return run


def test_csv_keeps_names_and_reads_missing_texts_as_null(ingest: Ingest) -> None:
    # Given a CSV with odd names and "?" for a missing value
    Path("table.csv").write_text(CSV, encoding="utf-8")
    # When it is ingested twice
    table = ingest(kind="file", path="table.csv", missing=["?"])
    first = Path("data/raw.parquet").read_bytes()
    ingest(kind="file", path="table.csv", missing=["?"])
    # Then names, types and nulls are right and the bytes the same
    assert list(table.columns) == ["age", "income (€)", "y#1"]
    assert table["income (€)"].tolist()[0] == 1.5
    assert table["income (€)"].isna().tolist() == [False, True]
    assert Path("data/raw.parquet").read_bytes() == first


def test_parquet_json_and_sql_give_the_table_that_csv_gives(ingest: Ingest) -> None:
    # Given the same rows as CSV, Parquet, JSON lines and in a database
    frame = pd.DataFrame({"age": [30, 40], "income": [1.5, np.nan], "y#1": ["yes", "no"]})
    frame.to_csv("t.csv", index=False)
    frame.to_parquet("t.parquet")
    frame.to_json("t.jsonl", orient="records", lines=True)
    with sqlite3.connect("t.db") as connection:
        frame.to_sql("t", connection, index=False)
    # When each is ingested, then the tables are equal
    sql = {"kind": "sql", "url": "sqlite:///t.db", "query": "SELECT * FROM t"}
    for source in ({"kind": "file", "path": "t.parquet"}, {"kind": "file", "path": "t.jsonl"}, sql):
        pd.testing.assert_frame_equal(ingest(**source), ingest(kind="file", path="t.csv"))


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_leaves_nothing(case: str, ingest: Ingest) -> None:
    # Given a file that is no table for this project
    content, said = REFUSED[case]
    Path("table.csv").write_bytes(content)
    # When it is ingested, then one line says why, and nothing half-written stays
    with pytest.raises(Problem) as caught:
        ingest(kind="file", path="table.csv")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400
    assert not list(Path("data").glob("*"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"kind": "file", "path": "none.csv"}, "none.csv does not exist"),
        ({"kind": "file", "path": "."}, "has the folder src inside"),
        ({"kind": "file", "path": "http://127.0.0.1:9/t.csv"}, "cannot be fetched"),
        (
            {"kind": "sql", "url": "sqlite:///no.db", "query": "SELECT * FROM t"},
            "no.db does not exist",
        ),
        ({"kind": "sql", "url": "sqlite://", "query": "SELECT * FROM t"}, "no such table"),
        ({"kind": "sql", "url": "env:NO_SUCH_NAME", "query": "x"}, "NO_SUCH_NAME is not set"),
        # pragma: allowlist nextline secret
        ({"kind": "sql", "url": "sqlite://u:secret@h/t", "query": "x"}, "write env:NAME"),
        ({"kind": "synthetic", "rows": 9, "faults": ["magic"]}, "unknown fault 'magic'"),
    ],
)
def test_a_source_that_does_not_answer(source: dict[str, Any], said: str, ingest: Ingest) -> None:
    # Given a source that is not there, when it is ingested, then one line says so, without secrets
    with pytest.raises(Problem, match=said) as caught:
        ingest(**source)
    assert "secret" not in str(caught.value)
    assert not Path("no.db").exists()


def test_the_credit_book_is_what_it_says_it_is() -> None:
    # Given the book
    frame = book(60_000, 1, [])
    # Then it is the same for the same seed, and no outcome depends on a sensitive attribute
    pd.testing.assert_frame_equal(frame, book(60_000, 1, []))
    repaid = frame["repaid"] == "yes"
    assert 0.68 < repaid.mean() < 0.73
    rates = repaid.groupby([frame["sex"], frame["age_group"]]).mean()
    assert rates.max() - rates.min() < 0.03


def test_faults_do_what_they_say() -> None:
    # Given the book with each fault

    def gap(faults: list[str], *by: str) -> float:
        frame = book(60_000, 1, faults)
        rates = (frame["repaid"] == "yes").groupby([frame[name] for name in by]).mean()
        return float(rates.max() - rates.min())

    # Then a bias shows where it was planted, and an exclusive or in the intersection only
    assert gap(["biased"], "sex") > 0.15
    assert gap(["subgroup"], "sex", "age_group") > 0.15
    assert gap(["subgroup"], "sex") < 0.02
    assert gap(["subgroup"], "age_group") < 0.02
    # And the others show in their columns
    assert book(1_000, 1, ["income_nulls"])["income"].isna().mean() > 0.08
    assert "debt_ratio" not in book(1_000, 1, ["schema_break"])
    assert book(1_000, 1, ["pii"])["purpose"].str.contains("@").any()
    proxied = book(1_000, 1, ["proxy"])
    assert ((proxied["purpose"] == "home") == (proxied["sex"] == "female")).mean() > 0.85
    income = book(10_000, 1, ["drifted"])["income"]
    assert income[-2_000:].mean() > 1.3 * income[:5_000].mean()
    leaked = book(5_000, 1, ["leak"])
    assert leaked["loan_amount"].corr(leaked["credit_limit"]) > 0.99
