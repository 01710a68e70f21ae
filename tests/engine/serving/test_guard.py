"""The guard: sizes, times and types of bodies, and a problem document for whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from asgi_calls import GONE, SILENCE, Answered, Part, ask, asked, http_scope, listening, said
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from governed_ml.core.crash_report import FOLDER
from governed_ml.serving.http.guard import protect
from governed_ml.serving.http.problems import FieldFault, RequestRefused

MOST = 1000  # bytes of a body
JSON = ("content-type", "application/json")
SECRET = "4111-1111"  # noqa: S105 - stands for a value of a request


def service(**settings: Any) -> FastAPI:
    """A small service behind the guard."""
    app = FastAPI(docs_url=None, redoc_url=None)

    @app.post("/rows")
    async def rows(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.post("/parsed")
    async def parsed(body: dict[str, int]) -> dict[str, int]:
        return body

    @app.post("/stubborn")
    async def stubborn(request: Request) -> dict[str, str]:
        try:
            await request.body()
        except RequestRefused:
            return {"answer": "all is well"}
        return {"answer": "read"}

    @app.get("/model")
    async def model(explain: bool = False) -> dict[str, bool]:
        return {"explain": explain}

    @app.post("/unread")
    async def unread() -> None:
        raise RequestRefused(
            401, "unauthorized", "no token", headers={"www-authenticate": "Bearer"}
        )

    @app.get("/bug")
    async def bug() -> None:
        raise KeyError(SECRET)

    @app.get("/half")
    async def half() -> StreamingResponse:
        async def lines() -> Any:
            yield b"first"
            raise KeyError(SECRET)

        return StreamingResponse(lines())

    @app.get("/own")
    async def own(request: Request) -> dict[str, str]:
        return {"id": request.state.request_id}

    protect(app, body_bytes=MOST, **settings)
    return app


def length(size: int) -> tuple[str, str]:
    return "content-length", str(size)


CHUNKED = ("transfer-encoding", "chunked")
Headers = Sequence[tuple[str, str]]
REFUSED: dict[str, tuple[str, str, Headers, Sequence[Part], int, str]] = {
    "unknown address": ("GET", "/nope", [], [b""], 404, "not-found"),
    "a slash too many": ("GET", "/model/", [], [b""], 404, "not-found"),
    "unknown address with a body": ("POST", "/nope", [length(3)], [b"abc"], 404, "not-found"),
    "wrong method": ("DELETE", "/model", [], [b""], 405, "method-not-allowed"),
    "made-up method": ("BREW", "/model", [], [b""], 405, "method-not-allowed"),
    "a parameter of another type": ("GET", "/model?explain=4111-1111", [], [b""], 422,
        "invalid-parameter"),
    "no content type": ("POST", "/rows", [length(2)], [b"{}"], 415, "unsupported-media-type"),
    "no content type, parsed by FastAPI": ("POST", "/parsed", [length(2)], [b"{}"], 415,
        "unsupported-media-type"),
    "form": ("POST", "/rows", [("content-type", "application/x-www-form-urlencoded"), length(3)],
        [b"a=1"], 415, "unsupported-media-type"),
    "plain text, as a web page may send": ("POST", "/rows",
        [("content-type", "text/plain"), length(2)], [b"{}"], 415, "unsupported-media-type"),
    "other charset": ("POST", "/rows", [("content-type", "application/json; charset=utf-16"),
        length(2)], [b"{}"], 415, "unsupported-media-type"),
    "two content types": ("POST", "/rows", [JSON, ("content-type", "text/plain"), length(2)],
        [b"{}"], 415, "unsupported-media-type"),
    "compressed": ("POST", "/rows", [JSON, ("content-encoding", "gzip"), length(2)], [b"\x1f\x8b"],
        415, "unsupported-encoding"),
    "a length over the limit": ("POST", "/rows", [JSON, length(MOST + 1)], [SILENCE], 413,
        "body-too-large"),
    "a length of thousands of digits": ("POST", "/rows", [JSON, ("content-length", "9" * 5000)],
        [SILENCE], 413, "body-too-large"),
    "a length that is no number": ("POST", "/rows", [JSON, ("content-length", "-1")], [b"{}"], 400,
        "malformed-request"),
    "two lengths": ("POST", "/rows", [JSON, length(2), length(3)], [b"{}"], 400,
        "malformed-request"),
    "chunks over the limit": ("POST", "/rows", [JSON, CHUNKED], [b"x" * 600, b"x" * 600], 413,
        "body-too-large"),
    "more than the length says": ("POST", "/rows", [JSON, length(5)], [b"x" * 600, b"x" * 600],
        413, "body-too-large"),
    "over the limit, parsed by FastAPI": ("POST", "/parsed", [JSON, CHUNKED], [b"x" * 1200], 413,
        "body-too-large"),
    "over the limit, and the route goes on": ("POST", "/stubborn", [JSON, CHUNKED], [b"x" * 1200],
        413, "body-too-large"),
    "refused by the route, body unread": ("POST", "/unread", [JSON, length(5)], [b"12345"], 401,
        "unauthorized"),
    "an error of the service": ("GET", "/bug", [], [b""], 500, "internal"),
}  # fmt: skip


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return service()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which tracebacks are written."""
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_sane(found: Answered) -> None:
    """An answer has what all answers have, and nothing of the request."""
    assert found.complete
    assert re.fullmatch("[0-9a-f]{32}", found.headers["x-request-id"])
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["cache-control"] == "no-store"
    assert SECRET not in str(found)


