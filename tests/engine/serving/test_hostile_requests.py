"""Requests that no honest client sends, each with its exact answer.

Every answer is a problem document with a request id. None repeats a value of the request, and none
of these requests is in the log.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from baked import BakedProject
from http_service import HttpAnswer, Ledger, ask, model_of, rows_of, running, service_of, version_of

from governed_ml.serving.app.service import Service
from governed_ml.serving.metrics import names

pytestmark = pytest.mark.slow

JSON = {"content-type": "application/json"}
SECRET = "hunter2"  # noqa: S105 - a value that no answer may repeat
MARK = "@@"  # stands for a good row


@dataclass(frozen=True)
class Hostile:
    """A request, and its answer: status, kind of the problem, places of faults."""

    name: str
    status: int
    kind: str
    body: str | bytes = ""
    path: str = "/predict"
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    places: tuple[str, ...] = ()
    holds: dict[str, str] = field(default_factory=dict)


def shape(name: str, body: str | bytes, *places: str) -> Hostile:
    """A body that is JSON, but no rows."""
    return Hostile(name, 422, "invalid-body", body, places=places)


def broken(name: str, body: str | bytes, *places: str) -> Hostile:
    """A body that is not JSON."""
    return Hostile(name, 400, "malformed-json", body, places=places)


def row(name: str, change: str, *places: str) -> Hostile:
    """A good row with members added or replaced, as JSON texts."""
    return Hostile(name, 422, "invalid-rows", MARK + change, places=places)


def odd(name: str, change: str, *places: str) -> Hostile:
    """A good row with a member that is no strict JSON."""
    return Hostile(name, 400, "malformed-json", MARK + change, places=places)


TABLE = (
    broken("no body", ""),
    broken("a blank body", " \n"),
    broken("no JSON", f"{SECRET}"),
    broken("cut off", '[{"income": 1'),
    broken("two bodies", "{} {}"),
    broken("a comma too many", '{"income": 1,}'),
    broken("single quotes", "{'income': 1}"),
    broken("a comment", '{"income": 1} // hunter2'),
    broken("a byte order mark", b'\xef\xbb\xbf{"income": 1}'),
    broken("UTF-16", '{"income": 1}'.encode("utf-16")),
    broken("no UTF-8", b'{"income": "\xff"}'),
    broken("an overlong character", b'{"income": "\xc0\xaf"}'),
    broken("a control character", '{"income": "\x00"}'),
    odd("NaN", '"income": NaN', "/0/income"),
    odd("minus infinity", '"income": -Infinity', "/0/income"),
    odd("a number beyond a float", '"income": 1e999', "/0/income"),
    odd("a negative number beyond a float", '"income": -1e999', "/0/income"),
    odd("a million digits", f'"income": {"9" * 500_000}', "/0/income"),
    odd("half a character", '"region": "\\ud800"', "/0/region"),
    odd("a column twice", '"income": 1, "income": 2', "/0/income"),
    shape("null", "null"),
    shape("a number", "7"),
    shape("a text", f'"{SECRET}"'),
    shape("no rows", "[]"),
    shape("rows that are arrays", "[[1, 2]]", "/0"),
    shape("rows that are null", "[null, null]", "/0", "/1"),
    shape("too many rows", json.dumps([{}] * 1001)),
    shape("an object in a value", '{"income": {"$gt": 0}}', "/0/income"),
    shape("an array in a value", '{"income": [1]}', "/0/income"),
    shape("deep nesting", '{"income": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    Hostile(
        "an empty row",
        422,
        "invalid-rows",
        "{}",
        places=("/0/region", "/0/employment_status", "/0/housing", "/0/purpose", "/0/income"),
    ),
    row("a text for a number", f'"income": "{SECRET}"', "/0/income"),
    row("a number as a text", '"income": "1000"', "/0/income"),
    row("a truth value for a number", '"income": true', "/0/income"),
    row("a number for a category", '"region": 7', "/0/region"),
    row("a truth value for a category", '"region": false', "/0/region"),
    row("an unknown column", f'"{SECRET}": 1', f"/0/{SECRET}"),
    row("a column in capitals", '"INCOME": 1', "/0/INCOME"),
    row("a column of the engine", '"request_id": "a"', "/0/request_id"),
    row("the model's digest", '"model_digest": "sha256:0"', "/0/model_digest"),
    row("the target", '"repaid": "yes"', "/0/repaid"),
    row("a prototype", '"__proto__": 1', "/0/__proto__"),
    row("an empty name", '"": 1', "/0/"),
    row("a name with a line break", '"a\\nb": 1', "/0"),
    row("a long name", f'"{"x" * 10_000}": 1', "/0"),
    row("a number that the contract does not allow", '"debt_ratio": -7', "/0/debt_ratio"),
    row("a date that is none", '"applied_on": "2023-02-31"', "/0/applied_on"),
    row("another spelling of a category", '"region": "WEST"', "/0/region"),
    Hostile(
        "one bad row among good ones",
        422,
        "invalid-rows",
        f'[{MARK}"income": 30000}}, {MARK}"income": "{SECRET}"}}]',
        places=("/1/income",),
    ),
    Hostile("no content type", 415, "unsupported-media-type", "{}", headers={}),
    Hostile(
        "a form",
        415,
        "unsupported-media-type",
        "a=1",
        headers={"content-type": "application/x-www-form-urlencoded"},
    ),
    Hostile("CSV", 415, "unsupported-media-type", "a\n1", headers={"content-type": "text/csv"}),
    Hostile(
        "another charset",
        415,
        "unsupported-media-type",
        "{}",
        headers={"content-type": "application/json; charset=latin-1"},
    ),
    Hostile(
        "a packed body",
        415,
        "unsupported-encoding",
        b"\x1f\x8b",
        headers=JSON | {"content-encoding": "gzip"},
    ),
    Hostile("a body over the limit", 413, "body-too-large", b" " * 1_000_001),
    Hostile("an unknown parameter", 422, "unknown-parameter", "{}", path="/predict?debug=true"),
    Hostile("a wrong parameter", 422, "invalid-parameter", "{}", path=f"/predict?explain={SECRET}"),
    Hostile(
        "a parameter twice",
        422,
        "invalid-parameter",
        "{}",
        path="/predict?explain=true&explain=false",
    ),
    Hostile("an unknown path", 404, "not-found", path=f"/{SECRET}"),
    Hostile("a path with a slash", 404, "not-found", "{}", path="/predict/"),
    Hostile("a path upwards", 404, "not-found", path="/../etc/passwd", method="GET"),
    Hostile(
        "GET of a prediction", 405, "method-not-allowed", method="GET", holds={"allow": "POST"}
    ),
    Hostile(
        "DELETE of the model",
        405,
        "method-not-allowed",
        path="/model",
        method="DELETE",
        holds={"allow": "GET"},
    ),
    Hostile("another host", 421, "not-loopback", "{}", headers=JSON | {"host": "evil.example"}),
    Hostile("a proxy", 403, "not-loopback", "{}", headers=JSON | {"x-forwarded-for": "1.2.3.4"}),
    Hostile("labels that are rows", 422, "invalid-labels", MARK, path="/ground-truth"),
    Hostile(
        "a label of a row below 0",
        422,
        "invalid-labels",
        '{"request_id": "a", "row": -1, "label": "yes"}',
        path="/ground-truth",
        places=("/0/row",),
    ),
    Hostile(
        "a label with a path for an id",
        422,
        "invalid-labels",
        '{"request_id": "../a", "row": 0, "label": "yes"}',
        path="/ground-truth",
        places=("/0/request_id",),
    ),
    Hostile(
        "a label that the target lacks",
        422,
        "invalid-labels",
        f'{{"request_id": "a", "row": 0, "label": "{SECRET}"}}',
        path="/ground-truth",
        places=("/0/label",),
    ),
)


@dataclass(frozen=True)
class Target:
    """A running service, its folder, and a good row."""

    service: Service
    port: int
    folder: Path
    good: dict[str, Any]

    def body(self, given: str | bytes) -> bytes:
        """Put the good row's members where they are wanted."""
        if isinstance(given, bytes):
            return given
        texts = given.split(MARK)
        found = texts[0]
        for text in texts[1:]:
            changed = {name for name in self.good if text.startswith(f'"{name}"')}
            kept = {name: one for name, one in self.good.items() if name not in changed}
            open_end = json.dumps(kept)[:-1]
            found += f"{open_end}, {text}" if text else f"{open_end}}}"
        return (
            found if found.rstrip().endswith(("}", "]")) or not texts[1:] else found + "}"
        ).encode()


