"""GitHub's settings: what they must be, the difference to what they are, and making it so."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import baked
import pytest
import template_package
from conftest import Bake
from github_projects import (
    CHECKS,
    GUARDED,
    MODEL,
    RISK,
    TOKEN,
    change,
    clone,
    github,
    meet,
    named_environments,
    rule,
    ruleset,
    settle,
    variables,
    without,
)
from github_settings_stand_in import number_of
from github_stand_in import Asked, Failure, GitHubStandIn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

apply = template_package.module("governance.github_apply")
wants = template_package.module("governance.github_settings")
Problem = template_package.module("problem").Problem

pytestmark = pytest.mark.slow  # all together

Break = Callable[[GitHubStandIn], Any]


@pytest.fixture(scope="module")
def loans(project: baked.BakedProject, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project of tier high whose owners are two teams; not to be changed."""
    return clone(project, tmp_path_factory.mktemp("loans"))


@pytest.fixture
def own(loans: baked.BakedProject, tmp_path: Path) -> baked.BakedProject:
    """A copy of it, to be changed."""
    return baked.copy_project(loans, tmp_path)


@pytest.fixture
def hub(loans: baked.BakedProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubStandIn]:
    """A GitHub that has the project's main, and no setting of ours."""
    with github(monkeypatch) as stand_in:
        meet(loans, stand_in)
        yield stand_in


def compared(loans: baked.BakedProject) -> Any:
    """What `plan` and `verify` find."""
    with apply.planned(loans.path) as plan:
        return plan.compare()


def applied(loans: baked.BakedProject) -> Any:
    """What `apply` does."""
    with apply.planned(loans.path) as plan:
        return plan.apply(lambda _: None)


def named(report: Any, state: str) -> list[str]:
    """The settings in a state."""
    return [one.name for one in report.settings if one.state == state]


def lines(report: Any) -> str:
    """All that a report tells."""
    return "\n".join(f"{one.name}: {line}" for one in report.settings for line in one.lines)


def refused(call: Callable[[], Any], *words: str, code: int = 2) -> str:
    """The one line with which a call stops; it holds no token."""
    with pytest.raises(Problem) as caught:
        call()
    text = str(caught.value)
    assert caught.value.exit_code == code, text
    assert TOKEN not in text
    for word in words:
        assert word in text
    return text


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
    assert len(report.changed) == 10
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


# Each setting alone


def environment(name: str, **values: Any) -> Break:
    """Break values of an environment."""
    return lambda hub: hub.settings.environments[name].update(values)


def policy(name: str, allowed: Any, *patterns: str) -> Break:
    """Let an environment take other branches."""

    def break_it(hub: GitHubStandIn) -> None:
        hub.settings.environments[name]["deployment_branch_policy"] = allowed
        found = [{"id": n, "name": one, "type": "branch"} for n, one in enumerate(patterns, 1)]
        hub.settings.patterns[name] = found

    return break_it


CUSTOM = {"protected_branches": False, "custom_branch_policies": True}
ONLY = {"protected_branches": True, "custom_branch_policies": False}
ENVIRONMENTS = ("approve-model", "approve-risk", *GUARDED)


def spring(hub: GitHubStandIn, loans: baked.BakedProject, break_it: Break, *words: str) -> None:
    """Break one setting; it alone is told, and `apply` mends it with no more than it needs."""
    settle(hub)
    whole = state_of(hub)
    break_it(hub)
    report = compared(loans)
    assert report.exit_code == 1
    assert len(named(report, "differs")) == 1
    for word in words:
        assert word in lines(report)
    assert applied(loans).changed == named(report, "differs")
    assert state_of(hub) == whole


