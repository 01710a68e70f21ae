"""The routes of the service, as a FastAPI application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI, Request, Response
from starlette.responses import JSONResponse

from governed_ml.serving.app.pool import Pool
from governed_ml.serving.app.service import NO_CHAMPION, Service
from governed_ml.serving.http.admission import Admission
from governed_ml.serving.http.auth import EXPLAIN, PREDICT, READ
from governed_ml.serving.http.guard import REQUEST_ID
from governed_ml.serving.http.problems import RequestRefused

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def application(
    service: Service, admission: Admission, pool: Pool, lifespan: Lifespan | None = None
) -> FastAPI:
    """Return the application. Every route but `/health` needs a token, unless none is asked for."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        explain = wanted(request, "explain")
        await admission.admit(request, PREDICT, *([EXPLAIN] if explain else []))
        subject = request.headers.get(service.settings.subject_header)
        body, name = await request.body(), request.scope["state"][REQUEST_ID]
        return JSONResponse(
            await pool.run(lambda: service.predict(body, name, subject, explain=explain))
        )

    @app.post("/ground-truth")
    async def ground_truth(request: Request) -> Response:
        await admission.admit(request, PREDICT)
        body, name = await request.body(), request.scope["state"][REQUEST_ID]
        return JSONResponse(await pool.run(lambda: service.keep_labels(body, name)), 202)

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @app.get("/health/ready")
    async def ready() -> dict[str, str]:
        if service.keeper.lineup.champion is None:
            raise RequestRefused(503, "no-champion", NO_CHAMPION)
        return {"status": "ready"}

    @app.get("/model")
    async def model(request: Request) -> Response:
        await admission.admit(request, READ)
        return JSONResponse(service.model())

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        await admission.admit(request, READ)
        content, media_type = service.metrics(request.headers.get("accept", ""))
        return Response(content, media_type=media_type)

    @app.get("/openapi.json")
    async def openapi(request: Request) -> Response:
        await admission.admit(request, READ)
        return JSONResponse(service.description())

    return app


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
