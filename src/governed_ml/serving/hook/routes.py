"""The addresses of the approval hook, as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

FIRST = ApprovalQuestion(version=1)
"""Asked at the start, so that libraries are imported and the ledger is read before a tool asks."""


@dataclass(frozen=True)
class HookRoutes:
    """What each address does. All but `/health/live` need a token, or GitHub's signature."""

    turn: JudgementTurn[ApprovalQuestion, HookAnswer]
    admission: Admission
    rates: Rates
    rule: ProtectionRuleHook | None

    async def approval(self, request: Request) -> Response:
        """Answer in the hook's own JSON."""
        await self.admission.admit(request, DEPLOY)
        return _json(await self._answer(question(json_object(await request.body()))))

    async def argo(self, request: Request) -> Response:
        """Answer a measurement of Argo Rollouts."""
        await self.admission.admit(request, DEPLOY)
        if request.method == "GET":
            asked = argo.from_query(request.query_params.multi_items())
        else:
            asked = argo.from_body(json_object(await request.body()))
        return _json(await self._answer(asked))

    async def confirm(self, request: Request) -> Response:
        """Answer Flagger before a step."""
        call = await self._flagger_call(request)
        return _text(*flagger.goes_on(await self._answer(call.question())))

    async def rollback(self, request: Request) -> Response:
        """Answer Flagger whether to roll back."""
        call = await self._flagger_call(request)
        return _text(*flagger.rolls_back(await self._answer(call.question())))

    async def github(self, request: Request) -> Response:
        """Take an event of GitHub."""
        from starlette.responses import JSONResponse

        self.rates.check(request, None)
        if self.rule is None:
            detail = "serve.hook.github is not set in conf/config.yaml"
            raise RequestRefused(404, "not-configured", detail)
        status, told = await self.rule.received(request.headers, await request.body())
        return JSONResponse(told, status)

    async def live(self, _: Request) -> Response:
        """Say that the process answers."""
        from starlette.responses import JSONResponse

        return JSONResponse({"status": "live"})

    async def _flagger_call(self, request: Request) -> flagger.FlaggerCall:
        """Admit a call by its header, or else by the token in its metadata."""
        if "authorization" in request.headers:
            await self.admission.admit(request, DEPLOY)
            return flagger.call(json_object(await request.body()))
        found = flagger.call(json_object(await request.body()))
        await self.admission.admit(with_token(request, found.token), DEPLOY)
        return found

    async def _answer(self, asked: ApprovalQuestion) -> HookAnswer:
        try:
            return await self.turn.answer(asked)
        except Problem as problem:
            raise unanswerable(problem) from problem


def application(routes: HookRoutes) -> Starlette:
    """Return the application. While it runs, versions that wait for people are judged again."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        routes.turn.later(FIRST)
        again = asyncio.create_task(routes.rule.keep_rechecking()) if routes.rule else None
        try:
            yield
        finally:
            if again is not None:
                again.cancel()
                with suppress(asyncio.CancelledError):
                    await again
            await asyncio.to_thread(routes.turn.stop)

    return Starlette(
        routes=[
            Route("/hook/approval", routes.approval, methods=["POST"]),
            Route("/hook/argo", routes.argo, methods=["GET", "POST"]),
            Route("/hook/flagger", routes.confirm, methods=["POST"]),
            Route("/hook/flagger/rollback", routes.rollback, methods=["POST"]),
            Route("/hook/github", routes.github, methods=["POST"]),
            Route("/health/live", routes.live),
        ],
        lifespan=lifespan,
    )


def with_token(request: Request, token: str | None) -> Request:
    """Return the request as if it had this bearer token in its header."""
    from starlette.requests import Request

    if token is None or not token.isascii() or not token.isprintable():
        return request
    header = (b"authorization", f"Bearer {token}".encode())
    return Request({**request.scope, "headers": [*request.scope["headers"], header]})


def _json(found: HookAnswer) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(found.model_dump(mode="json"))


def _text(status: int, text: str) -> Response:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(text, status)
