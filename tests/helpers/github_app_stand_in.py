"""A GitHub App on the GitHub for tests: its tokens, and its answers to deployment protection rules.

Its client ID is `Iv1.hook`; the public half of its key is in `key` of the stand-in's `app`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from github_stand_in import Asked, GitHubStandIn

CLIENT = "Iv1.hook"
TOKENS = r"/app/installations/(\d+)/access_tokens"
RULES = r"/repos/([^/]+/[^/]+)/actions/runs/(\d+)/deployment_protection_rule"


@dataclass
class StandInApp:
    """What the App has on this GitHub."""

    key: bytes | None = None
    installation: int = 77
    reviews: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


def token_for(stand_in: GitHubStandIn, asked: Asked) -> tuple[int, Any] | None:
    """`apps/create-installation-access-token`, which the App itself asks with a JWT."""
    import jwt

    found = re.fullmatch(TOKENS, asked.path)
    if not found or asked.method != "POST":
        return None
    kind, _, given = asked.headers.get("authorization", "").partition(" ")
    try:
        claims = jwt.decode(given, stand_in.app.key or b"", algorithms=["RS256"])
    except jwt.PyJWTError:
        return 401, {"message": "A JSON web token could not be decoded"}
    if kind != "Bearer" or claims.get("iss") != CLIENT or claims["exp"] - claims["iat"] > 600:
        return 401, {"message": "Bad credentials"}
    if int(found[1]) != stand_in.app.installation:
        return 404, {"message": "Not Found"}
    stand_in.others.add("ghs_of_the_app")
    made = {"token": "ghs_of_the_app", "expires_at": "2099-01-01T00:00:00Z"}
    return 201, made | {"permissions": {"deployments": "write"}, "repository_selection": "selected"}


def review(
    stand_in: GitHubStandIn, method: str, path: str, sent: dict[str, Any]
) -> tuple[int, Any] | None:
    """`actions/review-custom-gates-for-run`."""
    found = re.fullmatch(RULES, path)
    if not found or method != "POST" or found[1] != stand_in.repository:
        return None
    stand_in.app.reviews.append((int(found[2]), sent))
    return 204, None
