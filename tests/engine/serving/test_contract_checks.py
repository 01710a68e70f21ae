"""Each value and row is held to the contract, with the answers of Great Expectations."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requested
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from requested import CONTRACT, Given, column, good, pair, where

from governed_ml.core import tables
from governed_ml.pipeline.contract.validation import judged
from governed_ml.serving.http.problems import RequestRefused
from governed_ml.serving.rows.contract_checks import contract_checks

TYPES = {"n": "DOUBLE", "m": "DOUBLE", "w": "BIGINT", "v": "BIGINT", "t": "VARCHAR", "u": "VARCHAR",
         "a b": "VARCHAR", "d": "TIMESTAMP", "e": "TIMESTAMP"}  # fmt: skip


@pytest.fixture(name="inside")
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


def by_great_expectations(row: dict[str, Any], some: list[Given]) -> list[bool]:
    cells = ", ".join(f"CAST(? AS {kind}) AS {tables.quoted(n)}" for n, kind in TYPES.items())
    with duckdb.connect() as db:  # as `ingest` writes it
        db.execute(f"COPY (SELECT {cells}) TO 'row.parquet'", [row[name] for name in TYPES])
    return [one.success for one in judged(Path("row.parquet"), some)]


def since_1970(text: str) -> int:
    """Microseconds, as a date of a request is typed."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001


def by_us(row: dict[str, Any], one: Given) -> bool | None:
    """Whether a row is allowed; None if the expectation is left to monitoring."""
    checks = contract_checks([one], TYPES)
    if checks.left:
        return None
    typed = {n: since_1970(v) if isinstance(v, str) and TYPES[n] == "TIMESTAMP" else v
             for n, v in row.items()}  # fmt: skip
    typed |= {n: None if typed[n] is None else float(typed[n]) for n in ("w", "v")}
    wrong = [why for name, value in typed.items() for _, why in checks.faults(name, [value])]
    return not wrong and not list(checks.faults_of_rows([typed]))


NUMBERS = st.sampled_from([-3, -0.5, 0, 0.5, 1, 2, 2.5, 3, 10])
WHOLES = st.sampled_from([-3, 0, 1, 2, 3, 10])
TEXTS = st.sampled_from(["", "a", "b", "ab", "B", "A12", "a1", "é", "😀", "a\nb", "١",
                         "a b", "ß\n"])  # fmt: skip
DAYS = st.sampled_from(["2023-12-31", "2024-01-01", "2024-01-01 10:30", "2024-02-29"])
PATTERNS = ["a", "^a$", "^[a-z]+$", r"^\w+$", r"^\d+$", r"\s", "b|é", "^A[0-9]{2}$", "(?i)^b$",
            ".", "^.$", "(?=a)a", r"(a)\1", "[^ab]", r"^\S+$", "$^"]  # fmt: skip
ROWS = st.fixed_dictionaries(
    {
        **dict.fromkeys(("n", "m"), st.none() | NUMBERS),
        **dict.fromkeys(("w", "v"), st.none() | WHOLES),
        **dict.fromkeys(("t", "u", "a b"), st.none() | TEXTS),
        **dict.fromkeys(("d", "e"), st.none() | DAYS),
    }
)


@st.composite
def limits(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Given:
    low, high = sorted([draw(values), draw(values)])
    ends = draw(st.sampled_from([{"min_value": low}, {"max_value": high},
                                 {"min_value": low, "max_value": high}]))  # fmt: skip
    return ends | {f"strict_{end[:3]}": draw(st.booleans()) for end in ends}


OF_KIND = {"n": NUMBERS, "m": NUMBERS, "w": WHOLES, "v": WHOLES, "t": TEXTS, "u": TEXTS,
           "a b": TEXTS, "d": DAYS, "e": DAYS}  # fmt: skip
OPERATORS = ["==", "!=", "<", "<=", ">", ">="]


@st.composite
def conditions(draw: st.DrawFn) -> str:
    """A condition as people write it for `DataFrame.query`."""
    parts: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(list(TYPES)))
        said = f"`{name}`" if " " in name else name
        operators = OPERATORS[2:] if TYPES[name] == "TIMESTAMP" else OPERATORS
        how, value = draw(st.sampled_from(operators)), repr(draw(OF_KIND[name]))
        other = {"n": "w", "m": "n", "w": "v", "v": "m", "t": "u", "u": "t", "a b": "t",
                 "d": "e", "e": "d"}[name]  # fmt: skip
        some = draw(st.lists(OF_KIND[name], min_size=1, max_size=3))
        choices = [f"{said} {how} {value}", f"{value} {how} {said}", f"{said} {how} {other}",
                   f"not ({said} {how} {value})", f"~({said} {how} {value})"]  # fmt: skip
        if TYPES[name] != "TIMESTAMP":
            choices += [f"{said} in {some!r}", f"{said} not in {some!r}"]
        if name in ("n", "w"):
            choices.append(f"0 < {said} <= 2.5")
        parts.append(draw(st.sampled_from(choices)))
    joined = draw(st.sampled_from([" and ", " or ", " & ", " | "]))
    return joined.join(parts)


