"""An OIDC issuer of a test's own on loopback: real keys, and whatever else it is told to answer."""

from __future__ import annotations

import base64
import json
import threading
import time
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from governed_ml.core.config.production.serve import Serve

AUDIENCE = "loans-service"
DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"


def private_key(kind: str, number: int = 0) -> Any:
    """One of some private keys; RSA with 1024 bits is the weak one."""
    return _made(kind, number)


@cache
def _made(kind: str, number: int) -> Any:
    if kind == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind])
    bits = 1024 if kind == "weak" else 2048
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


CURVES: dict[str, ec.EllipticCurve] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
    "ES256K": ec.SECP256K1(),
}


def algorithm_of(kind: str) -> Any:
    """How PyJWT writes keys of this kind."""
    return jwt.get_algorithm_by_name("RS256" if kind == "weak" else kind)


def jwk(kind: str, kid: str | None = "one", number: int = 0, **more: Any) -> dict[str, Any]:
    """The public key, as an issuer lists it."""
    key = private_key(kind, number)
    named = {} if kid is None else {"kid": kid}
    return algorithm_of(kind).to_jwk(key.public_key(), as_dict=True) | named | more


def encoded(value: object) -> str:
    """A part of a token, without a signature."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class IssuerServer:
    """Use it with `with`. `answers` maps a path to a status, headers and a body."""

    def __init__(self) -> None:
        """Answer with one RSA key."""
        self.asked: list[str] = []
        self.open = threading.Event()  # while it is cleared, nobody gets an answer
        self.open.set()
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}

    def __enter__(self) -> Self:
        """Listen."""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                issuer.open.wait(20)
                status, headers, body = issuer.answers.get(self.path, (404, {}, b""))
                with suppress(ConnectionError):
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.publish(jwk("RS256"))
        self.discover()
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self.stop()

    def stop(self) -> None:
        """Go down."""
        self.open.set()
        self._server.shutdown()
        self._server.server_close()

    def publish(self, *keys: dict[str, Any]) -> None:
        """List these keys."""
        self.say(KEYS, {"keys": list(keys)})

    def discover(self, **changed: object) -> None:
        """Answer with a discovery document."""
        self.say(DISCOVERY, {"issuer": self.address, "jwks_uri": self.address + KEYS, **changed})

    def say(self, path: str, found: object, status: int = 200, **headers: str) -> None:
        """Answer a path with a JSON document, or with bytes as they are."""
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.answers[path] = (status, headers, body)

    def settings(self, **more: Any) -> Serve:
        """The settings of a service that trusts this issuer."""
        trusted = {"issuer": self.address, "audience": AUDIENCE}
        return Serve.model_validate({"authentication": trusted, **more})

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What a good token says; a claim that is changed to None is left out."""
        now = int(time.time())
        found: dict[str, Any] = {
            "iss": self.address,
            "aud": AUDIENCE,
            "sub": "client-1",
            "iat": now,
            "exp": now + 300,
            "scope": "model:predict model:explain",
        }
        return {name: value for name, value in (found | changed).items() if value is not None}

    def token(
        self,
        kind: str = "RS256",
        number: int = 0,
        header: dict[str, Any] | None = None,
        algorithm: str | None = None,
        **changed: Any,
    ) -> str:
        """A token that is signed with a private key, with the header `kid` "one"."""
        key = private_key(kind, number)
        headers = {"kid": "one", **(header or {})}
        shown = {name: value for name, value in headers.items() if value is not None}
        return self.signed(key, algorithm or ("RS256" if kind == "weak" else kind), shown, changed)

    def signed(
        self, key: Any, algorithm: str, header: dict[str, Any], changed: dict[str, Any]
    ) -> str:
        """A token with this header, whatever it says."""
        first = {"typ": "JWT", "alg": algorithm, **header}
        text = f"{encoded(first)}.{encoded(self.claims(**changed))}"
        by = jwt.get_algorithm_by_name(algorithm)
        return f"{text}.{encoded(by.sign(text.encode(), by.prepare_key(key)))}"