@pytest.fixture(name="target", scope="module")
def running_service(
    project_after_run: BakedProject, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Target]:
    """The default project's model, served."""
    folder = tmp_path_factory.mktemp("hostile")
    ledger = Ledger({1: model_of(project_after_run)})
    ledger.life.versions[1] = version_of()
    service = service_of(folder, ledger)
    with running(service) as port:
        yield Target(service, port, folder, rows_of(project_after_run, 1)[0])


def sent(target: Target, one: Hostile) -> HttpAnswer:
    """Send a hostile request."""
    body = target.body(one.body) if one.method == "POST" else None
    return ask(target.port, one.method, one.path, body, one.headers)


def test_the_good_row_is_good(target: Target) -> None:
    # Given the row that the table's requests change, when it is sent as it is
    found = ask(target.port, "POST", "/predict", target.body(MARK), JSON)
    # Then it is answered: nothing else than the change is what is refused
    assert found.status == 200, found.json


@pytest.mark.parametrize("one", TABLE, ids=[one.name.replace(" ", "-") for one in TABLE])
def test_a_hostile_request_gets_its_exact_answer(target: Target, one: Hostile) -> None:
    # Given a request that no honest client sends, when it is sent
    before = target.service.stores.predictions.bytes
    found = sent(target, one)
    # Then the status and the kind are these, and the faults are at these places
    document = found.json
    assert (found.status, document["type"]) == (
        one.status,
        f"urn:governed-ml:problem:{one.kind}",
    ), document
    assert found.headers["content-type"] == "application/problem+json"
    assert found.headers["x-request-id"] == document["request_id"]
    places = [fault["pointer"] for fault in document.get("errors", [])]
    assert places[: len(one.places)] == list(one.places)
    assert one.places or not places or one.kind == "invalid-labels"
    for name, words in one.holds.items():
        assert (
            set(words.split(", "))
            <= set(found.headers[name].split(", "))
            <= {"GET", "HEAD", "POST"}
        )
    # And no value comes back, and nothing is logged
    repeated = found.content.decode().replace(f"/0/{SECRET}", "")
    assert SECRET not in repeated
    assert "Traceback" not in repeated
    assert target.service.stores.predictions.bytes == before
    # And the metric knows the kind
    assert one.kind in names.KINDS


def test_there_are_enough_hostile_requests() -> None:
    # Given the table, when it is counted, then it is long and no request is there twice
    assert len({one.name for one in TABLE}) == len(TABLE) >= 60
