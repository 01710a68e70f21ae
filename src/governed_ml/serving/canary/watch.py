"""Judge a service's canary again and again, without taking much of the service's time."""

from __future__ import annotations

import time
from collections.abc import Callable

from governed_ml.serving.canary.outcome import CanaryOutcome

REST = 20
"""A judgement is followed by a pause that is so many times as long: it reads the whole step."""


class CanaryWatch:
    """Judges the canary whenever it is asked to, unless the last time was too short ago."""

    def __init__(
        self, judge: Callable[[], CanaryOutcome], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Judge with `judge`, which may raise `Problem`."""
        self._judge, self._clock = judge, clock
        self._next = clock()

    def look(self) -> CanaryOutcome | None:
        """Return what became of the canary; None if it is too early to judge it again."""
        start = self._clock()
        if start < self._next:
            return None
        try:
            return self._judge()
        finally:
            now = self._clock()
            self._next = now + REST * (now - start)
