"""How often one client may ask: a window of a minute that slides, counted in memory."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from functools import cached_property
from ipaddress import IPv6Address, IPv6Network
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING

from governed_ml.serving.http.loopback import peer
from governed_ml.serving.http.problems import RequestRefused

if TYPE_CHECKING:
    from limits.storage import MemoryStorage
    from limits.strategies import SlidingWindowCounterRateLimiter
    from starlette.requests import HTTPConnection

WINDOW = 60  # seconds
MOST_COUNTERS = 20_000
"""Counters that are kept, two for each client. Whoever has more names than this pushes the oldest
out, and has gained nothing by it: each name may ask as often as any other."""


class Rates:
    """Counts the requests of each client. Call it from the event loop only."""

    def __init__(self, requests_per_minute: int, most_counters: int = MOST_COUNTERS) -> None:
        """Count nothing yet."""
        self._most, self._counters = requests_per_minute, most_counters

    def check(self, request: HTTPConnection, subject: str | None) -> None:
        """Count a request of a token's subject, or else of an address.

        Raise `RequestRefused` (429) if there were too many.
        """
        name = f"address {_network(request)}" if subject is None else f"subject {subject}"
        from limits import RateLimitItemPerMinute

        limit = RateLimitItemPerMinute(self._most)
        if self._limiter.hit(limit, name):
            return
        free = self._limiter.get_window_stats(limit, name).reset_time - time.time()
        wait = min(WINDOW, max(1, math.ceil(free)))
        detail = f"there were more than {self._most:,} requests in a minute"
        headers = {"retry-after": str(wait)}
        raise RequestRefused(429, "too-many-requests", detail, headers=headers)

    @cached_property
    def _limiter(self) -> SlidingWindowCounterRateLimiter:
        from limits.strategies import SlidingWindowCounterRateLimiter

        return SlidingWindowCounterRateLimiter(_recent_counters(self._counters))


def _network(request: HTTPConnection) -> str:
    """Return the peer's address, or for IPv6 its network: one client has 2^64 addresses."""
    address = peer(request)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)


def _recent_counters(most: int) -> MemoryStorage:
    """Return a storage for `limits` that keeps the counters that were used last.

    The library's own keeps every counter until it expires, and starts threads that look for those.
    """
    from limits.storage import MemoryStorage
    from limits.storage.base import Storage

    class RecentCounters(MemoryStorage):
        STORAGE_SCHEME = None

        def __init__(self) -> None:
            Storage.__init__(self)
            self.storage, self.expirations = Counter(), {}
            self.events, self.locks = {}, defaultdict(RLock)

        def get(self, key: str) -> int:
            count = super().get(key)  # 0 if it has expired
            if count:
                self.storage[key] = self.storage.pop(key)  # now it is the last one
            return count

        def incr(self, key: str, expiry: float, amount: int = 1) -> int:
            self.storage[key] = count = self.get(key) + amount
            self.expirations.setdefault(key, time.time() + expiry)
            if len(self.storage) > most:
                for old in list(islice(self.storage, 1 + most // 10)):
                    self.clear(old)
            return count

    return RecentCounters()
