"""A body is strict JSON of rows, or it is refused without repeating what it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from governed_ml.serving.http import body
from governed_ml.serving.http.body import parse
from governed_ml.serving.http.problems import RequestRefused

ROWS = 3
ID = "request"


def refusal(sent: bytes) -> RequestRefused:
    with pytest.raises(RequestRefused) as refused:
        parse(sent, ROWS)
    return refused.value


def test_one_object_is_one_row_and_an_array_is_many() -> None:
    # Given one row as an object, and rows as an array
    row = {"age": 41, "ratio": 0.5, "region": "north", "late": True, "sex": None, "é": "\u0000"}
    sent = json.dumps(row).encode()
    # When they are read, then each is the rows, and says which form it has
    assert parse(sent, ROWS) == ([row], True)
    assert parse(b" [" + sent + b"," + sent + b"]\n", ROWS) == ([row, row], False)
    assert parse(json.dumps(row, ensure_ascii=False).encode(), ROWS) == ([row], True)
    assert parse(b"{}", ROWS) == ([{}], True)


def test_numbers_keep_their_kind() -> None:
    # Given integers and decimals, small and large, when they are read
    [row], _ = parse(b'{"a": -0, "b": -0.0, "c": 1e-400, "d": 7.0, "e": 1e300, "f": %d}'
                     % 2**63, ROWS)  # fmt: skip
    # Then an integer stays one, a decimal too, and what is too small is zero
    assert list(map(repr, row.values())) == ["0", "-0.0", "0.0", "7.0", "1e+300", str(2**63)]


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (b"", "Expecting value"),
        (b" ", "Expecting value"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "not JSON"),
        ('{"a": "é"}'.encode("latin-1"), "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": "\xc0\xaf"}', "not UTF-8"),
        (b"{'a': 1}", "double quotes"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 1} {"a": 2}', "Extra data"),
        (b'{"a": 1}\n{"a": 2}\n', "Extra data"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": +1}', "not JSON"),
        (b'{"a": .5}', "not JSON"),
        (b'{"a": 1.}', "not JSON"),
        (b'{"a": 0x1F}', "not JSON"),
        (b'{"a": 1_000}', "not JSON"),
        (b'{"a": nan}', "not JSON"),
        (b'{"a": inf}', "not JSON"),
        (b'{"a": undefined}', "not JSON"),
        (b'{"a": True}', "not JSON"),
        (b'{"a": "b\x01"}', "Invalid control character"),
        (b'{"a": "b\n"}', "Invalid control character"),
        (b'{"a": "\\x41"}', "Invalid \\escape"),
        (b'{"a": "\\u12"}', "Invalid \\uXXXX escape"),
        (b'{"a": 1 // one\n}', "not JSON"),
        (b"\x00", "not JSON"),
        (b"a=1&b=2", "not JSON"),
        (b"<row><a>1</a></row>", "not JSON"),
    ],
)
def test_what_is_not_json_is_malformed(sent: bytes, cause: str) -> None:
    # Given bytes that are not JSON, when they are read
    found = refusal(sent)
    # Then it is the request's fault, and the place is named
    assert (found.status, found.kind) == (400, "malformed-json")
    assert cause in found.detail


@pytest.mark.parametrize(
    ("sent", "pointer", "cause"),
    [
        (b'{"a": NaN}', "/0/a", "NaN and Infinity"),
        (b'[{"a": 1}, {"a": -Infinity}]', "/1/a", "NaN and Infinity"),
        (b"NaN", "", "NaN and Infinity"),
        (b"[Infinity]", "/0", "NaN and Infinity"),
        (b'{"a": [NaN]}', "", "NaN and Infinity"),
        (b'{"a": 1e999}', "/0/a", "too large"),
        (b'{"a": -1e999}', "/0/a", "too large"),
        (b'{"a": 1' + b"0" * 309 + b"}", "/0/a", "too large"),
        (b'{"a": ' + b"9" * 900_000 + b"}", "/0/a", "too many digits"),
        (b'{"a": 0.' + b"1" * 900_000 + b"}", "/0/a", "too many digits"),
        (b'{"a": 1e' + b"9" * 900_000 + b"}", "/0/a", "too many digits"),
        (b'{"a": 1, "b": 2, "a": 1}', "/0/a", "more than once"),
        (b'{"a": 1, "\\u0061": 2}', "/0/a", "more than once"),
        (b'{"a/b~": 1, "a/b~": 2}', "/0/a~1b~0", "more than once"),
        (b'[{"a": {"b": 1, "b": 2}}]', "", "more than once"),
        (b'{"a": "\\ud800"}', "/0/a", "half of a character"),
        (b'{"a": "x\\uDFFFy"}', "/0/a", "half of a character"),
        (b'{"\\ud800": 1}', "/0", "half of a character"),
    ],
)
def test_what_python_would_accept_and_json_does_not_is_malformed(
    sent: bytes, pointer: str, cause: str
) -> None:
    # Given JSON with a value that Python's reader accepts, when it is read
    found = refusal(sent)
    # Then it is malformed, and the document points to the place
    assert (found.status, found.kind) == (400, "malformed-json")
    assert [one.pointer for one in found.faults] == [pointer]
    assert cause in found.faults[0].detail


def test_pairs_of_surrogates_are_a_character() -> None:
    # Given a character beyond the first plane, escaped as JSON does it, when it is read
    # Then it is a text like any other
    assert parse(b'{"a": "\\ud83d\\ude00"}', ROWS) == ([{"a": "😀"}], True)


@pytest.mark.parametrize(
    ("sent", "pointers", "cause"),
    [
        (b"null", [], "one row (an object) or many"),
        (b"3", [], "one row (an object) or many"),
        (b'"a"', [], "one row (an object) or many"),
        (b"[]", [], "no rows"),
        (b"[{}, {}, {}, {}]", [], "4 rows: give at most 3"),
        (b"[1, {}, null]", ["/0", "/2"], "each row must be an object"),
        (b"[[]]", ["/0"], "each row must be an object"),
        (b'[{"a": []}, {"b": {}, "c": 1}]', ["/0/a", "/1/b"], "each of its values"),
        (b"[" * 900_000, [], "within one another"),
        (b'{"a":' * 100_000, [], "within one another"),
    ],
)
def test_json_of_another_shape_is_refused_as_such(
    sent: bytes, pointers: list[str], cause: str
) -> None:
    # Given JSON that is no rows of plain values, when it is read
    found = refusal(sent)
    # Then the shape is named, and each place
    assert (found.status, found.kind) == (422, "invalid-body")
    assert [one.pointer for one in found.faults] == pointers
    assert cause in found.detail


def test_names_that_may_be_anything_are_not_repeated() -> None:
    # Given unknown names that are long, or that no screen shows
    long, hidden = "n" * (body.NAMED + 1), "a\u202eb"
    for name in (long, hidden, "a\nb"):
        # When their values are refused
        found = refusal(json.dumps({name: []}).encode())
        # Then the document points to the row
        assert [one.pointer for one in found.faults] == ["/0"]
    assert body.place(2, "income") == "/2/income"


def test_the_faults_of_a_huge_body_are_not_all_kept() -> None:
    # Given more faults than anybody reads, when they are collected
    nested = json.dumps({f"c{n}": [] for n in range(body.COUNTED * 2)}).encode()
    # Then they are bounded
    assert len(refusal(nested).faults) == body.COUNTED
    assert len(refusal(nested.replace(b"[]", b"NaN")).faults) == body.COUNTED


def answer(sent: bytes) -> list[dict[str, Any]] | RequestRefused:
    try:
        return parse(sent, ROWS)[0]
    except RequestRefused as refused:
        return refused


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
PIECES = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", '"a"', '"b"', "1", "-0", "1e5", "1e999", "NaN", "null", "true",
     '"\\ud800"', '"\\u0000"', "\x00", "9" * 400, " ", "é"]
)  # fmt: skip


@example(b"[" * 100_000)
@example(b'[{"a":' * 100_000)
@given(st.binary() | st.lists(PIECES, max_size=12).map(lambda some: "".join(some).encode()))
def test_any_bytes_are_rows_or_refused(sent: bytes) -> None:
    # Given any bytes, when they are read
    found = answer(sent)
    # Then there are rows of plain values that are JSON, or a document for the client
    if isinstance(found, RequestRefused):
        assert found.status in (400, 422)
        assert found.response(ID).body
    else:
        assert 0 < len(found) <= ROWS
        again = json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
        assert parse(again, ROWS)[0] == found
        plain = (str, int, float, bool, type(None))
        assert all(isinstance(value, plain) for row in found for value in row.values())


@given(st.lists(st.dictionaries(st.text(), SCALARS), min_size=1, max_size=ROWS))
def test_rows_are_read_as_they_were_written(rows: list[dict[str, Any]]) -> None:
    # Given rows of plain values, written by Python's own JSON
    try:
        sent = json.dumps(rows, allow_nan=False).encode()
    except ValueError:  # NaN and Infinity
        assert refusal(json.dumps(rows).encode()).status == 400
        return
    # When they are read, then they are the same
    assert parse(sent, ROWS) == (rows, False)


@given(st.text("0123456789", min_size=6, max_size=20), SCALARS)
def test_no_value_is_in_a_document(secret: str, other: Any) -> None:
    # Given a row with a value that nobody else may see, and a fault
    faults = ['"a": NaN', '"a": 1, "a": 2', '"a": []', '"a": 1e999', '"a": "\\ud800"', '"a" 1']
    for fault in faults:
        sent = f'[{{"s": "{secret}", {fault}, "o": {json.dumps(other)}}}]'.encode()
        # When it is refused, then the document does not have it
        assert secret not in json.dumps(refusal(sent).document(ID))
