"""The GitHub for tests complains of what GitHub's own description does not have."""

from __future__ import annotations

from github_stand_in import Asked, GitHubStandIn
from reading_approvals import TOKEN, hub_asked  # noqa: F401 - a fixture, too

# The stand-in itself


def test_the_fake_github_rejects_undocumented_requests(hub: GitHubStandIn) -> None:
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
