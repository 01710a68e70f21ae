"""The rows of a request mean what `governance predict` reads in the same rows of a JSON file."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requested
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requested import COLUMNS, DATA, good, saved, values

from governed_ml.core.problem import Problem, Unusable
from governed_ml.core.tables import quoted
from governed_ml.pipeline import predict_version
from governed_ml.pipeline.data.batch import file_source, relation
from governed_ml.pipeline.data.column_readers import cell, frozen
from governed_ml.pipeline.data.column_readers import given as given_in_file
from governed_ml.pipeline.data.sources import engine
from governed_ml.serving.http.problems import RequestRefused
from governed_ml.serving.rows.category_columns import TWIN
from governed_ml.serving.rows.row_reader import ReadRows, RowReader
from governed_ml.serving.rows.typed_columns import STANDS_FOR_MISSING

NAMES = [one.name for one in COLUMNS if one.name != DATA.target]
LOAD = {HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large}


@pytest.fixture(name="reader", scope="module")
def one_reader() -> Generator[RowReader]:
    """What reads rows with columns of every kind."""
    made = requested.reader()
    yield made
    made.close()


@pytest.fixture(name="inside")
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


def refusal(reader: RowReader, *rows: dict[str, Any]) -> RequestRefused:
    with pytest.raises(RequestRefused) as refused:
        reader.read(list(rows))
    assert (refused.value.status, refused.value.kind) == (422, "invalid-rows")
    return refused.value


def faults(reader: RowReader, *rows: dict[str, Any]) -> dict[str, str]:
    return {one.pointer: one.detail for one in refusal(reader, *rows).faults}


def accepted(reader: RowReader, row: dict[str, Any]) -> bool:
    try:
        reader.read([row])
    except RequestRefused:
        return False
    return True


def unfit(reader: RowReader, name: str, some: list[Any]) -> list[str | None]:
    """Why each value does not fit a column, or None."""
    found = reader.columns[name].read(some).unfit
    return [found.get(place) for place in range(len(some))]


def of_file(rows: list[dict[str, Any]]) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """What `governance predict` reads: features, what it logs, and remarks."""
    return predict_version._features(saved(rows, Path("rows.json")), requested.origin())  # pyright: ignore


def require_same(reader: RowReader, rows: list[dict[str, Any]]) -> ReadRows:
    """Hold the reading of a request against that of a file."""
    found = reader.read(rows)
    features, kept, notes = of_file(rows)
    pd.testing.assert_frame_equal(found.features, features, check_exact=True)
    assert list(map(str, found.features.dtypes)) == list(map(str, features.dtypes))
    assert sorted(found.notes) == sorted(notes)
    for number, row in enumerate(rows):
        logged = found.logged[number] | found.sensitive[number]
        assert logged.keys() == row.keys()
        assert not found.logged[number].keys() & DATA.sensitive.keys()
        for name in logged.keys() - {one.name for one in requested.DATES}:
            value = kept[name][number]
            assert logged[name] == (None if pd.isna(value) else value), name
    return found


@pytest.mark.slow
def test_a_good_row_is_read_like_a_file(reader: RowReader, inside: None) -> None:
    # Given a row with every column, and one whose values are all missing, when they are read
    rows = [good(), dict.fromkeys(good()), good() | {"region": "west", "paid": "never"}]
    found = require_same(reader, rows)
    # Then sensitive attributes are apart, dates stay as they are written, and what is new is noted
    assert found.sensitive[0] == {"sex": "female", "years": 33.0}
    assert found.logged[0]["paid"] == "31/01/2024"
    assert found.logged[2]["paid"] is None
    assert "1 values of 'region' did not occur in training" in found.notes


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=LOAD)
@given(st.data())
def test_what_is_accepted_means_the_same_as_in_a_file(
    reader: RowReader, inside: None, data: st.DataObject
) -> None:
    # Given rows in which some columns have any value, of which the service accepts some
    rows: list[dict[str, Any]] = []
    for _ in range(40):
        some = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3))
        row = good() | {name: data.draw(values()) for name in some}
        if accepted(reader, row):
            rows.append(row)
    # When the same rows are in a file, then `predict` accepts all, and reads the same
    if rows:
        require_same(reader, rows)


@pytest.mark.slow
def test_each_special_value_means_the_same_as_in_a_file(reader: RowReader, inside: None) -> None:
    # Given the special values of every column, of which the service accepts some
    special = [*requested.NUMBER_VALUES, *requested.TEXT_VALUES, True, False, None]
    some = [
        good() | {name: value}
        for name in NAMES
        for value, why in zip(special, unfit(reader, name, special), strict=True)
        if why is None
    ]
    assert 1000 < len(some) < len(NAMES) * len(special) / 2
    # When the same rows are in a file, then `predict` accepts all, and reads the same
    require_same(reader, some)


OF_TYPE: dict[str, tuple[type, ...]] = {
    **dict.fromkeys([one.name for one in requested.NUMBERS], (int, float)),
    **dict.fromkeys(["branch", "gaps", "person", "years"], (int, float)),
    **dict.fromkeys([one.name for one in requested.TEXTS], (str,)),
    **dict.fromkeys([one.name for one in requested.DATES], (str,)),
    **dict.fromkeys(["note", "sex"], (str,)),
}
"""Column → Python types of the JSON values that the service takes for it."""


def unfit_in_file(name: str, some: list[Any]) -> list[bool]:
    """Whether each value does not fit a column of a file."""
    one = frozen(COLUMNS, DATA)[name]
    path = saved([{name: value} for value in some], Path("values.json"))
    with engine() as db:
        found = relation(file_source(str(path), DATA.source), db, Path())
        value = cell(one, quoted(name), "VARCHAR", found.marks)
        there = given_in_file(one, quoted(name), "VARCHAR")
        lost = f"coalesce({there} AND ({value}) IS NULL, false)"
        return [row[0] for row in db.execute(f"SELECT {lost} FROM {found.sql}").fetchall()]


@pytest.mark.parametrize("name", OF_TYPE)
def test_a_value_of_the_columns_type_is_refused_only_if_a_file_would_be(
    reader: RowReader, inside: None, name: str
) -> None:
    # Given special values of the JSON type of a column, that the service refuses
    special = [*requested.NUMBER_VALUES, *requested.TEXT_VALUES]
    some = [value for value in special if type(value) in OF_TYPE[name]]
    why = dict(zip(map(repr, some), unfit(reader, name, some), strict=True))
    refused = [value for value in some if why[repr(value)] is not None]
    # When a file has them, then it is refused, too
    lost = dict(zip(map(repr, refused), unfit_in_file(name, refused or [0]), strict=False))
    # Except for numbers that are nearly a missing value
    kept = {value for value, is_lost in lost.items() if not is_lost}
    assert {why[value] for value in kept} <= {STANDS_FOR_MISSING}
    assert len(kept) < 6


@settings(max_examples=30, deadline=None, suppress_health_check=LOAD)
@given(st.sampled_from(sorted(OF_TYPE)), st.lists(values(), min_size=1, max_size=20))
def test_any_value_of_the_columns_type_is_refused_only_if_a_file_would_be(
    reader: RowReader, inside: None, name: str, some: list[Any]
) -> None:
    some = [v for v in some if type(v) in OF_TYPE[name] and v not in requested.NUMBER_VALUES]
    whys = unfit(reader, name, some)
    refused = [value for value, why in zip(some, whys, strict=True) if why is not None]
    assert not refused or all(unfit_in_file(name, refused))


@pytest.mark.parametrize(
    ("name", "value", "cause"),
    [
        ("age", "41", "must be a number"),
        ("age", "nan", "must be a number"),
        ("age", True, "must be a number"),
        ("age", 1e151, "between -1e+150 and 1e+150"),
        ("age", 10**400, "between -1e+150 and 1e+150"),
        ("age", 99.0, STANDS_FOR_MISSING),
        ("age", 15, "must be a number"),
        ("branch", "3", "must be a whole number"),
        ("branch", 3.5, "must be a whole number"),
        ("branch", 2**63, "must be a whole number"),
        ("region", 7, "must be a text"),
        ("region", False, "must be a text"),
        ("region", " NORTH.", TWIN),
        ("zip", 7, "must be a text"),
        ("member", "yes", "must be a truth value (true, false, 1, 0, 'No', 'Yes')"),
        ("member", 3, "must be a truth value"),
        ("single", False, "must be a truth value"),
        ("single", -0.0, "must be a truth value"),
        ("day", "2024-02-30", "must be a date written as ISO 8601"),
        ("day", 20240131, "must be a date"),
        ("paid", "2024-01-31", "must be a date written as %d/%m/%Y"),
        ("ancient", "soon", "must be a date"),
        ("sex", 1, "must be a text"),
        ("person", "p1", "must be a whole number"),
        ("note", 1, "must be a text"),
    ],
)
def test_a_value_that_does_not_fit_is_named_and_not_repeated(
    reader: RowReader, name: str, value: Any, cause: str
) -> None:
    # Given a value that does not fit, in the second of two rows
    found = refusal(reader, good(), good() | {name: value})
    # Then the document points to it, says what must be there, and does not have it
    [fault] = found.faults
    assert fault.pointer == f"/1/{name}"
    assert cause in fault.detail
    if type(value) is str:
        assert value not in json.dumps(found.document("r")).replace("'No', 'Yes'", "")


def test_columns_must_be_known_and_features_must_be_there(reader: RowReader) -> None:
    # Given a row without a feature, one with the target, and one with unknown columns
    less = {name: value for name, value in good().items() if name != "age"}
    secret, hidden = "Erika Mustermann " * 5, "a\u202eb"
    # When they are read, then every fault of every row is told
    assert faults(reader, less, good() | {"repaid": "yes"}, good() | {"Regoin": 1, "X": 2}) == {
        "/0/age": "is missing, and the model needs it",
        "/1/repaid": "is what the model predicts: send it to /ground-truth",
        "/2/Regoin": "is no column of the model's data: did you mean 'region'?",
        "/2/X": "is no column of the model's data",
    }
    # And names that may hold anything are not repeated
    for name in (secret, hidden):
        found = refusal(reader, good() | {name: 1})
        assert [one.pointer for one in found.faults] == ["/0"]
        assert name not in json.dumps(found.document("r"), ensure_ascii=False)
    # And columns that are no features may be left out
    some = {name: good()[name] for name in reader.features}
    assert reader.read([some]).logged[0].keys() == some.keys()
    assert not faults_of_blanks(reader)


def faults_of_blanks(reader: RowReader) -> list[str]:
    """Refusals of a row that has only missing values."""
    return [name for name in reader.columns if not accepted(reader, good() | {name: None})]


def test_all_faults_of_a_request_are_counted(reader: RowReader) -> None:
    # Given many rows with several faults each
    rows = [good() | {"age": "x", "ratio": "y"} for _ in range(30)]
    # When they are read, then the document counts all and lists the first
    found = refusal(reader, *rows).document("r")
    assert found["error_count"] == 60
    assert [one["pointer"] for one in found["errors"][:3]] == ["/0/age", "/0/ratio", "/1/age"]


@pytest.mark.slow
def test_many_new_texts_are_read_at_once_and_repeated_ones_counted(
    reader: RowReader, inside: None
) -> None:
    # Given more new categories than one query asks about, some of them twice
    rows = [
        good() | {"region": f"place {number // 2}", "moment": f"2024-01-31 10:{number % 60:02}Z"}
        for number in range(1100)
    ]
    # When they are read, then all are kept and counted
    found = require_same(reader, rows)
    assert "1,100 values of 'region' did not occur in training" in found.notes


@pytest.mark.slow
def test_threads_may_read_at_the_same_time(reader: RowReader) -> None:
    # Given threads that read rows with the same and with different new texts
    wrong: list[str] = []

    def read(thread: int) -> None:
        for number in range(30):
            city = f"city {number} {thread % 2}"
            row = good() | {"city": city, "paid": f"{number % 28 + 1:02}/01/2024"}
            if reader.read([row]).features["city"].tolist() != [city]:
                wrong.append(city)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(6)]
    # When they are done, then each has read its own
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert not wrong


def test_a_reader_needs_readable_evidence(inside: None) -> None:
    # Given a version whose evidence cannot be read, when its reader is made, then that is said
    origin = requested.origin()
    evidence: Any = {**origin.evidence, "train": Unusable("lost")}
    lost = predict_version.ServedVersion(1, "champion", "d", Path("m"), evidence, DATA)
    with pytest.raises(Problem, match="evidence is not readable"):
        RowReader.of(lost)
    # And it needs the contract
    with pytest.raises(Problem, match=r"contract contract\.json is missing"):
        RowReader.of(origin)
    rows = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
    Path("contract.json").write_text(json.dumps({"expectations": [rows]}), encoding="utf-8")
    found = RowReader.of(origin)
    assert found.features == [*requested.NUMERIC, *requested.CATEGORICAL]
    assert found.left_to_monitoring == ["expect_table_row_count_to_be_between"]
