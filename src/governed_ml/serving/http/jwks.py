"""Keep the issuer's keys: fetched seldom, by one request for all, and used while it is down."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence

from governed_ml.serving.http.issuer import IssuerKey, KeysUnreadable
from governed_ml.serving.http.problems import RequestRefused

LOG = logging.getLogger("governed_ml.serving")
FRESH = 300.0  # seconds before keys are fetched again
USABLE = 3600.0  # seconds that keys count while the issuer cannot be reached
PAUSE = 10.0  # seconds between two fetches, whatever is asked
PATIENCE = 15.0  # seconds that a request waits for a fetch


class KeyCache:
    """The issuer's keys. `read` fetches them and may take long: it runs in a thread."""

    def __init__(
        self,
        read: Callable[[], Sequence[IssuerKey]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fetch nothing yet."""
        self._read, self._clock = read, clock
        self._keys: Sequence[IssuerKey] = ()
        self._fetched, self._tried = -math.inf, -math.inf
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> IssuerKey | None:
        """Return the key with this id for this algorithm, or None if the issuer has none.

        An id that is not known makes a fetch necessary, but not more than one in `PAUSE` seconds.
        Raise `RequestRefused` (503) if the issuer cannot be asked and its keys are too old.
        """
        if self._age() > USABLE:
            await self._fetch()
        elif self._age() > FRESH:
            self._start()  # the keys that are here still count: nobody waits
        if self._age() > USABLE:
            raise self._unavailable()
        found = self._chosen(kid, algorithm)
        if found is None and await self._fetch():
            found = self._chosen(kid, algorithm)
        if found is None and self._tried > self._fetched:  # it may be new, and nobody can say
            raise self._unavailable()
        return found

    def _chosen(self, kid: str | None, algorithm: str) -> IssuerKey | None:
        if kid is None and len(self._keys) > 1:
            return None
        fitting = (one for one in self._keys if algorithm in one.algorithms)
        return next((one for one in fitting if kid is None or one.kid == kid), None)

    async def _fetch(self) -> bool:
        """Wait for a fetch; return whether there was one."""
        task = self._start()
        if task is None:
            return False
        await asyncio.wait([task], timeout=PATIENCE)  # it goes on when a client leaves
        return True

    def _start(self) -> asyncio.Task[None] | None:
        """Return the fetch that is running, or a new one, or None if the last was just now."""
        if self._fetching is None or self._fetching.done():
            if self._clock() - self._tried < PAUSE:
                return None
            self._tried = self._clock()
            self._fetching = asyncio.create_task(self._replace())
        return self._fetching

    async def _replace(self) -> None:
        try:
            self._keys = await asyncio.to_thread(self._read)
            self._fetched = self._clock()
        except KeysUnreadable as error:
            LOG.warning("the keys of the tokens' issuer: %s", error)
        except Exception:
            LOG.exception("the keys of the tokens' issuer cannot be read")

    def _age(self) -> float:
        return self._clock() - self._fetched

    def _unavailable(self) -> RequestRefused:
        wait = max(1, math.ceil(PAUSE - (self._clock() - self._tried)))
        detail = "the keys of the tokens' issuer cannot be read at the moment"
        return RequestRefused(503, "keys-unavailable", detail, headers={"retry-after": str(wait)})
