"""Read the public keys of the issuer of tokens: its discovery document, then its key set."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from governed_ml.core.config.production.serve import TokenIssuer, is_loopback
from governed_ml.core.problem import cause

DISCOVERY = "/.well-known/openid-configuration"
TIMEOUT, LONGEST = 5.0, 10.0  # seconds without a byte, and for a whole document
MOST_BYTES, MOST_KEYS = 1_000_000, 200
SHORTEST_RSA = 2048  # bits

RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ALGORITHMS: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""Kind of key and its curve → the algorithms that it verifies. None of them has a shared secret."""
PRIVATE = frozenset({"d", "p", "q", "k"})  # members of a key that is not public


class KeysUnreadable(Exception):
    """The issuer's keys cannot be read. The message is for the log."""


@dataclass(frozen=True)
class IssuerKey:
    """A public key of the issuer, and what it may verify."""

    kid: str | None
    algorithms: tuple[str, ...]
    key: Any


def read_keys(issuer: TokenIssuer) -> tuple[IssuerKey, ...]:
    """Ask the issuer for its keys. It takes long where the issuer is slow: call it in a thread."""
    listed = _document(issuer.jwks or _discovered(issuer)).get("keys")
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise KeysUnreadable(f"its key set has no list of at most {MOST_KEYS} keys")
    found = tuple(key for one in listed if (key := _usable(one)))
    if not found:
        raise KeysUnreadable("its key set has no public key that verifies signatures")
    return found


def _discovered(issuer: TokenIssuer) -> str:
    document = _document(issuer.issuer.rstrip("/") + DISCOVERY)
    if document.get("issuer") != issuer.issuer:
        raise KeysUnreadable("its discovery document names another issuer")
    address = document.get("jwks_uri")
    parts = urlsplit(address if isinstance(address, str) else "")
    here = is_loopback(urlsplit(issuer.issuer).hostname) and is_loopback(parts.hostname)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and here)):
        raise KeysUnreadable("its discovery document names no https address of keys")
    return str(address)


def _document(address: str) -> dict[str, Any]:
    """Read a JSON object; follow no redirect, and read no endless answer."""
    request = urllib.request.Request(address, headers={"accept": "application/json"})  # noqa: S310 - https, or loopback
    proxies = {} if is_loopback(urlsplit(address).hostname) else None  # None: as the environment
    handlers = [urllib.request.ProxyHandler(proxies), NoRedirect()]
    end, content = time.monotonic() + LONGEST, b""
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT) as answer:
            while part := answer.read1(65536):
                content += part
                if len(content) > MOST_BYTES or time.monotonic() > end:
                    raise KeysUnreadable(f"{address} is too large or too slow")
        found = json.loads(content)
    except urllib.error.HTTPError as error:
        with error:
            raise KeysUnreadable(f"{address} answered {error.code}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        why = cause(reason) if isinstance(reason, Exception) else str(reason)
        raise KeysUnreadable(f"{address} cannot be read: {why}") from error
    except (ValueError, RecursionError):
        raise KeysUnreadable(f"{address} is no JSON") from None
    if not isinstance(found, dict):
        raise KeysUnreadable(f"{address} is no JSON object")
    return found


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it could lead to an address that is not encrypted."""

    def redirect_request(self, *_given: Any, **_more: Any) -> None:
        """Say that there is no next request."""


def _usable(one: Any) -> IssuerKey | None:
    """Return a key that verifies signatures, or None. A private key that is published is none."""
    import jwt

    if not isinstance(one, dict) or PRIVATE & one.keys() or one.get("use", "sig") != "sig":
        return None
    kind, kid, named = one.get("kty"), one.get("kid"), one.get("alg")
    curve = None if kind == "RSA" else one.get("crv")
    fitting = (many for known, many in ALGORITHMS.items() if known == (kind, curve))
    algorithms = tuple(each for each in next(fitting, ()) if named in (None, each))
    operations = one.get("key_ops", ["verify"])
    verifies = isinstance(operations, list) and "verify" in operations
    if not algorithms or not verifies or not (kid is None or isinstance(kid, str)):
        return None
    try:
        key = jwt.PyJWK(one, algorithms[0]).key
    except jwt.PyJWTError:
        return None
    short = kind == "RSA" and key.key_size < SHORTEST_RSA
    return None if short else IssuerKey(kid, algorithms, key)