@pytest.mark.parametrize("case", REFUSED)
def test_a_hostile_request_gets_a_problem_document(case: str, app: FastAPI) -> None:
    # Given a request that is not to be answered
    method, address, headers, parts, status, kind = REFUSED[case]
    # When it arrives, then the answer is the one that is due, as RFC 9457 has it
    found = ask(app, method, address, headers, parts)
    assert (found.status, found.kind) == (status, kind)
    is_sane(found)
    assert found.document["status"] == status
    assert found.document["request_id"] == found.headers["x-request-id"]


def test_a_refusal_says_what_would_be_taken(app: FastAPI) -> None:
    form = ask(app, "POST", "/rows", [length(3)], [b"a=1"])
    assert form.headers["accept-post"] == "application/json"
    packed = ask(app, "POST", "/rows", [JSON, ("content-encoding", "br"), length(1)], [b"x"])
    assert packed.headers["accept-encoding"] == "identity"
    assert ask(app, "PUT", "/model").headers["allow"] == "GET"
    assert ask(app, "POST", "/unread", [JSON]).headers["www-authenticate"] == "Bearer"
    assert ask(app, "GET", "/model?explain=x").document["detail"] == "not valid: query/explain"


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'],
)
def test_a_body_within_the_limits_is_passed_on(kind: str, app: FastAPI) -> None:
    # Given a body of exactly the limit, in parts, when it arrives, then the route reads all of it
    headers = [("content-type", kind), CHUNKED, ("content-encoding", "identity")]
    found = ask(app, "POST", "/rows", headers, [b"x" * 400, b"", b"x" * 600])
    assert (found.status, json.loads(found.body)) == (200, {"bytes": MOST})
    is_sane(found)
    assert "connection" not in found.headers


def test_a_length_over_the_limit_is_refused_before_a_byte_is_read(app: FastAPI) -> None:
    found = ask(app, "POST", "/rows", [JSON, length(MOST + 1)], [SILENCE])
    assert (found.status, found.parts_read) == (413, 0)
    assert found.headers["connection"] == "close"


def test_a_body_that_stops_coming_is_refused() -> None:
    # Given a client that sends half of its body, when it sends nothing more, then it is told so
    app = service(body_seconds=0.05)
    found = ask(app, "POST", "/rows", [JSON, length(10)], [b"half", SILENCE])
    assert (found.status, found.kind) == (408, "body-too-slow")
    assert found.headers["connection"] == "close"


def test_a_body_in_tiny_parts_gets_no_more_time() -> None:
    # Given a client that sends a byte now and then
    async def slowly(scope: Scope, receive: Receive, send: Send) -> None:
        async def byte() -> Message:
            await asyncio.sleep(0.01)
            return await receive()

        await service(body_seconds=0.3)(scope, byte, send)

    # When its body takes longer than a body may, then it is refused, though each part came soon
    found = ask(slowly, "POST", "/rows", [JSON, CHUNKED], [b"x"] * 500)
    assert (found.status, found.kind) == (408, "body-too-slow")
    assert found.parts_read > 1


