"""Bearer tokens: who is admitted, and the exact answer to every token that is not good."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest
from asgi_calls import LOOPBACK, Answered, ask, asked, http_scope
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI, Request
from issuer_server import AUDIENCE, DISCOVERY, KEYS, IssuerServer, encoded, jwk, private_key

from governed_ml.core.config.production.serve import Serve
from governed_ml.core.problem import Problem
from governed_ml.serving.http.admission import Admission
from governed_ml.serving.http.auth import EXPLAIN, PREDICT, READ, Authenticator
from governed_ml.serving.http.guard import protect

HERE = ("host", "127.0.0.1:8000")


@pytest.fixture(scope="module")
def issuer() -> Generator[IssuerServer]:
    """An issuer that is not changed."""
    with IssuerServer() as server:
        server.publish(*(jwk(kind, kind) for kind in KINDS), jwk("RS256"), jwk("weak", "weak"))
        yield server


@pytest.fixture
def own() -> Generator[IssuerServer]:
    """An issuer for one test, to be changed."""
    with IssuerServer() as server:
        yield server


def service(settings: Serve) -> FastAPI:
    """A service with one route for each scope."""
    app = FastAPI(docs_url=None, redoc_url=None)
    admission = Admission(settings)

    @app.post("/predict")
    async def predict(request: Request, explain: bool = False) -> dict[str, str | None]:
        client = await admission.admit(request, PREDICT, *([EXPLAIN] if explain else []))
        await request.body()
        return {"subject": client.subject}

    @app.get("/model")
    async def model(request: Request) -> dict[str, str | None]:
        return {"subject": (await admission.admit(request, READ)).subject}

    protect(app, body_bytes=1000)
    return app


@pytest.fixture(scope="module")
def app(issuer: IssuerServer) -> FastAPI:
    return service(issuer.settings())


def predict(app: FastAPI, *tokens: str, scheme: str = "Bearer", query: str = "") -> Answered:
    """Ask for a prediction with these tokens."""
    headers = [("authorization", f"{scheme} {token}") for token in tokens]
    json_type = ("content-type", "application/json")
    found = ask(app, "POST", f"/predict{query}", [*headers, json_type], [b"{}"])
    assert not any(
        part in str(found) for token in tokens for part in token.split(".") if len(part) > 4
    )
    return found


KINDS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_token_is_admitted(kind: str, app: FastAPI, issuer: IssuerServer) -> None:
    # Given a token that the issuer signed by an asymmetric algorithm, when it is shown
    found = predict(app, issuer.token(kind, header={"kid": kind}))
    # Then its subject is known
    assert (found.status, json.loads(found.body)) == (200, {"subject": "client-1"})


Make = Callable[[IssuerServer], str]
LATER = 10**6


def forged(server: IssuerServer, header: dict[str, Any], **changed: Any) -> str:
    """A token with a signature of nobody."""
    return f"{encoded(header)}.{encoded(server.claims(**changed))}.{encoded(b'nobody')}"


def with_public_key_as_secret(server: IssuerServer) -> str:
    """HS256 with the issuer's public key, which everybody knows."""
    public = private_key("RS256").public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{encoded({'alg': 'HS256', 'kid': 'one'})}.{encoded(server.claims())}"
    return f"{text}.{encoded(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def with_own_key(**header: Any) -> Make:
    """A token that brings, or points at, the key it is signed with."""
    return lambda server: server.token("RS256", number=7, header=header)


def resigned(server: IssuerServer) -> str:
    """A good token whose claims were changed afterwards."""
    head, _, signature = server.token().split(".")
    return f"{head}.{encoded(server.claims(sub='somebody-else'))}.{signature}"


