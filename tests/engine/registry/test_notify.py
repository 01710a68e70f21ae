"""The webhook hears what the registry did; where it does not, the command says so and no secret."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from baked import TEMPLATE

from governed_ml.core import config
from governed_ml.core.code import stage_code
from governed_ml.core.problem import Problem
from governed_ml.registry import notify

SECRET = "T0SECRET"  # noqa: S105 - of these tests alone
MESSAGE = notify.Message(
    project="loans",
    model="credit",
    version=3,
    action="promoted",
    verdict="allow",
    actor="ada",
    commit="0" * 40,
    reason="<!channel> R&D\nasked",
    digests={"model": "sha256:ab"},
    link="https://example.org/run/1",
)


class Webhook(ThreadingHTTPServer):
    """Answers each request with the next of its answers (the last one for ever), and keeps it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int | None, dict[str, str]]] = [(200, {})]
        self.heard: list[Any] = []
        self.over = threading.Event()

    @property
    def address(self) -> str:
        """Where it listens, with a path and a query that nobody may see."""
        return f"http://127.0.0.1:{self.server_port}/services/{SECRET}?key={SECRET}"


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, self.headers["Content-Type"], json.loads(body)))
        answers = self.server.answers
        status, headers = answers.pop(0) if len(answers) > 1 else answers[0]
        if status is None:  # never answers
            self.server.over.wait(10)
            return
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """A webhook on loopback, and waits that a test can afford."""
    monkeypatch.setattr(notify, "BACKOFF", 0.01)
    monkeypatch.setattr(notify, "TIMEOUT", 0.2)
    server = Webhook()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def lost(address: str, caplog: pytest.LogCaptureFixture) -> str:
    """Send a message that must get lost; return the error, in which no secret may be."""
    with caplog.at_level(logging.DEBUG), pytest.raises(notify.Lost) as caught:
        notify.send(address, "json", MESSAGE)
    text = str(caught.value)
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, Problem)
    assert "promoted is recorded" in text
    assert "\n" not in text
    assert f"{address.partition('/services')[0]} could not be notified" in text
    assert SECRET not in text + caplog.text
    return text


def test_json_is_the_message_itself(webhook: Webhook) -> None:
    # Given a webhook that takes anything, when a message is sent in the generic shape
    notify.send(webhook.address, "json", MESSAGE)
    # Then it heard the message's fields, once, at its full address
    path, kind, body = webhook.heard[0]
    assert len(webhook.heard) == 1
    assert path == f"/services/{SECRET}?key={SECRET}"
    assert kind == "application/json"
    assert notify.Message.model_validate(body) == MESSAGE
    assert body["version"] == 3