def state_of(hub: GitHubStandIn) -> Any:
    """All settings, in an order of their own."""
    found = hub.settings
    rulesets = copy.deepcopy(sorted(found.rulesets.values(), key=lambda one: one["name"]))
    for one in rulesets:
        one["rules"].sort(key=lambda rule: rule["type"])
        del one["id"]
    names = {
        name: sorted(one["name"] for one in there)
        for name, there in found.patterns.items()
        if there
    }
    whole = [found.environments, names, rulesets, found.actions, found.token, found.forks]
    return json.loads(json.dumps(whole, sort_keys=True))


def test_trap_01_every_environment_that_a_workflow_names_is_guarded() -> None:
    # Given the template's workflows, when the environments that their jobs name are read
    found = named_environments("*.yml")
    # Then `apply` guards each of them, and no other
    assert found == set(ENVIRONMENTS)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_trap_01_an_environment_that_is_not_there_is_told(
    hub: GitHubStandIn, loans: baked.BakedProject, name: str
) -> None:
    # Given settings without an environment, when they are compared, then it is named, and made
    def break_it(hub: GitHubStandIn) -> None:
        del hub.settings.environments[name], hub.settings.patterns[name]

    spring(hub, loans, break_it, f"environment {name}: is not there")


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (environment("approve-model", prevent_self_review=False), "prevent_self_review: is false"),
        (environment("approve-risk", prevent_self_review=False), "prevent_self_review: is false"),
        (environment("approve-model", can_admins_bypass=True), "can_admins_bypass: is true"),
        (environment("approve-risk", can_admins_bypass=True), "can_admins_bypass: is true"),
        (environment("production", can_admins_bypass=True), "can_admins_bypass: is true"),
        (environment("approve-risk", reviewers=[]), f"reviewers: is none, must be {RISK}"),
    ],
)
def test_trap_02_a_way_around_the_reviewers_is_told(
    hub: GitHubStandIn, loans: baked.BakedProject, break_it: Break, words: str
) -> None:
    # Given one protection that is off, when the settings are compared, then it is named, and set
    spring(hub, loans, break_it, words)


@pytest.mark.parametrize(
    ("name", "allowed", "patterns", "words"),
    [
        ("approve-model", None, [], "is every branch, must be main"),
        ("production", None, [], "is every branch, must be main"),
        ("approve-risk", ONLY, [], "is protected branches, must be main"),
        ("production", CUSTOM, [], "is none, must be main"),
        ("production", CUSTOM, ["main", "release/*"], "is main, release/*, must be main"),
        ("approve-model", CUSTOM, ["*"], "is *, must be main"),
    ],
)
def test_trap_03_branches_that_may_deploy_are_told(
    hub: GitHubStandIn,
    loans: baked.BakedProject,
    name: str,
    allowed: Any,
    patterns: list[str],
    words: str,
) -> None:
    # Given an environment for more branches than main, when compared, then they are named, and go
    spring(hub, loans, policy(name, allowed, *patterns), f"environment {name}: branches: {words}")


