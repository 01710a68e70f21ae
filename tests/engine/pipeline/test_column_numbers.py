"""Numbers are read as they are meant, once and for all: decimals, odd cells, marks, an index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import served
from served import every_push, in_own_folder, kinds, trained  # noqa: F401 - a fixture, too

from governed_ml.core.problem import Problem

pytestmark = pytest.mark.usefixtures("inside")


# --- whole numbers in training, decimals in production --------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_decimal_where_training_had_whole_numbers_is_used_as_it_is(suffix: str) -> None:
    # Given a model whose training rows had 0, 1, 2 … late payments
    model = trained()
    new = served.loans(60, seed=2).drop(columns="repaid")
    scores = {}
    # When production gives monthly averages
    for number, value in enumerate((0.0, 0.4, 2.5)):
        path = Path(f"new-{number}.{suffix}")
        served.write(new.assign(late_payments=value), path)
        scores[value] = model.predict(path)["score"]
        # Then the model answers about just these numbers
        features = model.features.iloc[:60].assign(
            late_payments=value,
            **{name: new[name] for name in ("age", "debt_ratio", "region")},
            employed=new["employed"].map({True: "True", False: "False"}),
        )
        right = model.model.predict_proba(features)[:, 1]
        assert np.abs(scores[value] - right).max() < 1e-12
    # And a batch that is monitored has them, too
    source = served.write(new.assign(late_payments=0.4, repaid="no"), Path(f"batch.{suffix}"))
    _, rows = model.monitor(source)
    assert set(rows.features["late_payments"]) == {0.4}
    assert (scores[0.0] != scores[0.4]).all()


def test_a_code_that_is_no_whole_number_is_refused_by_row_and_column() -> None:
    # Given a model whose regions are numbers under `categorical`
    table = served.loans().assign(region=np.arange(400) % 3)
    model = served.train(served.write(table, Path("train.csv")), categorical=["region"],
                         drop=["applied_on", "sex"])  # fmt: skip
    # When a region of 1.5 comes, then its row and column are named
    new = table.head(20).assign(region=[1.0] * 17 + [1.5] * 3)
    served.write(new, Path("new.csv"))
    said = r"3 of 20 values of 'region' are not a whole number.*\(row 18, 19, 20\)"
    with pytest.raises(Problem, match=said):
        model.predict(Path("new.csv"))
    # And 1.0, as a column with gaps writes it, is the region 1
    served.write(new.assign(region=[1.0] * 19 + [None]), Path("gaps.csv"))
    served.write(new.assign(region=[1] * 19 + [None]).astype({"region": "Int64"}),
                 Path("whole.parquet"))  # fmt: skip
    found = model.predict(Path("gaps.csv"))["score"]
    pd.testing.assert_series_equal(found, model.predict(Path("whole.parquet"))["score"])


# --- one odd cell ---------------------------------------------------------------------------------

ODD: dict[str, tuple[str, dict[int, str], str, list[str]]] = {  # column, cells, said, answer
    "N/A": (
        "age",
        dict.fromkeys(range(11), "N/A"),
        r"389 numbers and 11 texts that are not numbers \('N/A' 11 times\)",
        ["N/A"],
    ),
    "a blank": ("debt_ratio", dict.fromkeys(range(11), " "), r"\(' ' 11 times\)", [" "]),
    "two words": (
        "late_payments",
        {3: "unknown", 5: "?"},
        r"\('\?' once, 'unknown' once\)",
        ["unknown", "?"],
    ),
}


@pytest.mark.parametrize("suffix", every_push("csv"))
@pytest.mark.parametrize("case", ODD)
def test_a_few_odd_cells_do_not_retype_a_column_of_numbers(case: str, suffix: str) -> None:
    # Given a column of numbers with a few texts, as Excel users type them
    column, odd, said, answer = ODD[case]
    table = served.loans()
    cells = table[column].astype(str)
    cells = cells.where(~cells.index.isin(list(odd)), pd.Series(odd))
    source = served.write(table.assign(**{column: cells}), Path(f"table.{suffix}"))
    # When it is ingested, then the cells are said with their counts
    with pytest.raises(Problem, match=rf"^column '{column}' has .*{said}.*data.source.missing"):
        served.ingested(source, time="applied_on")
    # And where they are named as missing, the column has numbers, in the files that have types, too
    conf = {"numeric": [column], "time": "applied_on"}
    _, columns = served.ingested(source | {"missing": answer}, **conf)
    assert kinds(columns)[column] in ("integer", "decimal")
    raw = pd.read_parquet("data/raw.parquet")[column]
    assert raw.isna().sum() == len(odd)
    assert np.allclose(raw.dropna(), table[column].drop(list(odd)))


def test_a_missing_marker_means_the_same_in_every_format() -> None:
    # Given a model whose table has -1 for a missing number, and N/A for a missing region
    table = served.loans()
    table.loc[:9, ["age", "region"]] = [-1, "N/A"]
    conf: dict[str, Any] = {"drop": ["applied_on"], "sensitive": {"sex": {}}}
    for suffix in ("csv", "parquet"):
        source = served.write(table, Path(f"train.{suffix}"))
        model = served.train(source | {"missing": ["-1", "N/A"]}, **conf)
        assert model.features.isna().sum()[["age", "region"]].tolist() == [10, 10]
        # When production has them in another format, then they are missing there, too
        for other in ("parquet", "jsonl") if suffix == "csv" else ("csv",):
            served.write(table, Path(f"new.{other}"))
            found = model.predict(Path(f"new.{other}"))["score"]
            assert np.abs(found - model.scores).max() < 1e-12, (suffix, other)
            served.forget_answers()


MARKS: dict[str, tuple[str, str, str]] = {  # written → decimal mark, thousands, what is asked
    "1.234,50": (",", ".", "numbers with a comma in"),
    "1,234.50": (".", ",", "numbers with a comma in"),
    "1 234,5": (",", " ", "numbers with a comma in"),
    "1'234.5": (".", "'", "numbers with an apostrophe in"),
}


@pytest.mark.parametrize("case", MARKS)
def test_marks_of_decimals_and_thousands_are_asked_about(case: str) -> None:
    # Given numbers as other countries write them
    decimal, thousands, said = MARKS[case]
    numbers = np.arange(400) * 17.25

    def written(value: float) -> str:
        return f"{value:,.2f}".replace(",", "t").replace(".", decimal).replace("t", thousands)

    table = served.loans().assign(income=[written(value) for value in numbers])
    if decimal != ".":  # a table writes all its numbers in one way
        table = table.drop(columns="debt_ratio")
    source = served.write(table, Path("table.csv"))
    # When they are ingested, then the marks are asked for
    with pytest.raises(
        Problem, match=rf"^column 'income' holds {said} \d+ rows: write them like 1234.5"
    ):
        served.ingested(source, time="applied_on")
    # And once they are told, the numbers are right, in training and in production
    model = served.train(source | {"decimal": decimal, "thousands": thousands}, time="applied_on")
    assert np.allclose(model.features["income"], numbers)
    found = model.predict(Path("table.csv"))["score"]
    assert np.abs(found - model.scores).max() < 1e-12


def test_a_point_before_every_three_digits_is_asked_about() -> None:
    # Given whole numbers as Germany writes them, which are decimals to everybody else
    numbers = np.arange(1, 401) * 37
    table = served.loans().drop(columns="debt_ratio")
    table = table.assign(income=[f"{value:,}".replace(",", ".") for value in numbers])
    source = served.write(table, Path("table.csv"))
    # When they are ingested, then it is asked what the point is
    with pytest.raises(Problem, match=r"^column 'income' holds numbers with three digits behind"):
        served.ingested(source, time="applied_on")
    # And either answer is heeded
    served.ingested(source, time="applied_on", numeric=["income"])
    read = pd.read_parquet("data/raw.parquet")["income"].to_numpy()
    assert np.allclose(read, np.where(numbers < 1000, numbers, numbers / 1000))
    served.ingested(source | {"decimal": ",", "thousands": "."}, time="applied_on")
    assert pd.read_parquet("data/raw.parquet")["income"].tolist() == numbers.tolist()


@pytest.mark.parametrize("name", ["Unnamed: 0", "__index_level_0__", "index"])
def test_a_pandas_index_is_a_feature_only_if_configured(name: str) -> None:
    # Given a table with the numbers of its rows, as pandas writes them
    table = served.loans()
    table.insert(0, name, range(400))
    source = served.write(table, Path("table.csv"))
    # When it is ingested, then it is asked about, and the answer is heeded
    with pytest.raises(Problem, match=f"column '{name}' is the index of a pandas table"):
        served.ingested(source, time="applied_on")
    served.ingested(source, time="applied_on", drop=[name])
    served.ingested(source, time="applied_on", numeric=[name])


def test_whole_numbers_are_not_rounded_in_files_with_decimal_commas() -> None:
    # Given whole numbers, and accounts of 18 digits, in a file with decimal commas
    accounts = [923456789012345000 + n % 6 for n in range(400)]
    table = served.loans().assign(account=accounts)
    table.to_csv("table.csv", index=False, sep=";", decimal=",")
    source = {"kind": "file", "path": "table.csv", "decimal": ","}
    # When it is ingested, then the accounts are asked about, as they are in every other file
    with pytest.raises(Problem, match=r"'account' has whole numbers beyond 2\^53 in 400 rows"):
        served.ingested(source, time="applied_on")
    # And as codes they are what they were, and whole numbers stay whole numbers
    _, columns = served.ingested(source, time="applied_on", categorical=["account"])
    found = kinds(columns)
    assert [found[name] for name in ("age", "late_payments", "debt_ratio", "account")] == [
        *("integer", "integer", "decimal", "code")
    ]
    assert pd.read_parquet("data/raw.parquet")["account"].tolist() == [str(n) for n in accounts]


def test_a_point_in_a_file_with_decimal_commas_is_called_a_point() -> None:
    # Given codes with one point, in a file with decimal commas
    table = served.loans().assign(diagnosis=["250.0", "250.01"] * 200)
    table.to_csv("table.csv", index=False, sep=";", decimal=",")
    source = {"kind": "file", "path": "table.csv", "decimal": ","}
    # When they are ingested, then the question is about a point
    with pytest.raises(Problem, match="column 'diagnosis' holds numbers with a point in 400 rows"):
        served.ingested(source, time="applied_on")


def test_a_decimal_is_never_read_as_thousands() -> None:
    # Given a model whose table separates thousands by points
    table = served.loans().drop(columns="debt_ratio")
    table["income"] = [f"{value * 37:,}".replace(",", ".") for value in range(1, 401)]
    source = served.write(table, Path("train.csv")) | {"decimal": ",", "thousands": "."}
    model = served.train(source, time="applied_on", sensitive={"sex": {}})
    # When production writes 0.125, which no separator of thousands gives, then it is refused
    served.write(table.assign(income="0.125"), Path("new.csv"))
    with pytest.raises(Problem, match="400 of 400 values of 'income' are not a number"):
        model.predict(Path("new.csv"))