@st.composite
def objects(draw: st.DrawFn) -> Given:
    """A condition in Great Expectations' own form."""
    name = draw(st.sampled_from(["n", "w", "t", "u"]))
    about = {"column": {"name": name}}
    some = draw(st.lists(OF_KIND[name], min_size=1, max_size=3))
    one = draw(st.sampled_from([
        {"type": "nullity", "is_null": draw(st.booleans()), **about},
        {"type": "comparison", "operator": draw(st.sampled_from(OPERATORS)),
         "parameter": some[0], **about},
        {"type": "comparison", "operator": draw(st.sampled_from(["IN", "NOT_IN"])),
         "parameter": some, **about},
    ]))  # fmt: skip
    other = {"type": "nullity", "is_null": False, "column": {"name": "m"}}
    kind = draw(st.sampled_from(["", "and", "or"]))
    return {"type": kind, "conditions": [one, other]} if kind else one


@st.composite
def expectations(draw: st.DrawFn) -> Given:
    """An expectation about one row."""
    name = draw(st.sampled_from(list(TYPES)))
    text = draw(st.sampled_from(["t", "u", "a b"]))
    of_set = "n" if TYPES[name] == "TIMESTAMP" else name
    some = draw(st.lists(OF_KIND[of_set], max_size=3))
    ranged = "w" if TYPES[name] == "VARCHAR" else name
    regexes = draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3))
    one: Given = draw(st.sampled_from([
        column("values_to_not_be_null", name),
        column("values_to_be_null", name),
        column("values_to_be_in_set", of_set, value_set=some or [1]),
        column("values_to_not_be_in_set", of_set, value_set=some),
        column("values_to_be_between", ranged, **draw(limits(OF_KIND[ranged]))),
        column("values_to_match_regex", text, regex=regexes[0]),
        column("values_to_not_match_regex", text, regex=regexes[0]),
        column("values_to_match_regex_list", text, regex_list=regexes,
               match_on=draw(st.sampled_from(["any", "all"]))),
        column("values_to_not_match_regex_list", text, regex_list=regexes),
        column("value_lengths_to_be_between", text, **draw(limits(st.integers(0, 3)))),
        column("value_lengths_to_equal", text, value=draw(st.integers(0, 3))),
    ]))  # fmt: skip
    how = draw(st.sampled_from(["", "", "text", "object"]))
    return one if not how else where(one, draw(conditions() if how == "text" else objects()))


@st.composite
def pairs(draw: st.DrawFn) -> Given:
    """An expectation about two columns."""
    a, b = draw(st.sampled_from([("n", "m"), ("n", "w"), ("w", "v"), ("t", "u"), ("d", "e")]))
    ignored = ["both_values_are_missing", "either_value_is_missing", "neither"]
    kwargs = draw(st.sampled_from([{}, *({"ignore_row_if": one} for one in ignored)]))
    one = draw(st.sampled_from([
        pair("to_be_equal", a, b, **kwargs),
        pair("a_to_be_greater_than_b", a, b, or_equal=draw(st.booleans()), **kwargs),
    ]))  # fmt: skip
    return one if draw(st.booleans()) else where(one, draw(conditions()))


@pytest.mark.slow
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.generate],  # to shrink would take many minutes
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(ROWS, st.lists(expectations() | pairs(), min_size=20, max_size=20))
def test_checks_answer_like_great_expectations(
    inside: None, row: dict[str, Any], some: list[Given]
) -> None:
    # Given a row, and expectations about it, when both judge it
    theirs = by_great_expectations(row, some)
    ours = [by_us(row, one) for one in some]
    # Then every expectation of these types is judged here, and both agree
    assert None not in ours
    different = [json.dumps(one) for one, a, b in zip(some, theirs, ours, strict=True) if a != b]
    assert not different