def test_trap_03_a_tag_named_main_is_no_branch(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given an environment for tags named main, when it is compared, then that is told, and mended
    def break_it(hub: GitHubStandIn) -> None:
        hub.settings.patterns["production"][0]["type"] = "tag"

    spring(hub, loans, break_it, "branches: is tag main, must be main")


def parameter(kind: str, name: str, value: Any) -> Break:
    """Break a rule of main."""
    return lambda hub: rule(hub, kind).update({name: value})


def whole(branch: str, **values: Any) -> Break:
    """Break a ruleset."""
    return lambda hub: ruleset(hub, branch).update(values)


def first_check(**values: Any) -> Break:
    """Break a required check."""
    return lambda hub: rule(hub, "required_status_checks")["required_status_checks"][0].update(
        values
    )


def any_app(hub: GitHubStandIn) -> None:
    """Let any app report a required check."""
    del rule(hub, "required_status_checks")["required_status_checks"][0]["integration_id"]


ANYBODY = [{"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}]
REF = {"ref_name": {"include": ["refs/heads/other"], "exclude": []}}
EXCLUDED = {"ref_name": {"include": ["refs/heads/main"], "exclude": ["refs/heads/main"]}}


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda hub: hub.settings.rulesets.pop(41), "governance: main: is not there"),
        (lambda hub: hub.settings.rulesets.pop(42), "governance: governance-ledger: is not there"),
        (whole("main", enforcement="evaluate"), "enforcement: is evaluate, must be active"),
        (whole("main", enforcement="disabled"), "enforcement: is disabled"),
        (whole("main", bypass_actors=ANYBODY), "bypass_actors: is actor_id 5"),
        (whole("governance-ledger", bypass_actors=ANYBODY), "bypass_actors: is actor_id 5"),
        (whole("main", conditions=REF), "include: is refs/heads/other"),
        (whole("main", conditions=EXCLUDED), "exclude: is refs/heads/main, must be none"),
        (lambda hub: without(hub, "deletion"), "rules: deletion: is not there"),
        (lambda hub: without(hub, "non_fast_forward"), "rules: non_fast_forward: is not there"),
        (lambda hub: without(hub, "pull_request"), "rules: pull_request: is not there"),
        (
            lambda hub: without(hub, "required_status_checks"),
            "required_status_checks: is not there",
        ),
        (lambda hub: without(hub, "deletion", "governance-ledger"), "deletion: is not there"),
        (lambda hub: without(hub, "non_fast_forward", "governance-ledger"), "is not there"),
        (parameter("pull_request", "required_approving_review_count", 0), "count: is 0, must be 1"),
        (parameter("pull_request", "dismiss_stale_reviews_on_push", False), "stale"),
        (parameter("pull_request", "require_code_owner_review", False), "code_owner"),
        (parameter("pull_request", "require_last_push_approval", False), "last_push"),
        (
            parameter("required_status_checks", "strict_required_status_checks_policy", False),
            "strict",
        ),
        (parameter("required_status_checks", "required_status_checks", []), "is none, must be"),
        (first_check(context="another"), "must be another, data-validation, decision"),
        (first_check(integration_id=1), "data-validation (an app)"),
        (any_app, "data-validation (any app's)"),
    ],
)
def test_a_ruleset_that_asks_for_less_is_told(
    hub: GitHubStandIn, loans: baked.BakedProject, break_it: Break, words: str
) -> None:
    # Given one rule that asks for less, when the settings are compared, then it is named
    settle(hub)
    break_it(hub)
    report = compared(loans)
    assert report.exit_code == 1
    assert len(named(report, "differs")) == 1
    assert words in lines(report)
    # And it is set, once
    assert applied(loans).changed == named(report, "differs")
    assert applied(loans).changed == []


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda hub: hub.settings.actions.update(sha_pinning_required=False), "sha_pinning"),
        (lambda hub: hub.settings.actions.pop("sha_pinning_required"), "sha_pinning"),
        (lambda hub: hub.settings.actions.update(enabled=False), "enabled: is false"),
        (lambda hub: hub.settings.token.update(default_workflow_permissions="write"), "is write"),
        (
            lambda hub: hub.settings.token.update(can_approve_pull_request_reviews=True),
            "can_approve_pull_request_reviews: is true",
        ),
        (
            lambda hub: hub.settings.forks.update(approval_policy="first_time_contributors"),
            "pull requests from forks: approval_policy: is first_time_contributors",
        ),
    ],
)
def test_actions_that_may_too_much_are_told(
    hub: GitHubStandIn, loans: baked.BakedProject, break_it: Break, words: str
) -> None:
    # Given one setting of Actions that is too wide, when compared, then it is named, and set
    spring(hub, loans, break_it, words)


