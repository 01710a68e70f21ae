"""Rates: how often one client may ask, by its token or its address."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from typing import Any

import pytest
from asgi_calls import Answered, ask, http_scope
from fastapi import FastAPI, Request
from issuer_server import IssuerServer
from starlette.requests import HTTPConnection

from governed_ml.core.config.production.serve import Serve
from governed_ml.serving.http.admission import Admission
from governed_ml.serving.http.auth import PREDICT
from governed_ml.serving.http.guard import protect
from governed_ml.serving.http.problems import RequestRefused
from governed_ml.serving.http.rates import Rates

LIMIT = 5
START = 1_800_000_000.25  # soon after the beginning of a minute


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test moves."""
    now = [START]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def request(address: str = "192.0.2.1") -> HTTPConnection:
    return HTTPConnection(http_scope("GET", "/", client=(address, 5)))


def wait(rates: Rates, connection: HTTPConnection, subject: str | None = None) -> int:
    """How many seconds a client has to wait: 0 if it is admitted."""
    try:
        rates.check(connection, subject)
    except RequestRefused as refused:
        return int(refused.headers["retry-after"])
    return 0


def test_a_client_that_waits_as_told_is_admitted(clock: list[float]) -> None:
    # Given a client that asks as often as it may, and again and again
    rates = Rates(LIMIT)
    admitted = []
    for _ in range(200):
        told = wait(rates, request())
        # When it is refused, then it is told to wait for seconds, and after them is admitted
        if told:
            assert 1 <= told <= 60
            clock[0] += told
            assert wait(rates, request()) == 0
        admitted.append(clock[0])
    # And in no minute were there more requests than allowed, but for what a window's edge gives
    assert clock[0] > START + 120
    for end in admitted:
        assert sum(end - 60 < one <= end for one in admitted) <= 2 * LIMIT


def test_clients_are_counted_one_by_one(clock: list[float]) -> None:
    # Given a client that has asked too often, when others ask, then they are admitted
    rates = Rates(LIMIT)
    for _ in range(LIMIT):
        assert wait(rates, request(), "a") == 0
    assert wait(rates, request(), "a") > 0
    assert wait(rates, request(), "b") == 0
    assert wait(rates, request()) == 0
    # And the same client from another address is the same client
    assert wait(rates, request("192.0.2.9"), "a") > 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
    ],
)
def test_an_address_is_a_client(one: str, other: str, same: bool, clock: list[float]) -> None:
    # Given an address that asked too often, when another one asks
    rates = Rates(LIMIT)
    for _ in range(LIMIT):
        assert wait(rates, request(one)) == 0
    # Then it is the same client if it is in the same IPv6 network of one subscriber
    assert (wait(rates, request(other)) > 0) is same


def test_many_names_need_no_more_memory_and_no_threads(clock: list[float]) -> None:
    # Given an attacker with many addresses, when each of them asks
    rates = Rates(LIMIT, most_counters=100)
    threads = threading.active_count()
    for number in range(5000):
        assert wait(rates, request(), f"name-{number}") == 0
        # And a client that asks now and then is among them
        assert (wait(rates, request(), "busy") > 0) is (number >= LIMIT)
    # Then the counters are few, the busy client's is still there, and no thread was started
    storage: Any = rates._limiter.storage
    assert len(storage.storage) <= 100
    assert storage.storage.keys() == storage.expirations.keys()
    assert not storage.locks
    assert not storage.events
    assert threading.active_count() == threads


@pytest.fixture
def issuer() -> Generator[IssuerServer]:
    with IssuerServer() as server:
        yield server


def service(settings: Serve) -> FastAPI:
    app = FastAPI()
    admission = Admission(settings)

    @app.post("/predict")
    async def predict(request: Request) -> str | None:
        subject = (await admission.admit(request, PREDICT)).subject
        await request.body()
        return subject

    protect(app, body_bytes=1000)
    return app


def predict(app: FastAPI, token: str, address: str = "192.0.2.1") -> Answered:
    headers = [("authorization", f"Bearer {token}"), ("content-type", "application/json")]
    return ask(app, "POST", "/predict", headers, client=(address, 5))


def test_a_client_that_asks_too_often_is_told_when_to_come_again(issuer: IssuerServer) -> None:
    # Given a service with a rate, when a client asks more often, from any address
    app = service(issuer.settings(requests_per_minute=LIMIT))
    found = [predict(app, issuer.token(), f"192.0.2.{number}") for number in range(2 * LIMIT)]
    # Then it is refused, before its body is read (the minute's edge may give some more)
    assert [one.status for one in found[:LIMIT]] == [200] * LIMIT
    assert found[-1].kind == "too-many-requests"
    assert 1 <= int(found[-1].headers["retry-after"]) <= 60
    assert found[-1].parts_read == 0
    # And another client is answered
    assert predict(app, issuer.token(sub="client-2")).status == 200


def test_bad_tokens_are_counted_by_address(issuer: IssuerServer) -> None:
    # Given somebody who tries tokens, when there were too many, then the address is told so
    app = service(issuer.settings(requests_per_minute=LIMIT))
    found = [predict(app, "x.y.z").status for _ in range(2 * LIMIT)]
    assert found[:LIMIT] == [401] * LIMIT
    assert found[-1] == 429
    # And a good token from the same address is still good
    assert predict(app, issuer.token()).status == 200