def test_slack_gets_a_text_without_commands(webhook: Webhook) -> None:
    # Given a reason with a call to a whole channel in it, when it is sent to Slack
    notify.send(webhook.address, "slack", MESSAGE)
    (_, _, body), *more = webhook.heard
    # Then the one field is a text that says all, in which the call is only text
    assert not more
    assert list(body) == ["text"]
    assert "reason: &lt;!channel&gt; R&amp;D asked" in body["text"].splitlines()
    assert "<" not in body["text"]
    for said in ("credit", "version: 3", "promoted", "allow", "ada", "digest of model: sha256:ab"):
        assert said in body["text"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_temporary_failure_of_the_webhook_is_retried(webhook: Webhook, status: int) -> None:
    # Given a webhook that is in trouble three times, when a message is sent
    webhook.answers = [(status, {})] * 3 + [(200, {})]
    notify.send(webhook.address, "json", MESSAGE)
    # Then the fourth attempt brought the same message
    assert len(webhook.heard) == 4
    assert all(heard == webhook.heard[0] for heard in webhook.heard)


@pytest.mark.parametrize(("asked", "least"), [("1", 0.9), ("3600", 0.9)])
def test_retry_after_is_heeded_within_bounds(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, asked: str, least: float
) -> None:
    # Given a webhook that asks for patience, within bounds or beyond them
    monkeypatch.setattr(notify, "LONGEST_WAIT", 1)
    webhook.answers = [(429, {"Retry-After": asked}), (200, {})]
    started = time.monotonic()
    # When a message is sent
    notify.send(webhook.address, "json", MESSAGE)
    # Then it waited, but not for an hour
    assert least < time.monotonic() - started < 3
    assert len(webhook.heard) == 2


def test_a_permanent_failure_is_reported(
    webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a webhook that is broken for good, when a message is sent
    webhook.answers = [(500, {})]
    # Then the error says what it answered, after four attempts
    assert "it answered 500" in lost(webhook.address, caplog)
    assert len(webhook.heard) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_not_retried(
    webhook: Webhook, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    # Given a webhook that does not know the address, when a message is sent
    webhook.answers = [(status, {})]
    # Then the error says so at once
    assert f"it answered {status}" in lost(webhook.address, caplog)
    assert len(webhook.heard) == 1


def test_a_redirect_is_not_followed(webhook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    # Given a webhook that sends the message elsewhere, when a message is sent
    webhook.answers = [(307, {"Location": webhook.address}), (200, {})]
    # Then it went no further
    assert "it answered 307" in lost(webhook.address, caplog)
    assert len(webhook.heard) == 1


def test_a_hanging_webhook_is_abandoned(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a webhook that takes the message and never answers
    webhook.answers = [(None, {})]
    monkeypatch.setattr(notify, "ATTEMPTS", 2)
    # When a message is sent, then it is given up after the attempts that there are
    assert "no answer within 0.2 s, 2 times" in lost(webhook.address, caplog)
    assert len(webhook.heard) == 2


def test_a_refused_connection_is_reported(
    webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    # Given an address where nobody listens, when a message is sent, then the error says so
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        address = f"http://127.0.0.1:{port}/services/{SECRET}"
        assert "refused" in lost(address, caplog).lower()


def test_no_proxy_receives_the_message(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a proxy in the environment, when a message is sent
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    notify.send(webhook.address, "json", MESSAGE)
    # Then it went to the webhook itself
    assert len(webhook.heard) == 1


def test_a_failing_webhook_delays_a_command_by_at_most_20_seconds() -> None:
    # Given the numbers as they are shipped, then no command waits for longer than 20 s
    waits = (notify.ATTEMPTS - 1) * notify.LONGEST_WAIT
    assert notify.ATTEMPTS * notify.TIMEOUT + waits <= 20


def test_without_a_webhook_there_is_no_address() -> None:
    # Given the default configuration, then there is no address
    assert notify.ready(config.Notify()) is None


@pytest.mark.parametrize(
    "address",
    [
        f"https://hooks.slack.com/services/{SECRET}",
        f"https://example.org/hook?key={SECRET}",
        "http://127.0.0.1:1/x",
        "http://[::1]:1/x",
        "http://localhost/x",
    ],
)
def test_the_address_comes_from_a_variable(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    # Given a variable with the webhook's address, when the configuration names it
    monkeypatch.setenv("GOVERNANCE_WEBHOOK", f"{address}\n")
    # Then that is the address
    assert notify.ready(config.Notify(url="env:GOVERNANCE_WEBHOOK")) == address


def test_a_webhook_address_without_a_secret_is_allowed_in_conf() -> None:
    # Given an address that is no secret, then it is taken as it is
    assert notify.ready(config.Notify(url="https://example.org/hook")) == "https://example.org/hook"


@pytest.mark.parametrize("value", [None, "", " "])
def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    # Given a configuration that names a variable which is not there or empty
    monkeypatch.delenv("GOVERNANCE_WEBHOOK", raising=False)
    if value is not None:
        monkeypatch.setenv("GOVERNANCE_WEBHOOK", value)
    # When the address is asked for, then the error names the variable
    with pytest.raises(
        Problem, match="the environment variable GOVERNANCE_WEBHOOK is not set"
    ) as caught:
        notify.ready(config.Notify(url="env:GOVERNANCE_WEBHOOK"))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "address",
    [
        f"http://example.org/{SECRET}",
        f"http://localhost.example.org/{SECRET}",
        f"http://127.0.0.1.example.org/{SECRET}",
        f"https://user:{SECRET}@example.org/",
        f"https:///{SECRET}",
        f"https://[bad/{SECRET}",
        f"ftp://example.org/{SECRET}",
        SECRET,
    ],
)
def test_another_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    # Given a variable that holds anything else, when the address is asked for
    monkeypatch.setenv("GOVERNANCE_WEBHOOK", address)
    with pytest.raises(
        Problem, match="the environment variable GOVERNANCE_WEBHOOK does not hold an https"
    ) as caught:
        notify.ready(config.Notify(url="env:GOVERNANCE_WEBHOOK"))
    # Then it is refused without being shown
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        f"https://hooks.slack.com/services/{SECRET}",
        f"https://user:{SECRET}@example.org/hook",
        f"https://example.org/hook?key={SECRET}",
    ],
)
def test_a_secret_in_conf_is_refused_and_not_shown(url: str) -> None:
    # Given a configuration with a secret in it, when it is validated
    values = {"notify": {"url": url}}
    with pytest.raises(Problem, match="notify: the URL is a secret: put it") as caught:
        config.parse(complete(values))
    # Then it is refused in a line that does not repeat it
    assert SECRET not in str(caught.value)


def complete(values: dict[str, Any]) -> dict[str, Any]:
    """A whole configuration, of which a test sets a part."""
    rule = {"id": "a.b", "metric": "a", "block": 1, "owner": "me"}
    return {
        "project": dict.fromkeys(("name", "organisation", "risk_owner", "model_owner"), "x")
        | {"risk_tier": "minimal"},
        "seed": 1,
        "experiment": "x",
        "deployment": {},
        "data": {
            "name": "x",
            "task": "regression",
            "source": {"kind": "synthetic", "rows": 1},
            "target": "y",
            "contract": "x",
        },
        "split": {"kind": "random", "test_share": 0.5},
        "model": {"name": "x", "estimator": {}},
        "policy": {"name": "x", "confidence": 0.9, "rules": [rule]}
        | {"perturbation": {"size": 0.1, "tolerance": 0.1}},
    } | values


def test_a_configuration_without_the_section_has_no_webhook() -> None:
    # Given a configuration without the section, when it is validated, then nobody is told
    assert config.parse(complete({})).notify.url is None


def test_no_stage_reads_the_webhooks_settings() -> None:
    # Given the stages, their modules and the pipeline's file, then none knows of notifications
    stages = sorted(stage_code.STAGES_FOLDER.glob("*.py"))
    assert stages
    for path in (*stages, TEMPLATE / "dvc.yaml"):
        assert "notify" not in path.read_text(encoding="utf-8"), path