def test_trap_35_what_github_ignores_of_codeowners_is_told(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a line of CODEOWNERS that GitHub does not understand
    settle(hub)
    fault = {"line": 2, "column": 3, "kind": "Unknown owner", "message": "x", "path": "x"}
    hub.settings.owners_errors = [fault]
    # When the settings are applied, then it is named, for people to mend
    report = applied(loans)
    assert (report.exit_code, report.changed) == (1, [])
    assert ".github/CODEOWNERS: errors: is line 2: Unknown owner" in lines(report)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f"* {MODEL}", "*", "line 2: no owner"),
        (f"/governance/ {RISK}", "/governance/  # nobody", "no owner"),
    ],
)
def test_trap_38_a_line_of_codeowners_without_an_owner_is_told(
    hub: GitHubStandIn, own: baked.BakedProject, old: str, new: str, words: str
) -> None:
    # Given a line without an owner, which GitHub takes for "nobody has to review"
    settle(hub)
    change(own, hub, ".github/CODEOWNERS", old, new)
    # When the settings are compared, then it is named
    report = compared(own)
    assert report.exit_code == 1
    assert words in lines(report)


def test_trap_38_a_missing_codeowners_is_told(hub: GitHubStandIn, own: baked.BakedProject) -> None:
    # Given a project without CODEOWNERS, when its settings are compared, then that is told
    settle(hub)
    (own.path / ".github" / "CODEOWNERS").unlink()
    baked.commit_all(own.path, "Nobody owns it")
    meet(own, hub)
    assert "there is no .github/CODEOWNERS" in lines(compared(own))


# What is wanted


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f'risk_owner: "{RISK}"', 'risk_owner: ""', "project.risk_owner is empty"),
        (f'model_owner: "{MODEL}"', 'model_owner: "  "', "project.model_owner is empty"),
        (f'"{RISK}"', '"model-risk"', "'model-risk' is no GitHub @user or @org/team"),
        (f'"{RISK}"', '"@acme/model risk"', "'risk' is no GitHub @user or @org/team"),
        (f'"{RISK}"', '"@../x"', "is no GitHub @user or @org/team"),
        (f'"{RISK}"', f'"{MODEL}"', "is model_owner and risk_owner"),
        (f'"{RISK}"', f'"@bob {MODEL.upper()[:5]}{MODEL[5:]}"', "is model_owner and risk_owner"),
        (f'"{RISK}"', '"@a @b @c @d @e @f @g"', "names 7, GitHub takes 6 at most"),
    ],
)
def test_trap_38_owners_that_are_none_are_refused(
    hub: GitHubStandIn, own: baked.BakedProject, old: str, new: str, words: str
) -> None:
    # Given owners that are empty, malformed, the same or too many, when the settings are compared
    change(own, hub, "conf/config.yaml", old, new)
    # Then nothing is, and it says which
    refused(lambda: compared(own), words, "conf/config.yaml on main", code=1)


def test_a_working_tree_has_no_say(hub: GitHubStandIn, own: baked.BakedProject) -> None:
    # Given owners that were changed here, and not on main, when the settings are compared
    text = own.read("conf/config.yaml")
    own.write("conf/config.yaml", text.replace(MODEL, "@ada"))
    meet(own, hub)
    # Then those of main are wanted
    settle(hub)
    assert compared(own).exit_code == 0


def test_people_may_review_as_well_as_teams(hub: GitHubStandIn, own: baked.BakedProject) -> None:
    # Given owners that are people, however they are spelt, when the settings are applied
    change(own, hub, "conf/config.yaml", f'"{RISK}"', '"@Eve @bob"')
    assert applied(own).exit_code == 0
    # Then they review
    reviewers = hub.settings.environments["approve-risk"]["reviewers"]
    assert [one["type"] for one in reviewers] == ["User", "User"]
    assert applied(own).changed == []


