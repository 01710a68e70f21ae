"""Names of columns are the same in every format, and no two of them are one to the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import served
from served import in_own_folder, kinds  # noqa: F401 - a fixture, too

from governed_ml.core.problem import Problem

pytestmark = pytest.mark.usefixtures("inside")


def lines(path: str, rows: list[dict[str, Any]], *, listed: bool = False) -> dict[str, Any]:
    """Write rows as JSON lines, or as one list; return it as a source."""
    texts = [json.dumps(row) for row in rows]
    text = f"[{','.join(texts)}]" if listed else "\n".join(texts)
    Path(path).write_text(text, encoding="utf-8")
    return {"kind": "file", "path": path}


def rows() -> list[dict[str, Any]]:
    """Rows of loans, as JSON has them."""
    return json.loads(served.loans().to_json(orient="records", date_format="iso"))


@pytest.mark.parametrize("listed", [False, True])
def test_keys_that_differ_only_in_case_or_blanks_are_refused(listed: bool) -> None:
    # Given rows of which the last hundred have another key for one column
    for other, what in (("Debt_Ratio", "case"), ("debt_ratio ", "blanks around them")):
        changed = rows()
        for row in changed[300:]:
            row[other] = row.pop("debt_ratio")
        source = lines("table.jsonl", changed, listed=listed)
        # When they are ingested, then both are named, and no column is emptied
        with pytest.raises(
            Problem, match=rf"'{other}'( and 'debt_ratio')? differ only in {what}: rename one"
        ):
            served.ingested(source, time="applied_on")
    # And so it is for what a model is asked
    model = served.train(served.write(served.loans(), Path("train.csv")), time="applied_on")
    with pytest.raises(Problem, match="differ only in blanks around them: rename one"):
        model.predict(Path("table.jsonl"))


def test_a_header_of_names_that_are_one_without_blanks_is_refused() -> None:
    # Given a CSV with `a` and ` a`
    Path("table.csv").write_text("a, a,repaid\n" + "1,2,yes\n3,4,no\n" * 40, encoding="utf-8")
    # When it is ingested, then both are named
    with pytest.raises(Problem, match="columns 'a' and ' a' differ only in blanks around them"):
        served.ingested({"kind": "file", "path": "table.csv"}, sensitive={"sex": {}})


def test_blanks_around_column_names_are_ignored_in_every_format() -> None:
    # Given a model of a table with a blank before a name
    table = served.loans().rename(columns={"debt_ratio": " debt_ratio"})
    for suffix in ("parquet", "jsonl", "csv"):
        model = served.train(served.write(table, Path(f"train.{suffix}")), time="applied_on")
        # When its rows come in each format, then the scores are those of training
        for other in ("csv", "parquet", "jsonl"):
            served.write(table, Path(f"{suffix}.{other}"))
            found = model.predict(Path(f"{suffix}.{other}"))["score"]
            assert (found - model.scores).abs().max() < 1e-12
        served.forget_answers()


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_a_duration_is_refused_because_its_unit_would_be_lost(unit: str) -> None:
    # Given a Parquet file with a duration, which holds whole numbers of some unit
    since = pd.Series(pd.to_timedelta(range(400), unit="h")).astype(f"timedelta64[{unit}]")
    served.loans().assign(since=since).to_parquet("table.parquet")
    # When it is ingested, then it is named
    with pytest.raises(Problem, match="column 'since' is a duration: write a number of one unit"):
        served.ingested({"kind": "file", "path": "table.parquet"}, time="applied_on")


def test_codes_with_an_exponent_are_asked_about() -> None:
    # Given codes of a CSV that are the same number, each in two ways
    table = served.loans().assign(lot=["1E2", "100", "2E1", "20"] * 100)
    source = served.write(table, Path("table.csv"))
    # When they are ingested, then it is asked whether they are codes
    with pytest.raises(
        Problem, match="'lot' holds texts such as '1E2' in 200 rows, which can be cod"
    ):
        served.ingested(source, time="applied_on")
    # And either answer is heeded
    served.ingested(source, time="applied_on", categorical=["lot"])
    assert pd.read_parquet("data/raw.parquet")["lot"].tolist() == table["lot"].tolist()
    _, columns = served.ingested(source, time="applied_on", numeric=["lot"])
    assert kinds(columns)["lot"] == "decimal"
    # And numbers as programs write them raise no question
    for written in ("1e+02", "1.5e-05", "1E-3"):
        fine = table.assign(lot=[written, "100", "2.5", "20"] * 100)
        served.ingested(served.write(fine, Path("table.csv")), time="applied_on")


@pytest.mark.parametrize("odd", ["0x1", "0x1F"])
def test_a_hexadecimal_number_is_reported_like_any_odd_cell(odd: str) -> None:
    # Given whole numbers, and one that is written in hexadecimal digits
    texts = [odd, *map(str, range(1, 400))]
    source = served.write(served.loans().assign(flags=texts), Path("table.csv"))
    # When they are ingested, then the text is said, with counts
    with pytest.raises(Problem, match=rf"'flags' has 399 numbers and 1 texts .*'{odd}'"):
        served.ingested(source, time="applied_on")


def test_excels_separator_line_is_named() -> None:
    Path("table.csv").write_text("sep=;\na;repaid\n1;yes\n", encoding="utf-8")
    with pytest.raises(Problem, match=r"line 1 of table\.csv is `sep=…`, which only Excel reads"):
        served.ingested({"kind": "file", "path": "table.csv"})
