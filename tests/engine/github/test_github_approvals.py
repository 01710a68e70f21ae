"""Who approved on GitHub is read as GitHub has it: in environments of a run, in reviews."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from github_stand_in import HEAD, Failure, GitHubStandIn, user
from reading_approvals import HERE, hub_asked, refused, said  # noqa: F401 - a fixture, too

from governed_ml.github import client
from governed_ml.github import reviews as github

OTHER = "c" * 40


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


def test_one_approval_of_two_environments_counts_for_both(hub: GitHubStandIn) -> None:
    # Given one approval of two environments at once, when it is read
    hub.add_run(7)
    hub.approve(7, "bob", "risk-owner", "model-owner")
    # Then it is there twice
    found = github.run_approvals(HERE, 7)
    assert [one.environment for one in found.said] == ["risk-owner", "model-owner"]


def test_a_rejection_is_read_as_a_rejection(hub: GitHubStandIn) -> None:
    # Given an approval and a rejection of one environment, when they are read
    hub.add_run(7)
    hub.approve(7, "bob", "risk-owner")
    hub.approve(7, "eve", "risk-owner", state="rejected", comment="not yet")
    # Then both are there
    assert said(github.run_approvals(HERE, 7)) == [
        ("bob", "approved", HEAD),
        ("eve", "rejected", HEAD),
    ]


def test_a_run_without_approvals_has_none(hub: GitHubStandIn) -> None:
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


def test_a_run_of_another_repository_is_refused(hub: GitHubStandIn) -> None:
    # Given an answer about a run of another repository, when it is read
    hub.add_run(7, repository=hub.add_run(8)["repository"] | {"full_name": "acme/other"})
    # Then it is refused
    refused(lambda: github.run_approvals(HERE, 7), "acme/loans", "acme/other", "run this again")


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
def test_a_persons_last_review_counts(
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


def test_bots_authors_and_deleted_accounts_approve_nothing(hub: GitHubStandIn) -> None:
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


def test_endless_pages_are_abandoned(hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
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
