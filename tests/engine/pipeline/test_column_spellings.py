"""A second spelling of a value is asked about at `ingest`, and refused in later rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import served
from served import every_push, in_own_folder, trained  # noqa: F401 - a fixture, too

from governed_ml.core.problem import Problem

pytestmark = pytest.mark.usefixtures("inside")


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
        r"mostly mean a missing value \('N/A' 2 times\): list them in data.source.missing",
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
                    time="applied_on", distinct=["repaid"], against="rest")  # fmt: skip
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
def test_truth_values_are_recognised_in_every_spelling(spelled: list[Any], suffix: str) -> None:
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


@pytest.mark.parametrize("written", ["€{:.2f}", "${:,.2f}", "{:.0f} €", "{:.1f}%", "-£{:.0f}"])
def test_numbers_with_a_sign_of_a_currency_or_percentage_are_asked_about(written: str) -> None:
    # Given amounts with their sign, and a few that are missing
    texts = pd.Series([written.format(n * 17.25) for n in range(400)]).where(
        lambda one: one.index > 9
    )
    source = served.write(served.loans().assign(income=texts), Path("table.parquet"))
    # When they are ingested, then they are no category of hundreds of levels: it is asked
    with pytest.raises(Problem, match="column 'income' has 390 numbers with the sign or unit '"):
        served.ingested(source, time="applied_on")
    # And the answer that they are categories is heeded
    served.ingested(source, time="applied_on", categorical=["income"])


SIGNS: dict[str, tuple[str, str]] = {  # how numbers are written, and in another way later
    "%": ("{:.1f}%", "{:.1f} %"),
    "$": ("${:,.2f}", "$ {:,.2f}"),
    "EUR": ("{:,.2f} EUR", "EUR {:,.2f}"),
    "kg": ("{:.1f} kg", "{:.1f}kg"),
    "(1)": ("({:.2f})", "{:.2f}-"),
}


@pytest.mark.parametrize("sign", SIGNS)
def test_numbers_with_a_sign_are_numbers_in_training_and_production(sign: str) -> None:
    # Given a column that is listed under `numeric`, though its numbers have a sign or unit
    written, later = SIGNS[sign]
    table = served.loans()
    amounts = pd.Series([n * 17.25 + 0.5 for n in range(400)])
    value = -amounts if sign == "(1)" else amounts
    source = served.write(table.assign(income=amounts.map(written.format)), Path("table.csv"))
    conf: dict[str, Any] = {"time": "applied_on", "numeric": ["income"]}
    model = served.train(source | {"thousands": ","}, **conf)
    # When it is ingested, then it has the numbers
    raw = pd.read_parquet("data/raw.parquet")["income"]
    assert np.allclose(raw, value.round(2 if "2f" in written else 1))
    # And later tables may write them in another way, or as numbers, but not with another sign
    for number, cells in enumerate((amounts.map(later.format), raw)):
        path = Path(f"new{number}.{'csv' if number == 0 else 'parquet'}")
        served.write(table.assign(income=cells), path)
        assert np.allclose(model.predict(path)["score"], model.scores)
    served.write(table.assign(income="£5"), Path("other.csv"))
    with pytest.raises(Problem, match="values of 'income' are not a number"):
        model.predict(Path("other.csv"))


def test_a_few_units_are_categories_and_many_are_asked_about() -> None:
    terms = [f"{12 * (n % 5 + 1)} months" for n in range(400)]
    source = served.write(served.loans().assign(term=terms), Path("few.csv"))
    _, columns = served.ingested(source, time="applied_on")
    assert next(one for one in columns if one.name == "term").kind == "category"
    source = served.write(
        served.loans().assign(term=[f"{n % 60} months" for n in range(400)]), Path("many.csv")
    )
    with pytest.raises(
        Problem, match=r"with the sign or unit 'months' .*write `numeric: \[term\]`"
    ):
        served.ingested(source, time="applied_on")


def test_a_feature_whose_texts_nearly_all_differ_is_named() -> None:
    # Given a note that is another one in every row, and a key that is under `drop`
    table = served.loans().assign(note=[f"by hand, {n}" for n in range(400)])
    table["key"] = [f"K{n}" for n in range(400)]
    source = served.write(table, Path("table.csv"))
    # When they are ingested, then the note is named as what no model can learn from
    lines: list[str] = []
    served.ingested(source, time="applied_on", drop=["key"], lines=lines)
    assert "nearly every text of 'note' occurs only once" in lines[0]
    assert "'key'" not in lines[0]
    # And where it is dropped, too, nothing is said
    served.ingested(source, time="applied_on", drop=["key", "note"], lines=lines)
    assert "nearly every text" not in lines[1]
