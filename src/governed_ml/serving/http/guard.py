"""What stands before every route: request ids, limits of bodies, and problem documents.

`protect` installs it in a Starlette or FastAPI application.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from governed_ml.core import crash_report
from governed_ml.serving.http.problems import RequestRefused, pointer
from governed_ml.serving.http.request_body import BODY_SECONDS, RequestBody

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG = logging.getLogger("governed_ml.serving")
REQUEST_ID = "request_id"  # in the request's state
DEFAULT_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Headers of every answer; a route may set another value."""

Observer = Callable[["Scope", int | None, float, str | None], None]
"""Gets the request, the answer's status (None: the client went away), the seconds it took, and the
kind of the problem document that was sent, if one was.
"""


class Guard:
    """An ASGI middleware that answers every refusal and every error with a problem document."""

    def __init__(
        self,
        app: ASGIApp,
        body_bytes: int,
        body_seconds: float = BODY_SECONDS,
        command: str = "serve",
        observe: Observer | None = None,
    ) -> None:
        """Wrap an application; `command` names it in the files of tracebacks."""
        self._app, self._command, self._observe = app, command, observe
        self._body_bytes, self._body_seconds = body_bytes, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. No exception leaves this method."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, request_id = time.perf_counter(), uuid4().hex
        scope.setdefault("state", {})[REQUEST_ID] = request_id
        body = RequestBody(scope, receive, self._body_bytes, self._body_seconds)
        answer = Answer(send, request_id, body, head=scope["method"] == "HEAD")
        inner = {**scope, "method": "GET"} if answer.head else scope
        refused = await self._refusal(inner, body, answer)
        kind = None
        if refused and not answer.started and not body.disconnected:
            kind = refused.kind
            await answer.refuse(refused, scope, receive)
        if self._observe:
            self._observe(inner, answer.status, time.perf_counter() - begin, kind)

    async def _refusal(
        self, scope: Scope, body: RequestBody, answer: Answer
    ) -> RequestRefused | None:
        """Let the application answer; return why there is no answer."""
        from starlette.requests import ClientDisconnect

        try:
            await self._app(scope, body.receive, answer.send)
            return body.refusal or _internal()
        except RequestRefused as refused:
            return body.refusal or refused
        except ClientDisconnect:
            body.disconnected = True
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets a document
            if body.refusal or body.disconnected:
                return body.refusal
            where = await asyncio.to_thread(crash_report.logged, error, self._command)
            LOG.error("request %s: %s%s", answer.request_id, type(error).__name__, where)
            return _internal()
        return None


class Answer:
    """The answer to one request, with the headers of all answers."""

    def __init__(self, send: Send, request_id: str, body: RequestBody, *, head: bool) -> None:
        """Keep where to send it."""
        self.request_id, self.head = request_id, head
        self.status: int | None = None
        self._send, self._body, self._refusing = send, body, False

    @property
    def started(self) -> bool:
        """Whether the client has a part of it."""
        return self.status is not None

    async def send(self, message: Message) -> None:
        """Send a part, but nothing of what an application makes of a refused body."""
        from starlette.datastructures import MutableHeaders

        if self._body.refusal and not self._refusing and not self.started:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": list(message.get("headers", ()))}
            headers = MutableHeaders(scope=message)
            for name, value in DEFAULT_HEADERS.items():
                headers.setdefault(name, value)
            headers["x-request-id"] = self.request_id
            if self._body.unread:  # else its rest would be read as the next request
                headers["connection"] = "close"
        elif self.head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    async def refuse(self, refused: RequestRefused, scope: Scope, receive: Receive) -> None:
        """Send a problem document, and read some of the body that is still coming."""
        self._refusing = True

        async def sent(message: Message) -> None:
            coming = self._body.unread and refused.status != 408
            if message["type"] == "http.response.body" and coming:
                await self.send({**message, "more_body": True})
                await self._body.drain()
                message = {"type": message["type"], "body": b""}
            await self.send(message)

        await refused.response(self.request_id)(scope, receive, sent)


def protect(
    app: Starlette,
    body_bytes: int,
    body_seconds: float = BODY_SECONDS,
    command: str = "serve",
    observe: Observer | None = None,
) -> None:
    """Install the guard as the outermost middleware: call it after every other was added."""
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    app.router.redirect_slashes = False  # a redirect would name the host that the client named
    app.add_exception_handler(HTTPException, _routing_refused)
    app.add_exception_handler(RequestValidationError, _parameter_refused)
    app.add_middleware(
        Guard, body_bytes=body_bytes, body_seconds=body_seconds, command=command, observe=observe
    )


async def _routing_refused(request: Request, error: Exception) -> Response:
    """Turn what the router says into a refusal. Its text is not shown."""
    from starlette.responses import Response

    status: int = getattr(error, "status_code", 500)
    headers: dict[str, str] = dict(getattr(error, "headers", None) or {})
    if status == 405 and request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    if status == 404:
        raise RequestRefused(404, "not-found", "there is nothing at this address")
    if status == 405:
        detail = "this address does not take this method"
        raise RequestRefused(405, "method-not-allowed", detail, headers=headers)
    if status >= 500:
        raise error
    raise RequestRefused(status, "malformed-request", "the request is malformed", headers=headers)


async def _parameter_refused(request: Request, error: Exception) -> Response:
    """Turn FastAPI's refusal of a parameter into one that does not repeat its value."""
    found: list[dict[str, Any]] = list(getattr(error, "errors", list)())
    places = sorted({pointer(*one["loc"]).removeprefix("/") for one in found})
    detail = f"not valid: {', '.join(places[:5])}"
    raise RequestRefused(422, "invalid-parameter", detail)


def _internal() -> RequestRefused:
    detail = "the service failed; its log has the reason under this request id"
    return RequestRefused(500, "internal", detail)
