"""GitHub's settings are made so: what is set, what is left alone, what stands in the way."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import baked
import pytest
from baked import Bake
from github_projects import (
    ANYBODY,
    CHECKS,
    CUSTOM,
    ENVIRONMENTS,
    MODEL,
    ONLY,
    RISK,
    TOKEN,
    applied,
    change,
    clone,
    compared,
    github,
    lines,
    meet,
    named,
    refused,
    rule,
    ruleset,
    settle,
    variables,
)
from github_settings_stand_in import number_of
from github_stand_in import Asked, Failure, GitHubStandIn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governed_ml.github import settings as wants

pytestmark = pytest.mark.slow  # all together

Break = Callable[[GitHubStandIn], Any]


@pytest.fixture
def hub(loans: baked.BakedProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubStandIn]:
    """A GitHub that has the project's main, and no setting of ours."""
    with github(monkeypatch) as stand_in:
        meet(loans, stand_in)
        yield stand_in


# Making it so


def test_a_plan_tells_all_and_changes_nothing(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a repository with GitHub's defaults, when it is compared
    report = compared(loans)
    # Then all settings differ, and nothing was set
    assert report.exit_code == 1
    assert named(report, "as wanted") == [".github/CODEOWNERS"]
    assert {asked.method for asked in hub.asked} == {"GET"}
    for words in (f"reviewers {MODEL}", f"reviewers {RISK}", "decision", "sha_pinning_required"):
        assert words in lines(report)


def test_after_apply_everything_is_as_wanted(hub: GitHubStandIn, loans: baked.BakedProject) -> None:
    # Given a repository with GitHub's defaults, when the settings are applied
    report = applied(loans)
    # Then they are as they must be, by what GitHub says and by what it has
    assert report.exit_code == 0
    assert len(report.changed) == 12
    assert compared(loans).exit_code == 0
    assert tuple(hub.settings.environments) == ENVIRONMENTS
    for name in ("approve-model", "approve-risk"):
        made = hub.settings.environments[name]
        assert made["prevent_self_review"] is True
        assert len(made["reviewers"]) == 1
    for name, made in hub.settings.environments.items():
        assert made["can_admins_bypass"] is False
        assert [one["name"] for one in hub.settings.patterns[name]] == ["main"]
    checks = rule(hub, "required_status_checks")
    assert [one["context"] for one in checks["required_status_checks"]] == CHECKS
    assert {one["integration_id"] for one in checks["required_status_checks"]} == {15368}
    kept = {one["type"] for one in ruleset(hub, "governance-ledger")["rules"]}
    assert kept == {"deletion", "non_fast_forward"}


def test_apply_twice_changes_nothing(hub: GitHubStandIn, loans: baked.BakedProject) -> None:
    # Given settings that were applied, when they are applied again
    applied(loans)
    before = hub.settings.changes, copy.deepcopy(hub.settings.rulesets)
    report = applied(loans)
    # Then nothing is sent
    assert (report.changed, report.exit_code) == ([], 0)
    assert (hub.settings.changes, hub.settings.rulesets) == before


def test_what_settle_makes_is_what_is_wanted(hub: GitHubStandIn, loans: baked.BakedProject) -> None:
    # Given settings that were made by hand, when they are compared, then they are as wanted
    settle(hub)
    assert lines(compared(loans)) == ""


# What goes wrong


def test_a_token_that_may_not_sees_less_and_changes_nothing(
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


def test_a_token_that_may_look_and_not_set_is_told(
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
def test_what_cannot_be_seen_is_unknown(
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
    refused(lambda: compared(own), "@other/risk is no team of acme/loans's organisation", code=1)


def test_a_plan_without_required_reviewers_is_told(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a private repository on a small plan, when the settings are applied
    hub.settings.reviewers_offered = False
    # Then GitHub's own reason is told
    refused(lambda: applied(loans), "GitHub answered 422", "billing plan supports")


def test_what_github_does_not_offer_is_not_missing(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a repository for which GitHub has no policy about forks, when its settings are applied
    hub.settings.forks_offered = False
    report = applied(loans)
    # Then nothing is missing
    assert report.exit_code == 0
    assert "pull requests from forks" not in report.changed


def test_a_setting_that_does_not_stick_is_told(
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
        (WHERE[0], 404, {}, "it is not there, or the token may not see it"),
        (WHERE[1], 429, {}, "rate limit is used up"),
        (WHERE[2], 403, {}, "rate limit is used up"),
        *((path, 503, {}, "run this again later") for path in WHERE),
        (WHERE[1], None, {}, "cannot reach GitHub"),
        *((path, 200, b"<html>", "not as documented") for path in WHERE),
        *((path, 200, b"{}", "not as documented") for path in WHERE),
        (WHERE[0], 301, {}, "GITHUB_REPOSITORY"),
    ],
)
def test_githubs_trouble_is_one_line(
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
def test_trouble_that_passes_is_waited_for(
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


# Any settings


FLAGS, SOME = st.booleans(), st.sampled_from(["main", "release/*", "dev"])
KINDS = st.sampled_from(["deletion", "non_fast_forward", "creation", "required_signatures"])
CONTEXTS = st.sampled_from([*CHECKS, "a-scan", "deploy"])
HANDLES = st.lists(st.sampled_from(["@ada", "@bob", "@eve", RISK, MODEL]), unique=True)


@st.composite
def rules(draw: Any) -> dict[str, Any]:
    """Rules of a ruleset, as people may have left them."""
    found: dict[str, Any] = {kind: {} for kind in draw(st.lists(KINDS, unique=True))}
    if draw(FLAGS):
        found["pull_request"] = {
            name: draw(st.integers(0, 10) if name.endswith("count") else FLAGS)
            for name in (*wants.REVIEW, "required_review_thread_resolution")
        }
    if draw(FLAGS):
        apps = st.sampled_from([None, 1, wants.ACTIONS])
        checks = [
            {"context": name, "integration_id": draw(apps)}
            for name in sorted(draw(st.lists(CONTEXTS, unique=True)))
        ]
        strict = {"strict_required_status_checks_policy": draw(FLAGS)}
        found["required_status_checks"] = strict | {"required_status_checks": checks}
    return found


@st.composite
def rulesets(draw: Any) -> dict[str, Any]:
    """A ruleset, as people may have left it."""
    return {
        "id": 41,
        "target": "branch",
        "enforcement": draw(st.sampled_from(["active", "disabled", "evaluate"])),
        "bypass_actors": copy.deepcopy(draw(st.sampled_from([[], ANYBODY]))),
        "include": [f"refs/heads/{one}" for one in draw(st.lists(SOME))],
        "exclude": [f"refs/heads/{one}" for one in draw(st.lists(SOME))],
        "rules": draw(rules()),
    }


@st.composite
def environments(draw: Any) -> dict[str, Any]:
    """An environment, as people may have left it."""
    names = st.lists(SOME, unique=True).map(sorted)
    return {
        "reviewers": sorted(draw(HANDLES)),
        "prevent_self_review": draw(FLAGS),
        "can_admins_bypass": draw(st.sampled_from([None, True, False])),
        "wait_timer": draw(st.integers(0, 30)),
        "branches": draw(st.one_of(st.sampled_from([wants.EVERY, wants.PROTECTED_ONLY]), names)),
    }


@given(found=st.one_of(st.none(), rulesets()))
def test_any_ruleset_becomes_one_that_stays_and_is_no_weaker(found: Any) -> None:
    # Given any ruleset, or none
    becomes = wants.ruleset_becomes("main", wants.main_rules(CHECKS))
    before = copy.deepcopy(found)
    # When it becomes what it must be
    after = becomes(found)
    # Then that is all that is needed, and what was there was not touched on the way
    assert becomes(after) == after
    assert wants.differences(after, becomes(after)) == []
    assert found == before
    assert bool(wants.differences(found, after)) == (found != after)
    # And it is active for main, for everybody, with every rule that was there and no less of it
    assert (after["enforcement"], after["bypass_actors"], after["exclude"]) == ("active", [], [])
    old = found["rules"] if found else {}
    assert old.keys() <= after["rules"].keys()
    count, name = "required_approving_review_count", "required_status_checks"
    assert after["rules"]["pull_request"][count] >= max(
        1, old.get("pull_request", {}).get(count, 0)
    )
    names = {one["context"] for one in after["rules"][name][name]}
    assert names >= {*CHECKS, *(one["context"] for one in old.get(name, {}).get(name, []))}
    own = [one for one in after["rules"][name][name] if one["context"] in CHECKS]
    assert {one["integration_id"] for one in own} == {wants.ACTIONS}


@given(found=st.one_of(st.none(), environments()), reviewers=HANDLES)
def test_any_environment_becomes_one_that_is_guarded(found: Any, reviewers: list[str]) -> None:
    # Given any environment, or none, when it becomes what it must be
    becomes = wants.environment_becomes(reviewers)
    after = becomes(found)
    # Then that is all that is needed
    assert becomes(after) == after
    assert bool(wants.differences(found, after)) == (found != after)
    # And those review who must, or else those who did
    assert after["reviewers"] == (sorted(reviewers) or (found["reviewers"] if found else []))
    assert after["prevent_self_review"] or not after["reviewers"]
    assert (after["can_admins_bypass"], after["branches"]) == (False, ["main"])
    assert after["wait_timer"] == (found["wait_timer"] if found else 0)


@st.composite
def states(draw: Any) -> Any:
    """Environments and reviews of a repository, as GitHub may have them."""
    found: dict[str, Any] = {"environments": {}, "patterns": {}}
    for name in draw(st.lists(st.sampled_from(ENVIRONMENTS), unique=True)):
        allowed = draw(st.sampled_from([None, ONLY, CUSTOM]))
        bob = {"type": "User", "id": number_of("bob")}
        found["environments"][name] = {
            "reviewers": draw(st.sampled_from([[], [bob]])),
            "prevent_self_review": draw(FLAGS),
            "can_admins_bypass": draw(FLAGS),
            "wait_timer": draw(st.integers(0, 30)),
            "deployment_branch_policy": allowed,
        }
        names = draw(st.lists(SOME, unique=True)) if allowed == CUSTOM else []
        found["patterns"][name] = [
            {"id": n, "name": one, "type": "branch"} for n, one in enumerate(names, 1)
        ]
    kept = draw(rules())
    for one in kept.get("required_status_checks", {}).get("required_status_checks", []):
        if one["integration_id"] is None:
            del one["integration_id"]
    found["rules"] = [
        {"type": kind, "parameters": values} if values else {"type": kind}
        for kind, values in kept.items()
    ]
    return found


@pytest.mark.nightly
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(state=states())
def test_whatever_is_there_apply_makes_it_so_and_then_rests(
    hub: GitHubStandIn, loans: baked.BakedProject, state: Any
) -> None:
    # Given any settings at GitHub, when they are applied
    hub.settings.__post_init__()
    meet(loans, hub)
    hub.settings.environments |= copy.deepcopy(state["environments"])
    hub.settings.patterns |= copy.deepcopy(state["patterns"])
    names = {"ref_name": {"include": ["refs/heads/main"], "exclude": []}}
    body = {"name": "governance: main", "enforcement": "active", "conditions": names}
    hub.settings.post_ruleset(body | {"rules": copy.deepcopy(state["rules"])})
    assert applied(loans).exit_code == 0
    # Then once is enough
    assert applied(loans).changed == []


# As people run it


@pytest.fixture
def shop(
    bake_runnable: Bake, hub: GitHubStandIn, tmp_path: Path
) -> tuple[baked.BakedProject, dict[str, str]]:
    """A project whose commands can be run, and the variables that they need."""
    made = clone(bake_runnable(), tmp_path)
    meet(made, hub)
    return made, variables(hub)


def test_the_commands_plan_apply_and_verify(
    hub: GitHubStandIn, shop: tuple[baked.BakedProject, dict[str, str]]
) -> None:
    # Given a repository with GitHub's defaults
    made, env = shop
    # When nothing is said but `github`, then it is a plan, and nothing is changed
    said = made.governance("github", code=1, **env).stdout
    assert "environment approve-risk: is not there, must be reviewers @acme/model-risk" in said
    assert "1 as wanted · 12 differs: `uv run governance github apply`" in said
    assert made.governance("github", "verify", code=1, **env).stdout.count("as wanted") == 2
    assert hub.settings.changes == 0
    # When it is applied, then it is said what was set
    done = made.governance("github", "apply", **env)
    assert done.stdout.splitlines()[-1] == "12 settings changed"
    assert "ruleset governance: main: set" in done.stderr
    # And then there is nothing more to do
    again = json.loads(made.governance("github", "apply", "--json", **env).stdout)
    assert again["changed"] == []
    assert "nothing changed" in made.governance("github", "apply", **env).stdout
    assert made.governance("github", "plan", **env).stdout == "13 as wanted\n"
    report = json.loads(made.governance("github", "verify", "--json", **env).stdout)
    assert {one["state"] for one in report["settings"]} == {"as wanted"}


def test_no_command_shows_the_token(
    hub: GitHubStandIn, shop: tuple[baked.BakedProject, dict[str, str]]
) -> None:
    # Given a GitHub that refuses, and says the token in its reason
    made, env = shop
    hub.failures.append(Failure(422, {"message": f"bad {TOKEN}"}, path="environments/production"))
    for words in (("plan",), ("apply",), ("verify", "--json")):
        # When the commands are run, then none shows it
        done = made.governance("github", *words, code=2, **env)
        assert TOKEN not in done.stdout + done.stderr
        assert "GitHub says: bad …" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    # And without one, they say what to set
    done = made.governance("github", "plan", code=2, **env | {"GITHUB_TOKEN": ""})
    assert "set GITHUB_TOKEN" in done.stderr
