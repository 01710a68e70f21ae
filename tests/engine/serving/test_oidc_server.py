"""Tokens of a server that others wrote: npm's oauth2-mock-server, which speaks OpenID Connect."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Generator
from urllib.parse import urlencode
from urllib.request import urlopen

import baked
import pytest
from asgi_calls import Answered, ask
from fastapi import FastAPI, Request

from governed_ml.core.config.production.serve import Serve
from governed_ml.serving.http.admission import Admission
from governed_ml.serving.http.auth import PREDICT
from governed_ml.serving.http.guard import protect

PACKAGE = "oauth2-mock-server@9.3.0"
OPTIONS = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
AUDIENCE = "loans-service"
ISSUER = f"""
import {{ OAuth2Server }} from "oauth2-mock-server";
const server = new OAuth2Server();
await server.issuer.keys.generate("RS256");
server.service.on("beforeTokenSigning", (token) => {{ token.payload.aud ??= "{AUDIENCE}"; }});
await server.start(0, "localhost");
console.log(server.issuer.url);
"""  # by default, its tokens for people have no audience


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a running server."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        pytest.skip("oauth2-mock-server comes from npm, and npm or node is not on PATH")
    folder = tmp_path_factory.mktemp("oidc")
    baked.run_plain([npm, "install", "--prefix", str(folder), *OPTIONS, PACKAGE], folder)
    (folder / "issuer.mjs").write_text(ISSUER, encoding="utf-8")
    command = [node, "issuer.mjs"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(20)


def token(address: str, kind: str = "access_token", **asked: str) -> str:
    """A token that the server gives."""
    form = urlencode({"scope": PREDICT, "client_id": "app", **asked})
    with urlopen(f"{address}/token", form.encode(), timeout=10) as answer:  # noqa: S310 - http
        return json.load(answer)[kind]


def predict(address: str, shown: str) -> Answered:
    """Show a token to a service that trusts the server."""
    trusted = {"issuer": address, "audience": AUDIENCE}
    admission = Admission(Serve.model_validate({"authentication": trusted}))
    app = FastAPI()

    @app.get("/predict")
    async def predict(request: Request) -> str | None:
        return (await admission.admit(request, PREDICT)).subject

    protect(app, body_bytes=1000)
    return ask(app, "GET", "/predict", [("authorization", f"Bearer {shown}")])


@pytest.mark.nightly
def test_tokens_of_a_real_server_are_judged(address: str) -> None:
    # Given tokens of a server that was written by others, when they are shown
    person = {"grant_type": "password", "username": "anna"}
    found = predict(address, token(address, **person))
    # Then a person's is admitted
    assert (found.status, json.loads(found.body)) == (200, "anna")
    # And one without a subject is not, nor one without the scope
    program = predict(address, token(address, grant_type="client_credentials"))
    assert program.document["detail"] == "the token lacks one of exp, aud, iss, sub"
    assert predict(address, token(address, **person, scope="openid")).status == 403
    # Nor one that tells a client who its user is
    identity = predict(address, token(address, "id_token", **person))
    assert identity.document["detail"] == "the token is for another audience"
