"""Who approved on GitHub is read as GitHub has it; where that cannot be read, nobody has."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import baked
import pytest
from github_stand_in import HEAD, Asked, Failure, GitHubStandIn, user

from governed_ml.core.problem import Problem
from governed_ml.github import client
from governed_ml.github import reviews as github

TOKEN = "ghp_T0SECRET"  # noqa: S105 - of these tests alone
OTHER = "c" * 40
HERE = Path()
VARIABLES = ("GITHUB_REPOSITORY", "GITHUB_API_URL", "GITHUB_TOKEN", "GH_TOKEN")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubStandIn]:
    """A GitHub with one repository, and the environment that a workflow has; pauses are short.

    What breaks GitHub's own description, in requests or answers, fails the test at its end.
    """
    monkeypatch.setattr(client, "PAUSE", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with GitHubStandIn(token=TOKEN) as stand_in:
        for name, value in zip(VARIABLES, (stand_in.repository, stand_in.url, TOKEN), strict=False):
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("GH_TOKEN", raising=False)
        yield stand_in
    assert not stand_in.complaints


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the variables that speak of GitHub."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def refused(call: Callable[[], Any], *words: str) -> str:
    """The one line with which a call could not judge; it holds no token."""
    with pytest.raises(Problem) as caught:
        call()
    text = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in text
    assert TOKEN not in text
    for word in words:
        assert word in text
    return text


def said(answer: Any) -> list[tuple[str, str, str]]:
    """Who said what about which commit."""
    return [(one.login, one.state, one.commit) for one in answer.said]


# A run's environments


def test_two_people_approve_two_environments(hub: GitHubStandIn) -> None:
    # Given a run that two people approved, each for an environment
    hub.add_run(7, actor="ada", head_branch="release", run_attempt=2)
    hub.approve(7, "bob", "risk-owner", comment="read the card")
    hub.approve(7, "eve", "model-owner")
    before = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # When its approvals are read
    found = github.run_approvals(HERE, 7)
    # Then both are there, for the run's own commit, with where and when they were seen
    assert said(found) == [("bob", "approved", HEAD), ("eve", "approved", HEAD)]
    assert [one.environment for one in found.said] == ["risk-owner", "model-owner"]
    assert [one.comment for one in found.said] == ["read the card", ""]
    assert {one.source for one in found.said} == {"github:run:7"}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert all(before <= one.observed <= now for one in found.said)
    # And so is what a caller compares them with
    assert (found.number, found.repository, found.head_sha) == (7, "acme/loans", HEAD)
    assert (found.actor, found.triggering_actor, found.run_attempt) == ("ada", "ada", 2)
    assert (found.head_branch, found.event) == ("release", "workflow_dispatch")
    assert found.workflow == ".github/workflows/promote.yml"


def test_one_word_for_two_environments_counts_for_both(hub: GitHubStandIn) -> None:
    # Given one approval of two environments at once, when it is read
    hub.add_run(7)
    hub.approve(7, "bob", "risk-owner", "model-owner")
    # Then it is there twice
    found = github.run_approvals(HERE, 7)
    assert [one.environment for one in found.said] == ["risk-owner", "model-owner"]


def test_a_rejection_is_one(hub: GitHubStandIn) -> None:
    # Given an approval and a rejection of one environment, when they are read
    hub.add_run(7)
    hub.approve(7, "bob", "risk-owner")
    hub.approve(7, "eve", "risk-owner", state="rejected", comment="not yet")
    # Then both are there
    assert said(github.run_approvals(HERE, 7)) == [
        ("bob", "approved", HEAD),
        ("eve", "rejected", HEAD),
    ]


def test_nobody_said_anything(hub: GitHubStandIn) -> None:
    # Given a run without approvals, when they are read, then there is none
    hub.add_run(7)
    assert github.run_approvals(HERE, 7).said == []


def test_a_comment_and_a_bot_approve_nothing(hub: GitHubStandIn) -> None:
    # Given a comment without a decision and a bot's approval, when they are read
    hub.add_run(7)
    hub.approve(7, "bob", "risk-owner", state="pending")
    hub.approve(7, user("robot[bot]", "Bot"), "risk-owner")
    # Then nobody has approved
    assert github.run_approvals(HERE, 7).said == []


def test_a_run_of_somebody_elses_is_refused(hub: GitHubStandIn) -> None:
    # Given an answer about a run of another repository, when it is read
    hub.add_run(7, repository=hub.add_run(8)["repository"] | {"full_name": "acme/other"})
    # Then it is refused
    refused(lambda: github.run_approvals(HERE, 7), "acme/loans", "acme/other", "cannot judge")


# A pull request's reviews


def test_a_pull_request_with_a_review(hub: GitHubStandIn) -> None:
    # Given a merged pull request that somebody approved, when its reviews are read
    hub.add_pull(3, author="ada", merged=True, merge_commit_sha="d" * 40)
    hub.review(3, "bob", "APPROVED", body="fine")
    found = github.reviews(HERE, 3)
    # Then the review is there, and what a caller compares it with
    assert said(found) == [("bob", "approved", HEAD)]
    assert found.said[0].comment == "fine"
    assert found.said[0].source == "github:pull:3"
    assert found.said[0].environment is None
    assert (found.number, found.repository, found.author) == (3, "acme/loans", "ada")
    assert (found.head_sha, found.base_branch) == (HEAD, "main")
    assert (found.merged, found.merge_commit_sha) == (True, "d" * 40)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["APPROVED"], ["approved"]),
        (["CHANGES_REQUESTED"], ["rejected"]),
        (["CHANGES_REQUESTED", "APPROVED"], ["approved"]),
        (["APPROVED", "CHANGES_REQUESTED"], ["rejected"]),
        (["APPROVED", "COMMENTED"], ["approved"]),
        (["CHANGES_REQUESTED", "COMMENTED"], ["rejected"]),
        (["APPROVED", "PENDING"], ["approved"]),
        (["COMMENTED"], []),
        (["PENDING"], []),
        (["DISMISSED"], []),
        (["APPROVED", "DISMISSED"], []),
        (["DISMISSED", "APPROVED"], ["approved"]),
        ([], []),
    ],
)
def test_what_a_person_said_last_counts(
    hub: GitHubStandIn, states: list[str], expected: list[str]
) -> None:
    # Given a person's reviews one after the other, and another person's
    hub.add_pull(3)
    for state in states:
        hub.review(3, "bob", state)
    hub.review(3, "eve", "APPROVED")
    # When they are read, then the last decisive one counts, and the other person's
    found = github.reviews(HERE, 3)
    assert [one.state for one in found.said if one.login == "bob"] == expected
    assert [one.state for one in found.said if one.login == "eve"] == ["approved"]


def test_a_review_of_another_commit_says_so(hub: GitHubStandIn) -> None:
    # Given an approval from before the last push, and one whose commit is gone
    hub.add_pull(3)
    hub.review(3, "bob", "APPROVED", commit_id=OTHER)
    hub.review(3, "eve", "APPROVED", commit_id=None)
    # When they are read, then neither is of the head
    found = github.reviews(HERE, 3)
    assert said(found) == [("bob", "approved", OTHER), ("eve", "approved", "")]
    assert found.head_sha == HEAD


def test_bots_authors_and_ghosts_approve_nothing(hub: GitHubStandIn) -> None:
    # Given approvals by a bot, by the author (however spelt), and by an account that is gone
    hub.add_pull(3, author="ada")
    hub.review(3, user("robot[bot]", "Bot"), "APPROVED")
    hub.review(3, "ada", "APPROVED")
    hub.review(3, "Ada", "APPROVED")
    hub.review(3, None, "APPROVED")
    # When they are read, then nobody has approved
    assert github.reviews(HERE, 3).said == []


@pytest.mark.parametrize("before", [0, 99, 100, 250])
def test_every_page_is_read(hub: GitHubStandIn, before: int) -> None:
    # Given many comments, and after them a word and its opposite
    hub.add_pull(3)
    hub.review(3, "bob", "APPROVED")
    for _ in range(before):
        hub.review(3, "eve", "COMMENTED")
    hub.review(3, "bob", "CHANGES_REQUESTED")
    # When the reviews are read, then the last one counts, in as few requests as GitHub allows
    assert said(github.reviews(HERE, 3)) == [("bob", "rejected", HEAD)]
    assert len(hub.asked) == 1 + -(-(before + 2) // 100)


def test_pages_without_end_are_given_up(
    hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a list that always has a next page, when it is read, then it is given up
    monkeypatch.setattr(client, "PAGES", 3)
    hub.add_pull(3)
    link = {"Link": f'<{hub.url}/repos/acme/loans/pulls/3/reviews?page=2>; rel="next"'}
    hub.failures.append(Failure(200, [], link, path="reviews"))
    refused(lambda: github.reviews(HERE, 3), "more than 3 pages", "pull request 3")
    assert len(hub.asked) == 4


def test_a_next_page_elsewhere_is_not_asked_for(hub: GitHubStandIn) -> None:
    # Given a list whose next page is said to be on another host, when it is read
    hub.add_pull(3)
    link = {"Link": '<http://127.0.0.1:9/elsewhere?page=2>; rel="next"'}
    hub.failures.append(Failure(200, [], link, times=1, path="reviews"))
    # Then the token goes to no other host
    assert github.reviews(HERE, 3).said == []
    assert [asked.query.get("page") for asked in hub.asked] == [None, "1", "2"]


# What goes wrong

READERS = [lambda: github.run_approvals(HERE, 7), lambda: github.reviews(HERE, 3)]
READ = pytest.mark.parametrize("reader", READERS, ids=["run", "pull"])


@READ
@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "set GITHUB_TOKEN to one that is"),
        (403, "`actions: read` and `pull-requests: read`"),
        (404, "or the token may not see it"),
        (400, "run this again later"),
        (301, "GITHUB_REPOSITORY"),
    ],
)
def test_a_refusal_is_told_with_what_to_do(
    hub: GitHubStandIn, reader: Callable[[], Any], status: int, hint: str
) -> None:
    # Given a GitHub that refuses, when approvals are read
    hub.failures.append(Failure(status, headers={"Location": f"{hub.url}/repositories/1"}))
    # Then it says so at once, and what to do
    refused(reader, f"GitHub answered {status} about", hint)
    assert len(hub.asked) == 1


@READ
def test_what_is_not_there_is_told(hub: GitHubStandIn, reader: Callable[[], Any]) -> None:
    # Given a repository without runs and pull requests, when one is asked for, then it says so
    refused(reader, "404", "it is not there")


def test_another_token_is_refused(hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a token that GitHub does not know, when approvals are read, then it says so
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN + "x")
    refused(READERS[0], "401", "not valid")


@READ
@pytest.mark.parametrize("status", [500, 502, 503])
def test_githubs_own_trouble_passes(
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
def test_trouble_for_ever_is_told(hub: GitHubStandIn, reader: Callable[[], Any]) -> None:
    # Given a GitHub that is broken for good, when approvals are read, then it is given up
    hub.failures.append(Failure(503))
    refused(reader, "GitHub answered 503", "run this again later")
    assert len(hub.asked) == 4


def test_trouble_in_the_middle_is_no_empty_list(hub: GitHubStandIn) -> None:
    # Given a rejection, and a GitHub that cannot tell the approvals, when they are read
    hub.add_run(7)
    hub.approve(7, "bob", "risk-owner", state="rejected")
    hub.failures.append(Failure(500, path="approvals"))
    # Then there is no answer, rather than one without the rejection
    refused(READERS[0], "GitHub answered 500")


@READ
def test_a_connection_that_breaks_is_told(
    hub: GitHubStandIn, reader: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    # Given a GitHub that hangs up, when approvals are read, then it says so after four attempts
    hub.failures.append(Failure(None))
    with caplog.at_level(logging.DEBUG):
        refused(reader, "cannot reach GitHub at", hub.url)
    assert len(hub.asked) == 4
    assert TOKEN not in caplog.text


@READ
def test_nobody_there_is_told(
    hub: GitHubStandIn, reader: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an address where nobody listens, when approvals are read, then it says so
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    refused(reader, "cannot reach GitHub at http://127.0.0.1:9", "refused")


def test_silence_is_told(hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_long_rate_limit_is_told(
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
def test_a_rate_limit_that_says_nothing_is_told(hub: GitHubStandIn, wait: str) -> None:
    # Given a rate limit whose end is no number, when approvals are read, then that is told
    hub.failures.append(Failure(429, headers={"Retry-After": wait}))
    refused(READERS[0], "GitHub's answer about run 7")


@READ
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"id": 7', b"[]", b"null", b"{}", b"\xff"])
def test_an_answer_that_is_none_is_told(
    hub: GitHubStandIn, reader: Callable[[], Any], body: bytes
) -> None:
    # Given an answer that is no JSON, or nothing of what was asked for
    hub.failures.append(Failure(200, body))
    # When approvals are read, then it could not judge
    refused(reader, "is not as documented", "cannot judge")


@pytest.mark.parametrize(
    ("spoilt", "place"),
    [
        ({"head_sha": None}, "head_sha"),
        ({"head_sha": "main"}, "head_sha"),
        ({"head_sha": "A" * 40 + "\n"}, "head_sha"),
        ({"actor": None}, "actor"),
        ({"triggering_actor": {}}, "triggering_actor"),
        ({"repository": {"full_name": 1}}, "repository.full_name"),
        ({"id": "7"}, "id"),
        ({"run_attempt": None}, "run_attempt"),
    ],
)
def test_a_run_that_breaks_the_schema_is_told(
    hub: GitHubStandIn, spoilt: dict[str, Any], place: str
) -> None:
    # Given a run with a field that is not as documented, when it is read
    hub.failures.append(Failure(200, hub.add_run(7) | spoilt))
    # Then it could not judge, and names the field
    refused(READERS[0], f"{place}", "cannot judge")


@pytest.mark.parametrize(
    ("spoilt", "place"),
    [
        ({"state": "maybe"}, "0.state"),
        ({"state": None}, "0.state"),
        ({"user": None}, "0.user"),
        ({"user": {"login": "", "type": "User"}}, "0.user.login"),
        ({"environments": [{"id": 1}]}, "0.environments.0.name"),
        ({"environments": None}, "0.environments"),
        ({"comment": None}, "0.comment"),
    ],
)
def test_an_approval_that_breaks_the_schema_is_told(
    hub: GitHubStandIn, spoilt: dict[str, Any], place: str
) -> None:
    # Given an approval with a field that is not as documented, when it is read
    hub.add_run(7)
    hub.approve(7, "bob", "risk-owner")
    hub.failures.append(Failure(200, [hub.approvals[7][0] | spoilt], path="approvals"))
    # Then it could not judge, and names the field
    refused(READERS[0], place, "cannot judge")


@pytest.mark.parametrize(
    ("spoilt", "place"),
    [
        ({"state": "approved"}, "0.state"),
        ({"commit_id": "x"}, "0.commit_id"),
        ({"commit_id": 1}, "0.commit_id"),
        ({"user": {}}, "0.user.login"),
        ({"body": 1}, "0.body"),
    ],
)
def test_a_review_that_breaks_the_schema_is_told(
    hub: GitHubStandIn, spoilt: dict[str, Any], place: str
) -> None:
    # Given a review with a field that is not as documented, when it is read
    hub.add_pull(3)
    review = hub.review(3, "bob", "APPROVED")
    hub.failures.append(Failure(200, [review | spoilt], path="reviews"))
    # Then it could not judge, and names the field
    refused(READERS[1], place, "cannot judge")


@READ
def test_fields_that_are_not_in_use_may_change(
    hub: GitHubStandIn, reader: Callable[[], Any]
) -> None:
    # Given answers whose other fields are new, gone or of another kind, when they are read
    run, pull = hub.add_run(7), hub.add_pull(3)
    words = {"login": "eve", "state": "approved", "commit": HEAD, "environment": "risk-owner"}
    words |= {"source": "github:run:7", "comment": "", "observed": "2026-01-02T03:04:05Z"}
    for whole, path in ((run, "runs/7"), (pull, "pulls/3")):
        changed = {**whole, "node_id": 1, "said": [words], "brand_new": {}}
        del changed["url"]
        hub.failures.append(Failure(200, changed, times=1, path=path))
    # Then that stops nothing, and no field makes an approval
    assert reader().said == []


# Where, and with what


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/loans",
        "https://github.com/acme/loans.git",
        "https://github.com/acme/loans/",
        "https://ada:secret@github.com/acme/loans.git",
        "https://GitHub.com/acme/loans.git",
        "https://github.com:443/acme/loans.git",
        "git@github.com:acme/loans.git",
        "git@github.com:/acme/loans.git",
        "org-7@github.com:acme/loans.git",
        "ssh://git@github.com/acme/loans.git",
        "ssh://git@ssh.github.com:443/acme/loans.git",
    ],
)
def test_the_repository_is_where_origin_is(tmp_path: Path, url: str) -> None:
    # Given a clone whose origin is on GitHub, however that is written
    baked.git(tmp_path, "init", "--quiet")
    baked.git(tmp_path, "remote", "add", "origin", url)
    # When it is asked which repository it is, then it knows
    assert client.repository(tmp_path) == "acme/loans"


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("name", ["my.model", "my-model_2", ".github"])
def test_a_name_may_have_dots(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # Given a name that GitHub allows, when it is asked for, then it is taken
    monkeypatch.setenv("GITHUB_REPOSITORY", f"acme/{name}")
    assert client.repository(HERE) == f"acme/{name}"


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    "url",
    [
        None,
        "/srv/git/acme/loans.git",
        "../loans",
        "file:///srv/acme/loans",
        "https://ada:secret@gitlab.com/acme/loans.git",
        "git@gitlab.com:acme/loans.git",
        "https://github.com.example.org/acme/loans",
        "https://github.com@example.org/acme/loans",
        "https://example.org/github.com/acme/loans",
        "https://github.example.org/acme/loans",
        "https://github.com/acme",
        "https://github.com/acme/..",
        "https://github.com/acme/loans/../../x",
        "https://github.com/acme/loans?x=1",
        "https://github.com/acme/loans%2f",
        "https://github.com/-acme/loans",
        "work:acme/loans",
    ],
)
def test_another_origin_is_refused(tmp_path: Path, url: str | None) -> None:
    # Given a clone whose origin is not there, not on GitHub, or no repository's address
    baked.git(tmp_path, "init", "--quiet")
    if url:
        baked.git(tmp_path, "remote", "add", "origin", url)
    # When it is asked which repository it is, then it asks for the name, and shows no password
    text = refused(lambda: client.repository(tmp_path), "set GITHUB_REPOSITORY to OWNER/NAME")
    assert "secret" not in text


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("api", "host"),
    [
        ("https://github.example.org/api/v3", "github.example.org"),
        ("https://api.acme.ghe.com", "acme.ghe.com"),
    ],
)
def test_another_github_is_asked_about_its_own_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str, host: str
) -> None:
    # Given another GitHub's address, when origin is there, then that is the repository
    monkeypatch.setenv("GITHUB_API_URL", api)
    baked.git(tmp_path, "init", "--quiet")
    baked.git(tmp_path, "remote", "add", "origin", f"https://{host}/acme/loans")
    assert client.repository(tmp_path) == "acme/loans"
    # But its token asks it nothing about a namesake on github.com
    baked.git(tmp_path, "remote", "set-url", "origin", "https://github.com/acme/loans")
    refused(lambda: client.repository(tmp_path), "not on the GitHub at", api)


@pytest.mark.parametrize("name", ["acme", "acme/loans/x", "acme/..", "acme/lo ans", "a?b/c", "/x"])
def test_a_name_that_is_none_is_refused(
    hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # Given a name that is no repository's, when approvals are read, then nothing is asked
    monkeypatch.setenv("GITHUB_REPOSITORY", name)
    refused(READERS[0], "GITHUB_REPOSITORY names no repository")
    assert not hub.asked


@pytest.mark.parametrize("token", [None, "", " \n"])
def test_without_a_token_it_says_what_to_set(
    hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    # Given no token, when approvals are read, then it says what to set
    monkeypatch.delenv("GITHUB_TOKEN")
    if token is not None:
        monkeypatch.setenv("GITHUB_TOKEN", token)
    refused(READERS[0], "set GITHUB_TOKEN (or GH_TOKEN)")
    assert not hub.asked


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "GH_TOKEN"])
def test_either_variable_may_hold_the_token(
    hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # Given the token in one of the variables, and a line's end after it
    monkeypatch.delenv("GITHUB_TOKEN")
    monkeypatch.setenv(name, f"{TOKEN}\n")
    hub.add_run(7)
    # When approvals are read, then it is the token
    assert github.run_approvals(HERE, 7).said == []


@pytest.mark.parametrize("token", [f"{TOKEN}\r\nX: y", f"{TOKEN} x", f"{TOKEN}é"])
def test_a_token_that_is_none_is_not_shown(
    hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    # Given a token with characters that no header holds, when approvals are read
    monkeypatch.setenv("GITHUB_TOKEN", token)
    # Then it is refused without being shown
    refused(READERS[0], "holds what is no token")
    assert not hub.asked


@pytest.mark.parametrize(
    "address",
    [
        "http://api.github.com",
        "https://u:p@x.org",
        "https://x.org?a",
        "x.org",
        "http://127.1.evil.org",
    ],
)
def test_a_token_goes_to_no_open_address(
    hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    # Given an address without TLS, or none, when approvals are read, then nothing is asked
    monkeypatch.setenv("GITHUB_API_URL", address)
    refused(READERS[0], "GITHUB_API_URL is no https://HOST/… address")


def test_who_does_not_ask_waits_for_no_library() -> None:
    # Given a new process, when the modules are imported, then no HTTP library is
    script = (
        "import sys; from governed_ml.registry import notify; from governed_ml.cli import github; "
        "from governed_ml.github import apply, client, preflight, reviews; print(*sys.modules)"
    )
    done = baked.run_plain([sys.executable, "-c", script], HERE, 0)
    assert not {"githubkit", "httpx", "urllib3"} & set(done.stdout.split())


# The stand-in itself


def test_the_stand_in_complains(hub: GitHubStandIn) -> None:
    # Given requests and answers that GitHub's description does not have
    good = {
        "accept": "application/vnd.github+json",
        "user-agent": "x",
        "authorization": f"token {TOKEN}",
    }
    hub.add_run(7, head_sha=None)
    hub.add_pull(3)
    for path, query in (
        ("/repos/acme/loans/actions/runs/7", {}),
        ("/repos/acme/loans/actions/runs/seven", {}),
        ("/repos/acme/loans/nothing", {}),
        ("/repos/acme/loans/pulls/3/reviews", {"per_page": "many"}),
        ("/repos/acme/loans/pulls/3/reviews", {"sort": "up"}),
    ):
        # When they are made, then each is a complaint
        hub.complaints.clear()
        try:
            hub.answer(Asked("GET", path, query, good))
        except ValueError:
            assert query == {"per_page": "many"}
        assert len(hub.complaints) == 1, (path, hub.complaints)
    hub.complaints.clear()
