"""Tables as packages and programs export them: each role and each reason is true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import strangers

from governed_ml.core.problem import Problem
from governed_ml.init_data.run import DataDraft
from governed_ml.init_data.wishes import settings

ROWS = 400
RNG = np.random.default_rng(7)
NUMBERS = np.arange(ROWS)


def measured(**columns: Any) -> pd.DataFrame:
    """Return measurements without persons, with a yes or no to predict."""
    made = {
        "width": np.round(RNG.normal(20, 3, ROWS), 2),
        "height": np.round(RNG.normal(50, 5, ROWS), 2),
        "good": RNG.choice(["yes", "no"], ROWS),
    }
    return pd.DataFrame(made | columns)


def drafted(base: Path, table: pd.DataFrame, **given: Any) -> DataDraft:
    """Draft without persons, unless `sensitive` is given."""
    why = {} if "sensitive" in given else {"no_sensitive_reason": "only things"}
    return strangers.drafted(
        base, table, **({"target": "good", "positive": "yes", "dry": True} | why | given)
    )


CENTURY = 1_600_000_000
KINDS: dict[str, tuple[Any, str, str]] = {  # name → values, role, part of the reason
    "countyid": (RNG.integers(1000, 1200, ROWS), "drop", "id-like: "),
    "nr": (np.repeat(NUMBERS[::4], 4), "group", "100 keys in 400 rows"),
    "id": ([f"{n}.0" for n in np.repeat(NUMBERS[::2], 2)], "group", "200 keys in 400 rows"),
    "patient_id": (np.repeat(NUMBERS[::4], 4), "group", "100 persons with 400 rows"),
    "pidnum": (RNG.permutation(NUMBERS * 7), "drop", "every value occurs once"),
    "counter": (np.cumsum(RNG.integers(1, 9, ROWS)), "drop", "rise from row to row"),
    "Sample Number": (NUMBERS % 90 + 1, "drop", "90 keys in 400 rows"),
    "statefips": (RNG.integers(1, 40, ROWS), "feature", "a code, not a number"),
    "StoreID": (RNG.integers(1, 6, ROWS), "feature", "a code, not a number"),
    "education-num": (RNG.integers(1, 16, ROWS), "feature", ""),
    "amount_paid": (RNG.integers(1, 9_999, ROWS), "feature", ""),
    "species": (RNG.choice(["a bird of the sea", "a bird of the wide land"], ROWS), "feature", ""),
    "comment": (RNG.choice(["late", "fine"], ROWS), "drop", "free text"),
    "flag": (RNG.choice(["X", ""], ROWS), "feature", "an empty cell may mean no"),
    "created_at": (RNG.integers(CENTURY, CENTURY + 9**8, ROWS), "time", "seconds since 1970"),
    "ts": (RNG.integers(CENTURY, CENTURY + 9**8, ROWS) * 1_000, "time", "milliseconds since 1970"),
    "year": (NUMBERS + 1620, "time", "orders the rows"),
    "born_on": (pd.Timestamp("1960-01-03") + pd.to_timedelta(NUMBERS, "D"), "drop", "birth"),
    "merchant": ([f"92345678901234567{n % 9:03d}" for n in NUMBERS], "feature", "codes, not num"),
    "customer": ([f"92345678901234567{n // 4:03d}" for n in NUMBERS], "group", "100 persons with"),
    "zip": ([f"0{n % 70:04d}" for n in NUMBERS], "feature", "codes, not numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_column_gets_its_role_for_a_true_reason(base: Path, name: str) -> None:
    values, role, reason = KINDS[name]
    found = drafted(base, measured(**{name: values}))
    told = "; ".join(found.draft.why.get(name, []))
    assert (found.columns[name], found.split) == (
        role,
        "time" if role == "time" else "cross_validated",
    )
    assert reason in told if reason else not told


def test_a_person_comes_before_the_time_and_a_key_is_no_feature(base: Path) -> None:
    # Given rows of persons in households, with orders and a date
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(NUMBERS, "D")
    keys = {"household_id": NUMBERS // 8 + 100, "person_id": NUMBERS // 4 + 100}
    found = drafted(base, measured(**keys, order_id=RNG.permutation(NUMBERS) // 2, day=days))
    # Then households stay together, and what is said about the date fits
    roles = {"household_id": "group", "person_id": "drop", "order_id": "drop", "day": "time"}
    assert found.columns.items() >= roles.items()
    assert found.split == "group"
    assert found.draft.why["day"] == ["a date: the rows are split by 'household_id', not by time"]


def test_a_postcode_is_dropped_only_where_persons_are_described(base: Path) -> None:
    table = measured(zip=[f"0{n % 70:04d}" for n in NUMBERS], sex=["f", "m"] * 200)
    assert drafted(base, table).columns["zip"] == "feature"
    found = drafted(base, table, sensitive=("sex",))
    assert (found.columns["zip"], found.draft.keys["proxies"]) == ("drop", ["zip"])


def test_a_table_with_nothing_to_predict_from_is_refused(base: Path) -> None:
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(NUMBERS, "D")
    table = measured(day=days)[["good", "day"]]
    with pytest.raises(Problem, match=r"no column is left as a feature: 'day' is time \(a date: "):
        drafted(base, table)


WARNED: dict[str, tuple[dict[str, Any], str]] = {
    "-999": ({"width": [-999.5 + 0.5, *range(9)] * 40}, "'width': -999 in 40 rows lies apart from"),
    "9999": ({"width": [9999, *range(9)] * 40}, '--set \'spellings: {width: {"9999": ""}}\''),
    "unknown label": ({"good": ["yes", "no", "no", "unknown"] * 100}, "'unknown' (100 rows)"),
    "two dates": (
        {"start": pd.date_range("2020", periods=ROWS), "stop": pd.date_range("2021", periods=ROWS)},
        "'start', 'stop' could order the rows, which are now split at random",
    ),
    "a year": ({"year": 2010 + NUMBERS % 8}, "--set 'time: year'"),
    "a time by its numbers": (
        {"x": RNG.integers(CENTURY, CENTURY + 9**8, ROWS)},
        "'x': all its whole numbers could be times in seconds since 1970",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WARNED)
def test_what_could_be_meant_otherwise_is_said_with_the_option(base: Path, case: str) -> None:
    columns, words = WARNED[case]
    table = measured() if "width" not in columns else measured().head(len(columns["width"]))
    plain = "\n".join(drafted(base, table).warnings)
    (base / "data/source/customers.csv").unlink()
    assert words in "\n".join(drafted(base, table.assign(**columns)).warnings)
    assert words not in plain


def test_the_options_that_are_proposed_end_the_warnings(base: Path) -> None:
    table = measured(width=[-999.0, 2.5, 3.5, 4.5] * 100, good=["yes", "no", "no", "unknown"] * 100)
    texts = ['spellings: {width: {"-999": "", "-999.0": "", "-999.00": ""}}',
             'spellings: {good: {unknown: ""}}']  # fmt: skip
    said = "\n".join(drafted(base, table).warnings)
    assert all(f"--set '{one}'" in said for one in texts)
    found = drafted(base, table, settings=settings(texts))
    assert "-999" not in "\n".join(found.warnings)
    assert "unknown" not in "\n".join(found.warnings)
    assert found.draft.keys["drop_unlabelled"] is True


def test_features_that_look_like_attributes_of_persons_are_named(base: Path) -> None:
    table = measured(sex=["f", "m"] * 200, age=NUMBERS % 60, black=NUMBERS % 2, sex_m=NUMBERS % 2)
    found = drafted(base, table, sensitive=("sex",))
    assert "those of sensitive attributes: age, black, sex_m; " in "\n".join(found.warnings)
    assert found.draft.why["black"] == [
        "its name is that of a sensitive attribute, and it is a feature"
    ]
    assert not drafted(base, table).warnings[1:]  # where no persons are described


def test_a_split_by_time_that_leaves_one_class_is_said_and_ended_by_the_option(base: Path) -> None:
    # Given a class that occurs in the last year only
    table = measured(year=NUMBERS + 1600, good=["yes"] * 350 + ["no", "yes"] * 25)
    found = drafted(base, table)
    assert found.split == "time"
    [line] = [one for one in found.warnings if "only one class" in one]
    assert "by 'year', the earlier rows have only one class of 'good'" in line
    assert "add --set 'drop: [year]'" in line
    # When it is left out, then the rows are split at random
    again = drafted(base, table, settings=settings(["drop: [year]"]))
    assert (again.split, again.columns["year"]) == ("cross_validated", "drop")
    assert "only one class" not in "\n".join(again.warnings)


def test_a_truth_value_may_be_written_as_in_python(base: Path) -> None:
    path = base / "data/source/typed.parquet"
    path.parent.mkdir(parents=True)
    measured(good=NUMBERS % 2 == 0).to_parquet(path)
    found = strangers.drafted(base, path, target="good", positive="True", dry=True,
                              no_sensitive_reason="only things")  # fmt: skip
    assert found.draft.keys["positive"] == "true"


def test_small_groups_are_counted_in_persons_and_two_groups_are_not_merged(base: Path) -> None:
    # Given 40 persons with ten rows each
    person = NUMBERS // 10
    table = measured(person_id=person, sex=np.where(person < 10, "f", "m"))
    [line] = [one for one in drafted(base, table, sensitive=("sex",)).warnings if "sex" in one]
    assert "too few persons in f (10): the fairness rules want 30 of each group" in line
    assert "take more rows of them, because merging would leave one group" in line


def test_chance_is_no_leak_and_a_copy_in_a_small_table_is_one(base: Path) -> None:
    # Given a rare class, which a rare value happens to meet
    table = measured(good=["no"] * 3 + ["yes"] * 397, spot=[1, 1, 0, *[0] * 397])
    assert "leak" not in "\n".join(drafted(base, table).warnings)
    # And 120 rows with the logarithm of the target
    table = measured().head(120)
    table["log_width"] = np.log(table["width"])
    found = drafted(base, table, target="width", positive=None)
    assert "leak suspect 'log_width'" in "\n".join(found.warnings)


FILES: dict[str, tuple[str, bytes, str]] = {
    "a title": ("t.csv", b"Report\n\na,good\n1,yes\n2,no\n", "begin in line 3 ('a', 'good'): del"),
    "a wide title": ("t.csv", b"Report,,\na,b,good\n1,2,yes\n", "begin in line 2 ('a', 'b', "),
    "blanks": ("t.csv", b"a b good\n1 2 yes\n2 3 no\n", "add --set 'source: {delimiter: \" \"}'"),
    "no header": ("t.csv", b"1.5,7,yes\n2.5,8,no\n", "line 1 seems to have values and not names"),
    "no rows": ("t.csv", b"a,good\n", "has columns but no rows: give"),
    "no labels": ("t.csv", b"a,good\n1,\n2,\n", "target 'good' is empty in all rows"),
    "utf-16": ("t.csv", "a\tgood\n1\tyes\n".encode("utf-16"), "'source: {encoding: utf-16}'"),
    "sqlite": ("t.db", b"SQLite format 3\0" + b"\0" * 99, "give sqlite:///t.db and --query"),
    "stata": ("t.dta", b"<stata_dta><header>", "a Stata file, which pandas.read_stata reads: give"),
    "old stata": ("t.dta", b"r\x02\x01\0\x06\0 \x03\0\0", "a Stata file, which"),
    "pickle": ("t.pkl", b"\x80\x05\x95\xa3\0", "a pickle, which can run code"),
    "arff": ("t.arff", b"@RELATION x\n@DATA\n", "an ARFF file"),
    "html": ("t.html", b"<table border=1><tr>", "is a web page, not a table"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_plain_table_is_named_with_what_to_do(base: Path, case: str) -> None:
    name, content, words = FILES[case]
    Path(name).write_bytes(content)
    with pytest.raises(Problem) as refused:
        strangers.drafted(base, Path(name), target="good", positive="yes", dry=True)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
