"""`governance init-data` drafts a configuration with reasons, and says what will be denied."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import strangers
import yaml

from governed_ml.core.config.composition import compose


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
