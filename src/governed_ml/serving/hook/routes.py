"""The addresses of the approval hook, as a FastAPI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request, Response
from starlette.responses import JSONResponse, PlainTextResponse

from governed_ml.core.problem import Problem
from governed_ml.serving.hook import argo, flagger
from governed_ml.serving.hook.answer import HookAnswer
from governed_ml.serving.hook.bodies import json_object
from governed_ml.serving.hook.github_rule import ProtectionRuleHook, unanswerable
from governed_ml.serving.hook.question import ApprovalQuestion, question
from governed_ml.serving.hook.turn import JudgementTurn
from governed_ml.serving.http.admission import Admission
from governed_ml.serving.http.auth import DEPLOY
from governed_ml.serving.http.problems import RequestRefused
from governed_ml.serving.http.rates import Rates


def application(
    turn: JudgementTurn[ApprovalQuestion, HookAnswer],
    door: Admission,
    rates: Rates,
    github: ProtectionRuleHook | None = None,
) -> FastAPI:
    """Return the application. Each address but `/health` needs a token, or GitHub's signature."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        again = asyncio.create_task(github.keep_rechecking()) if github else None
        try:
            yield
        finally:
            if again is not None:
                again.cancel()
                with suppress(asyncio.CancelledError):
                    await again
            await asyncio.to_thread(turn.stop)

    app = FastAPI(
        title="Approval hook",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
    )

    async def answer(asked: ApprovalQuestion) -> HookAnswer:
        try:
            return await turn.answer(asked)
        except Problem as problem:
            raise unanswerable(problem) from problem

    async def flagger_call(request: Request) -> flagger.FlaggerCall:
        """Admit a call by its header, or else by the token in its metadata."""
        if "authorization" in request.headers:
            await door.admit(request, DEPLOY)
            return flagger.call(json_object(await request.body()))
        found = flagger.call(json_object(await request.body()))
        await door.admit(with_token(request, found.token), DEPLOY)
        return found

    @app.post("/hook/approval")
    async def approval(request: Request) -> Response:
        await door.admit(request, DEPLOY)
        found = await answer(question(json_object(await request.body())))
        return JSONResponse(found.model_dump(mode="json"))

    @app.post("/hook/flagger")
    async def confirm(request: Request) -> Response:
        call = await flagger_call(request)
        status, text = flagger.goes_on(await answer(call.question()))
        return PlainTextResponse(text, status)

    @app.post("/hook/flagger/rollback")
    async def rollback(request: Request) -> Response:
        call = await flagger_call(request)
        status, text = flagger.rolls_back(await answer(call.question()))
        return PlainTextResponse(text, status)

    @app.get("/hook/argo")
    async def argo_get(request: Request) -> Response:
        await door.admit(request, DEPLOY)
        asked = argo.from_query(request.query_params.multi_items())
        return JSONResponse((await answer(asked)).model_dump(mode="json"))

    @app.post("/hook/argo")
    async def argo_post(request: Request) -> Response:
        await door.admit(request, DEPLOY)
        asked = argo.from_body(json_object(await request.body()))
        return JSONResponse((await answer(asked)).model_dump(mode="json"))

    @app.post("/hook/github")
    async def github_event(request: Request) -> Response:
        rates.check(request, None)
        if github is None:
            detail = "serve.hook.github is not set in conf/config.yaml"
            raise RequestRefused(404, "not-configured", detail)
        status, told = await github.received(request.headers, await request.body())
        return JSONResponse(told, status)

    @app.get("/health/live")
    async def live() -> Response:
        return JSONResponse({"status": "live"})

    return app


def with_token(request: Request, token: str | None) -> Request:
    """Return the request as if it had this bearer token in its header."""
    if token is None or not token.isascii() or not token.isprintable():
        return request
    header = (b"authorization", f"Bearer {token}".encode())
    return Request({**request.scope, "headers": [*request.scope["headers"], header]})
