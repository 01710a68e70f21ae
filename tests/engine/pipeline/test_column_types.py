"""What a column is, is decided once, at `ingest`; later rows are read the same way, or refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import served

from governed_ml.core.problem import Problem

pytestmark = pytest.mark.usefixtures("inside")


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


def every_push(*chosen: str) -> list[Any]:
    """All formats as parameters of a test: those not chosen run at night only."""
    formats = ("csv", "parquet", "jsonl", "db")
    return [
        pytest.param(one, marks=() if one in chosen else pytest.mark.nightly) for one in formats
    ]


def kinds(columns: list[Any]) -> dict[str, str]:
    """Column → kind."""
    return {column.name: column.kind for column in columns}


def trained(name: str = "train.csv", **conf: Any) -> served.Served:
    """A model of the loans, whose file is of this format."""
    conf = {"sensitive": {"sex": {}}, "time": "applied_on"} | conf
    return served.train(served.write(served.loans(), Path(name)), **conf)


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


# --- a second spelling ----------------------------------------------------------------------------


def dotted() -> pd.DataFrame:
    """Two files put together: in the second, every answer ends with a full stop."""
    table = served.loans()
    table["repaid"] = table["repaid"].map({"yes": ">12 months", "no": "<=12 months"})
    table.loc[260:, "repaid"] += "."
    return table


SPELLED: dict[str, tuple[str, Any, str]] = {  # case → column, how it is changed, what is said
    "a full stop": (
        "repaid",
        lambda table: dotted()["repaid"],
        r"values of the target .*'>12 months' \d+ times, '>12 months.' \d+ times",
    ),
    "a blank": ("repaid", lambda table: table["repaid"].where(table.index > 3, "yes "), "'yes '"),
    "another case": (
        "repaid",
        lambda table: table["repaid"].where(table.index > 3, "YES"),
        "'YES' 4 times",
    ),
    "a category": (
        "region",
        lambda table: table["region"].where(table.index > 8, "North"),
        "values of the category .*'North' 9 times",
    ),
    "a group": ("sex", lambda table: table["sex"].where(table.index > 8, " male"), "' male'"),
    "hyphens": (
        "region",
        lambda table: table["region"].replace({"north": "north-east", "south": "north_east"}),
        "'north-east' .*'north_east'",
    ),
    "an invisible character": (
        "repaid",
        lambda table: table["repaid"].where(table.index > 3, "yes\u200b"),
        r"'yes\\u200b' 4 times",
    ),
    "a narrow blank": (
        "region",
        lambda table: table["region"].replace({"north": "the north", "south": "the\u202fnorth"}),
        r"'the\\u202fnorth' ",
    ),
    "an accent of its own": (
        "region",
        lambda table: table["region"].replace({"north": "M\u00f6bel", "south": "Mo\u0308bel"}),
        r"'Mo\\u0308bel' ",
    ),
    "a missing marker": (
        "region",
        lambda table: table["region"].where(table.index > 1, "N/A"),
        r"mostly mean a missing value \('N/A' 2 times\): name them in data.source.missing",
    ),
    "two spellings of true": (
        "employed",
        lambda table: table["employed"].astype(str).where(table.index > 3, "TRUE"),
        "'TRUE' 4 times",
    ),
}


@pytest.mark.parametrize("suffix", every_push("csv"))
@pytest.mark.parametrize("case", SPELLED)
def test_a_second_spelling_is_asked_about_with_counts(case: str, suffix: str) -> None:
    # Given a table in which a part of the rows spells a value in another way
    column, change, said = SPELLED[case]
    table = served.loans()
    source = served.write(table.assign(**{column: change(table)}), Path(f"table.{suffix}"))
    # When it is ingested, then the values and their counts are said, and nothing is written
    with pytest.raises(Problem, match=rf"^column '{column}' has .*{said}"):
        served.ingested(source, sensitive={"sex": {}}, time="applied_on")
    assert not Path("data/raw.parquet").exists()


def test_an_answer_about_spellings_holds_in_training_and_afterwards() -> None:
    # Given the answer that a full stop means nothing
    table = dotted()
    answer = {"repaid": {">12 months.": ">12 months", "<=12 months.": "<=12 months"}}
    conf: dict[str, Any] = {"sensitive": {"sex": {}}, "time": "applied_on", "spellings": answer}
    model = served.train(served.write(table, Path("train.csv")), positive=">12 months", **conf)
    # When the table is trained on, then all favourable rows are favourable
    raw = pd.read_parquet("data/raw.parquet")
    assert raw["repaid"].value_counts().to_dict() == {
        ">12 months": int(table["repaid"].str.startswith(">").sum()),
        "<=12 months": int(table["repaid"].str.startswith("<").sum()),
    }
    # And labels of production are read in the same way
    _, rows = model.monitor(served.write(table, Path("batch.csv")))
    assert (rows.target == table["repaid"].str.startswith(">")).all()
    # And the answer that the spellings are different values leaves them as they are
    served.ingested(served.write(table, Path("train.csv")), positive=">12 months",
                    time="applied_on", distinct=["repaid"])  # fmt: skip
    assert pd.read_parquet("data/raw.parquet")["repaid"].nunique() == 4


@pytest.mark.parametrize("suffix", every_push("csv")[:3])
def test_production_may_not_spell_a_category_in_another_way(suffix: str) -> None:
    # Given a model that knows the region north
    model = trained()
    new = served.loans(30, seed=3).drop(columns="repaid")
    # When rows say North, then row and column are named
    path = Path(f"new.{suffix}")
    served.write(new.assign(region=["North"] + ["north"] * 29), path)
    with pytest.raises(Problem, match=r"1 of 30 values of 'region' are not .* \(row 1\)"):
        model.predict(path)
    # And so it is with a North that only looks like it
    served.write(new.assign(region=["north\u200d"] + ["north"] * 29), path)
    with pytest.raises(Problem, match=r"'region' are not a known spelling, .* \(row 1"):
        model.predict(path)
    # And a region that is new is answered, and told
    path = Path(f"other.{suffix}")
    served.write(new.assign(region=["islands"] + ["north"] * 29), path)
    assert len(model.predict(path)) == 30
    assert model.notes == ["1 values of 'region' did not occur in training"]
    # And so it is where no region has many rows, and the record holds only digests
    few = served.loans(40).assign(region=[f"town {n % 20}" for n in range(40)])
    model = served.train(served.write(few, Path("few.csv")), time="applied_on", sensitive={})
    path = Path(f"third.{suffix}")
    served.write(new.assign(region=["town 1"] * 29 + ["islands"]), path)
    assert len(model.predict(path)) == 30
    assert model.notes == ["1 values of 'region' did not occur in training"]


@pytest.mark.parametrize("suffix", every_push("csv", "parquet")[:3])
@pytest.mark.parametrize(
    "spelled", [["TRUE", "FALSE"], ["true", "false"], [True, False], [1, 0], [1.0, 0.0]]
)
def test_a_truth_value_is_one_in_every_spelling(spelled: list[Any], suffix: str) -> None:
    # Given a model that was trained with True and False, as CSV has them
    model = trained()
    # When production writes truth values otherwise, then the scores are those of training
    new = served.loans().assign(
        employed=lambda table: table["employed"].map(dict(zip([True, False], spelled, strict=True)))
    )
    served.write(new, Path(f"new.{suffix}"))
    found = model.predict(Path(f"new.{suffix}"))["score"]
    assert np.abs(found - model.scores).max() < 1e-12
    # And a word that is no truth value is refused
    served.write(new.assign(employed="perhaps"), Path(f"bad.{suffix}"))
    with pytest.raises(Problem, match="values of 'employed' are not a truth value"):
        model.predict(Path(f"bad.{suffix}"))


# --- one odd cell ---------------------------------------------------------------------------------

ODD: dict[str, tuple[str, dict[int, str], str, list[str]]] = {  # column, cells, said, answer
    "N/A": (
        "age",
        dict.fromkeys(range(11), "N/A"),
        r"389 numbers and 11 texts that are none \('N/A' 11 times\)",
        ["N/A"],
    ),
    "a blank": ("debt_ratio", dict.fromkeys(range(11), " "), r"\(' ' 11 times\)", [" "]),
    "two words": (
        "late_payments",
        {3: "unknown", 5: "?"},
        r"\('\?' 1 times, 'unknown' 1 times\)",
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
    with pytest.raises(Problem, match=rf"^column 'income' holds {said} \d+ rows: write 1234.5"):
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


def test_decimal_commas_round_no_whole_number() -> None:
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


@pytest.mark.parametrize("name", ["Unnamed: 0", "__index_level_0__", "index"])
def test_an_index_of_pandas_is_no_feature_unless_it_is_said(name: str) -> None:
    # Given a table with the numbers of its rows, as pandas writes them
    table = served.loans()
    table.insert(0, name, range(400))
    source = served.write(table, Path("table.csv"))
    # When it is ingested, then it is asked about, and the answer is heeded
    with pytest.raises(Problem, match=f"column '{name}' is an index that pandas wrote"):
        served.ingested(source, time="applied_on")
    served.ingested(source, time="applied_on", drop=[name])
    served.ingested(source, time="applied_on", numeric=[name])


# --- codes ----------------------------------------------------------------------------------------


def coded() -> pd.DataFrame:
    """Codes that look like numbers, of 18 and 20 digits; one is empty."""
    chance = np.random.default_rng(4)
    table = served.loans().drop(columns=["applied_on", "employed"])
    table["diagnosis"] = chance.choice(["250.0", "250.00", "250.01", "401.1", "401.10"], 400)
    table["section"] = chance.choice(["01.02.21", "02.03.11", "04.06.10"], 400)
    table["branch"] = chance.choice(["007", "7", "07"], 400)
    table["merchant"] = chance.choice([f"92345678901234567{n:03}" for n in range(10, 16)], 400)
    table["account"] = chance.choice([f"923456789012345{n:03}" for n in range(10, 16)], 400)
    table["customer"] = [f"92345678901234567{n % 90:03}" for n in range(400)]
    table.loc[17, ["merchant", "account"]] = ""
    return table


CODES = ["diagnosis", "section", "branch", "merchant", "account"]


@pytest.mark.parametrize("suffix", every_push("csv", "db"))
def test_codes_stay_exactly_as_they_are_written(suffix: str) -> None:
    # Given a table of codes, when it is trained on
    table = coded()
    source = served.write(table, Path(f"train.{suffix}"))
    model = served.train(source, categorical=CODES, group="customer", sensitive={"sex": {}})
    # Then each code is what was written, and nothing is where nothing was
    for name in CODES:
        expected = table[name].where(table[name] != "").astype("str")
        assert model.features[name].tolist() == expected.tolist(), name
    raw = pd.read_parquet("data/raw.parquet")
    assert raw["customer"].nunique() == 90
    # And production reads them in the same way
    for other in ("csv", "jsonl"):
        served.write(table.drop(columns="repaid"), Path(f"new-{other}.{other}"))
        found = model.predict(Path(f"new-{other}.{other}"))["score"]
        assert np.abs(found - model.scores).max() < 1e-12, other


def test_whole_numbers_with_gaps_stay_exact_in_every_table() -> None:
    # Given accounts of 18 digits as numbers with a gap, in Parquet and in a database
    accounts = pd.array([923456789012345000 + n % 6 for n in range(399)] + [None], dtype="Int64")
    table = served.loans().drop(columns="applied_on").assign(account=accounts)
    for suffix in ("parquet", "db", "csv", "jsonl"):
        source = served.write(table, Path(f"train.{suffix}"))
        model = served.train(source, categorical=["account"], sensitive={"sex": {}})
        # When they are read as codes, then they are what they were
        right = [str(one) for one in accounts[:399]]
        assert model.features["account"].tolist()[:399] == right
        assert pd.isna(model.features["account"].iloc[399])
    # And as a feature that is a number, they are asked about
    with pytest.raises(Problem, match=r"'account' has whole numbers beyond 2\^53 in 399 rows"):
        served.ingested(source, sensitive={"sex": {}})
    # And decimals that were rounded at the source are no codes
    source = served.write(table.astype({"account": "float64"}), Path("rounded.parquet"))
    with pytest.raises(Problem, match="which the source has rounded to decimals already"):
        served.ingested(source, categorical=["account"])


@pytest.mark.nightly
def test_a_drafted_contract_holds_on_its_own_table_of_codes() -> None:
    # Given a table of codes, and the contract that is drafted for it
    from governed_ml.pipeline.contract import suite_file, validation

    accounts = pd.array([923456789012345000 + n % 6 for n in range(399)] + [None], dtype="Int64")
    table = coded().assign(account=accounts)
    source = served.write(table, Path("train.parquet"))
    data, _ = served.ingested(source, categorical=CODES, group="customer", sensitive={"sex": {}})
    raw = Path("data/raw.parquet")
    drafted = suite_file.draft(raw, data)["expectations"]
    # When it is judged, then it holds
    broken = [one for one in validation.judged(raw, drafted) if not one.success]
    assert not broken


def test_numbers_that_are_written_as_codes_are_asked_about() -> None:
    # Given numbers with leading zeros
    table = served.loans().assign(branch=[f"{n % 50:03}" for n in range(400)])
    for suffix in ("csv", "parquet", "jsonl"):
        source = served.write(table, Path(f"table.{suffix}"))
        # When they are ingested, then it is asked what they are, and the answer is heeded
        with pytest.raises(Problem, match=r"^column 'branch' has 400 numbers .* leading zero"):
            served.ingested(source, time="applied_on")
        _, columns = served.ingested(source, time="applied_on", categorical=["branch"])
        assert pd.read_parquet("data/raw.parquet")["branch"].tolist() == table["branch"].tolist()
        _, columns = served.ingested(source, time="applied_on", numeric=["branch"])
        assert kinds(columns)["branch"] == "integer"


def test_one_number_that_is_written_in_two_ways_is_asked_about() -> None:
    # Given codes that differ in nothing but zeros at their end, in a file that has only texts
    table = served.loans().assign(diagnosis=["250.0", "250.00", "250.01", "401.9"] * 100)
    source = served.write(table, Path("table.csv"))
    # When they are ingested, then it is asked whether they are one number
    said = (
        "^column 'diagnosis' holds numbers that differ only in zeros at their end in 200 rows, "
        r"such as '250\.0' and '250\.00': name it under categorical"
    )
    with pytest.raises(Problem, match=said):
        served.ingested(source, time="applied_on")
    # And either answer is heeded
    served.ingested(source, time="applied_on", categorical=["diagnosis"])
    assert pd.read_parquet("data/raw.parquet")["diagnosis"].tolist() == table["diagnosis"].tolist()
    served.ingested(source, time="applied_on", numeric=["diagnosis"])
    assert pd.read_parquet("data/raw.parquet")["diagnosis"].nunique() == 3
    # And decimals as programs write them raise no question
    for written in ("{:.2f}", "{}"):
        income = [written.format(n % 40 / 4) for n in range(400)]
        source = served.write(table.assign(diagnosis=income), Path("table.csv"))
        served.ingested(source, time="applied_on")


# --- dates ----------------------------------------------------------------------------------------

MONTHS = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(400) * 31 % 700, "D")
US = pd.Series([f"{day.month:02}/{day.day % 12 + 1:02}/{day.year}" for day in MONTHS])


@pytest.mark.parametrize("suffix", every_push("csv"))
def test_dates_that_can_be_read_in_two_ways_are_asked_about(suffix: str) -> None:
    # Given dates of the first twelve days of a month, month first
    table = served.loans().assign(applied_on=US)
    source = served.write(table, Path(f"table.{suffix}"))
    # When they are ingested, then both readings are said
    said = "'applied_on' has 400 dates that can all be read as %d/%m/%Y or as %m/%d/%Y; 3"
    with pytest.raises(Problem, match=said):
        served.ingested(source, time="applied_on")
    # And the answer is kept, and holds in production
    answer = {"applied_on": "%m/%d/%Y"}
    model = served.train(source, time="applied_on", dates=answer, sensitive={"sex": {}})
    right = pd.to_datetime(US, format="%m/%d/%Y")
    raw = pd.read_parquet("data/raw.parquet")
    assert (raw["applied_on"] == right).all()
    given, _ = model.monitor(served.write(table, Path(f"batch.{suffix}")))
    assert (given.frame["applied_on"] == right).all()
    # And dates that are written otherwise are refused
    given, _ = model.monitor(served.write(served.loans(), Path("iso.csv")))
    assert given.unfit["applied_on"] == 400


def test_dates_with_one_reading_are_read_and_mixed_ones_refused() -> None:
    # Given dates of which one day is beyond the twelfth
    dates = US.where(US.index > 0, "12/31/2024")
    source = served.write(served.loans().assign(applied_on=dates), Path("table.csv"))
    # When they are ingested, then the reading is known, and shown
    _, columns = served.ingested(source, time="applied_on")
    assert columns[0].format == "%m/%d/%Y"
    assert pd.read_parquet("data/raw.parquet")["applied_on"][0] == pd.Timestamp("2024-12-31")
    # And where another one is day-first, no reading fits all
    dates = dates.where(dates.index != 1, "31/12/2024")
    source = served.write(served.loans().assign(applied_on=dates), Path("table.csv"))
    with pytest.raises(
        Problem, match=r"'applied_on' has 399 dates .* \('(31/12|12/31)/2024' 1 times"
    ):
        served.ingested(source, time="applied_on")
    # And a date that there is not is no date
    dates = [f"2026-02-{n % 31 + 1:02}" for n in range(400)]
    source = served.write(served.loans().assign(applied_on=dates), Path("table.csv"))
    with pytest.raises(Problem, match=r"texts that are not .*'2026-02-29' 12 times"):
        served.ingested(source, time="applied_on")


NAMED = {"%b %d, %Y": "Jan 01, 2024", "%d %B %Y": "01 January 2024", "%d-%b-%y": "01-Jan-24"}


@pytest.mark.parametrize("form", NAMED)
def test_dates_with_the_name_of_a_month_are_asked_about(form: str) -> None:
    # Given dates that name their month
    table = served.loans().assign(since=MONTHS.strftime(form))
    assert table["since"][0] == NAMED[form]
    source = served.write(table, Path("table.parquet"))
    # When they are ingested, then the format is said, and no category comes of them
    with pytest.raises(Problem, match=f"'since' has 400 texts that are dates written as {form}, "):
        served.ingested(source, time="applied_on")
    # And either answer is heeded
    _, columns = served.ingested(source, time="applied_on", dates={"since": form})
    assert kinds(columns)["since"] == "date"
    assert (pd.read_parquet("data/raw.parquet")["since"] == MONTHS).all()
    _, columns = served.ingested(source, time="applied_on", categorical=["since"])
    assert pd.read_parquet("data/raw.parquet")["since"].tolist() == table["since"].tolist()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_whole_numbers_that_are_all_days_are_asked_about(suffix: str) -> None:
    # Given days as numbers of eight digits
    table = served.loans().assign(since=MONTHS.strftime("%Y%m%d").astype(int))
    source = served.write(table, Path(f"table.{suffix}"))
    # When they are ingested, then it is asked what they are
    said = "column 'since' has 400 different numbers that are all days written as %Y%m%d, such as 2"
    with pytest.raises(Problem, match=said):
        served.ingested(source, time="applied_on")
    # And each answer is heeded
    served.ingested(source, time="applied_on", dates={"since": "%Y%m%d"})
    assert (pd.read_parquet("data/raw.parquet")["since"] == MONTHS).all()
    for answer in ("numeric", "categorical"):
        served.ingested(source, time="applied_on", **{answer: ["since"]})
        assert (pd.read_parquet("data/raw.parquet")["since"] == table["since"]).all()
    # And production may have them as numbers, in every format
    days = {"since": "%Y%m%d"}
    model = served.train(source, drop=["applied_on"], time="since", dates=days, sensitive={})
    for other in ("csv", "parquet", "jsonl"):
        given, _ = model.monitor(served.write(table, Path(f"batch.{other}")))
        assert (given.frame["since"] == MONTHS).all()
    # And numbers of which one is no day, or of which there are few, are numbers
    for fine in (table["since"].where(table.index > 0, 20240230), table["since"] % 8 + 20240110):
        served.ingested(served.write(table.assign(since=fine), Path(f"table.{suffix}")),
                        time="applied_on")  # fmt: skip


# --- texts that are nearly numbers, or nearly all different ---------------------------------------


@pytest.mark.parametrize("written", ["€{:.2f}", "${:,.2f}", "{:.0f} €", "{:.1f}%", "-£{:.0f}"])
def test_numbers_with_a_sign_of_a_currency_or_percentage_are_asked_about(written: str) -> None:
    # Given amounts with their sign, and a few that are missing
    texts = pd.Series([written.format(n * 17.25) for n in range(400)]).where(
        lambda one: one.index > 9
    )
    source = served.write(served.loans().assign(income=texts), Path("table.parquet"))
    # When they are ingested, then they are no category of hundreds of levels: it is asked
    with pytest.raises(Problem, match="column 'income' has 390 numbers with a sign of a currency"):
        served.ingested(source, time="applied_on")
    # And the answer that they are categories is heeded
    served.ingested(source, time="applied_on", categorical=["income"])


def test_a_text_that_hardly_ever_comes_again_is_told() -> None:
    # Given a note that is another one in every row, and a key that is under `drop`
    table = served.loans().assign(note=[f"by hand, {n}" for n in range(400)])
    table["key"] = [f"K{n}" for n in range(400)]
    source = served.write(table, Path("table.csv"))
    # When they are ingested, then the note is named as what no model can learn from
    lines: list[str] = []
    served.ingested(source, time="applied_on", drop=["key"], lines=lines)
    assert "nearly every text of 'note' is there once" in lines[0]
    assert "'key'" not in lines[0]
    # And where it is dropped, too, nothing is said
    served.ingested(source, time="applied_on", drop=["key", "note"], lines=lines)
    assert "nearly every text" not in lines[1]


# --- the target -----------------------------------------------------------------------------------

UNLEARNED: dict[str, tuple[Any, dict[str, Any], str]] = {  # case → target, conf, what is said
    "another positive": (
        ["yes", "no"],
        {"positive": "ja"},
        "'ja' is no value of the target 'repaid', which has 'no' 200 times, 'yes' 200 times: ",
    ),
    "a truth value": (["yes", "no"], {"positive": True}, "YAML reads yes, no, on and off without"),
    "one class": (
        ["yes", "yes"],
        {},
        "target 'repaid' has one value only ('yes' 400 times): a classification needs two",
    ),
    "gaps": (["yes", None], {}, "target 'repaid' is missing in 200 of 400 rows: leave these rows"),
    "nothing": ([None, None], {}, "target 'repaid' is missing in 400 of 400 rows"),
    "gaps of a regression": (
        [1.5, None],
        {"task": "regression", "positive": None},
        "target 'repaid' is missing in 200 of 400 rows",
    ),
}


@pytest.mark.parametrize("case", UNLEARNED)
def test_a_target_that_cannot_be_learned_is_refused_at_once(case: str) -> None:
    # Given a target that lacks values, or has another favourable value than is said
    values, conf, said = UNLEARNED[case]
    source = served.write(served.loans().assign(repaid=values * 200), Path("table.parquet"))
    # When it is ingested, then the values that occur are said, and nothing is written
    with pytest.raises(Problem, match=re.escape(said)):
        served.ingested(source, time="applied_on", **conf)
    assert not list(Path("data").glob("raw.*"))


@pytest.mark.parametrize("values", [[True, False], [1, 0], ["1", "0"], [1.0, 0.0]])
def test_a_favourable_value_is_found_however_it_is_written(values: list[Any]) -> None:
    # Given truth values, and 1 and 0, when they are ingested, then `true` or 1 is among them
    source = served.write(served.loans().assign(repaid=values * 200), Path("table.parquet"))
    positives = [True, "true"] if values[0] is True else [1, "1"]
    for positive in positives:
        served.train(source, time="applied_on", sensitive={"sex": {}}, positive=positive)


OFFSET = "ISO 8601 with an offset, kept as UTC"


@pytest.mark.parametrize("suffix", every_push("parquet", "db"))
def test_dates_as_text_are_dates_in_every_format_and_offsets_are_kept(suffix: str) -> None:
    # Given dates as text, with and without a time, and with an offset
    plain = served.loans()["applied_on"]
    forms = {
        "ISO 8601": (plain.dt.strftime("%Y-%m-%d"), plain),
        OFFSET: (plain.dt.strftime("%Y-%m-%dT00:30:00+01:00"), plain - pd.Timedelta(minutes=30)),
    }
    forms["ISO 8601, mixed"] = (
        forms["ISO 8601"][0].where(plain.index % 50 > 0, plain.dt.strftime("%Y-%m-%d 14:05:00")),
        plain.where(plain.index % 50 > 0, plain + pd.Timedelta(hours=14, minutes=5)),
    )
    for form, (texts, right) in forms.items():
        source = served.write(served.loans().assign(applied_on=texts), Path(f"table.{suffix}"))
        # When they are the time, then they are read as times, in UTC
        _, columns = served.ingested(source, time="applied_on")
        assert columns[0].format == form.removesuffix(", mixed")
        assert (pd.read_parquet("data/raw.parquet")["applied_on"] == right).all(), form
        # And when they have no role, they are no category
        with pytest.raises(Problem, match="column 'applied_on' is a date: name it under time"):
            served.train(source)
    # And times of which some have an offset are refused
    texts = forms[OFFSET][0].where(plain.index > 4, forms["ISO 8601"][0])
    source = served.write(served.loans().assign(applied_on=texts), Path(f"table.{suffix}"))
    with pytest.raises(Problem, match=rf"395 dates that are written as {OFFSET}, and 5 texts"):
        served.ingested(source, time="applied_on")