def test_a_client_that_goes_away_is_no_error(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a client that leaves in the middle of its body, when it is gone
    for address in ("/rows", "/parsed"):
        found = ask(app, "POST", address, [JSON, length(10)], [b"half", GONE])
        # Then nothing is sent, and nothing is logged
        assert found.status is None
    assert not caplog.records
    assert not FOLDER.exists()


def test_an_error_is_logged_and_not_shown(
    app: FastAPI, caplog: pytest.LogCaptureFixture, project: Path
) -> None:
    # Given a route with a bug, when it is asked
    with caplog.at_level(logging.ERROR):
        found = ask(app, "GET", "/bug")
    # Then the client gets the request's id, under which the log names the file of the traceback
    (line,) = [one.getMessage() for one in caplog.records]
    assert found.document["request_id"] in line
    (file,) = (project / FOLDER).glob("*-serve.log")
    assert file.name in line
    assert "in bug" in file.read_text(encoding="utf-8")
    assert SECRET not in line


def test_an_error_in_the_middle_of_an_answer_leaves_it_incomplete(app: FastAPI) -> None:
    # Given an answer that breaks off, when it is read, then no second answer follows the first
    found = ask(app, "GET", "/half")
    assert (found.status, found.body, found.complete) == (200, b"first", False)


def test_a_request_id_is_the_server_s(app: FastAPI) -> None:
    # Given a client that names an id, when it asks, then the route and the answer have another
    found = ask(app, "GET", "/own", [("x-request-id", "mine")])
    assert json.loads(found.body)["id"] == found.headers["x-request-id"] != "mine"


def test_head_and_options_are_answered(app: FastAPI) -> None:
    # Given a route for GET, when HEAD is asked, then the headers are those of GET
    got, head = ask(app, "GET", "/model"), ask(app, "HEAD", "/model")
    assert (head.status, head.body, head.complete) == (200, b"", True)
    assert head.headers["content-length"] == got.headers["content-length"]
    assert ask(app, "HEAD", "/nope").body == b""
    # And OPTIONS says what the address takes
    options = ask(app, "OPTIONS", "/rows")
    assert (options.status, options.headers["allow"], options.body) == (204, "POST", b"")
    assert ask(app, "OPTIONS", "*").status == 404


def test_every_answer_is_observed() -> None:
    # Given somebody who counts, when requests are answered, refused and left
    seen: list[tuple[str | None, int | None, str | None]] = []
    app = service(
        observe=lambda scope, status, seconds, kind: seen.append(
            (getattr(scope.get("route"), "path", None), status, kind)
        )
    )
    ask(app, "GET", "/model")
    ask(app, "GET", "/nope")
    ask(app, "POST", "/rows", [JSON, length(MOST + 1)], [SILENCE])
    ask(app, "POST", "/rows", [JSON, length(10)], [GONE])
    # Then each is told with its route, and with the kind of the problem document if it got one
    assert seen == [
        ("/model", 200, None),
        (None, 404, "not-found"),
        ("/rows", 413, "body-too-large"),
        ("/rows", None, None),
    ]


def test_no_event_but_http_is_touched() -> None:
    # Given a start of the application, when it passes the guard, then it is as it was
    from governed_ml.serving.http.guard import Guard

    seen: list[Scope] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    scope: Scope = {"type": "lifespan"}
    asyncio.run(asked(Guard(inner, MOST), scope))
    assert seen == [{"type": "lifespan"}]
    # And an application that says nothing at all is an error
    assert asyncio.run(asked(Guard(inner, MOST), http_scope("GET", "/"))).kind == "internal"


def test_faults_of_fields_are_listed() -> None:
    refused = RequestRefused(422, "invalid-rows", "a row is wrong", [FieldFault("/0/a", "missing")])
    assert refused.document("1")["errors"] == [{"pointer": "/0/a", "detail": "missing"}]


@pytest.mark.slow
@pytest.mark.parametrize("parser", ["h11", "httptools"])
def test_a_server_answers_the_same(parser: str) -> None:
    # Given the service behind uvicorn, with each of its parsers
    app = service(body_seconds=0.5)
    head = b"POST /rows HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    with listening(app, http=parser) as port:
        # When a client announces too much and sends it, then it reads the answer: no reset
        sent = said(port, head + b"Content-Length: 2000000\r\n\r\n" + b"x" * 2_000_000)
        assert sent.startswith(b"HTTP/1.1 413 ")
        assert b"body-too-large" in sent
        # And a client that asks first is not told to go on
        asking = head + b"Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n"
        assert said(port, asking).startswith(b"HTTP/1.1 413 ")
        # And chunks are counted
        chunked = head + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 50
        assert said(port, chunked + b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")
        # And a body that stops coming is refused
        assert said(port, head + b"Content-Length: 10\r\n\r\nhalf").startswith(b"HTTP/1.1 408 ")
        # And after a good request, the connection answers the next
        good = head + b"Content-Length: 2\r\n\r\n{}"
        last = b"HEAD /model HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        both = said(port, good + last)
        assert both.count(b"HTTP/1.1 200 OK") == 2
        assert both.endswith(b"\r\n\r\n")
