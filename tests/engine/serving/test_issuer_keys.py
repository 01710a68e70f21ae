"""The issuer's keys: asked for seldom, by one request for all, and used while it is down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator, Sequence
from typing import Any

import pytest
from issuer_server import AUDIENCE, KEYS, IssuerServer, jwk

from governed_ml.core.config.production.serve import TokenIssuer
from governed_ml.serving.http import issuer as reading
from governed_ml.serving.http import jwks
from governed_ml.serving.http.issuer import IssuerKey, KeysUnreadable, read_keys
from governed_ml.serving.http.jwks import FRESH, PAUSE, USABLE, KeyCache
from governed_ml.serving.http.problems import RequestRefused

ALGORITHM = "RS256"


class Issuer:
    """An issuer and a clock of which a test is master."""

    def __init__(self, *kids: str) -> None:
        self.now, self.kids, self.down = 1000.0, kids, False
        self.fetches = 0
        self.open = threading.Event()
        self.open.set()
        self.cache = KeyCache(self.read, lambda: self.now)

    def read(self) -> Sequence[IssuerKey]:
        self.fetches += 1
        self.open.wait(20)
        if self.down:
            raise KeysUnreadable("it is down")
        return tuple(IssuerKey(kid, (ALGORITHM,), kid) for kid in self.kids)

    async def has(self, kid: str) -> bool:
        found = await self.cache.find(kid, ALGORITHM)
        assert found is None or found.kid == kid
        return found is not None

    async def refuses(self, kid: str) -> str:
        with pytest.raises(RequestRefused) as refused:
            await self.cache.find(kid, ALGORITHM)
        assert (refused.value.status, refused.value.kind) == (503, "keys-unavailable")
        return refused.value.headers["retry-after"]

    async def settled(self) -> None:
        """Wait until no fetch is running."""
        fetching = self.cache._fetching
        assert fetching is not None
        await asyncio.wait_for(asyncio.shield(fetching), 20)


def run(check: Coroutine[Any, Any, None]) -> None:
    """Run a test in an event loop of its own."""
    asyncio.run(check)


def test_requests_at_once_share_one_fetch() -> None:
    async def check() -> None:
        # Given a service that has no keys yet, when a hundred requests come at once
        issuer = Issuer("a")
        found = await asyncio.gather(*(issuer.has("a") for _ in range(100)))
        # Then the issuer is asked once
        assert all(found)
        assert issuer.fetches == 1

    run(check())


def test_unknown_keys_do_not_become_a_flood_of_fetches() -> None:
    async def check() -> None:
        # Given keys that are here, when a thousand tokens name keys that do not exist
        issuer = Issuer("a")
        assert await issuer.has("a")
        issuer.now += PAUSE
        found = await asyncio.gather(*(issuer.has(f"kid-{number}") for number in range(1000)))
        # Then the issuer is asked once more, and not again before the pause is over
        assert not any(found)
        assert issuer.fetches == 2
        issuer.now += PAUSE - 1
        assert not await issuer.has("other")
        assert issuer.fetches == 2
        issuer.now += 1
        assert not await issuer.has("other")
        assert issuer.fetches == 3

    run(check())


def test_a_new_key_is_found_and_an_old_one_forgotten() -> None:
    async def check() -> None:
        # Given an issuer that rotates its keys, when a token names the new one, then it is fetched
        issuer = Issuer("old")
        assert await issuer.has("old")
        issuer.kids = ("new",)
        issuer.now += PAUSE
        assert await issuer.has("new")
        # And tokens of the old one are not taken from then on
        assert not await issuer.has("old")

    run(check())


def test_a_withdrawn_key_is_forgotten_soon() -> None:
    async def check() -> None:
        # Given a key that the issuer withdraws, when nobody uses another one
        issuer = Issuer("stolen", "b")
        assert await issuer.has("stolen")
        issuer.kids = ("b",)
        issuer.now += FRESH + 1
        # Then keys are fetched after some minutes, while the request that notices does not wait
        assert await issuer.has("stolen")
        await issuer.settled()
        issuer.now += PAUSE
        assert not await issuer.has("stolen")

    run(check())


def test_keys_count_for_some_time_while_the_issuer_is_down() -> None:
    async def check() -> None:
        # Given an issuer that goes down, when its keys are used
        issuer = Issuer("a")
        assert await issuer.has("a")
        issuer.down = True
        for _ in range(5):
            issuer.now += USABLE / 6
            assert await issuer.has("a")
            await issuer.settled()
        # Then they count for an hour, but nobody can say whether there are new ones
        assert int(await issuer.refuses("new")) >= 1
        issuer.now += USABLE / 6 + 1
        await issuer.refuses("a")
        # And once it is up again, the next fetch is soon
        issuer.down = False
        assert await issuer.refuses("a") == str(int(PAUSE))
        issuer.now += PAUSE
        assert await issuer.has("a")

    run(check())


def test_an_issuer_that_is_down_is_not_asked_for_each_request() -> None:
    async def check() -> None:
        issuer = Issuer("a")
        issuer.down = True
        for _ in range(50):
            await issuer.refuses("a")
        assert issuer.fetches == 1

    run(check())


def test_others_are_answered_while_an_issuer_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "PATIENCE", 0.05)

    async def check() -> None:
        # Given an issuer that does not answer
        issuer = Issuer("a")
        issuer.open.clear()
        # When requests wait for it, then the event loop is free, and they are refused at last
        waiting = asyncio.gather(*(issuer.refuses("a") for _ in range(10)))
        turns = 0
        while not waiting.done():
            await asyncio.sleep(0)
            turns += 1
        await waiting
        assert turns > 10
        # And its answer counts when it comes
        issuer.open.set()
        await issuer.settled()
        assert await issuer.has("a")
        assert issuer.fetches == 1

    run(check())


def test_a_client_that_leaves_stops_no_fetch() -> None:
    async def check() -> None:
        # Given two clients that wait for one fetch, when the one that began it leaves
        issuer = Issuer("a")
        issuer.open.clear()
        first = asyncio.create_task(issuer.has("a"))
        second = asyncio.create_task(issuer.has("a"))
        while not issuer.fetches:
            await asyncio.sleep(0)
        first.cancel()
        issuer.open.set()
        # Then the other one gets its answer
        assert await second
        assert issuer.fetches == 1

    run(check())


def test_an_error_while_keys_are_read_is_no_error_of_a_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def read() -> Sequence[IssuerKey]:
        raise KeyError("a bug")

    async def check() -> None:
        with pytest.raises(RequestRefused, match="cannot be read"):
            await KeyCache(read).find("a", ALGORITHM)

    run(check())
    assert "a bug" in caplog.text


@pytest.fixture
def server() -> Generator[IssuerServer]:
    with IssuerServer() as found:
        yield found


def trusted(server: IssuerServer) -> TokenIssuer:
    return TokenIssuer(issuer=server.address, audience=AUDIENCE)


def test_an_endless_or_slow_answer_is_not_read_to_its_end(
    server: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a key set of more than a megabyte, when it is read, then it is given up
    server.say(KEYS, b"[" + b" " * reading.MOST_BYTES + b"]")
    with pytest.raises(KeysUnreadable, match="too large or too slow"):
        read_keys(trusted(server))
    # And so is an issuer that takes a connection and says nothing
    monkeypatch.setattr(reading, "TIMEOUT", 0.05)
    server.open.clear()
    with pytest.raises(KeysUnreadable, match="timed out"):
        read_keys(trusted(server))


def test_no_proxy_is_asked_for_this_machine(
    server: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a proxy in the environment that is not there, when a local issuer is asked
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    # Then it is asked directly
    assert [one.kid for one in read_keys(trusted(server))] == ["one"]


def test_keys_that_do_not_verify_are_left_out(server: IssuerServer) -> None:
    # Given keys of many kinds, when they are read, then these are kept, each for its algorithms
    server.publish(
        jwk("RS256", "any"),
        jwk("RS256", "named", alg="PS384"),
        jwk("ES384", "curve", use="sig", key_ops=["verify"]),
        jwk("EdDSA", "edwards"),
        jwk("ES256K", "coins"),
        jwk("ES256", "wrong", alg="ES384"),
    )
    found = {one.kid: one.algorithms for one in read_keys(trusted(server))}
    assert found == {
        "any": reading.RSA,
        "named": ("PS384",),
        "curve": ("ES384",),
        "edwards": ("EdDSA",),
    }
