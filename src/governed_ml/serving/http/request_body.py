"""A request's body, checked when it is first read, and counted and timed while it is read."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from governed_ml.serving.http.problems import RequestRefused

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

JSON = "application/json"
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
BODY_SECONDS = 20.0  # a body that takes longer is refused
LINGER_SECONDS, LINGER_BYTES, QUIET_SECONDS = 2.0, 4_000_000, 0.3
"""How long, and how much of, a refused body is still read: a client that is sending does not see
the answer before. One that sends nothing for the last of these is not waited for."""


class RequestBody:
    """The body of one request. It keeps its refusal, whatever the application makes of it."""

    def __init__(self, scope: Scope, receive: Receive, most_bytes: int, seconds: float) -> None:
        """Keep the headers; nothing is read yet."""
        self._receive, self._most_bytes, self._seconds = receive, most_bytes, seconds
        self._method: str = scope["method"]
        self._headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        self._length = self._one(b"content-length")
        self._deadline, self._bytes = 0.0, 0
        self.unread = self._length not in ("", "0") or bool(self._one(b"transfer-encoding"))
        self.disconnected = False
        self.refusal: RequestRefused | None = None

    async def receive(self) -> Message:
        """Return the next part, or raise `RequestRefused`."""
        if self.refusal:
            raise self.refusal
        if not self._deadline:
            self._deadline = time.monotonic() + self._seconds
            if self._method in WITH_BODY:
                self._check_headers()
        message = await (self._in_time() if self.unread else self._receive())
        self._count(message)
        if self._bytes > self._most_bytes:
            self._too_large()
        return message

    async def drain(self) -> None:
        """Read and forget what is left, within limits, so that the client sees the answer."""
        end, most = time.monotonic() + LINGER_SECONDS, self._most_bytes + LINGER_BYTES
        with suppress(TimeoutError):
            while self.unread and self._bytes < most and time.monotonic() < end:
                async with asyncio.timeout(QUIET_SECONDS):
                    self._count(await self._receive())

    async def _in_time(self) -> Message:
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                return await self._receive()
        except TimeoutError:
            self._refuse(408, "body-too-slow", f"the body took over {self._seconds:g} seconds")

    def _count(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self.disconnected, self.unread = True, False
        else:
            self._bytes += len(message.get("body", b""))
            self.unread = message.get("more_body", False)

    def _check_headers(self) -> None:
        media, _, parameter = self._one(b"content-type").lower().partition(";")
        plain = parameter.replace(" ", "").replace('"', "") in ("", "charset=utf-8")
        if media.strip() != JSON or not plain:
            self._refuse(
                415, "unsupported-media-type", f"the content type is not {JSON}",
                {"accept-post": JSON},
            )  # fmt: skip
        if self._one(b"content-encoding").lower() not in ("", "identity"):
            self._refuse(
                415, "unsupported-encoding", "the content encoding is not identity",
                {"accept-encoding": "identity"},
            )  # fmt: skip
        if self._length and not (self._length.isascii() and self._length.isdigit()):
            self._refuse(400, "malformed-request", "the content length is no number")
        if len(self._length) > 15 or int(self._length or "0") > self._most_bytes:
            self._too_large()

    def _too_large(self) -> NoReturn:
        detail = f"the body is larger than {self._most_bytes:,} bytes"
        self._refuse(413, "body-too-large", detail)

    def _refuse(
        self, status: int, kind: str, detail: str, headers: dict[str, str] | None = None
    ) -> NoReturn:
        self.refusal = RequestRefused(status, kind, detail, headers=headers)
        raise self.refusal

    def _one(self, name: bytes) -> str:
        """Return a header's value; several are joined, as HTTP allows."""
        return ", ".join(value.decode("latin-1") for key, value in self._headers if key == name)
