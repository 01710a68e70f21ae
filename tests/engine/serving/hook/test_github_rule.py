"""GitHub's deployment protection rule: the event comes in, the answer goes out as a callback.

The event keeps to the schema that GitHub publishes (`github_events.json`), the callback to its
OpenAPI description (`github_openapi.json`): see `cut_github_openapi.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Generator
from typing import Any

import pytest
from asgi_calls import Answered, asked, http_scope
from github_app_stand_in import CLIENT
from github_events import SECRET, asked_for, sent
from github_stand_in import Failure, GitHubStandIn
from hooked import APPROVED, BLOCKED, COMMIT, PENDING, TestJudge, hook
from issuer_server import IssuerServer

from governed_ml.core.config.production.hook import ProtectionRule
from governed_ml.core.problem import Problem
from governed_ml.serving.hook.answer import HookAnswer
from governed_ml.serving.hook.github_reply import GitHubApp, github_app
from governed_ml.serving.hook.github_rule import UNREAD, ProtectionRuleHook
from governed_ml.serving.hook.question import ApprovalQuestion
from governed_ml.serving.hook.turn import JudgementTurn

pytestmark = pytest.mark.slow

RUN = 30433642


@pytest.fixture
def github(github_api: GitHubStandIn, monkeypatch: pytest.MonkeyPatch) -> GitHubStandIn:
    """A GitHub to call back."""
    monkeypatch.setenv("GITHUB_API_URL", github_api.url)
    monkeypatch.setattr("governed_ml.github.client.PAUSE", 0.01)
    return github_api


@pytest.fixture
def judge() -> TestJudge:
    """A judge for one test."""
    return TestJudge()


def app_with_token(github: GitHubStandIn) -> GitHubApp:
    """The App, with a token of an installation."""
    return GitHubApp(github.repository, None, SECRET, github.token)


class Hook:
    """The hook's address for GitHub, and what was called back."""

    def __init__(self, github: GitHubStandIn, judge: TestJudge, issuer: IssuerServer) -> None:
        self.github = github
        self.app = hook(issuer, judge, app_with_token(github), patience=60)

    async def deliver(self, event: dict[str, Any], by: str = SECRET, **headers: str) -> Answered:
        """The answer to one delivery, signed with a secret."""
        body, named = sent(event, by, **headers)
        return await self.deliver_raw(body, named)

    async def deliver_raw(self, body: bytes, headers: dict[str, str]) -> Answered:
        """The answer to bytes with headers."""
        scope = http_scope("POST", "/hook/github", list(headers.items()))
        return await asked(self.app, scope, [body])

    def event(self, commit: str = COMMIT, **changed: Any) -> dict[str, Any]:
        """The event about a commit."""
        made = asked_for(commit, api=self.github.url, repository=self.github.repository)
        return made | changed

    @property
    def told(self) -> list[tuple[int, dict[str, Any]]]:
        """The callbacks: run and body."""
        return self.github.app.reviews


@pytest.fixture(scope="module")
def issuer() -> Generator[IssuerServer]:
    """An issuer of tokens; GitHub needs none."""
    with IssuerServer() as server:
        yield server


@pytest.fixture
def door(github: GitHubStandIn, judge: TestJudge, issuer: IssuerServer) -> Hook:
    """The hook for one test."""
    return Hook(github, judge, issuer)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a test's steps in one event loop."""
    return asyncio.run(work)


@pytest.mark.parametrize(
    ("said", "state"), [(APPROVED, "approved"), (BLOCKED, "rejected"), (PENDING, None)]
)
def test_the_answer_about_the_deployed_commit_is_called_back(
    said: HookAnswer, state: str | None, door: Hook, judge: TestJudge
) -> None:
    # Given a version of the deployed commit, when GitHub asks
    judge.said = said
    found = run(door.deliver(door.event()))
    # Then the commit's version was judged, and GitHub got the state, with the reason for people
    assert (found.status, json.loads(found.body)["result"]) == (200, said.result)
    assert judge.asked == [ApprovalQuestion(commit=COMMIT)]
    [(number, review)] = door.told
    assert number == RUN
    assert review == {"environment_name": "production", "comment": said.line()} | (
        {"state": state} if state else {}
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"x_hub_signature_256": "sha256=" + "0" * 64}, "wrong"),
        ({"x_hub_signature_256": ""}, "none"),
        ({"x_hub_signature_256": "sha256=é"}, "no text"),
        ({"x_hub_signature_256": "sha1=" + "0" * 40}, "the old kind"),
    ],
)
def test_an_event_that_is_not_signed_with_the_secret_is_refused(
    change: dict[str, str], why: str, door: Hook, judge: TestJudge
) -> None:
    # Given an event without GitHub's signature, when it is delivered, then nothing happens
    del why
    found = run(door.deliver(door.event(), **change))
    assert (found.status, found.kind) == (401, "wrong-signature")
    assert (judge.asked, door.told) == ([], [])


