"""The schema of a row says what the service accepts, so that generated rows are."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requested
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from requested import CONTRACT, DATA, column
from schemathesis import GenerationMode

from governed_ml.core.config.data import Data
from governed_ml.core.evidence_bodies import Column
from governed_ml.serving.http.body import parse
from governed_ml.serving.http.problems import RequestRefused
from governed_ml.serving.rows.category_columns import TWIN
from governed_ml.serving.rows.contract_checks import contract_checks
from governed_ml.serving.rows.date_schema import at_least, at_most
from governed_ml.serving.rows.patterns import matcher, portable
from governed_ml.serving.rows.row_reader import RowReader
from governed_ml.serving.rows.row_schema import answer_schema, label_schema, row_schema

LOAD = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture]  # fmt: skip
INEXACT = ("paid", "short", "compact", "odd")
"""Columns of dates whose pattern allows the 31st of every month, and one of numbers with the unit
e, where 1e+16 is refused as in a file."""


def bodies(schema: dict[str, Any], mode: GenerationMode) -> st.SearchStrategy[Any]:
    """Bodies as schemathesis sends them to a service that describes itself so."""
    asked = {"required": True, "content": {"application/json": {"schema": schema}}}
    post = {"requestBody": asked, "responses": {"200": {"description": "an answer"}}}
    found = {"openapi": "3.1.0", "info": {"title": "rows", "version": "1"},
             "paths": {"/predict": {"post": post}}}  # fmt: skip
    operation = schemathesis.openapi.from_dict(found)["/predict"]["POST"]
    return operation.as_strategy(generation_mode=mode).map(lambda case: case.body)


def refusal(reader: RowReader, body: Any) -> RequestRefused | None:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        rows = parse(sent, 10)[0]
        reader.read([{"odd": None} | row for row in rows])
    except RequestRefused as refused:
        return refused
    return None


def reader_and_schema(*contract: Any) -> tuple[RowReader, dict[str, Any]]:
    reader = requested.reader(*contract)
    schema = row_schema(reader)
    for name in INEXACT:
        schema["properties"].pop(name)
    schema["required"].remove("odd")
    return reader, schema


@pytest.mark.slow
@pytest.mark.parametrize("contract", [[], CONTRACT[:-2]], ids=["no-contract", "contract"])
def test_rows_that_fit_the_schema_are_accepted(contract: list[Any]) -> None:
    # Given the schema of a row, with or without a contract about single columns
    reader, schema = reader_and_schema(*(one for one in contract if "row_condition" not in
                                         one["kwargs"]))  # fmt: skip

    @settings(max_examples=150, deadline=None, suppress_health_check=LOAD)
    @given(bodies(schema, GenerationMode.POSITIVE))
    def accepted(body: Any) -> None:
        # When rows are generated from it, then they are accepted
        found = refusal(reader, body)
        faults = [] if found is None else [one for one in found.faults if one.detail != TWIN]
        assert not faults, (body, faults)

    accepted()
    reader.close()


@pytest.mark.slow
def test_rows_that_do_not_fit_the_schema_are_refused() -> None:
    # Given the schema of a row under a contract
    reader, schema = reader_and_schema(*CONTRACT)
    is_row = Draft202012Validator(schema, validate_formats=True).is_valid

    @settings(max_examples=150, deadline=None, suppress_health_check=LOAD)
    @given(bodies(schema, GenerationMode.NEGATIVE))
    def refused(body: Any) -> None:
        # When bodies are generated that do not fit, then they are refused
        rows = body if isinstance(body, list) else [body]
        if isinstance(body, bytes) or not rows or not all(map(is_row, rows)):
            assert refusal(reader, body) is not None, body

    refused()
    reader.close()


def test_a_schema_says_what_each_kind_of_column_takes() -> None:
    # Given a reader with a contract, when its rows are described
    reader = requested.reader(*CONTRACT, column("values_to_be_in_set", "branch", value_set=[1, 2]))
    schema = row_schema(reader)
    types: dict[str, Any] = schema["properties"]
    # Then features are required, and no other column is known
    assert schema["required"] == [*requested.NUMERIC, *requested.CATEGORICAL]
    assert schema["additionalProperties"] is False
    assert "repaid" not in types
    # And numbers have limits, and null where a missing value is accepted
    assert types["age"]["type"] == "number"
    assert (types["age"]["minimum"], types["age"]["exclusiveMaximum"]) == (18, 100)
    assert {99, 0.5, -999} <= set(types["age"]["not"]["enum"])
    assert types["ratio"]["type"] == ["number", "null"]
    assert (types["ratio"]["minimum"], types["ratio"]["maximum"]) == (-1e150, 1e150)
    assert types["branch"]["enum"] == [1, 2, None]
    assert types["person"]["type"] == ["integer", "null"]
    # And categories are listed only where an unknown one is refused
    assert types["city"]["type"] == ["string", "null"]
    assert types["sex"]["enum"] == ["female", "male", "", "-999", "0.5", "99", "?", "n/a", None]
    assert "N" in types["region"]["enum"]
    assert types["zip"]["anyOf"][0]["pattern"] == "^[0-9]+$"
    assert types["free"]["anyOf"][0]["maxLength"] == 5
    assert types["late"]["enum"][:4] == [True, False, 1, 0]
    assert types["day"]["anyOf"][0]["format"] == "date"
    # And the words say what a schema cannot
    assert "sensitive attribute" in types["sex"]["description"]
    assert "another spelling of a known one is not" in types["city"]["description"]
    assert "price must be at least weight (data contract)" in types["price"]["description"]
    assert "must have a value, where age > 60" in types["ratio"]["description"]
    assert Draft202012Validator(schema).is_valid({"age": 1}) is False
    reader.close()


@given(st.dates(), st.dates())
def test_patterns_of_days_compare_like_days(one: Any, other: Any) -> None:
    # Given two days, when one is the first or the last that is allowed
    # Then the pattern matches the other exactly if it is allowed
    assert (re.search(at_least(str(one)), str(other)) is not None) is (other >= one)
    assert (re.search(at_most(str(one)), str(other)) is not None) is (other <= one)


@pytest.mark.parametrize(
    ("limits", "first", "last"),
    [
        ({"min_value": "2024-01-01"}, "2024-01-01", None),
        ({"min_value": "2024-01-01", "strict_min": True}, "2024-01-02", None),
        ({"min_value": "2024-01-01 00:00:01"}, "2024-01-02", None),
        ({"max_value": "2024-01-01"}, None, "2024-01-01"),
        ({"max_value": "2024-01-01", "strict_max": True}, None, "2023-12-31"),
        ({"max_value": "2024-01-01 10:00"}, None, "2024-01-01"),
        ({"min_value": "1960-02-29", "max_value": "9999-12-31"}, "1960-02-29", "9999-12-31"),
    ],
)
def test_the_range_of_dates_is_that_of_days(
    limits: dict[str, Any], first: str | None, last: str | None
) -> None:
    # Given a contract about dates, when its check is made
    [check] = contract_checks(
        [column("values_to_be_between", "day", **limits)], {"day": "TIMESTAMP"}
    ).values["day"]
    # Then the days are those whose beginning is allowed
    assert (check.schema.get("first"), check.schema.get("last")) == (first, last)


REGEXES = ["^a+$", r"^\d{2}$", r"\s", r"[^\d\s]", r"^[\w-]+$", r"^\S*$", "a|b", r"\.", "[.]x", "^$"]


@given(st.sampled_from(REGEXES), st.text("ab1 .-x\t٣é", max_size=4))
def test_a_portable_pattern_matches_what_the_contract_matches(regex: str, text: str) -> None:
    # Given a pattern of a contract, when it is written for a schema
    pattern = portable(regex)
    matches = matcher(regex)
    # Then another program finds the same
    assert pattern is not None
    assert matches is not None
    schema = Draft202012Validator({"pattern": pattern})
    assert schema.is_valid(text) is matches(text)


@pytest.mark.parametrize(
    "regex", ["(?i)a", r"(a)\1", r"\pL", r"[[:alpha:]]", "[]a]", r"[^\D]", r"\A", r"\bab", "a\\"]
)
def test_a_pattern_that_programs_read_differently_is_not_in_a_schema(regex: str) -> None:
    # Given a pattern with signs that some programs do not know
    # When it is written for a schema, then it is left out
    assert portable(regex) is None


def label_reader(target: Column) -> RowReader:
    return RowReader([target], DATA.model_copy(update={"target": ""}), [], [])


@pytest.mark.parametrize(
    ("target", "schema"),
    [
        ({"type": "VARCHAR", "kind": "code", "values": ["no", "yes"]}, {"enum": ["no", "yes"]}),
        ({"type": "VARCHAR", "kind": "boolean", "values": ["No", "Yes"]},
         {"enum": [True, False, 1, 0, "No", "Yes"]}),
        ({"type": "VARCHAR", "kind": "code", "values": ["sha256:0123456789abcdef", "yes"]},
         {"type": "string", "not": {"enum": ["", "-999", "0.5", "99", "?", "n/a"]}}),
        ({"type": "VARCHAR", "kind": "code"},
         {"type": "string", "not": {"enum": ["", "-999", "0.5", "99", "?", "n/a"]}}),
        ({"type": "DOUBLE", "kind": "decimal"},
         {"type": "number", "minimum": -1e150, "maximum": 1e150,
          "not": {"enum": [-999.0, 0.5, 99.0]}}),
    ],
)  # fmt: skip
def test_a_label_is_a_value_of_the_target(target: dict[str, Any], schema: dict[str, Any]) -> None:
    # Given the reader of a target, when labels are described, then none is missing
    reader = label_reader(Column.model_validate({"name": "paid_back", **target}))
    assert label_schema(reader, "paid_back") == schema
    reader.close()


def test_an_answer_is_described_by_its_task() -> None:
    # Given data of each task, when predictions are described
    two = answer_schema(DATA)
    fields = DATA.model_dump() | {"positive": None, "classes": ["a", "b", 3]}
    many = answer_schema(Data.model_validate(fields))
    number = answer_schema(Data.model_validate(DATA.model_dump() | {"task": "regression"}))
    # Then the prediction is 0 or 1, the name of a class, or a number
    assert two["properties"]["prediction"]["enum"] == [0, 1]
    assert "repaid is yes" in two["properties"]["prediction"]["description"]
    assert many["properties"]["prediction"]["enum"] == ["a", "b", "3"]
    assert many["properties"]["scores"]["required"] == ["a", "b", "3"]
    assert number["properties"]["prediction"]["type"] == "number"
    answer = {"row": 0, "prediction": 1, "score": 0.5, "explanation": None}
    assert Draft202012Validator(two).is_valid(answer)
    assert not Draft202012Validator(many).is_valid(answer)
