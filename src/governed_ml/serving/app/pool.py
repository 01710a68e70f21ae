"""Threads that compute answers, so that the event loop stays free for other requests."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from governed_ml.serving.http.problems import RequestRefused

Found = TypeVar("Found")
WAITING = 256  # requests that may wait for a thread


class Pool:
    """At most as many threads as processors; who would wait too long is refused at once."""

    def __init__(self) -> None:
        """Make the threads when they are needed."""
        from anyio import CapacityLimiter

        self._limiter = CapacityLimiter(max(2, os.cpu_count() or 1))

    async def run(self, work: Callable[[], Found]) -> Found:
        """Do work in a thread and return its result; refuse it (503) if too much is waiting."""
        from anyio.to_thread import run_sync

        if self._limiter.statistics().tasks_waiting >= WAITING:
            raise RequestRefused(
                503, "busy", "too many requests are waiting", headers={"retry-after": "1"}
            )
        return await run_sync(work, limiter=self._limiter)
