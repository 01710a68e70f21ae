"""Assemble the approval hook, and run it until its process is ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from governed_ml.core.config.production.serve import Serve
from governed_ml.github.client import repository
from governed_ml.registry.versions import Registry
from governed_ml.serving.app.process import listening, run, settings_of
from governed_ml.serving.hook.answer import HookAnswer
from governed_ml.serving.hook.github_reply import GitHubApp, github_app
from governed_ml.serving.hook.github_rule import ProtectionRuleHook
from governed_ml.serving.hook.judge import ApprovalJudge
from governed_ml.serving.hook.question import ApprovalQuestion
from governed_ml.serving.hook.routes import HookRoutes, application
from governed_ml.serving.hook.turn import PATIENCE, JudgementTurn
from governed_ml.serving.hook.verified_bundles import VerifiedBundles
from governed_ml.serving.http.admission import Admission
from governed_ml.serving.http.guard import protect
from governed_ml.serving.http.rates import Rates

if TYPE_CHECKING:
    from starlette.applications import Starlette

MOST_EVENTS = 1000  # of GitHub that wait; it does not send them again by itself


class Judge(Protocol):
    """Answers one question at a time."""

    def answer(self, asked: ApprovalQuestion) -> HookAnswer:
        """Return the answer; raise `Problem` if there is none now."""
        ...


def start(
    base: Path, registry: Registry, *, host: str | None = None, port: int | None = None
) -> None:
    """Answer other tools until the process is ended.

    Raise `Problem` if the settings do not allow it, a secret is missing, or the address cannot be
    had.
    """
    settings = settings_of(base, host=host)
    rule = settings.hook.github
    github = None if rule is None else github_app(rule, repository(base))
    with VerifiedBundles() as bundles:
        app = assembled(ApprovalJudge(base, registry, bundles), settings, github)
        where = listening(settings.host, settings.hook.port if port is None else port)
        address, chosen = where.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        print(f"answering for {registry.name} on http://{shown}:{chosen}", flush=True)
        run(app, where)


def assembled(
    judge: Judge, settings: Serve, github: GitHubApp | None, patience: float = PATIENCE
) -> Starlette:
    """Return the application; raise `Problem` if the settings do not say who may ask."""
    often = settings.hook.requests_per_minute
    turn = JudgementTurn(judge.answer, patience)
    rule = None
    if github is not None:
        rule = ProtectionRuleHook(github, lambda asked: turn.later(asked, MOST_EVENTS), patience)
    admission = Admission(settings.model_copy(update={"requests_per_minute": often}))
    app = application(HookRoutes(turn, admission, Rates(often), rule))
    protect(app, settings.body_bytes, command="hook")
    return app
