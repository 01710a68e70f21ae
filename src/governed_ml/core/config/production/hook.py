"""`serve.hook` in `conf/config.yaml`: how `governance hook` answers other tools.

Secrets are in environment variables; the configuration has only their names.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from governed_ml.core.config.closed_model import Closed, Count

Variable = Annotated[str, StringConstraints(pattern=r"^env:[A-Za-z_][A-Za-z0-9_]*$")]


class ProtectionRule(Closed):
    """The GitHub App as which the hook answers the protection rule of an environment."""

    secret: Variable = Field(
        description="the webhook's secret: the NAME of an environment variable, as env:NAME"
    )
    app: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="the App's client ID, for which `key` makes a token for each answer",
    )
    key: Variable | None = Field(
        default=None, description="the App's private key (PEM), in a variable: env:NAME"
    )
    token: Variable | None = Field(
        default=None,
        description="instead of `app` and `key`: an installation's token, in a variable, which "
        "somebody renews every hour",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.app is None) != (self.key is None) or (self.app is None) == (self.token is None):
            raise ValueError("give either app and key, or token")
        return self


class Hook(Closed):
    """The settings of `governance hook`, which also has `host` and `authentication` of `serve`."""

    port: int = Field(default=8001, strict=True, ge=0, le=65535, description="0: any free port")
    requests_per_minute: Count = Field(default=60, description="the most from one client")
    github: ProtectionRule | None = Field(
        default=None, description="the protection rule of an environment on GitHub to answer"
    )
