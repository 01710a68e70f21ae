"""`serve` in `conf/config.yaml`: how `governance serve` and `governance hook` run.

No stage reads it. Both commands take it from the protected branch.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from governed_ml.core.config.closed_model import Closed, Count, Number
from governed_ml.core.config.production.hook import Hook

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


Share = Annotated[Number, Field(gt=0, lt=1)]


def is_loopback(host: str | None) -> bool:
    """Return whether only this machine reaches a host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class TokenIssuer(Closed):
    """Whose OAuth 2.0 bearer tokens count."""

    issuer: Text = Field(description="the OIDC issuer, as in the claim `iss`: an https address")
    audience: Text = Field(description="the claim `aud` that a token must have")
    jwks: Text | None = Field(
        default=None, description="where the issuer's keys are; by default its discovery says so"
    )

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        for address in filter(None, (self.issuer, self.jwks)):
            parts = urlsplit(address)
            if parts.scheme != "https" and not (
                parts.scheme == "http" and is_loopback(parts.hostname)
            ):
                raise ValueError(f"{address} is no https address")
        return self


class AlertLimits(Closed):
    """When `governance alerts` lets Prometheus raise an alert about the service itself."""

    minutes: int = Field(
        default=5,
        strict=True,
        ge=2,
        le=120,
        description="how long a fault must last; rates and shares are taken over so long, too",
    )
    error_share: Share = Field(default=0.01, description="the share of requests that fail (5xx)")
    latency_p95_seconds: Number = Field(
        default=0.5, gt=0, description="the time in which 95 % of the predictions are answered"
    )
    refused_share: Share = Field(
        default=0.05, description="the share of requests that are refused as too many (429)"
    )


class Serve(Closed):
    """The settings of `governance serve` and `governance hook`."""

    host: Text = Field(default="127.0.0.1", description="the address to listen on")
    port: int = Field(default=8000, strict=True, ge=0, le=65535, description="0: any free port")
    authentication: Literal["loopback"] | TokenIssuer | None = Field(
        default=None,
        description="whose bearer tokens count; `loopback`: nobody needs a token, and `host` must "
        "be an address of this machine only",
    )
    refresh_seconds: int = Field(
        default=30,
        strict=True,
        ge=1,
        le=300,
        description="how often the ledger is read: a version that was rolled back is served for "
        "at most so long",
    )
    offline_seconds: int = Field(
        default=3600,
        strict=True,
        ge=1,
        description="how long the service answers while the ledger's remote cannot be reached",
    )
    body_bytes: Count = Field(default=1_000_000, description="a larger body is refused")
    rows: Count = Field(default=1000, description="a request with more rows is refused")
    requests_per_minute: Count = Field(default=6000, description="the most from one client")
    rotate_bytes: Count = Field(
        default=64_000_000, description="the prediction log starts a new file at this size"
    )
    rotate_seconds: Count = Field(
        default=3600, description="the prediction log starts a new file after so long"
    )
    log_sync: bool = Field(
        default=False,
        description="wait for the disk before each answer, so that the prediction log also "
        "survives a loss of power",
    )
    subject_header: str = Field(
        default="X-Subject",
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        description="the header that names a person or account; a canary is divided by it",
    )
    hook: Hook = Field(default=Hook(), description="the settings of `governance hook`")
    alerts: AlertLimits = Field(
        default=AlertLimits(), description="the limits of alerts about the service"
    )

    @model_validator(mode="after")
    def _private(self) -> Self:
        if self.authentication == "loopback" and not is_loopback(self.host):
            raise ValueError(
                f"serve.authentication is loopback, but others can reach {self.host}: name the "
                "issuer of tokens, or set serve.host to 127.0.0.1"
            )
        return self
