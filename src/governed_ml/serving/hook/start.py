"""Assemble the approval hook, and run it until its process is ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from governed_ml.core.config.production.serve import Serve
from governed_ml.serving.hook.answer import HookAnswer
from governed_ml.serving.hook.github_reply import GitHubApp
from governed_ml.serving.hook.github_rule import ProtectionRuleHook
from governed_ml.serving.hook.question import ApprovalQuestion
from governed_ml.serving.hook.turn import PATIENCE, JudgementTurn

if TYPE_CHECKING:
    from fastapi import FastAPI


class Judge(Protocol):
    """Answers one question at a time."""

    def answer(self, asked: ApprovalQuestion) -> HookAnswer:
        """Return the answer; raise `Problem` if there is none now."""
        ...


def assembled(
    judge: Judge, settings: Serve, github: GitHubApp | None, patience: float = PATIENCE
) -> FastAPI:
    """Return the application; raise `Problem` if the settings do not say who may ask."""
    from governed_ml.serving.hook.routes import application
    from governed_ml.serving.http.admission import Admission
    from governed_ml.serving.http.guard import protect
    from governed_ml.serving.http.rates import Rates

    often = settings.hook.requests_per_minute
    turn = JudgementTurn(judge.answer, patience)
    rule = None
    if github is not None:
        rule = ProtectionRuleHook(github, lambda asked: turn.later(asked, 1000), patience)
    door = Admission(settings.model_copy(update={"requests_per_minute": often}))
    app = application(turn, door, Rates(often), rule)
    protect(app, settings.body_bytes, command="hook")
    return app
