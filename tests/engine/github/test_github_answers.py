"""An answer that is not as GitHub documents it is told, with its field, and nobody has approved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from github_stand_in import HEAD, Failure, GitHubStandIn
from reading_approvals import READ, READERS, hub_asked, refused  # noqa: F401 - a fixture, too

# What goes wrong


@READ
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"id": 7', b"[]", b"null", b"{}", b"\xff"])
def test_an_invalid_answer_is_reported(
    hub: GitHubStandIn, reader: Callable[[], Any], body: bytes
) -> None:
    # Given an answer that is no JSON, or nothing of what was asked for
    hub.failures.append(Failure(200, body))
    # When approvals are read, then it could not judge
    refused(reader, "is not as documented", "report this as a bug")


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
def test_a_run_that_breaks_the_schema_is_reported(
    hub: GitHubStandIn, spoilt: dict[str, Any], place: str
) -> None:
    # Given a run with a field that is not as documented, when it is read
    hub.failures.append(Failure(200, hub.add_run(7) | spoilt))
    # Then it could not judge, and names the field
    refused(READERS[0], f"{place}", "report this as a bug")


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
def test_an_approval_that_breaks_the_schema_is_reported(
    hub: GitHubStandIn, spoilt: dict[str, Any], place: str
) -> None:
    # Given an approval with a field that is not as documented, when it is read
    hub.add_run(7)
    hub.approve(7, "bob", "risk-owner")
    hub.failures.append(Failure(200, [hub.approvals[7][0] | spoilt], path="approvals"))
    # Then it could not judge, and names the field
    refused(READERS[0], place, "report this as a bug")


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
def test_a_review_that_breaks_the_schema_is_reported(
    hub: GitHubStandIn, spoilt: dict[str, Any], place: str
) -> None:
    # Given a review with a field that is not as documented, when it is read
    hub.add_pull(3)
    review = hub.review(3, "bob", "APPROVED")
    hub.failures.append(Failure(200, [review | spoilt], path="reviews"))
    # Then it could not judge, and names the field
    refused(READERS[1], place, "report this as a bug")


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
