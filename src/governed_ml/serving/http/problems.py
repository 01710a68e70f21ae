"""Refusals as problem documents (RFC 9457). They name a field and never repeat its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
MOST_FAULTS = 20  # faults that one document lists


@dataclass(frozen=True)
class FieldFault:
    """What is wrong with one place of a body: a JSON pointer (RFC 6901), and why."""

    pointer: str
    detail: str


class RequestRefused(Exception):
    """A request that gets a problem document with this status instead of an answer.

    `kind` is a short, stable name of the reason, such as `invalid-rows`. `detail` is one sentence
    for people, without any value of the request.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        faults: Sequence[FieldFault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what the document says."""
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.faults, self.headers = tuple(faults), dict(headers or {})

    def document(self, request_id: str) -> dict[str, Any]:
        """Return the problem document for a request."""
        found: dict[str, Any] = {
            "type": f"urn:governed-ml:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.faults:
            listed = self.faults[:MOST_FAULTS]
            found["errors"] = [{"pointer": one.pointer, "detail": one.detail} for one in listed]
            found["error_count"] = len(self.faults)
        return found

    def response(self, request_id: str) -> Response:
        """Return the document as a response."""
        from starlette.responses import JSONResponse

        return JSONResponse(
            self.document(request_id),
            status_code=self.status,
            headers={"cache-control": "no-store", **self.headers},
            media_type=MEDIA_TYPE,
        )


def pointer(*parts: str | int) -> str:
    """Return a JSON pointer to a place, such as `/0/income` (RFC 6901)."""
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return "".join(f"/{part}" for part in escaped)