@pytest.mark.parametrize(
    ("one", "named"),
    [
        ({"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}, ""),
        (column("values_to_be_unique", "t"), " (t)"),
        (column("mean_to_be_between", "n", min_value=1), " (n)"),
        (column("values_to_not_be_null", "n", mostly=0.9), " (n)"),
        (column("values_to_be_in_set", "target", value_set=["a"]), " (target)"),
        (column("values_to_be_in_set", "d", value_set=["2024-01-01"]), " (d)"),
        (column("values_to_be_in_set", "w", value_set=[True]), " (w)"),
        (column("values_to_be_between", "t", min_value="a"), " (t)"),
        (column("values_to_be_between", "n", min_value="a"), " (n)"),
        (column("values_to_be_between", "n", min_value=2, max_value=1), " (n)"),
        (column("values_to_be_between", "d", min_value="soon"), " (d)"),
        (column("values_to_be_between", "d", min_value="2024-01-01T00:00:00Z"), " (d)"),
        (column("values_to_match_regex", "w", regex="1"), " (w)"),
        (column("values_to_match_regex", "t", regex="("), " (t)"),
        (column("values_to_match_regex_list", "t", regex_list=[]), " (t)"),
        (column("value_lengths_to_equal", "w", value=1), " (w)"),
        (pair("to_be_equal", "n", "t"), " (n, t)"),
        (pair("to_be_in_set", "t", "u", value_pairs_set=[["a", "b"]]), " (t, u)"),
        (where(column("values_to_not_be_null", "n"), "w.abs() > 1"), " (n)"),
        (where(column("values_to_not_be_null", "n"), "n + w > 1"), " (n)"),
        (where(column("values_to_not_be_null", "n"), "t > 1"), " (n)"),
        (where(column("values_to_not_be_null", "n"), "lost > 1"), " (n)"),
        (where(column("values_to_not_be_null", "n"), "w > @limit"), " (n)"),
        (where(column("values_to_not_be_null", "n"), "w >"), " (n)"),
        (where(column("values_to_not_be_null", "n"), "d == '2024-01-01'"), " (n)"),
        (where(column("values_to_not_be_null", "n"), {"type": "other"}), " (n)"),
        (where(column("values_to_not_be_null", "n"), {"type": "and", "conditions": [1]}), " (n)"),
    ],
)  # fmt: skip
def test_what_no_row_can_be_judged_by_is_left_to_monitoring(one: Given, named: str) -> None:
    # Given an expectation about many rows, with exceptions, or that is not understood
    found = contract_checks([one], TYPES)
    # When it is compiled, then it is named, and nothing is checked in its place
    assert found.left == [one["type"] + named]
    assert not found.values
    assert not found.rows


def test_types_are_those_of_the_columns_but_integers_are_required_where_named() -> None:
    # Given types that a column must have
    texts = contract_checks([column("values_to_be_of_type", "t", type_="str")], TYPES)
    some = column("values_to_be_in_type_list", "w", type_list=["int64", "float64"])
    whole = column("values_to_be_in_type_list", "w", type_list=["int64", "Int64"])
    # When they are compiled, then only that of integers is asked of each value
    assert not texts.values
    assert not contract_checks([some], TYPES).values
    found = contract_checks([whole], TYPES)
    assert not list(found.faults("w", [1.0, None, 2]))
    assert [at for at, _ in found.faults("w", [0.5, 1.0])] == [0]


@pytest.mark.parametrize(
    ("change", "pointer", "cause"),
    [
        ({"age": None}, "/0/age", "must have a value (data contract)"),
        ({"age": 100}, "/0/age", "must be 18 to 100, strict_max True (data contract)"),
        ({"region": "East-side"}, "/0/region", "must be one of north, south, west"),
        ({"region": "new"}, "/0/region", "must be one of north, south, west"),
        ({"zip": "00x"}, "/0/zip", "must be matched by ^[0-9]+$ (data contract)"),
        ({"day": "2023-12-31 23:59:59"}, "/0/day", "must be at least 2024-01-01"),
        ({"free": "longer"}, "/0/free", "length must be at most 5 (data contract)"),
        ({"sex": "m"}, "/0/sex", "must be one of female, male"),
        ({"age": 61, "ratio": None}, "/0/ratio", "where age > 60 and region == 'north'"),
        ({"price": 1, "weight": 2}, "/0/price", "price must be at least weight (data contract)"),
    ],
)
def test_a_value_that_the_contract_does_not_allow_is_refused(
    change: dict[str, Any], pointer: str, cause: str
) -> None:
    # Given a reader with a contract, and a row that it allows
    reader = requested.reader(*CONTRACT)
    assert reader.left_to_monitoring == ["expect_column_values_to_be_unique (note)"]
    reader.read([good(), good() | {"ratio": None, "zip": "", "weight": None, "price": None}])
    # When the row is changed, then the field is named, with what the contract allows
    with pytest.raises(RequestRefused) as refused:
        reader.read([good() | change])
    [fault] = refused.value.faults
    assert (refused.value.status, fault.pointer) == (422, pointer)
    assert cause in fault.detail
    reader.close()


def test_a_value_that_does_not_fit_is_not_also_against_the_contract() -> None:
    # Given values that do not fit their columns, or that are not there
    reader = requested.reader(*CONTRACT)
    less = {name: value for name, value in good().items() if name not in ("day", "sex")}
    # When they are read, then each has one fault, and what is not there is not judged
    with pytest.raises(RequestRefused) as refused:
        reader.read([less | {"age": "x", "price": "y"}, less])
    assert [one.pointer for one in refused.value.faults] == ["/0/age", "/0/price"]
    assert "day" not in reader.read([less]).logged[0]
    reader.close()
