"""Admit a request: its token, then its client's rate. The body is not read for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.config.production.serve import Serve
from governed_ml.serving.http.auth import Authenticator, Client
from governed_ml.serving.http.problems import RequestRefused
from governed_ml.serving.http.rates import Rates

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection


class Admission:
    """What a route that is not open to everybody asks first: `await admission.admit(request, …)`.

    A route must read its body itself (`await request.body()`): FastAPI reads the body of a route
    with a typed body before it looks at dependencies.
    """

    def __init__(self, settings: Serve) -> None:
        """Take the settings; raise `Problem` if they do not say who may ask."""
        self._authenticator = Authenticator(settings)
        self._rates = Rates(settings.requests_per_minute)

    async def admit(self, request: HTTPConnection, *scopes: str) -> Client:
        """Return who asks, or raise `RequestRefused`. Refused tokens count for the address."""
        try:
            client = await self._authenticator.authenticate(request, scopes)
        except RequestRefused as refused:
            if refused.status < 500:
                self._rates.check(request, None)
            raise
        self._rates.check(request, client.subject)
        return client
