"""A GitHub that refuses, fails, limits or is silent is told in a line, and nobody has approved."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from github_stand_in import Asked, Failure, GitHubStandIn
from reading_approvals import (
    HERE,
    READ,
    READERS,
    TOKEN,
    hub_asked,  # noqa: F401 - a fixture
    refused,
)

from governed_ml.github import client
from governed_ml.github import reviews as github

# What goes wrong


@READ
@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "set GITHUB_TOKEN to a valid one"),
        (403, "`actions: read` and `pull-requests: read`"),
        (404, "or the token may not read it"),
        (400, "run this again later"),
        (301, "GITHUB_REPOSITORY"),
    ],
)
def test_a_refusal_is_reported_with_what_to_do(
    hub: GitHubStandIn, reader: Callable[[], Any], status: int, hint: str
) -> None:
    # Given a GitHub that refuses, when approvals are read
    hub.failures.append(Failure(status, headers={"Location": f"{hub.url}/repositories/1"}))
    # Then it says so at once, and what to do
    refused(reader, f"GitHub answered {status} about", hint)
    assert len(hub.asked) == 1


@READ
def test_a_missing_run_or_pull_request_is_reported(
    hub: GitHubStandIn, reader: Callable[[], Any]
) -> None:
    # Given a repository without runs and pull requests, when one is asked for, then it says so
    refused(reader, "404", "it does not exist")


def test_another_token_is_refused(hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a token that GitHub does not know, when approvals are read, then it says so
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN + "x")
    refused(READERS[0], "401", "not valid")


@READ
@pytest.mark.parametrize("status", [500, 502, 503])
def test_temporary_server_errors_of_github_are_retried(
    hub: GitHubStandIn, reader: Callable[[], Any], status: int
) -> None:
    # Given a GitHub that is in trouble three times, when approvals are read
    hub.add_run(7)
    hub.add_pull(3)
    hub.failures.append(Failure(status, times=3))
    # Then they are read in the end
    assert reader().said == []
    assert len(hub.asked) == 5


@READ
def test_a_permanent_failure_is_reported(hub: GitHubStandIn, reader: Callable[[], Any]) -> None:
    # Given a GitHub that is broken for good, when approvals are read, then it is given up
    hub.failures.append(Failure(503))
    refused(reader, "GitHub answered 503", "run this again later")
    assert len(hub.asked) == 4


def test_a_failure_on_a_later_page_is_not_an_empty_list(hub: GitHubStandIn) -> None:
    # Given a rejection, and a GitHub that cannot tell the approvals, when they are read
    hub.add_run(7)
    hub.approve(7, "bob", "risk-owner", state="rejected")
    hub.failures.append(Failure(500, path="approvals"))
    # Then there is no answer, rather than one without the rejection
    refused(READERS[0], "GitHub answered 500")


@READ
def test_a_broken_connection_is_reported(
    hub: GitHubStandIn, reader: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    # Given a GitHub that hangs up, when approvals are read, then it says so after four attempts
    hub.failures.append(Failure(None))
    with caplog.at_level(logging.DEBUG):
        refused(reader, "cannot reach GitHub at", hub.url)
    assert len(hub.asked) == 4
    assert TOKEN not in caplog.text


@READ
def test_an_unreachable_server_is_reported(
    hub: GitHubStandIn, reader: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an address where nobody listens, when approvals are read, then it says so
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    refused(reader, "cannot reach GitHub at http://127.0.0.1:9", "refused")


def test_a_server_that_never_answers_is_reported(
    hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a GitHub that takes a request and never answers
    monkeypatch.setattr(client, "TIMEOUT", 0.1)
    monkeypatch.setattr(client, "RETRIES", 1)

    def sleep(asked: Asked) -> tuple[None, None, dict[str, str]]:
        time.sleep(0.5)
        return None, None, {}

    monkeypatch.setattr(hub, "answer", sleep)
    # When approvals are read, then it is given up
    refused(READERS[0], "cannot reach GitHub", "timed out")


@pytest.mark.parametrize(("status", "wait"), [(403, "0"), (429, "0"), (429, "1")])
def test_a_short_rate_limit_is_waited_for(hub: GitHubStandIn, status: int, wait: str) -> None:
    # Given a rate limit that ends soon, when approvals are read
    hub.add_run(7)
    hub.failures.append(Failure(status, headers={"Retry-After": wait}, times=1))
    started = time.monotonic()
    # Then they are read after it
    assert github.run_approvals(HERE, 7).said == []
    assert int(wait) <= time.monotonic() - started < int(wait) + 3
    assert len(hub.asked) == 3


@READ
@pytest.mark.parametrize("status", [403, 429])
def test_a_long_rate_limit_is_reported(
    hub: GitHubStandIn, reader: Callable[[], Any], status: int
) -> None:
    # Given a rate limit that ends in an hour, when approvals are read
    until = int(time.time()) + 3600
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(until)}
    hub.failures.append(Failure(status, headers=headers))
    # Then it says when to come back, and does not wait
    text = refused(reader, "rate limit is used up", "UTC")
    told = re.search(r"after (.*) UTC", text)
    assert told
    end = datetime.strptime(told[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs(end.timestamp() - until) <= 2
    assert len(hub.asked) == 1


@pytest.mark.parametrize("wait", ["soon", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 30])
def test_a_rate_limit_without_a_time_is_reported(hub: GitHubStandIn, wait: str) -> None:
    # Given a rate limit whose end is no number, when approvals are read, then that is told
    hub.failures.append(Failure(429, headers={"Retry-After": wait}))
    refused(READERS[0], "GitHub's answer about run 7")
