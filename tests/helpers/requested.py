"""Columns of every kind as a version's training recorded them, and rows that requests may have."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from governed_ml.core.config.data import Data
from governed_ml.core.evidence_bodies import Column
from governed_ml.pipeline.data.cells import ACCOUNTING, ISO, ISO_OFFSET
from governed_ml.pipeline.data.spellings import recorded
from governed_ml.pipeline.predict_version import ServedVersion
from governed_ml.serving.rows.row_reader import RowReader

Given = dict[str, Any]
MISSING = ["?", "-999", "99", "0.5", "n/a"]
RARE = recorded([("Ålesund", 1), ("Rome", 3)])


def _column(name: str, source_type: str, kind: str | None, **more: Any) -> Column:
    return Column.model_validate({"name": name, "type": source_type, "kind": kind, **more})


NUMBERS = [
    _column("age", "BIGINT", "integer"),
    _column("ratio", "DOUBLE", "decimal"),
    _column("price", "DOUBLE", "decimal", format="$"),
    _column("weight", "BIGINT", "integer", format="kg"),
    _column("odd", "DOUBLE", "decimal", format="e"),
    _column("balance", "DOUBLE", "decimal", format=ACCOUNTING),
]
CODES = [
    _column("branch", "BIGINT", "code"),
    _column("gaps", "DOUBLE", "code"),
]
TEXTS = [
    _column("region", "VARCHAR", "category", values=["north", "south", "East-side", "n/a?", "ß"]),
    _column("city", "VARCHAR", "category", values=[*RARE, "Oslo"]),
    _column("zip", "VARCHAR", "code", values=["007", "7", "012"]),
    _column("grade", "VARCHAR", "category", values=["A", "A-", "a"]),
    _column("free", "VARCHAR", "category"),
    _column("old", "VARCHAR", None),
    _column("empty", "VARCHAR", "category", values=[]),
]
TRUTHS = [
    _column("late", "VARCHAR", "boolean", values=["false", "true"]),
    _column("member", "VARCHAR", "boolean", values=["No", "Yes"]),
    _column("single", "VARCHAR", "boolean", values=["t"]),
]
DATES = [
    _column("day", "TIMESTAMP", "date", format=ISO),
    _column("moment", "TIMESTAMP", "date", format=ISO_OFFSET),
    _column("paid", "TIMESTAMP", "date", format="%d/%m/%Y"),
    _column("short", "TIMESTAMP", "date", format="%d.%m.%y %H:%M"),
    _column("compact", "TIMESTAMP", "date", format="%Y%m%d"),
    _column("ancient", "TIMESTAMP", None),
]
BESIDE = [
    _column("note", "VARCHAR", "category"),
    _column("person", "BIGINT", "code"),
    _column("sex", "VARCHAR", "code", values=["female", "male"]),
    _column("years", "DOUBLE", "decimal"),
]
TARGET = _column("repaid", "VARCHAR", "code", values=["no", "yes"])
COLUMNS = [*NUMBERS, *CODES, *TEXTS, *TRUTHS, *DATES, *BESIDE, TARGET]

NUMERIC = [one.name for one in NUMBERS]
CATEGORICAL = [one.name for one in (*CODES, *TEXTS, *TRUTHS)]
"""The features. The other columns may come with a request, too."""

DATA = Data.model_validate(
    {
        "name": "loans",
        "task": "classification",
        "target": "repaid",
        "positive": "yes",
        "contract": "contract.json",
        "source": {"kind": "file", "path": "loans.csv", "missing": MISSING, "decimal": ","},
        "sensitive": {"sex": {}, "years": {"bins": [30, 60]}},
        "drop": ["note"],
        "group": "person",
        "categorical": ["branch", "gaps", "zip"],
        "distinct": ["grade"],
        "dates": {"paid": "%d/%m/%Y"},
        "spellings": {
            "age": {"11": "12", "7.5": "8", "13": "?", "14": "nan", "15": "many"},
            "region": {"N": "north", "nowhere": "?", "S": "SOUTH"},
            "branch": {"5": "6", "8": ""},
            "member": {"ja": "Yes", "2": "No", "1": "No", "nie": "never"},
            "paid": {"never": "?", "01/02/2024": "02/02/2024"},
        },
    }
)


def column(kind: str, name: str, **kwargs: Any) -> Given:
    return {"type": f"expect_column_{kind}", "kwargs": {"column": name, **kwargs}}


def where(one: Given, condition: Any) -> Given:
    parser = {"condition_parser": "pandas"} if isinstance(condition, str) else {}
    return {**one, "kwargs": {**one["kwargs"], "row_condition": condition, **parser}}


def pair(kind: str, a: str, b: str, **kwargs: Any) -> Given:
    names = {"column_A": a, "column_B": b}
    return {"type": f"expect_column_pair_values_{kind}", "kwargs": {**names, **kwargs}}


CONTRACT = [
    column("values_to_not_be_null", "age"),
    column("values_to_be_between", "age", min_value=18, max_value=100, strict_max=True),
    column("values_to_be_in_set", "region", value_set=["north", "south", "west"]),
    column("values_to_match_regex", "zip", regex="^[0-9]+$"),
    column("values_to_be_between", "day", min_value="2024-01-01"),
    column("value_lengths_to_be_between", "free", max_value=5),
    column("values_to_be_in_set", "sex", value_set=["female", "male"]),
    where(column("values_to_not_be_null", "ratio"), "age > 60 and region == 'north'"),
    pair("a_to_be_greater_than_b", "price", "weight", or_equal=True),
    column("values_to_be_unique", "note"),
]


def reader(*contract: dict[str, Any]) -> RowReader:
    """Return what reads the rows of all these columns under a contract."""
    return RowReader(COLUMNS, DATA, NUMERIC, CATEGORICAL, contract)


def origin() -> ServedVersion:
    """Return a version that was trained on these columns."""
    evidence: Any = {
        "ingest": SimpleNamespace(body=SimpleNamespace(columns=COLUMNS)),
        "train": SimpleNamespace(body=SimpleNamespace(numeric=NUMERIC, categorical=CATEGORICAL)),
    }
    return ServedVersion(1, "champion", "sha256:1", Path("model"), evidence, DATA)


def good() -> dict[str, Any]:
    """Return a row with a value in every column but the target."""
    row: dict[str, Any] = dict.fromkeys(NUMERIC, 1.5) | {"age": 41, "branch": 3, "gaps": 4.0}
    row |= {"region": "north", "city": "Oslo", "zip": "007", "grade": "A-", "free": "a, b"}
    row |= {"old": "x", "empty": "new", "late": True, "member": "Yes", "single": 1}
    row |= {"day": "2024-01-31", "moment": "2024-01-31T10:00:00+01:00", "paid": "31/01/2024"}
    row |= {"short": "31.01.24 10:30", "compact": "20240131", "ancient": "2024-01-31 10:00"}
    return row | {"note": "by hand", "person": 12345, "sex": "female", "years": 33}


NUMBER_VALUES: list[Any] = [
    *(0, -0.0, 1, 1.0, 7.5, 11, 12, 13, 14, 15, -999, -999.0, 99, 99.0, 0.5, 5, 5.0, 6.0, 8, 1e15),
    *(1e16, 1e-7, 5e-324, 1e150, 1.1e150, -1e151, 10**150, 10**151, 2**53 + 1, 2**63 - 1, 2**63),
    *(-(2**63), -(2**63) - 1, 123456789012345678901234567890, 20240131, 20240230, 0.1, 2.5e-3),
]  # fmt: skip
TEXT_VALUES: list[Any] = [
    *("", " ", "?", "n/a", "N/A", "-999", "99", "7", "007", "nan", "inf", "1e5", "0x1F", "1_000"),
    *("north", " North", "NORTH", "north.", "East side", "east_side", "N", "nowhere", "S", "SS"),
    *("Oslo", "oslo", "Rome", "rome", "Ålesund", "A\u030alesund", "sha256:1", "A", "a", "A-", "-a"),
    *("yes", "Yes", " yes ", "no", "true", "True", "t", "f", "1", "0", "ja", "2", "nie", "never"),
    *("2024-01-31", "2024-02-30", "2024-1-3", "2024/01/31", "2024-01-31 24:00:00", "0000-01-01"),
    *("2024-01-31T10:00:00.123456", "2024-01-31T10:00:00,5", "9999-12-31T23:59:60", "0001-01-01"),
    *("2024-01-31T10:00:00Z", "2024-01-31T10:00:00+01", "2024-01-31 10:00:00 UTC", "31/01/2024"),
    *("2024-01-31T10:00:00+12:59", "2024-01-31T10:00:00-15:59", "0001-01-01T00:00:00+12:00"),
    *("9999-12-31T23:59:59-12:00", "01/02/2024", "31/02/2024", "31/01/24", "31/01/2024 10:30"),
    *("31.01.24 10:30", "20240131", "a\u0000b", "\u200b", "\u200bnorth", "'", '"', "\\", "😀", "é"),
    *("$5", "5 $", "(5)", "5-", "5kg", "ß", "ẞ", "ſ", "İ"),
]  # fmt: skip


def values() -> st.SearchStrategy[Any]:
    """Return any plain JSON value, and often one that is read in a special way."""
    plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, width=64)
    return (
        st.sampled_from(NUMBER_VALUES)
        | st.sampled_from(TEXT_VALUES)
        | plain.filter(lambda one: one not in (float("inf"), float("-inf")))
        | st.text(st.characters(codec="utf-8"), max_size=8)
    )


def saved(rows: list[dict[str, Any]], path: Path) -> Path:
    """Write rows as a JSON file, as somebody would give them to `governance predict`."""
    path.write_text(json.dumps(rows, allow_nan=False), encoding="utf-8")
    return path