def test_a_signature_is_of_exactly_these_bytes_and_this_secret(
    door: Hook, judge: TestJudge
) -> None:
    # Given an event that was changed after it was signed, or that somebody else signed
    body, headers = sent(door.event())
    found = run(door.deliver_raw(body.replace(COMMIT.encode(), b"d" * 40), headers))
    assert found.kind == "wrong-signature"
    assert run(door.deliver(door.event(), by="another")).kind == "wrong-signature"
    assert run(door.deliver(door.event(), by="")).kind == "wrong-signature"
    # Then nobody was asked and nothing was called back
    assert (judge.asked, door.told) == ([], [])


EVIL = "https://evil.example/repos/acme/loans/actions/runs/1/deployment_protection_rule"


@pytest.mark.parametrize(
    "callback",
    [
        EVIL,
        "{api}/repos/acme/other/actions/runs/1/deployment_protection_rule",
        "{api}/repos/acme/loans/actions/runs/1/deployment_protection_rule/../../../x",
        "{api}/repos/acme/loans/actions/runs/1/deployment_protection_rule?x=1",
        "{api}/repos/acme/loans/actions/runs/../runs/1/deployment_protection_rule",
        "{api}/repos/acme/loans/actions/runs/1\n/deployment_protection_rule",
        "{api}/repos/acme/loans/actions/runs/1/pending_deployments",
        "{api}@evil.example/repos/acme/loans/actions/runs/1/deployment_protection_rule",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_callback_goes_to_a_run_of_the_repository_at_this_github_and_nowhere_else(
    callback: str, door: Hook, judge: TestJudge
) -> None:
    # Given an event, properly signed, whose callback is elsewhere, when it is delivered
    event = door.event(deployment_callback_url=callback.replace("{api}", door.github.url))
    found = run(door.deliver(event))
    # Then it is refused before anybody judges, and no request goes out
    assert (found.status, found.kind) == (403, "not-ours")
    assert found.document["errors"][0]["pointer"] == "/deployment_callback_url"
    assert (judge.asked, door.github.asked) == ([], [])


def test_a_fork_with_the_same_commit_is_not_approved(door: Hook, judge: TestJudge) -> None:
    # Given another repository that has the commit, too, and where the App is installed
    event = asked_for(COMMIT, api=door.github.url, repository="mallory/loans")
    found = run(door.deliver(event))
    # When it wants to deploy, then it is refused
    assert (found.status, found.kind) == (403, "not-ours")
    assert found.document["errors"][0]["pointer"] == "/repository/full_name"
    assert (judge.asked, door.told) == ([], [])


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"action": "completed"}, "/action"),
        ({"environment": ""}, "/environment"),
        ({"environment": None}, "/environment"),
        ({"deployment": None}, "/deployment/sha"),
        ({"deployment": {"sha": "main"}}, "/deployment/sha"),
        ({"repository": {}}, "/repository/full_name"),
        ({"deployment_callback_url": 7}, "/deployment_callback_url"),
        ({"installation": {"id": "77"}}, "/installation/id"),
    ],
)
def test_an_event_of_another_shape_is_refused_by_its_field(
    changed: dict[str, Any], place: str, door: Hook, judge: TestJudge
) -> None:
    # Given a signed body that is no such event, when it is delivered, then its field is named
    found = run(door.deliver(door.event(**changed)))
    assert (found.status, found.kind) == (422, "invalid-event")
    assert [one["pointer"] for one in found.document["errors"]] == [place]
    assert (judge.asked, door.told) == ([], [])


