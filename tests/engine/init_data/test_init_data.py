"""`governance init-data` drafts a configuration with reasons, and guesses nothing blindly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import strangers
import yaml

from governed_ml.core.config.composition import compose
from governed_ml.core.problem import Problem
from governed_ml.init_data.run import propose
from governed_ml.init_data.wishes import Wishes, settings


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with `conf/`, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    return strangers.project(tmp_path)


def test_each_column_gets_a_role_and_a_reason(base: Path) -> None:
    # Given a table with one column of each kind, when it is drafted
    found = strangers.drafted(base, strangers.customers())
    # Then each column has its role, and each that is special has a reason
    roles = {"row_number": "drop", "customer_id": "group", "signed_on": "time", "zip": "drop"}
    roles |= {"balance": "feature", "plan_code": "feature", "gender": "sensitive"}
    roles |= {"age": "sensitive", "remark": "drop", "mail": "drop", "currency": "drop"}
    assert found.columns == roles | {"churned": "target"}
    told = {name: "; ".join(found.draft.why.get(name, [])) for name in found.columns}
    reasons = {
        "row_number": "numbers the rows",
        "customer_id": "no person is split",
        "signed_on": "split by 'customer_id', not by time",
        "zip": "proxy suspect",
        "plan_code": "a code, not a number",
        "age": "bins",
        "remark": "free text",
        "mail": "e-mail addresses",
        "currency": "constant",
        "churned": "2 classes: 'yes'",
    }
    for name, words in reasons.items():
        assert words in told[name], name
    assert not told["balance"]
    assert found.split == "group"


def test_what_is_written_composes_and_says_why(base: Path) -> None:
    # Given a drafted table, when the project's configuration is composed
    found = strangers.drafted(base, strangers.customers())
    params = compose(base / "conf")
    # Then it has the draft, and the file says why a column has its role
    assert (params.data.name, params.split.kind) == ("customers", "group")
    assert params.data.sensitive["age"].bins == [30.0, 45.0, 60.0]
    assert params.data.proxies == ["zip"]
    text = (base / "conf/data/customers.yaml").read_text(encoding="utf-8")
    assert "  - mail # e-mail addresses" in text
    # And there is a contract for it
    suite = json.loads((base / params.data.contract).read_text(encoding="utf-8"))
    assert len(suite["expectations"]) > 10
    assert found.files == ["conf/data/customers.yaml", "conf/config.yaml", params.data.contract]


def test_a_dry_run_writes_nothing(base: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("elsewhere") / "Some Table.csv"
    strangers.customers().to_csv(path, index=False)
    before = sorted(base.rglob("*"))
    found = strangers.drafted(base, path, dry=True)
    assert found.name == "some_table"
    assert sorted(base.rglob("*")) == before


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


def test_a_second_run_keeps_what_people_edited_and_updates_the_rest(base: Path) -> None:
    # Given a draft of which somebody edited the data file and tightened the contract
    strangers.drafted(base, strangers.customers())
    path, contract = (
        base / "conf/data/customers.yaml",
        base / "governance/expectations/customers.json",
    )
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values["sensitive"]["age"] = {"bins": [25, 65]}
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    suite = json.loads(contract.read_text(encoding="utf-8"))
    suite["expectations"] = suite["expectations"][:3]
    contract.write_text(json.dumps(suite), encoding="utf-8")
    # When it runs again on a table with one column more
    found = strangers.drafted(base, strangers.customers(also_constant=1))
    # Then both keep their edits, and the new column has a role
    again = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert again["sensitive"]["age"] == {"bins": [25, 65]}
    assert "also_constant" in again["drop"]
    assert json.loads(contract.read_text(encoding="utf-8")) == suite
    assert found.kept == ["governance/expectations/customers.json"]


def test_a_second_run_without_edits_drafts_anew(base: Path) -> None:
    strangers.drafted(base, strangers.customers())
    table = strangers.customers().drop(columns="currency")
    found = strangers.drafted(base, table)
    assert "currency" not in found.draft.keys["drop"]
    assert found.kept == []
    compose(base / "conf")


def test_what_will_be_denied_is_said_before_training(base: Path) -> None:
    # Given 600 rows, a group of three, and a column that gives the target away
    table = strangers.customers()
    table["gender"] = ["x"] * 3 + ["f"] * 597
    table["refund"] = np.where(table["churned"] == "no", 0.0, 5.0) + np.arange(600) / 1e4
    found = "\n".join(strangers.drafted(base, table).warnings)
    # Then each is said, with the number that is wanted
    assert "600 rows give about 180 test rows, and the policy wants 1,000" in found
    assert "the table has about 3,334 rows" in found
    assert "gender: too few persons in x (3)" in found
    assert "leak suspect 'refund': alone it predicts the target (ROC AUC 1.00)" in found


def test_columns_that_add_up_to_the_target_are_leak_suspects(base: Path) -> None:
    rng = np.random.default_rng(5)
    table = strangers.customers(2_000)
    table["calls"], table["visits"] = rng.poisson(20, 2_000), rng.poisson(20, 2_000)
    table["contacts"] = table["calls"] + table["visits"]
    found = strangers.drafted(base, table, target="contacts", positive=None)
    assert found.draft.keys["task"] == "regression"
    assert found.model == "hist_gradient_boosting_regressor"
    [line] = [one for one in found.warnings if "leak" in one]
    assert "calls" in line
    assert "visits" in line


@pytest.mark.parametrize(("given", "said"), [({}, "add --task"), ({"task": "regression"}, None)])
def test_few_numbers_may_be_classes_or_amounts(base: Path, given: Any, said: str | None) -> None:
    table = strangers.customers(stars=np.arange(600) % 5)
    if said:
        with pytest.raises(Problem, match=said):
            strangers.drafted(base, table, target="stars", positive=None, **given)
    else:
        found = strangers.drafted(base, table, target="stars", positive=None, **given)
        assert found.draft.keys["task"] == "regression"


def test_one_class_against_several_others_is_said(base: Path) -> None:
    table = strangers.customers(churned=["stays", "leaves", "pauses"] * 200)
    found = strangers.drafted(base, table, positive="stays")
    assert found.draft.keys["against"] == "rest"
    assert "'stays' is predicted against 2 other values" in found.draft.why["churned"]


def test_a_target_of_decimals_with_two_classes_keeps_its_value(base: Path) -> None:
    table = strangers.customers(churned=[0.0, 1.0, None] * 200)
    found = strangers.drafted(base, table, positive="1")
    assert found.draft.keys["positive"] == 1
    assert found.draft.keys["drop_unlabelled"] is True
    assert "missing in 200 rows, which are left out" in "; ".join(found.draft.why["churned"])


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


@pytest.mark.parametrize("text", ["categorical", "[a]", "{: :"])
def test_a_setting_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="is no key with a value"):
        settings([text])


@pytest.mark.parametrize(
    ("rows", "split", "said"),
    [
        (400, "cross_validated", "each of the 400 rows is a test row"),
        (3400, "random", ""),
    ],
)
def test_a_table_that_is_too_small_for_test_rows_is_cross_validated(
    base: Path, rows: int, split: str, said: str
) -> None:
    # Given a table of things without time
    number = np.arange(rows)
    path = base / "data/source/things.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"width": number % 97 / 7, "good": np.where(number % 3, "yes", "no")})
    frame.to_csv(path, index=False)
    # When it is drafted, then the split suits its size, and why is said
    found = strangers.drafted(base, path, target="good", positive="yes", dry=True,
                              no_sensitive_reason="only things")  # fmt: skip
    assert found.split == split
    assert said in found.split_reason
    assert bool(found.split_reason) == bool(said)
    # And a table with fewer rows than the policy wants will be denied all the same
    denied = [one for one in found.warnings if "there are 400 rows, and the policy wants" in one]
    assert bool(denied) == (rows == 400)
