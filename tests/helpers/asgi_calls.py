"""Requests as an ASGI server passes them on, without a server: each part and pause is chosen."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

GONE, SILENCE = "the client goes away", "the client sends nothing more"
Part = bytes | str
LOOPBACK = ("127.0.0.1", 50000)


@dataclass
class Answered:
    """What a client got, and how many parts of its body were read."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False
    parts_read: int = 0

    @property
    def document(self) -> dict[str, Any]:
        """The body as a problem document."""
        assert self.headers["content-type"] == "application/problem+json"
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """The short name of the refusal."""
        return str(self.document["type"]).rpartition(":")[2]


def http_scope(
    method: str,
    address: str,
    headers: Sequence[tuple[str, str]] = (),
    client: tuple[str, int] | None = LOOPBACK,
) -> Scope:
    """A request without its body."""
    path, _, query = address.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": client,
        "server": ("127.0.0.1", 8000),
    }


async def asked(app: ASGIApp, scope: Scope, parts: Sequence[Part] = (b"",)) -> Answered:
    """The answer to one request whose body comes in these parts."""
    found = Answered()

    async def receive() -> Message:
        if found.parts_read >= len(parts):
            await asyncio.Event().wait()
        part = parts[found.parts_read]
        if part == SILENCE:
            await asyncio.Event().wait()
        found.parts_read += 1
        if isinstance(part, str):
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": found.parts_read < len(parts)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            assert found.status is None, "two answers"
            found.status = message["status"]
            pairs = [(name.decode(), value.decode("latin-1")) for name, value in message["headers"]]
            assert len({name for name, _ in pairs}) == len(pairs), "a header is there twice"
            found.headers = dict(pairs)
        else:
            found.body += message.get("body", b"")
            found.complete = not message.get("more_body", False)

    await app(scope, receive, send)
    return found


def ask(
    app: ASGIApp,
    method: str,
    address: str,
    headers: Sequence[tuple[str, str]] = (),
    parts: Sequence[Part] = (b"",),
    client: tuple[str, int] | None = LOOPBACK,
) -> Answered:
    """The answer to one request, in an event loop of its own."""
    return asyncio.run(asked(app, http_scope(method, address, headers, client), parts))


@contextmanager
def listening(app: ASGIApp, **settings: Any) -> Iterator[int]:
    """Run an application with uvicorn on a free port of this machine."""
    import uvicorn

    config = uvicorn.Config(app, log_level="error", lifespan="off", **settings)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as opened:
        run = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
        run.start()
        end = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < end, "uvicorn did not start"
            time.sleep(0.01)
        try:
            yield opened.getsockname()[1]
        finally:
            server.should_exit = True
            run.join(20)


def said(port: int, raw: bytes) -> bytes:
    """Everything that a server answers to these bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(raw)
        found = b""
        while part := connection.recv(65536):
            found += part
        return found