def test_a_role_without_an_environment_is_told(hub: GitHubStandIn, own: baked.BakedProject) -> None:
    # Given a policy that asks for another role, when the settings are compared, then it is told
    change(own, hub, "conf/policy/high.yaml", "[model-owner, risk-owner]", "[model-owner, auditor]")
    report = compared(own)
    assert report.notes == [
        "the role auditor has no environment: it says yes with a key, or in a pull request"
    ]
    assert "environment approve-risk" not in named(report, "differs")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ci.yml", "  check:", "  lint:"),
        ("governance.yml", "  decision:", "  verdict:"),
        ("governance.yml", "jobs:", "tasks:"),
        ("governance.yml", "jobs:", "jobs: ["),
    ],
)
def test_a_check_that_no_job_reports_is_not_required(
    hub: GitHubStandIn, own: baked.BakedProject, name: str, old: str, new: str
) -> None:
    # Given a workflow without one of the jobs, when the settings are compared
    change(own, hub, f".github/workflows/{name}", old, new)
    # Then nothing is wanted that would hold up every merge
    refused(lambda: compared(own), f".github/workflows/{name} on main has not the jobs")


def test_the_templates_workflows_have_the_jobs_that_are_required() -> None:
    # Given the template's own workflows, when the required checks are read, then all are there
    folder = baked.TEMPLATE / ".github" / "workflows"
    assert wants.checks({name: (folder / name).read_text("utf-8") for name in wants.CHECKS}) == (
        CHECKS
    )


def test_what_is_stricter_stays(hub: GitHubStandIn, loans: baked.BakedProject) -> None:
    # Given a team that asks for more than it must
    settle(hub)
    rule(hub, "pull_request").update(
        required_approving_review_count=3, required_review_thread_resolution=True
    )
    rule(hub, "required_status_checks")["required_status_checks"].append({"context": "a-scan"})
    ruleset(hub)["rules"].append({"type": "required_signatures"})
    reviewer = hub.settings.environments["approve-risk"]["reviewers"]
    hub.settings.environments["production"] |= {"reviewers": reviewer, "wait_timer": 30}
    hub.settings.environments["production"]["prevent_self_review"] = True
    # When the settings are compared, then nothing differs
    assert lines(compared(loans)) == ""
    # And when something else is mended, then all of it stays
    rule(hub, "pull_request")["require_code_owner_review"] = False
    hub.settings.environments["production"]["can_admins_bypass"] = True
    assert len(applied(loans).changed) == 2
    assert rule(hub, "pull_request")["required_approving_review_count"] == 3
    assert rule(hub, "pull_request")["required_review_thread_resolution"] is True
    found = rule(hub, "required_status_checks")["required_status_checks"]
    assert {"context": "a-scan"} in found
    assert {"type": "required_signatures"} in ruleset(hub)["rules"]
    assert hub.settings.environments["production"]["wait_timer"] == 30
    assert hub.settings.environments["production"]["reviewers"] == reviewer


def test_a_ruleset_of_somebody_elses_is_left_alone(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given many rulesets of the team's own, when ours are applied, then those are as they were
    condition = {"ref_name": {"include": ["~ALL"], "exclude": []}}
    for number in range(130):
        body = {"name": f"own {number}", "enforcement": "active", "conditions": condition}
        hub.settings.post_ruleset(body | {"rules": [{"type": "creation"}]})
    before = copy.deepcopy(hub.settings.rulesets)
    assert applied(loans).exit_code == 0
    assert {number: hub.settings.rulesets[number] for number in before} == before
    # And ours are found behind them, on the second page
    assert applied(loans).changed == []


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
    assert "1 as wanted · 10 differs: `uv run governance github apply`" in said
    assert made.governance("github", "verify", code=1, **env).stdout.count("as wanted") == 2
    assert hub.settings.changes == 0
    # When it is applied, then it is said what was set
    done = made.governance("github", "apply", **env)
    assert done.stdout.splitlines()[-1] == "10 settings changed"
    assert "ruleset governance: main: set" in done.stderr
    # And then there is nothing more to do
    again = json.loads(made.governance("github", "apply", "--json", **env).stdout)
    assert again["changed"] == []
    assert "nothing changed" in made.governance("github", "apply", **env).stdout
    assert made.governance("github", "plan", **env).stdout == "11 as wanted\n"
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
