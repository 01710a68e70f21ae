"""The routes of the service, as a FastAPI application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governed_ml.serving.app.pool import Pool
from governed_ml.serving.app.service import NO_CHAMPION, Service
from governed_ml.serving.http.admission import Admission
from governed_ml.serving.http.auth import EXPLAIN, PREDICT, READ
from governed_ml.serving.http.guard import REQUEST_ID
from governed_ml.serving.http.problems import RequestRefused

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class ServiceRoutes:
    """What each address does. Every one but `/health` needs a token, unless none is asked for.

    The routes read bodies themselves: FastAPI would read a body before it asks for the token.
    """

    service: Service
    admission: Admission
    pool: Pool

    async def predict(self, request: Request) -> Response:
        """Answer with the predictions of rows."""
        explain = wanted(request, "explain")
        await self.admission.admit(request, PREDICT, *([EXPLAIN] if explain else []))
        subject = request.headers.get(self.service.settings.subject_header)
        body, name = await request.body(), request_id(request)
        work = self.service.predict
        return _json(await self.pool.run(lambda: work(body, name, subject, explain=explain)))

    async def ground_truth(self, request: Request) -> Response:
        """Take labels."""
        await self.admission.admit(request, PREDICT)
        body, name = await request.body(), request_id(request)
        return _json(await self.pool.run(lambda: self.service.keep_labels(body, name)), 202)

    async def live(self, _: Request) -> Response:
        """Say that the process runs."""
        return _json({"status": "live"})

    async def ready(self, _: Request) -> Response:
        """Say whether there is a verified champion that can answer."""
        if self.service.keeper.lineup.champion is None:
            raise RequestRefused(503, "no-champion", NO_CHAMPION)
        return _json({"status": "ready"})

    async def model(self, request: Request) -> Response:
        """Say which version answers, and why."""
        await self.admission.admit(request, READ)
        return _json(self.service.model())

    async def metrics(self, request: Request) -> Response:
        """Answer a scrape."""
        from starlette.responses import Response

        await self.admission.admit(request, READ)
        content, media_type = self.service.metrics(request.headers.get("accept", ""))
        return Response(content, media_type=media_type)

    async def openapi(self, request: Request) -> Response:
        """Describe the service."""
        await self.admission.admit(request, READ)
        return _json(self.service.description())


def application(routes: ServiceRoutes, lifespan: Lifespan | None = None) -> FastAPI:
    """Return the application."""
    from fastapi import FastAPI

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_route("/predict", routes.predict, ["POST"])
    app.add_route("/ground-truth", routes.ground_truth, ["POST"])
    app.add_route("/health/live", routes.live, ["GET"])
    app.add_route("/health/ready", routes.ready, ["GET"])
    app.add_route("/model", routes.model, ["GET"])
    app.add_route("/metrics", routes.metrics, ["GET"])
    app.add_route("/openapi.json", routes.openapi, ["GET"])
    return app


def request_id(request: Request) -> str:
    """Return the id that the guard gave a request."""
    return str(request.scope["state"][REQUEST_ID])


def wanted(request: Request, name: str) -> bool:
    """Return whether a query parameter is true; refuse any other parameter and value."""
    given = request.query_params.multi_items()
    for key, value in given:
        if key != name:
            raise RequestRefused(422, "unknown-parameter", f"the only parameter is `{name}`")
        if value not in ("true", "false"):
            raise RequestRefused(422, "invalid-parameter", f"`{name}` must be true or false")
    if len(given) > 1:
        raise RequestRefused(422, "invalid-parameter", f"`{name}` is there more than once")
    return bool(given) and given[0][1] == "true"


def _json(content: Any, status: int = 200) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(content, status)