INVALID: dict[str, tuple[Make, str]] = {
    "wrong signature": (lambda s: s.token("RS256", number=7), "the token's signature is wrong"),
    "changed claims": (resigned, "the token's signature is wrong"),
    "no signature": (lambda s: s.token().rpartition(".")[0] + ".", "the token is no signed JWT"),
    "signature in another encoding": (lambda s: s.token() + "=", "the token is no signed JWT"),
    "two parts": (lambda s: s.token().rpartition(".")[0], "the token is no signed JWT"),
    "five parts, as encrypted ones": (lambda s: "head.wrapped.iv1.cipher.tag1",
        "the token is no signed JWT"),
    "no token at all": (lambda s: "hello", "the token is no signed JWT"),
    "a token and more": (lambda s: s.token() + " more", "the token is no signed JWT"),
    "characters of nobody": (lambda s: "é" + s.token(), "the token is no signed JWT"),
    "header that is no JSON": (lambda s: "e30x.e30.e30", "the token's header is malformed"),
    "header that is a list": (lambda s: f"{encoded([])}.e30.e30",
        "the token's header is malformed"),
    "header nested without end": (
        lambda s: f"{encoded(b'[' * 5000)}.e30.e30", "the token's header is malformed"),
    "alg none": (lambda s: forged(s, {"alg": "none"}), "the token's algorithm is not allowed"),
    "alg NONE": (lambda s: forged(s, {"alg": "NoNe"}), "the token's algorithm is not allowed"),
    "no alg": (lambda s: forged(s, {"kid": "one"}), "the token's algorithm is not allowed"),
    "alg is a list": (lambda s: forged(s, {"alg": ["RS256"]}),
        "the token's algorithm is not allowed"),
    "HS256 with the public key": (with_public_key_as_secret,
        "the token's algorithm is not allowed"),
    "a curve of coins": (lambda s: s.token("ES256K"), "the token's algorithm is not allowed"),
    "RS256 with a key for ES256": (lambda s: s.token("RS256", header={"kid": "ES256"}),
        "no key of the issuer fits the token"),
    "key of 1024 bits": (lambda s: s.token("weak", header={"kid": "weak"}),
        "no key of the issuer fits the token"),
    "unknown kid": (lambda s: s.token(header={"kid": "two"}),
        "no key of the issuer fits the token"),
    "no kid, and many keys": (lambda s: s.token(header={"kid": None}),
        "no key of the issuer fits the token"),
    "kid of another folder": (lambda s: s.token(header={"kid": "../../../../dev/null"}),
        "no key of the issuer fits the token"),
    "kid as SQL": (lambda s: s.token(header={"kid": "' OR '1'='1"}),
        "no key of the issuer fits the token"),
    "kid is a number": (lambda s: s.token(header={"kid": 1}), "the token's header is malformed"),
    "brings its key": (with_own_key(jwk=jwk("RS256", number=7)), "the token's signature is wrong"),
    "points at its keys": (with_own_key(jku="http://127.0.0.1:1/keys"),
        "the token's signature is wrong"),
    "points at its certificate": (with_own_key(x5u="http://127.0.0.1:1/key.pem"),
        "the token's signature is wrong"),
    "brings its certificate": (with_own_key(x5c=["MIIB"]), "the token's signature is wrong"),
    "unknown critical header": (lambda s: s.token(header={"crit": ["exp"], "exp": 1}),
        "the token's header is malformed"),
    "detached claims": (lambda s: s.token(header={"crit": ["b64"], "b64": False}),
        "the token's header is malformed"),
    "a logout token": (lambda s: s.token(header={"typ": "logout+jwt"}),
        "the token is no access token"),
    "typ is a number": (lambda s: s.token(header={"typ": 1}), "the token is no access token"),
    "expired": (lambda s: s.token(exp=int(time.time()) - 31), "the token has expired"),
    "expired long ago, as text": (lambda s: s.token(exp="1"), "the token has expired"),
    "no exp": (lambda s: s.token(exp=None), "the token lacks one of exp, aud, iss, sub"),
    "exp as text": (lambda s: s.token(exp=str(LATER**2)), "the token has a time that is no number"),
    "exp without end": (lambda s: s.token(exp=float("inf")), "the token is malformed"),
    "exp is true": (lambda s: s.token(exp=True), "the token has expired"),
    "nbf to come": (lambda s: s.token(nbf=int(time.time()) + 60), "the token is not valid yet"),
    "nbf is true": (lambda s: s.token(nbf=True), "the token has a time that is no number"),
    "iat to come": (lambda s: s.token(iat=int(time.time()) + 60), "the token is not valid yet"),
    "no aud": (lambda s: s.token(aud=None), "the token lacks one of exp, aud, iss, sub"),
    "other aud": (lambda s: s.token(aud="other"), "the token is for another audience"),
    "aud begins alike": (lambda s: s.token(aud=AUDIENCE + "-2"),
        "the token is for another audience"),
    "other auds": (lambda s: s.token(aud=["a", "b"]), "the token is for another audience"),
    "no auds": (lambda s: s.token(aud=[]), "the token lacks one of exp, aud, iss, sub"),
    "auds of other types": (lambda s: s.token(aud=[AUDIENCE, 1]),
        "the token is for another audience"),
    "aud is an object": (lambda s: s.token(aud={AUDIENCE: 1}), "the token is for another audience"),
    "no iss": (lambda s: s.token(iss=None), "the token lacks one of exp, aud, iss, sub"),
    "other iss": (lambda s: s.token(iss="https://issuer.example"),
        "the token is from another issuer"),
    "iss with a slash": (lambda s: s.token(iss=s.address + "/"),
        "the token is from another issuer"),
    "iss is a list": (lambda s: s.token(iss=[s.address]), "the token is from another issuer"),
    "no sub": (lambda s: s.token(sub=None), "the token lacks one of exp, aud, iss, sub"),
    "sub is a number": (lambda s: s.token(sub=1), "the token's sub is no text"),
    "sub is empty": (lambda s: s.token(sub=" "),
        "the token's sub is empty or longer than 255 characters"),
    "sub without end": (lambda s: s.token(sub="x" * 256),
        "the token's sub is empty or longer than 255 characters"),
    "8 kB": (lambda s: s.token(note="x" * 8192), "the token is longer than 8,192 characters"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
def test_a_token_that_is_not_good_is_refused(case: str, app: FastAPI, issuer: IssuerServer) -> None:
    # Given a token with one fault, when it is shown, then the answer says which it is
    make, detail = INVALID[case]
    found = predict(app, make(issuer))
    assert (found.status, found.kind, found.document["detail"]) == (401, "invalid-token", detail)
    assert found.headers["www-authenticate"] == 'Bearer error="invalid_token"'


GOOD: dict[str, Make] = {
    "one of several audiences": lambda s: s.token(aud=["other", AUDIENCE]),
    "expired within the leeway": lambda s: s.token(exp=int(time.time()) - 5),
    "nbf within the leeway": lambda s: s.token(nbf=int(time.time()) + 5),
    "no iat": lambda s: s.token(iat=None),
    "exp with a fraction": lambda s: s.token(exp=time.time() + 60.5),
    "no typ": lambda s: s.token(header={"typ": None}),
    "the type of RFC 9068": lambda s: s.token(header={"typ": "at+JWT"}),
    "scp as a list": lambda s: s.token(scope=None, scp=["openid", PREDICT]),
    "scp as a text": lambda s: s.token(scope=None, scp=f"openid {PREDICT}"),
    "more scopes": lambda s: s.token(scope=f"openid  {PREDICT} "),
    "claims of others": lambda s: s.token(roles=[{"name": "x"}], groups=None, azp="app"),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_issuers_do_differently_is_taken(
    case: str, app: FastAPI, issuer: IssuerServer
) -> None:
    assert predict(app, GOOD[case](issuer)).status == 200


SCOPES: dict[str, dict[str, Any]] = {
    "none": {"scope": None},
    "empty": {"scope": ""},
    "another": {"scope": READ},
    "begins alike": {"scope": "model:predictions"},
    "upper case": {"scope": "MODEL:PREDICT"},
    "divided by commas": {"scope": "model:explain,model:predict"},
    "list of objects": {"scope": [{"name": PREDICT}]},
    "list in scope": {"scope": [PREDICT]},
    "object": {"scope": {PREDICT: True}},
    "roles": {"scope": None, "roles": [PREDICT], "role": "admin"},
    "scp of objects": {"scope": None, "scp": [{"value": PREDICT}, PREDICT]},
    "scp beside scope": {"scope": "openid", "scp": [PREDICT]},
}


@pytest.mark.parametrize("case", SCOPES)
def test_a_token_without_the_scope_is_refused(
    case: str, app: FastAPI, issuer: IssuerServer
) -> None:
    # Given a good token of which the scope is missing, or said in a form that does not count
    found = predict(app, issuer.token(**SCOPES[case]))
    # Then the answer names the scope that is needed
    assert (found.status, found.kind) == (403, "insufficient-scope")
    assert found.document["detail"] == "the token lacks the scope model:predict"
    challenge = 'Bearer error="insufficient_scope", scope="model:predict"'
    assert found.headers["www-authenticate"] == challenge


def test_more_than_one_scope_may_be_needed(app: FastAPI, issuer: IssuerServer) -> None:
    # Given a token for predictions only, when an explanation is asked for, too
    found = predict(app, issuer.token(scope=PREDICT), query="?explain=true")
    # Then the scope that is missing is told, and those that are needed
    assert found.document["detail"] == "the token lacks the scope model:explain"
    assert 'scope="model:predict model:explain"' in found.headers["www-authenticate"]
    assert predict(app, issuer.token(), query="?explain=true").status == 200
    # And a token for predictions does not open what others read
    bearer = ("authorization", f"Bearer {issuer.token()}")
    assert ask(app, "GET", "/model", [bearer]).status == 403


def test_a_request_without_a_token_is_told_what_it_needs(
    app: FastAPI, issuer: IssuerServer
) -> None:
    # Given requests without a bearer token, when they arrive, then no fault of a token is named
    query = f"?access_token={issuer.token()}"
    for found in (
        predict(app),
        predict(app, query=query),
        predict(app, "dXNlcjpzZWNyZXQ", scheme="Basic"),
        predict(app, ""),
        ask(app, "POST", "/predict", [("cookie", f"access_token={issuer.token()}")]),
    ):
        assert (found.status, found.kind) == (401, "unauthorized")
        assert found.headers["www-authenticate"] == 'Bearer realm="model"'


def test_the_scheme_may_be_written_in_any_case(app: FastAPI, issuer: IssuerServer) -> None:
    assert predict(app, issuer.token(), scheme="bearer").status == 200
    assert predict(app, issuer.token(), scheme="BEARER").status == 200


def test_two_tokens_are_no_token(app: FastAPI, issuer: IssuerServer) -> None:
    # Given a request with two tokens, good as they may be, when it arrives, then none is taken
    found = predict(app, issuer.token(), issuer.token())
    assert (found.status, found.kind) == (400, "malformed-request")
    assert found.headers["www-authenticate"] == 'Bearer error="invalid_request"'


def test_no_mutation_of_a_token_is_admitted_or_breaks_anything(
    app: FastAPI, issuer: IssuerServer
) -> None:
    # Given a good token, when any of its characters is another one, or is missing
    good = issuer.token("ES256", header={"kid": "ES256"})
    for place in range(0, len(good), 3):
        for other in ("", ".", "A", "z", "-"):
            changed = good[:place] + other + good[place + 1 :]
            # Then it is refused as a token, and never as an error of the service
            if changed != good:
                found = ask(app, "GET", "/model", [("authorization", f"Bearer {changed}")])
                assert found.kind == "invalid-token", (place, other)


BAD_KEYS: dict[str, Callable[[IssuerServer], object]] = {
    "web page": lambda s: s.say(KEYS, b"<html>Please log in</html>"),
    "list": lambda s: s.say(KEYS, []),
    "no keys": lambda s: s.say(KEYS, {}),
    "empty": lambda s: s.publish(),
    "keys as an object": lambda s: s.say(KEYS, {"keys": {"one": jwk("RS256")}}),
    "keys of no kind": lambda s: s.say(KEYS, {"keys": [1, None, "x", [], {}, {"kty": []}]}),
    "nested without end": lambda s: s.say(KEYS, b'{"keys":' + b"[" * 100_000),
    "no UTF-8": lambda s: s.say(KEYS, b'{"keys": "\xff"}'),
    "10,000 keys": lambda s: s.publish(*[jwk("RS256")] * 10_000),
    "201 keys": lambda s: s.publish(*[jwk("ES256")] * 201),
    "an error": lambda s: s.say(KEYS, {}, status=500),
    "not found": lambda s: s.answers.pop(KEYS),
    "elsewhere": lambda s: s.say(KEYS, b"", status=302, location="/elsewhere"),
    "a shared secret": lambda s: s.publish({"kty": "oct", "k": "c2VjcmV0", "kid": "one"}),
    "private": lambda s: s.publish(jwk("RS256") | {"d": "AQAB"}),
    "weak": lambda s: s.publish(jwk("weak")),
    "for encryption": lambda s: s.publish(jwk("RS256", use="enc")),
    "for signing only": lambda s: s.publish(jwk("RS256", key_ops=["sign"])),
    "for an algorithm with a secret": lambda s: s.publish(jwk("RS256", alg="HS256")),
    "half": lambda s: s.publish({"kty": "RSA", "n": "AQAB", "kid": "one"}),
    "of other types": lambda s: s.publish({"kty": "RSA", "n": 5, "e": [], "kid": "one"}),
    "no point of the curve": lambda s: s.publish(jwk("ES256") | {"x": "AQAB"}),
    "kid is a number": lambda s: s.publish(jwk("RS256") | {"kid": 1}),
    "no discovery": lambda s: s.answers.pop(DISCOVERY),
    "discovery of another issuer": lambda s: s.discover(issuer="https://issuer.example"),
    "discovery with a slash": lambda s: s.discover(issuer=s.address + "/"),
    "keys not encrypted": lambda s: s.discover(jwks_uri="http://issuer.example/keys"),
    "keys in a file": lambda s: s.discover(jwks_uri="file:///etc/passwd"),
    "keys without a host": lambda s: s.discover(jwks_uri="https:///keys"),
    "no address of keys": lambda s: s.discover(jwks_uri=None),
    "down": lambda s: s.stop(),
}


@pytest.mark.parametrize("case", BAD_KEYS)
def test_keys_that_cannot_be_read_are_no_error_and_no_admission(
    case: str, own: IssuerServer
) -> None:
    # Given an issuer whose keys cannot be had, when a good token is shown
    token = own.token()
    BAD_KEYS[case](own)
    found = predict(service(own.settings()), token)
    # Then the client is told to come again, and nothing about the issuer
    assert (found.status, found.kind) == (503, "keys-unavailable")
    assert 1 <= int(found.headers["retry-after"]) <= 10
    assert own.address not in str(found)
    assert "/elsewhere" not in own.asked


def test_a_good_key_among_bad_ones_is_used(own: IssuerServer) -> None:
    # Given keys of which one is good, and an RSA and an EC key of the same name
    own.publish({"kty": "?"}, jwk("weak", "one"), jwk("ES256"), jwk("RS256", alg="RS256"))
    app = service(own.settings())
    assert predict(app, own.token()).status == 200
    assert predict(app, own.token("ES256")).status == 200
    # When another algorithm than the key's is used, then it is refused, though the key would do
    assert predict(app, own.token("RS256", algorithm="PS256")).status == 401


def test_a_token_may_name_no_key_where_there_is_one(own: IssuerServer) -> None:
    own.publish(jwk("RS256", kid=None))
    assert predict(service(own.settings()), own.token(header={"kid": None})).status == 200


def test_the_address_of_keys_may_be_set(own: IssuerServer) -> None:
    # Given an issuer without discovery, when the settings name its keys, then they are read there
    own.answers.pop(DISCOVERY)
    trusted = {"issuer": own.address, "audience": AUDIENCE, "jwks": own.address + KEYS}
    app = service(Serve.model_validate({"authentication": trusted}))
    assert predict(app, own.token()).status == 200
    assert own.asked == [KEYS]


def test_a_service_that_is_not_told_who_may_ask_does_not_start() -> None:
    with pytest.raises(Problem, match=r"serve\.authentication is not set in conf/config\.yaml"):
        Authenticator(Serve())


LOCAL: dict[str, tuple[tuple[str, int] | None, list[tuple[str, str]], int]] = {
    "by number": (LOOPBACK, [HERE], 200),
    "by name": (LOOPBACK, [("host", "localhost:8000")], 200),
    "by name, without a port": (LOOPBACK, [("host", "LOCALHOST")], 200),
    "IPv6": (("::1", 5), [("host", "[::1]:8000")], 200),
    "IPv4 in IPv6": (("::ffff:127.0.0.1", 5), [HERE], 200),
    "a token that nobody needs": (LOOPBACK, [HERE, ("authorization", "Bearer x")], 200),
    "another machine": (("10.0.0.7", 5), [HERE], 403),
    "another machine, IPv4 in IPv6": (("::ffff:10.0.0.7", 5), [HERE], 403),
    "no address": (None, [HERE], 403),
    "a socket file": (("/run/x", 5), [HERE], 403),
    "a proxy's client": (LOOPBACK, [HERE, ("x-forwarded-for", "10.0.0.7")], 403),
    "a proxy's client, RFC 7239": (LOOPBACK, [HERE, ("forwarded", "for=127.0.0.1")], 403),
    "a web page's name": (LOOPBACK, [("host", "evil.example:8000")], 421),
    "a name that begins alike": (LOOPBACK, [("host", "localhost.evil.example")], 421),
    "a name that ends alike": (LOOPBACK, [("host", "evil.example/localhost")], 421),
    "a user at a name": (LOOPBACK, [("host", "localhost@evil.example")], 421),
    "a name and a fragment": (LOOPBACK, [("host", "localhost#evil.example")], 421),
    "a number that is no address": (LOOPBACK, [("host", "127.0.0.1.evil.example")], 421),
    "all addresses": (LOOPBACK, [("host", "0.0.0.0:8000")], 421),
    "a port that is none": (LOOPBACK, [("host", "localhost:x")], 421),
    "an address that is none": (LOOPBACK, [("host", "[::1")], 421),
    "no host": (LOOPBACK, [], 421),
    "two hosts": (LOOPBACK, [HERE, ("host", "evil.example")], 421),
}


@pytest.mark.parametrize("case", LOCAL)
def test_without_tokens_only_this_machine_may_ask(case: str) -> None:
    # Given a service whose clients need no token, when somebody asks from somewhere
    client, headers, status = LOCAL[case]
    app = service(Serve.model_validate({"authentication": "loopback"}))
    found = ask(app, "GET", "/model", headers, client=client)
    # Then only a program of this machine gets an answer
    assert found.status == status
    if status == 200:
        assert json.loads(found.body) == {"subject": None}
    else:
        assert found.kind == "not-loopback"


def test_a_token_is_judged_before_the_body_is_read(app: FastAPI) -> None:
    # Given a request without a token, when it brings a body, then no part of it is read first
    headers = [("content-type", "application/json"), ("transfer-encoding", "chunked")]
    scope = http_scope("POST", "/predict", headers)
    body = [b"x"] * 3
    found = asyncio.run(asked(app, scope, body))
    assert (found.status, found.headers["connection"]) == (401, "close")