def test_other_events_are_not_acted_on(door: Hook, judge: TestJudge) -> None:
    # Given GitHub's ping and another event, when they are delivered, then nothing is done
    found = run(door.deliver({"zen": "Design for failure."}, x_github_event="ping"))
    assert (found.status, found.body) == (200, b'{"result":"pong"}')
    found = run(door.deliver({"action": "created"}, x_github_event="installation"))
    assert (found.status, found.body) == (200, b'{"result":"ignored"}')
    # But a body without a signature is refused, whatever it says it is
    assert run(door.deliver({}, by="x", x_github_event="ping")).kind == "wrong-signature"
    assert run(door.deliver(door.event(), x_github_delivery="")).status == 400
    assert (judge.asked, door.told) == ([], [])


def test_a_delivery_that_comes_again_is_not_acted_on_again(door: Hook, judge: TestJudge) -> None:
    # Given a delivery that was answered, when it comes again, and twice at once
    async def steps() -> list[Answered]:
        first = await door.deliver(door.event())
        return [first, *await asyncio.gather(*(door.deliver(door.event()) for _ in range(2)))]

    answers = run(steps())
    # Then each gets the same answer, and there was one judgement and one callback
    assert [one.status for one in answers] == [200, 200, 200]
    assert len({one.body for one in answers}) == 1
    assert (len(judge.asked), len(door.told)) == (1, 1)
    # And a new delivery of the same event is judged anew: an old approval is no approval of today
    judge.said = BLOCKED
    found = run(door.deliver(door.event(), x_github_delivery="another-delivery"))
    assert json.loads(found.body)["result"] == "blocked"
    assert [review["state"] for _, review in door.told] == ["approved", "rejected"]


