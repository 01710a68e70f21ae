"""The hook's addresses: who may ask, in which dialect, and what each answer looks like."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from typing import Any

import pytest
from asgi_calls import ask
from hooked import (
    APPROVED,
    BLOCKED,
    COMMIT,
    JSON_BODY,
    MODEL,
    PENDING,
    UNKNOWN,
    Caller,
    TestJudge,
    body_of,
    hook,
)
from issuer_server import IssuerServer

from governed_ml.core.problem import Problem
from governed_ml.serving.hook.question import ApprovalQuestion

SCOPE = "model:deploy"
POSTS = ("/hook/approval", "/hook/flagger", "/hook/flagger/rollback", "/hook/argo")
"""The addresses that a token opens."""


@pytest.fixture(scope="module")
def issuer() -> Generator[IssuerServer]:
    """An issuer of tokens."""
    with IssuerServer() as server:
        yield server


@pytest.fixture
def judge() -> TestJudge:
    """A judge for one test."""
    return TestJudge()


@pytest.fixture
def caller(issuer: IssuerServer, judge: TestJudge) -> Caller:
    """A deployment tool with a good token."""
    return Caller(hook(issuer, judge), issuer.token(scope=SCOPE))


# Own JSON


@pytest.mark.parametrize("said", [APPROVED, PENDING, BLOCKED, UNKNOWN])
def test_the_answer_is_the_judges_with_reasons_and_digests(
    said: Any, caller: Caller, judge: TestJudge
) -> None:
    # Given a judge, when a version is asked about with what it must have been made of
    judge.said = said
    found = caller.post("/hook/approval", {"version": 2, "commit": COMMIT, "model": MODEL})
    # Then the answer is whole, it may not be kept by anybody on the way, and says the same again
    assert (found.status, found.headers["cache-control"]) == (200, "no-store")
    assert body_of(found) == said.model_dump(mode="json")
    assert judge.asked == [ApprovalQuestion(version=2, commit=COMMIT, model=MODEL)]
    again = caller.post("/hook/approval", {"version": 2, "commit": COMMIT, "model": MODEL})
    assert again.body == found.body


def test_a_role_or_state_in_the_request_is_refused_before_anybody_judges(
    caller: Caller, judge: TestJudge
) -> None:
    # Given a caller who says what only the ledger can know, when the hook is asked
    for claim in ({"role": "risk-owner"}, {"approvals": []}, {"metrics": {}}, {"result": "x"}):
        found = caller.post("/hook/approval", {"version": 2} | claim)
        # Then that is refused by the field, and nothing was judged
        assert (found.status, found.kind) == (422, "invalid-question")
        assert "a field is unknown; known are version" in found.document["errors"][0]["detail"]
    assert judge.asked == []


# Who may ask


def _tokens(issuer: IssuerServer) -> dict[str, tuple[str | None, int, str]]:
    return {
        "none": (None, 401, "token"),
        "wrong signature": (issuer.token(number=7, scope=SCOPE), 401, "signature is wrong"),
        "wrong audience": (issuer.token(scope=SCOPE, aud="another"), 401, "audience"),
        "wrong issuer": (issuer.token(scope=SCOPE, iss="https://evil.example"), 401, "issuer"),
        "no exp": (issuer.token(scope=SCOPE, exp=None), 401, "exp"),
        "expired": (issuer.token(scope=SCOPE, exp=1), 401, "expired"),
        "no scope": (issuer.token(scope=None), 403, "lacks the scope model:deploy"),
        "another scope": (
            issuer.token(scope="model:predict model:read"), 403, "lacks the scope model:deploy"),
        "a forged role": (
            issuer.token(scope=None, roles=["risk-owner"], role="admin"), 403, "lacks the scope"),
    }  # fmt: skip


@pytest.mark.parametrize("address", POSTS)
def test_nobody_asks_without_a_good_token_with_the_scope(
    address: str, issuer: IssuerServer, judge: TestJudge
) -> None:
    # Given tokens that are not good, when one is shown in the header or in Flagger's metadata
    app = hook(issuer, judge)
    for name, (token, status, why) in _tokens(issuer).items():
        metadata = {"version": "2"}
        found = Caller(app, token).post(address, {"version": 2, "metadata": metadata})
        # Then it is refused with the reason, and nothing was judged
        assert found.status == status, name
        assert why in found.document["detail"], name
        if "flagger" in address and token is not None:
            said = Caller(app, None).post(address, {"metadata": metadata | {"token": token}})
            assert (said.status, said.document["detail"]) == (status, found.document["detail"])
    assert judge.asked == []


def test_keys_that_cannot_be_read_are_no_answer(judge: TestJudge) -> None:
    # Given an issuer that is down, when a token of it is shown, then it is 503 and not admitted
    with IssuerServer() as server:
        app, token = hook(server, judge), server.token(scope=SCOPE)
    found = Caller(app, token).post("/hook/approval", {"version": 2})
    assert found.status == 503
    assert judge.asked == []


def test_a_flood_is_told_when_to_come_again(issuer: IssuerServer, judge: TestJudge) -> None:
    # Given a hook that takes three requests a minute from one client
    caller = Caller(hook(issuer, judge, per_minute=3), issuer.token(scope=SCOPE))
    for _ in range(3):
        assert caller.post("/hook/approval", {"version": 2}).status == 200
    # When there are more, then each is refused with the seconds to wait, at every address
    for found in (
        caller.post("/hook/approval", {"version": 2}),
        caller.post("/hook/flagger", {"metadata": {"version": "2"}}),
        caller.get("/hook/argo?version=2"),
    ):
        assert (found.status, found.kind) == (429, "too-many-requests")
        assert 1 <= int(found.headers["retry-after"]) <= 60
    assert len(judge.asked) == 3
    # And another client still gets an answer
    other = Caller(caller.app, issuer.token(scope=SCOPE, sub="client-2"))
    assert other.post("/hook/approval", {"version": 2}).status == 200


# Requests that are malformed


@pytest.mark.parametrize("address", POSTS)
@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"{", 400, "malformed-json"),
        (b"[]", 422, "invalid-body"),
        (b'{"version": NaN}', 400, "malformed-json"),
        (b'{"metadata": 1, "version": [1]}', 422, "invalid-question"),
        (b'{"metadata": {"version": "x"}, "version": "x"}', 422, "invalid-question"),
        (b'{"metadata": {"commit": "main"}, "commit": "main"}', 422, "invalid-question"),
        (b"{}", 422, "invalid-question"),
    ],
)
def test_a_malformed_body_is_refused_with_the_reason(
    address: str, body: bytes, status: int, kind: str, caller: Caller, judge: TestJudge
) -> None:
    # Given a body that names no version as documented, when it is posted
    found = caller.post(address, body)
    # Then it is refused, and nothing was judged
    assert (found.status, found.kind) == (status, kind)
    assert judge.asked == []


def test_other_methods_types_and_addresses_are_refused(caller: Caller) -> None:
    # Given an address that takes only POST, when it is read, then that is refused
    for address in ("/hook/approval", "/hook/flagger", "/hook/flagger/rollback", "/hook/github"):
        found = caller.get(address)
        assert (found.status, found.kind) == (405, "method-not-allowed")
        assert found.headers["allow"] == "POST"
    # And so are another type of body, one that is too large, and an address of nobody
    token = ("authorization", f"Bearer {caller.token}")
    form = ("content-type", "application/x-www-form-urlencoded")
    assert ask(caller.app, "POST", "/hook/approval", [form, token], [b"version=2"]).status == 415
    assert caller.post("/hook/approval", b" " * 1_000_001).status == 413
    assert caller.post("/hook/flagger/", {}).status == 404
    assert caller.post("/hook", {}).status == 404
    # And where no App is configured, GitHub's address says so
    found = ask(caller.app, "POST", "/hook/github", [JSON_BODY], [b"{}"])
    assert (found.status, found.kind) == (404, "not-configured")
    assert "serve.hook.github" in found.document["detail"]


# Who cannot be answered


def test_what_cannot_be_judged_is_503_with_the_reason_in_every_dialect(
    caller: Caller, judge: TestJudge
) -> None:
    # Given a ledger that cannot be read, when a tool asks
    judge.said = Problem("cannot fetch the ledger from origin: no route to host")
    for found in (
        caller.post("/hook/approval", {"version": 2}),
        caller.post("/hook/flagger", {"metadata": {"version": "2"}}),
        caller.post("/hook/flagger/rollback", {"metadata": {"version": "2"}}),
        caller.post("/hook/argo", {"version": 2}),
        caller.get("/hook/argo?version=2"),
    ):
        # Then it is no approval and no rollback, but the reason, and when to ask again
        assert (found.status, found.kind) == (503, "not-judged")
        assert found.document["detail"] == str(judge.said)
        assert found.headers["retry-after"] == "5"


def test_an_error_of_the_hook_is_no_approval(caller: Caller, judge: TestJudge) -> None:
    # Given a judge that fails, when a tool asks, then it gets an error without what it was about
    def fail() -> None:
        raise RuntimeError("secret details")

    judge.before = fail
    for address in POSTS:
        given = {"metadata": {"version": "2"}} if "flagger" in address else {"version": 2}
        found = caller.post(address, given)
        assert (found.status, found.kind) == (500, "internal")
        assert b"secret details" not in found.body


def test_who_waits_too_long_is_told_to_ask_again_and_the_judgement_goes_on(
    issuer: IssuerServer, judge: TestJudge
) -> None:
    # Given a judgement that takes longer than a tool waits
    done = threading.Event()
    judge.before = lambda: done.wait(20)
    caller = Caller(hook(issuer, judge, patience=0.05), issuer.token(scope=SCOPE))
    try:
        # When it and others ask, then each is told to ask again, and only one is judged at a time
        for number in range(1, 9):
            found = caller.post("/hook/approval", {"version": number})
            assert (found.status, found.kind) == (503, "busy")
            assert found.headers["retry-after"] == "5"
            assert "still being judged" in found.document["detail"]
        assert len(judge.asked) == 1
        # And when too many questions wait, one more is refused at once
        found = caller.post("/hook/approval", {"version": 9})
        assert "too many questions wait" in found.document["detail"]
        # And who asks the same again does not make the line longer
        found = caller.post("/hook/approval", {"version": 8})
        assert "still being judged" in found.document["detail"]
    finally:
        done.set()
    # And when the judgement has ended, then there are answers
    for _ in range(200):
        if caller.post("/hook/approval", {"version": 1}).status == 200:
            break
    else:
        raise AssertionError("no answer")
    assert [one.version for one in judge.asked[:8]] == list(range(1, 9))


@pytest.mark.parametrize("said", [UNKNOWN, Problem("no route to host")])
def test_the_hook_prepares_itself_when_it_starts_and_ends_in_order(
    said: Any, issuer: IssuerServer, judge: TestJudge
) -> None:
    # Given a ledger, or one that cannot be read, when the hook starts and ends
    judge.said = said
    app = hook(issuer, judge)

    async def steps() -> None:
        async with app.router.lifespan_context(app):
            while not judge.asked:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(steps(), 20))
    # Then one judgement was made, which nobody asked for, and whatever it was hinders nothing
    assert judge.asked == [ApprovalQuestion(version=1)]
