"""What a table leaves open is answered where nothing is lost; the rest is asked, never guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import strangers

from governed_ml.core.problem import Problem
from governed_ml.init_data.wishes import settings

UNKNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "target": (
        {"target": None},
        "the target is not known: add --target COLUMN, for example one of",
    ),
    "a misspelt target": ({"target": "churn"}, "no column 'churn'; did you mean 'churned'"),
    "favourable value": ({"positive": None}, "add --positive VALUE, the value that is favourable"),
    "no value": ({"positive": "maybe"}, "'maybe' is no value of 'churned', which has 'yes'"),
    "a misspelt attribute": ({"sensitive": ("gendr",)}, "did you mean 'gender'"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_the_table_cannot_say_is_never_guessed(base: Path, case: str) -> None:
    # Given no answer to what only people know, when the table is drafted without questions
    given, words = UNKNOWN[case]
    # Then it is refused with the option to add
    with pytest.raises(Problem, match=words.replace("(", r"\(")):
        strangers.drafted(base, strangers.customers(), **given)
    assert not (base / "conf/data/customers.yaml").exists()


def test_a_table_without_sensitive_names_needs_a_reason(base: Path) -> None:
    table = strangers.customers().drop(columns=["gender", "age"])
    with pytest.raises(Problem, match="no column looks like a sensitive attribute: name them with"):
        strangers.drafted(base, table)
    found = strangers.drafted(base, table, no_sensitive_reason="only machines")
    assert found.draft.keys["no_sensitive_reason"] == "only machines"


ROWS = 600
DAYS = pd.Timestamp("2022-01-13") + pd.to_timedelta(range(ROWS), "D")
FIRST_TWELVE = [f"{1 + at % 12:02d}/{1 + at // 12 % 12:02d}/2022" for at in range(ROWS)]
READ: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # columns → keys that are drafted
    "dd.mm.yyyy": ({"signed_on": DAYS.strftime("%d.%m.%Y")}, {"time": "signed_on"}),
    "mm/dd/yyyy": ({"signed_on": DAYS.strftime("%m/%d/%Y")}, {"time": "signed_on"}),
    "dd-mm-yyyy": ({"signed_on": DAYS.strftime("%d-%m-%Y")}, {"time": "signed_on"}),
    "with zone": ({"signed_on": DAYS.strftime("%Y-%m-%dT%H:%M:%SZ")}, {"time": "signed_on"}),
    "markers": ({"balance": ["NA", *range(1, ROWS)]}, {"source": {"missing": ["", "NA"]}}),
    "decimal comma": (
        {"balance": [f"{at},{at % 10}7" for at in range(ROWS)]},
        {"source": {"decimal": ","}},
    ),
    "leading zeros": (
        {"balance": [f"{at % 50:04d}" for at in range(ROWS)]},
        {"categorical": ["balance"]},
    ),
    "an index": ({"Unnamed: 0": range(ROWS)}, {"drop": ["Unnamed: 0"]}),
    "currency": ({"balance": [f"${at}.50" for at in range(ROWS)]}, {"numeric": ["balance"]}),
    "a unit": ({"balance": [f"{at} kg" for at in range(ROWS)]}, {"numeric": ["balance"]}),
    "both marks": (
        {"balance": [f"{at},000.25" for at in range(1, ROWS + 1)]},
        {"source": {"decimal": ".", "thousands": ","}},
    ),
    "months": ({"signed_on": DAYS.strftime("%Y-%m")}, {"dates": {"signed_on": "%Y-%m"}}),
    "titles": (
        {
            "remark": [f"Book {at // 2}{'!' * (at == 1)}{at % 2}" for at in range(ROWS - 1)]
            + ["book 10"]
        },
        {"drop": ["remark"]},
    ),
    "phones": ({"balance": [f"+49 30 {at:06d}" for at in range(ROWS)]}, {"drop": ["balance"]}),
}


@pytest.mark.parametrize("case", READ)
def test_a_question_is_answered_where_the_answer_loses_nothing(base: Path, case: str) -> None:
    columns, wanted = READ[case]
    found = strangers.drafted(base, strangers.customers(ROWS, **columns)).draft.keys
    for key, value in wanted.items():
        if isinstance(value, dict):
            assert value.items() <= found[key].items()
        elif isinstance(value, list):
            assert set(value) <= set(found[key])
        else:
            assert found[key] == value


ASKED: dict[str, tuple[dict[str, Any], str]] = {
    "either date": (
        {"signed_on": FIRST_TWELVE},
        "signed_on.*--set 'dates: {signed_on: \"%d/%m/%Y\"}'",
    ),
    "NA among countries": (
        {"country": ["NA", "DE", "FR", "US", "GB", "IT"] * (ROWS // 6)},
        "country.*'NA' 100 times.*--set 'distinct",
    ),
    "three digits": (
        {"balance": ["26.181", "30.500"] * (ROWS // 2)},
        "three digits behind each point",
    ),
    "two spellings": ({"gender": ["f", "F"] * (ROWS // 2)}, "differ only in case"),
    "quarters": (
        {"plan_code": [f"{2010 + at % 9}Q{at % 4 + 1}" for at in range(ROWS)]},
        "texts that are quarters or weeks",
    ),
    "clock": (
        {"plan_code": [f"{at % 24:02d}:{at % 60:02d}" for at in range(ROWS)]},
        "texts that are times of day",
    ),
    "an apostrophe": ({"gender": ["o'neill", "O'NEILL"] * (ROWS // 2)}, "'\"'\"'"),
    "totals": ({"balance": [*range(1, ROWS), "Total"]}, "delete the last row if it holds totals"),
    "units": ({"balance": ["EUR", *range(1, ROWS)]}, "delete the first row if it holds units"),
    "one or thousands": (
        {"balance": ["26,181", "30,500"] * (ROWS // 2)},
        '--set \'source: {decimal: ","}\' or --set \'source: {decimal: ".", thousands: ","}\'',
    ),
    "a note among numbers": ({"balance": ["ask Ms X", *range(1, ROWS)]}, "that are not numbers"),
}


@pytest.mark.parametrize("case", ASKED)
def test_a_guess_that_could_be_wrong_is_refused_with_the_answers(base: Path, case: str) -> None:
    columns, words = ASKED[case]
    with pytest.raises(Problem, match=words):
        strangers.drafted(base, strangers.customers(ROWS, **columns))


def test_a_target_is_never_dropped_for_how_it_is_written(base: Path) -> None:
    # Given amounts with a sign, when they are the target, then they are numbers
    table = strangers.customers(balance=[f"{at},500.25 €" for at in range(1, ROWS + 1)])
    found = strangers.drafted(base, table, target="balance", positive=None)
    assert found.draft.keys["task"] == "regression"
    assert found.draft.keys["numeric"] == ["balance"]
    # And texts that nearly all differ are asked about
    (base / "data/source/customers.csv").unlink()
    table = strangers.customers(remark=[*(f"Book {at}" for at in range(ROWS - 1)), "book 10"])
    with pytest.raises(Problem, match="differ only in case"):
        strangers.drafted(base, table, target="remark", positive="Book 1")


def test_all_columns_are_asked_about_at_once_and_answers_are_given_with_set(base: Path) -> None:
    # Given two columns that the table leaves open
    table = strangers.customers(ROWS, signed_on=FIRST_TWELVE, gender=["f", "F"] * (ROWS // 2))
    # When it is drafted, then one refusal names both
    with pytest.raises(Problem) as refused:
        strangers.drafted(base, table)
    assert "'signed_on'" in str(refused.value)
    assert "'gender'" in str(refused.value)
    # And with answers it is drafted
    given = settings(["dates: {signed_on: '%m/%d/%Y'}", "spellings: {gender: {F: f}}"])
    found = strangers.drafted(base, table, settings=given).draft.keys
    assert found["dates"] == {"signed_on": "%m/%d/%Y"}
    assert found["spellings"] == {"gender": {"F": "f"}}


def test_a_person_is_asked_at_most_four_questions(base: Path) -> None:
    # Given a person who takes the defaults, when nothing is given on the command line
    asked: list[str] = []

    def ask(words: str, default: str | None) -> str:
        asked.append(words)
        return default or "no"

    table = strangers.customers().rename(columns={"churned": "target"})
    found = strangers.drafted(base, table, ask, target=None, positive=None)
    # Then the questions are those that no table answers
    assert [words.partition(" ")[0] for words in asked] == ["Which", "Which", "Which"]
    assert found.draft.keys["target"] == "target"
    assert set(found.draft.keys["sensitive"]) == {"gender", "age"}


def test_an_ambiguous_date_is_answered_by_its_number(base: Path) -> None:
    table = strangers.customers(ROWS, signed_on=FIRST_TWELVE)
    found = strangers.drafted(
        base, table, lambda words, default: "2" if "dates" in words else default or ""
    )
    assert found.draft.keys["dates"] == {"signed_on": "%m/%d/%Y"}


@pytest.mark.parametrize(("given", "said"), [({}, "add --task"), ({"task": "regression"}, None)])
def test_few_numbers_may_be_classes_or_amounts(base: Path, given: Any, said: str | None) -> None:
    table = strangers.customers(stars=np.arange(600) % 5)
    if said:
        with pytest.raises(Problem, match=said):
            strangers.drafted(base, table, target="stars", positive=None, **given)
    else:
        found = strangers.drafted(base, table, target="stars", positive=None, **given)
        assert found.draft.keys["task"] == "regression"


@pytest.mark.parametrize("text", ["categorical", "[a]", "{: :"])
def test_a_setting_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="is no key with a value"):
        settings([text])