def test_what_cannot_be_judged_is_told_and_may_be_delivered_again(
    door: Hook, judge: TestJudge, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a ledger that cannot be read, when GitHub asks
    judge.said = Problem("cannot fetch the ledger from origin: no route to host")
    found = run(door.deliver(door.event()))
    # Then it goes on waiting; everybody at GitHub reads that, but not which address was tried
    assert (found.status, found.kind) == (503, "not-judged")
    assert found.document["detail"] == str(judge.said)
    [(_, review)] = door.told
    assert review == {"environment_name": "production", "comment": UNREAD}
    assert str(judge.said) in capsys.readouterr().err
    # And the same delivery is judged once it can be
    judge.said = APPROVED
    assert run(door.deliver(door.event())).status == 200
    assert door.told[1][1]["state"] == "approved"


def test_a_callback_that_github_refuses_is_a_failed_delivery(door: Hook, judge: TestJudge) -> None:
    # Given a GitHub that does not take the answer, when it asks
    door.github.failures = [Failure(403, times=1)]
    found = run(door.deliver(door.event()))
    # Then the delivery fails with the reason, so that it is seen and can be sent again
    assert (found.status, found.kind) == (502, "callback-failed")
    assert "deployments: write" in found.document["detail"]
    assert door.told == []
    assert run(door.deliver(door.event())).status == 200
    assert len(door.told) == 1
    # And a redirect is not followed
    elsewhere = Failure(307, headers={"Location": "http://127.0.0.1:9/"}, times=1)
    door.github.failures = [elsewhere]
    found = run(door.deliver(door.event(), x_github_delivery="redirected"))
    assert (found.status, len(door.told)) == (502, 1)


def test_a_deployment_that_waits_for_people_is_judged_again_until_it_is_final(
    github: GitHubStandIn, judge: TestJudge
) -> None:
    # Given a deployment whose version waits for people
    turn = JudgementTurn(judge.answer)
    rule = ProtectionRuleHook(app_with_token(github), turn.later)
    passes = 0

    async def pause(_: float) -> None:
        nonlocal passes
        passes += 1
        judge.said = (PENDING, Problem("no route to host"), APPROVED, APPROVED, PENDING)[passes - 1]
        if passes == 5:
            raise asyncio.CancelledError

    async def steps() -> None:
        judge.said = PENDING
        body, headers = sent(asked_for(COMMIT, api=github.url, repository=github.repository))
        assert (await rule.received(headers, body))[1]["result"] == "pending"
        # When time passes, and the people approve
        with pytest.raises(asyncio.CancelledError):
            await rule.keep_rechecking(sleep=pause)

    run(steps())
    turn.stop()
    # Then GitHub is told once that it waits, and once that it is approved; then nothing waits
    assert [review.get("state") for _, review in github.app.reviews] == [None, "approved"]
    assert len(judge.asked) == 4


def test_a_long_judgement_goes_on_after_the_delivery_was_accepted(
    github: GitHubStandIn, judge: TestJudge
) -> None:
    # Given a judgement that takes longer than GitHub waits
    turn = JudgementTurn(judge.answer)
    rule = ProtectionRuleHook(app_with_token(github), turn.later, patience=0.0)

    async def steps() -> tuple[int, Any]:
        body, headers = sent(asked_for(COMMIT, api=github.url, repository=github.repository))
        first = await rule.received(headers, body)
        while not github.app.reviews:
            await asyncio.sleep(0.01)
        return first

    # When it asks, then the delivery is accepted at once, and the answer comes as a callback
    assert run(asyncio.wait_for(steps(), 20)) == (202, {"result": "accepted"})
    turn.stop()
    assert [review["state"] for _, review in github.app.reviews] == ["approved"]


# The App's secrets


@pytest.fixture(scope="module")
def pem() -> tuple[str, bytes]:
    """A private key of an App, and its public half."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        s.Encoding.PEM, s.PrivateFormat.TraditionalOpenSSL, s.NoEncryption()
    )
    public = key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public


def test_the_app_makes_a_token_of_its_installation_for_the_callback(
    github: GitHubStandIn,
    judge: TestJudge,
    pem: tuple[str, bytes],
    issuer: IssuerServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given an App with a private key in a variable, when GitHub asks
    private, github.app.key = pem
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("HOOK_KEY", private)
    rule = ProtectionRule.model_validate(
        {"secret": "env:HOOK_SECRET", "app": CLIENT, "key": "env:HOOK_KEY"}
    )
    door = Hook(github, judge, issuer)
    door.app = hook(issuer, judge, github_app(rule, github.repository), patience=60)
    assert run(door.deliver(door.event())).status == 200
    # Then it got a token for this repository and nothing but deployments, and called back with it
    made, called = github.asked
    assert json.loads(made.body) == {
        "repositories": ["loans"], "permissions": {"deployments": "write"}
    }  # fmt: skip
    assert called.headers["authorization"] == "token ghs_of_the_app"
    assert door.told[0][1]["state"] == "approved"
    # And an installation that is not the App's gets nothing
    event = door.event(installation={"id": 78, "node_id": "x"})
    found = run(door.deliver(event, x_github_delivery="another-delivery"))
    assert (found.status, found.kind) == (502, "callback-failed")
    found = run(door.deliver(door.event(installation=None), x_github_delivery="third-delivery"))
    assert "names no installation" in found.document["detail"]
    assert len(door.told) == 1


@pytest.mark.parametrize(
    ("rule", "variables", "why"),
    [
        ({"token": "env:T"}, {"T": "x"}, "the environment variable S is not set"),
        ({"token": "env:T"}, {"S": "x"}, "the environment variable T is not set"),
        ({"token": "env:T"}, {"S": "x", "T": "a b"}, "T does not hold a token"),
        ({"app": "1", "key": "env:K"}, {"S": "x", "K": "no key"}, "K holds no private key"),
    ],
)
def test_a_secret_that_is_missing_is_said_at_the_start(
    rule: dict[str, str],
    variables: dict[str, str],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given variables that lack a secret, when the hook starts, then it says which one
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Problem, match=why) as refused:
        github_app(ProtectionRule.model_validate({"secret": "env:S"} | rule), "acme/loans")
    assert "no key" not in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        {"secret": "hunter2", "token": "env:T"},
        {"secret": "env:S"},
        {"secret": "env:S", "app": "1"},
        {"secret": "env:S", "app": "1", "key": "env:K", "token": "env:T"},
        {"secret": "env:S", "token": "ghs_secret"},
    ],
)
def test_the_configuration_holds_names_of_variables_and_no_secret(given: dict[str, str]) -> None:
    # Given a configuration with a secret in it, or with none or two ways to call back
    # When it is read, then it is refused
    with pytest.raises(ValueError, match=r"env:|either app and key, or token"):
        ProtectionRule.model_validate(given)


def test_secrets_are_not_shown_by_mistake() -> None:
    # Given an App, when it is printed, then its secrets are not
    shown = repr(GitHubApp("acme/loans", "1", SECRET, "the key"))
    assert SECRET not in shown
    assert "the key" not in shown
