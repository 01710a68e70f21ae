"""Who asks, and what they may: OAuth 2.0 bearer tokens, or nobody but this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from governed_ml.core.config.production.serve import Serve
from governed_ml.core.problem import Problem
from governed_ml.serving.http.issuer import read_keys
from governed_ml.serving.http.jwks import KeyCache
from governed_ml.serving.http.loopback import check_loopback
from governed_ml.serving.http.problems import RequestRefused
from governed_ml.serving.http.tokens import bearer_token, claims_of, granted, header_of, invalid

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

PREDICT, EXPLAIN = "model:predict", "model:explain"
READ, DEPLOY = "model:read", "model:deploy"
SCOPES = {
    PREDICT: "ask for predictions, and report what came true",
    EXPLAIN: "ask for explanations of predictions",
    READ: "read which version answers, the metrics and the description of the service",
    DEPLOY: "ask whether a version may be deployed",
}
"""Every scope, and what it allows."""


@dataclass(frozen=True)
class Client:
    """Who asks; `subject` is None where nobody needs a token."""

    subject: str | None
    scopes: frozenset[str]


class Authenticator:
    """Admits clients as `serve.authentication` says."""

    def __init__(self, settings: Serve) -> None:
        """Take the settings; raise `Problem` if they do not say who may ask."""
        self._issuer = None if settings.authentication == "loopback" else settings.authentication
        if settings.authentication is None:
            raise Problem(
                "serve.authentication is not set in conf/config.yaml: name the issuer of tokens "
                "as {issuer: https://…, audience: …}, or write loopback if only this machine asks"
            )
        self._keys = KeyCache(partial(read_keys, self._issuer)) if self._issuer else None

    async def authenticate(self, request: HTTPConnection, scopes: Sequence[str]) -> Client:
        """Return who asks, or raise `RequestRefused`: 400, 401, 403, 421 or 503.

        Only the request's headers and the peer's address are read.
        """
        if self._issuer is None or self._keys is None:
            check_loopback(request)
            return Client(None, frozenset(SCOPES))
        token = bearer_token(request.headers.getlist("authorization"))
        kid, algorithm = header_of(token)
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise invalid("no key of the issuer fits the token")
        subject, claims = claims_of(token, key.key, algorithm, self._issuer)
        client = Client(subject, granted(claims))
        missing = [one for one in scopes if one not in client.scopes]
        if missing:
            needed = " ".join(scopes)
            challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
            raise RequestRefused(
                403,
                "insufficient-scope",
                f"the token lacks the scope {', '.join(missing)}",
                headers={"www-authenticate": challenge},
            )
        return client
