"""Answer GitHub's protection rule: judge the version of the commit, and call GitHub back.

GitHub waits for 10 seconds and sends nothing again by itself, so a longer judgement goes on after
the delivery was accepted. A version that waits for people is judged again until the answer is
final or this process ends.
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import Any

from governed_ml.core.problem import Problem
from governed_ml.github.client import address
from governed_ml.serving.hook.answer import HookAnswer
from governed_ml.serving.hook.bodies import json_object
from governed_ml.serving.hook.github_event import (
    EVENT,
    PING,
    RULE,
    ProtectionRuleAsked,
    asked_by,
    delivery,
    require_signed,
)
from governed_ml.serving.hook.github_reply import GitHubApp
from governed_ml.serving.hook.question import ApprovalQuestion
from governed_ml.serving.hook.turn import AGAIN, PATIENCE
from governed_ml.serving.http.problems import RequestRefused

MOST = 1000  # deliveries that are remembered, and jobs that wait for people
RECHECK = 60.0  # seconds
UNREAD = "not judged: ledger, rules or registry cannot be read; the hook's own log says why"
"""A comment that everybody may read, so it names no address."""

Told = dict[str, Any]


class ProtectionRuleHook:
    """The event in, the callback out. Use it from one event loop only."""

    def __init__(
        self,
        app: GitHubApp,
        judge: Callable[[ApprovalQuestion], Future[HookAnswer]],
        patience: float = PATIENCE,
    ) -> None:
        """Answer as this App; `judge` starts a judgement."""
        self._app, self._judge, self._patience = app, judge, patience
        self._known: OrderedDict[str, asyncio.Task[Told]] = OrderedDict()
        self._waiting: OrderedDict[tuple[int, str], ProtectionRuleAsked] = OrderedDict()

    async def received(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Told]:
        """Return status and body for a delivery. A delivery that comes again is not acted on again.

        Raise `RequestRefused` if it is not GitHub's, or if GitHub could not be told.
        """
        require_signed(body, headers, self._app.secret)
        if (kind := headers.get(EVENT)) != RULE:
            return 200, {"result": "pong" if kind == PING else "ignored"}
        asked = asked_by(json_object(body))
        run, name = asked.run(address(), self._app.repository), delivery(headers)
        task = self._known.get(name)
        if task is None:
            task = asyncio.create_task(self._answered(asked, run))
            self._known[name] = task
            task.add_done_callback(lambda done: self._finished(name, done))
            _shorten(self._known)
        try:
            async with asyncio.timeout(self._patience):
                return 200, await asyncio.shield(task)
        except TimeoutError:
            return 202, {"result": "accepted"}

    async def _answered(self, asked: ProtectionRuleAsked, run: int) -> Told:
        """Judge, and tell GitHub the result; if it cannot be judged, tell that and refuse."""
        try:
            answer = await asyncio.wrap_future(self._judge(asked.question()))
        except Problem as problem:
            print(f"hook: run {run} was not judged: {problem}", file=sys.stderr)
            await self._tell(asked, run, None, UNREAD)
            raise unanswerable(problem) from problem
        await self._tell(asked, run, answer, answer.line())
        if answer.result == "pending":
            self._waiting[run, asked.environment] = asked
            _shorten(self._waiting)
        return {"result": answer.result, "answer_id": answer.answer_id, "version": answer.version}

    async def _tell(
        self, asked: ProtectionRuleAsked, run: int, answer: HookAnswer | None, why: str
    ) -> None:
        result = None if answer is None else answer.result
        try:
            await asyncio.to_thread(self._app.reply, asked, run, result, why)
        except Problem as problem:
            print(f"hook: GitHub was not told ({why[:200]}): {problem}", file=sys.stderr)
            raise RequestRefused(502, "callback-failed", str(problem)) from problem

    def _finished(self, name: str, done: asyncio.Task[Told]) -> None:
        """Forget a delivery that failed: it may be sent again."""
        if done.cancelled() or done.exception() is not None:
            self._known.pop(name, None)

    async def recheck(self) -> None:
        """Judge the versions that wait for people once more; tell GitHub what is final."""
        for (run, environment), asked in list(self._waiting.items()):
            try:
                answer = await asyncio.wrap_future(self._judge(asked.question()))
                if answer.result != "pending":
                    await self._tell(asked, run, answer, answer.line())
                    self._waiting.pop((run, environment), None)
            except (Problem, RequestRefused) as error:  # the next pass tries again
                print(f"hook: run {run} still waits: {error}", file=sys.stderr)

    async def keep_rechecking(
        self, seconds: float = RECHECK, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Do so again and again, until it is cancelled."""
        while True:
            await sleep(seconds)
            await self.recheck()


def unanswerable(problem: Problem) -> RequestRefused:
    """Return the refusal (503) of a question that ledger, rules or registry leave open."""
    return RequestRefused(503, "not-judged", str(problem), headers={"retry-after": AGAIN})


def _shorten(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > MOST:
        kept.popitem(last=False)
