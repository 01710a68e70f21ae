"""Bearer tokens (RFC 6750): take one from the headers, verify it, and read its claims.

No message repeats a part of a token.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from governed_ml.serving.http.issuer import ALGORITHMS
from governed_ml.serving.http.problems import RequestRefused

if TYPE_CHECKING:
    from governed_ml.core.config.production.serve import TokenIssuer

LONGEST_TOKEN, LONGEST_SUBJECT = 8192, 255  # characters
LEEWAY = 30  # seconds that clocks may differ
REQUIRED = ["exp", "aud", "iss", "sub"]
TYPES = {"jwt", "at+jwt", "application/at+jwt"}  # an access token's header `typ`, if it has one
ALLOWED = sorted({one for many in ALGORITHMS.values() for one in many})
EMPTY = "e30"  # {}; decoding the claims takes long, and happens when they are verified
TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def bearer_token(authorization: Sequence[str]) -> str:
    """Return the token of the request's `Authorization` headers."""
    if len(authorization) > 1:
        challenge = {"www-authenticate": 'Bearer error="invalid_request"'}
        detail = "the request has more than one Authorization header"
        raise RequestRefused(400, "malformed-request", detail, headers=challenge)
    scheme, _, token = (authorization[0] if authorization else "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token:
        challenge = {"www-authenticate": 'Bearer realm="model"'}
        raise RequestRefused(401, "unauthorized", "a bearer token is needed", headers=challenge)
    if len(token) > LONGEST_TOKEN:
        raise invalid(f"the token is longer than {LONGEST_TOKEN:,} characters")
    if not TOKEN.fullmatch(token):
        raise invalid("the token is no signed JWT")
    return token


def header_of(token: str) -> tuple[str | None, str]:
    """Return the key's id and the algorithm that a token names. Nothing is verified yet.

    Keys and addresses of keys in the header (`jwk`, `jku`, `x5u`, `x5c`) have no effect.
    """
    import jwt

    try:
        header = jwt.get_unverified_header(f"{token.partition('.')[0]}.{EMPTY}.{EMPTY}")
    except jwt.PyJWTError:
        raise invalid("the token's header is malformed") from None
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    if algorithm not in ALLOWED:
        raise invalid("the token's algorithm is not allowed")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise invalid("the token is no access token")
    return header.get("kid"), algorithm


def claims_of(
    token: str, key: Any, algorithm: str, issuer: TokenIssuer
) -> tuple[str, dict[str, Any]]:
    """Verify a token with a key; return its subject and its claims."""
    import jwt

    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=issuer.audience,
            issuer=issuer.issuer,
            leeway=LEEWAY,
            options={"require": REQUIRED, "enforce_minimum_key_length": True},
        )
    except jwt.PyJWTError as error:
        raise invalid(_why(error)) from None
    times = [claims[name] for name in ("exp", "nbf", "iat") if name in claims]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in times):
        raise invalid("the token has a time that is no number")
    subject = claims["sub"]
    if not subject.strip() or len(subject) > LONGEST_SUBJECT:
        raise invalid(f"the token's sub is empty or longer than {LONGEST_SUBJECT} characters")
    return subject, claims


def granted(claims: dict[str, Any]) -> frozenset[str]:
    """Return a token's scopes: the text `scope`, or else `scp`, a text or a list of texts."""
    given = claims.get("scope", claims.get("scp"))
    listed = given.split(" ") if isinstance(given, str) else given
    if "scope" in claims and not isinstance(given, str):
        return frozenset()
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        return frozenset()
    return frozenset(filter(None, listed))


def invalid(detail: str) -> RequestRefused:
    """Return the refusal of a token."""
    challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
    return RequestRefused(401, "invalid-token", detail, headers=challenge)


def _why(error: Exception) -> str:
    """Return what is wrong with a token, in words that do not depend on what is in it."""
    import jwt
    from jwt.exceptions import InvalidSubjectError

    reasons: list[tuple[type[Exception], str]] = [
        (jwt.ExpiredSignatureError, "the token has expired"),
        (jwt.ImmatureSignatureError, "the token is not valid yet"),
        (jwt.InvalidAudienceError, "the token is for another audience"),
        (jwt.InvalidIssuerError, "the token is from another issuer"),
        (jwt.MissingRequiredClaimError, f"the token lacks one of {', '.join(REQUIRED)}"),
        (InvalidSubjectError, "the token's sub is no text"),
        (jwt.InvalidSignatureError, "the token's signature is wrong"),
    ]
    found = (reason for kind, reason in reasons if isinstance(error, kind))
    return next(found, "the token is malformed")
