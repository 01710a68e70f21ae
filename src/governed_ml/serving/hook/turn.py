"""One judgement at a time: others wait briefly, and then are told to ask again.

A judgement that takes longer than its caller waits goes on, so that the next question finds the
files verified. Equal questions that wait share one judgement, which starts after both were asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from governed_ml.serving.http.problems import RequestRefused

PATIENCE = 8.0  # seconds; Flagger, Argo Rollouts and GitHub give up after 10
MOST_WAITING = 8  # different questions
AGAIN = "5"  # seconds until a caller should ask again

Asked = TypeVar("Asked")
Given = TypeVar("Given")


class JudgementTurn(Generic[Asked, Given]):
    """Answers questions in one thread, in order."""

    def __init__(
        self, answer: Callable[[Asked], Given], patience: float = PATIENCE, most: int = MOST_WAITING
    ) -> None:
        self._answer, self._patience, self._most = answer, patience, most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judgement")
        self._waiting: dict[Asked, Future[Given]] = {}

    async def answer(self, asked: Asked) -> Given:
        """Return the answer to a question; refuse it (503) if it takes too long."""
        found = asyncio.wrap_future(self.later(asked))
        found.add_done_callback(_seen)
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(found)
        except TimeoutError as error:
            raise busy("the version is still being judged: ask again") from error

    def later(self, asked: Asked, most: int | None = None) -> Future[Given]:
        """Return the answer that a question will get; refuse it if `most` others wait already.

        Call it in the event loop's thread only.
        """
        found = self._waiting.get(asked)
        if found is not None and not found.running() and not found.done():
            return found
        open_ones = {key: one for key, one in self._waiting.items() if not one.done()}
        if len(open_ones) >= (self._most if most is None else most):
            raise busy("too many questions wait for their judgement: ask again")
        made = self._thread.submit(self._answer, asked)
        self._waiting = open_ones | {asked: made}
        return made

    def stop(self) -> None:
        """Let the judgement that runs end, and forget those that wait."""
        self._thread.shutdown(cancel_futures=True)


def busy(detail: str) -> RequestRefused:
    """Return the refusal of a question that nobody can answer now."""
    return RequestRefused(503, "busy", detail, headers={"retry-after": AGAIN})


def _seen(found: asyncio.Future[Given]) -> None:
    """Look at a failure that nobody waits for any more; else asyncio would log it."""
    if not found.cancelled():
        found.exception()
