"""The approval hook for tests: real tokens and rates, and a judge that says what a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from asgi_calls import Answered, ask
from issuer_server import IssuerServer
from starlette.applications import Starlette

from governed_ml.core.problem import Problem
from governed_ml.serving.hook.answer import HookAnswer
from governed_ml.serving.hook.github_reply import GitHubApp
from governed_ml.serving.hook.question import ApprovalQuestion
from governed_ml.serving.hook.start import assembled
from governed_ml.serving.hook.turn import PATIENCE

COMMIT, MODEL = "c" * 40, f"sha256:{'a' * 64}"
JSON_BODY = ("content-type", "application/json")
SUBJECT = {"name": "loans", "commit": COMMIT, "model": MODEL}
APPROVED = HookAnswer(result="approved", version=2, state="approved", subject=SUBJECT).named()
PENDING = HookAnswer(
    result="pending", version=2, state="pending_review", reasons=["it waits for Ada"]
).named()
BLOCKED = HookAnswer(
    result="blocked", version=2, state="quarantined", reasons=["version 2 was rolled back"]
).named()
UNKNOWN = HookAnswer(result="blocked", reasons=["the ledger has no version 9"]).named()


@dataclass
class TestJudge:
    """Gives one answer, and keeps what it was asked. A `Problem` is raised."""

    __test__ = False

    said: HookAnswer | Problem = APPROVED
    asked: list[ApprovalQuestion] = field(default_factory=list)
    before: Callable[[], object] = lambda: None

    def answer(self, asked: ApprovalQuestion) -> HookAnswer:
        """Say it."""
        self.asked.append(asked)
        self.before()
        if isinstance(self.said, Problem):
            raise self.said
        return self.said


def hook(
    issuer: IssuerServer,
    judge: TestJudge,
    github: GitHubApp | None = None,
    per_minute: int = 10_000,
    patience: float = PATIENCE,
) -> Starlette:
    """The application, with tokens of this issuer."""
    settings = issuer.settings(hook={"requests_per_minute": per_minute})
    return assembled(judge, settings, github, patience)


@dataclass(frozen=True)
class Caller:
    """Asks an application with one token."""

    app: Starlette
    token: str | None

    def post(self, address: str, body: object, *headers: tuple[str, str]) -> Answered:
        """The answer to a POST of JSON, or of bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return ask(self.app, "POST", address, [JSON_BODY, *self._token(), *headers], [content])

    def get(self, address: str) -> Answered:
        """The answer to a GET."""
        return ask(self.app, "GET", address, self._token())

    def _token(self) -> Sequence[tuple[str, str]]:
        return [] if self.token is None else [("authorization", f"Bearer {self.token}")]


def body_of(found: Answered) -> dict[str, Any]:
    """The JSON of an answer that is no problem document."""
    assert found.headers["content-type"] == "application/json", found
    return json.loads(found.body)
