"""Codes that look like numbers stay exactly as they are written, in every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import served
from served import every_push, in_own_folder, kinds  # noqa: F401 - a fixture, too

from governed_ml.core.problem import Problem

pytestmark = pytest.mark.usefixtures("inside")


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
        r"such as '250\.0' and '250\.00': list it under categorical"
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
