"""What stands in the way of the settings is told, and nothing that was not seen is called fine."""

from __future__ import annotations

from typing import Any

import baked
import pytest
from github_projects import (
    MODEL,
    RISK,
    applied,
    change,
    compared,
    hub_unset,  # noqa: F401 - a fixture
    lines,
    named,
    refused,
    settle,
)
from github_stand_in import Asked, Failure, GitHubStandIn

pytestmark = pytest.mark.slow  # all together


# What goes wrong


def test_a_token_without_permissions_sees_less_and_changes_nothing(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given settings as they must be, but for one, and a token that is no administrator's
    settle(hub)
    hub.settings.environments["production"]["can_admins_bypass"] = True
    hub.settings.admin = False
    # When they are compared, then what it does not see is unknown, not fine
    report = compared(loans)
    assert report.exit_code == 2
    assert named(report, "differs") == ["environment production"]
    assert named(report, "unknown") == [
        "ruleset governance: main",
        "ruleset governance: governance-ledger",
        "Actions",
        "the workflows' token",
        "pull requests from forks",
    ]
    assert lines(report).count("use an administrator's") == 5
    # And when they are applied, then nothing is
    refused(lambda: applied(loans), "nothing was changed", "use an administrator's")
    assert hub.settings.changes == 0


def test_a_read_only_token_is_reported(
    hub: GitHubStandIn, loans: baked.BakedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a token that sees everything and may set nothing, when the settings are applied
    answer = hub.answer

    def no(asked: Asked) -> tuple[int | None, Any, dict[str, str]]:
        return answer(asked) if asked.method == "GET" else (403, {"message": "no"}, {})

    monkeypatch.setattr(hub, "answer", no)
    # Then it says which token is needed
    refused(lambda: applied(loans), "GitHub answered 403", "use an administrator's")


@pytest.mark.parametrize("path", ["environments/approve-risk", "rulesets", "actions/permissions"])
def test_a_setting_that_the_token_cannot_read_is_unknown(
    hub: GitHubStandIn, loans: baked.BakedProject, path: str
) -> None:
    # Given one answer that the token may not have, when the settings are compared
    settle(hub)
    hub.failures.append(Failure(403, path=path))
    # Then that is unknown, and the rest is told
    report = compared(loans)
    assert report.exit_code == 2
    assert "GitHub answered 403" in lines(report)
    assert named(report, "as wanted")


@pytest.mark.parametrize(
    ("team", "told"), [("acme/model-risk", RISK), ("acme/model-owners", MODEL)]
)
def test_a_team_that_is_not_there_is_named(
    hub: GitHubStandIn, loans: baked.BakedProject, team: str, told: str
) -> None:
    # Given a team that GitHub does not know, when the settings are compared, then it is named
    hub.settings.teams.discard(team)
    report = compared(loans)
    assert report.exit_code == 2
    assert f"GitHub answered 404 about {told}" in lines(report)
    # And nothing is changed
    refused(lambda: applied(loans), "nothing was changed", told)
    assert hub.settings.changes == 0


def test_a_person_who_is_not_there_is_named(hub: GitHubStandIn, own: baked.BakedProject) -> None:
    # Given an account that GitHub does not know, when the settings are compared, then it is named
    change(own, hub, "conf/config.yaml", f'"{RISK}"', '"@eve @nobody"')
    assert "GitHub answered 404 about @nobody" in lines(compared(own))


def test_a_team_of_another_organisation_is_refused(
    hub: GitHubStandIn, own: baked.BakedProject
) -> None:
    # Given a team of another organisation, when the settings are compared, then it is refused
    change(own, hub, "conf/config.yaml", f'"{RISK}"', '"@other/risk"')
    refused(lambda: compared(own), "@other/risk is not a team of acme/loans's organisation", code=1)


def test_a_github_plan_without_required_reviewers_is_reported(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a private repository on a small plan, when the settings are applied
    hub.settings.reviewers_offered = False
    # Then GitHub's own reason is told
    refused(lambda: applied(loans), "GitHub answered 422", "billing plan supports")


def test_a_setting_that_github_does_not_offer_is_not_missing(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a repository for which GitHub has no policy about forks, when its settings are applied
    hub.settings.forks_offered = False
    report = applied(loans)
    # Then nothing is missing
    assert report.exit_code == 0
    assert "pull requests from forks" not in report.changed


def test_a_setting_that_github_does_not_keep_is_reported(
    hub: GitHubStandIn, loans: baked.BakedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a GitHub that says yes and does nothing, when the settings are applied
    settle(hub)
    hub.settings.environments["production"]["can_admins_bypass"] = True
    answer = hub.answer

    def deaf(asked: Asked) -> tuple[int | None, Any, dict[str, str]]:
        return answer(asked) if asked.method == "GET" else (200, {}, {})

    monkeypatch.setattr(hub, "answer", deaf)
    report = applied(loans)
    # Then what differs still is told
    assert report.exit_code == 1
    assert "environment production: can_admins_bypass: is true" in lines(report)


WHERE = ("/branches/main", "/environments/production", "/rulesets")


@pytest.mark.parametrize(
    ("path", "status", "body", "words"),
    [
        *((path, 401, {}, "the token is not valid") for path in WHERE),
        (WHERE[0], 404, {}, "it does not exist, or the token may not read it"),
        (WHERE[1], 429, {}, "rate limit is used up"),
        (WHERE[2], 403, {}, "rate limit is used up"),
        *((path, 503, {}, "run this again later") for path in WHERE),
        (WHERE[1], None, {}, "cannot reach GitHub"),
        *((path, 200, b"<html>", "not as documented") for path in WHERE),
        *((path, 200, b"{}", "not as documented") for path in WHERE),
        (WHERE[0], 301, {}, "GITHUB_REPOSITORY"),
    ],
)
def test_a_failing_github_is_reported_in_one_line(
    hub: GitHubStandIn,
    loans: baked.BakedProject,
    path: str,
    status: int | None,
    body: Any,
    words: str,
) -> None:
    # Given settings as they must be, and a GitHub in trouble, when they are compared
    settle(hub)
    headers = {"Retry-After": "3600"} if status in (403, 429) else {}
    hub.failures.append(Failure(status, body, headers, path=path))
    # Then that is told, and nothing is called fine
    refused(lambda: compared(loans), words)


@pytest.mark.parametrize("status", [500, 502])
def test_temporary_failures_of_github_are_retried(
    hub: GitHubStandIn, loans: baked.BakedProject, status: int
) -> None:
    # Given a GitHub that is in trouble for a moment, also while it sets something
    hub.failures += [Failure(status, times=2, path="rulesets"), Failure(429, times=1)]
    hub.failures[1].headers = {"Retry-After": "0"}
    # When the settings are applied, then they are in the end
    assert applied(loans).exit_code == 0
    assert len(hub.settings.rulesets) == 2


def test_apply_goes_on_where_it_stopped(hub: GitHubStandIn, loans: baked.BakedProject) -> None:
    # Given an `apply` that was stopped half way, when it runs again
    hub.failures.append(Failure(503, path="/rulesets/41"))
    refused(lambda: applied(loans), "503")
    assert hub.settings.changes
    hub.failures.clear()
    # Then it sets the rest
    assert applied(loans).exit_code == 0
