"""The answer to a protection rule of an environment: a callback to GitHub, as the App.

GitHub knows `approved` and `rejected`. A version that waits for people, or that nobody can judge
now, gets a comment without a state, and the job goes on waiting.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from governed_ml.core.config.production.hook import ProtectionRule
from governed_ml.core.problem import Problem, first_line
from governed_ml.github.client import at, client, require_token, write
from governed_ml.serving.hook.answer import Result
from governed_ml.serving.hook.github_event import RULE, ProtectionRuleAsked

STATES: dict[Result, str] = {"approved": "approved", "blocked": "rejected"}
NEED = "give the App `deployments: write`, and accept that where it is installed"
COMMENT = 1000  # most characters of a comment


@dataclass(frozen=True)
class GitHubApp:
    """The App's secrets, as the variables hold them, and the repository that it answers for."""

    repository: str
    app: str | None
    secret: str = field(repr=False)
    key: str = field(repr=False)  # of the App; or, without `app`, a token

    def reply(self, asked: ProtectionRuleAsked, run: int, result: Result | None, why: str) -> None:
        """Tell GitHub; raise `Problem` if it does not take it. Without a result, only comment."""
        path = f"/repos/{self.repository}/actions/runs/{run}/{RULE}"
        body = {"environment_name": asked.environment, "comment": why[:COMMENT]}
        body |= {"state": STATES[result]} if result in STATES else {}
        with client(self._auth(asked.installation)) as github:
            write(f"the environment of run {run}", at(github, path, "POST", body), NEED)

    def _auth(self, installation: int | None) -> Any:
        if self.app is None:
            return self.key
        if installation is None:
            raise Problem("GitHub's event names no installation: send it as a GitHub App's webhook")
        from githubkit import AppInstallationAuthStrategy

        return AppInstallationAuthStrategy(
            self.app,
            self.key,
            installation,
            repositories=[self.repository.partition("/")[2]],
            permissions={"deployments": "write"},
        )


def github_app(rule: ProtectionRule, repository: str) -> GitHubApp:
    """Read the App's secrets from the variables; raise `Problem` if one is not usable."""
    secret, key = _variable(rule.secret), _variable(rule.key or rule.token or "")
    if rule.app is None:
        require_token(key, f"the environment variable {(rule.token or '').removeprefix('env:')}")
    else:
        _require_private(key, rule)
    return GitHubApp(repository, rule.app, secret, key)


def _variable(named: str) -> str:
    name = named.removeprefix("env:")
    found = os.environ.get(name, "").strip()
    if not found:
        raise Problem(f"serve.hook.github: the environment variable {name} is not set: set it")
    return found


def _require_private(key: str, rule: ProtectionRule) -> None:
    import jwt

    try:
        jwt.encode({"iss": rule.app}, key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError) as error:
        name = (rule.key or "").removeprefix("env:")
        raise Problem(
            f"serve.hook.github: the environment variable {name} holds no private key of a GitHub "
            f"App ({first_line(error, 80)}): set it to the content of its .pem file"
        ) from error
