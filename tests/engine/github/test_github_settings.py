"""GitHub's settings: what they must be, and the difference to what they are, one by one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import baked
import pytest
from github_projects import (
    ANYBODY,
    CHECKS,
    CUSTOM,
    ENVIRONMENTS,
    MODEL,
    ONLY,
    RISK,
    applied,
    change,
    compared,
    hub_unset,  # noqa: F401 - a fixture
    lines,
    meet,
    named,
    named_environments,
    refused,
    rule,
    ruleset,
    settle,
    without,
)
from github_stand_in import GitHubStandIn

from governed_ml.github import settings as wants
from governed_ml.scaffold import manifest

pytestmark = pytest.mark.slow  # all together

Break = Callable[[GitHubStandIn], Any]


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


def spring(hub: GitHubStandIn, loans: baked.BakedProject, break_it: Break, *words: str) -> None:
    """Break one setting; it alone is told, and `apply` fixes it with no more than it needs."""
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
def test_trap_01_a_missing_environment_is_reported_and_created(
    hub: GitHubStandIn, loans: baked.BakedProject, name: str
) -> None:
    # Given settings without an environment, when they are compared, then it is named, and made
    def break_it(hub: GitHubStandIn) -> None:
        del hub.settings.environments[name], hub.settings.patterns[name]

    spring(hub, loans, break_it, f"environment {name}: is missing")


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
def test_trap_02_a_way_around_the_reviewers_is_reported(
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
def test_trap_03_branches_that_may_deploy_are_reported(
    hub: GitHubStandIn,
    loans: baked.BakedProject,
    name: str,
    allowed: Any,
    patterns: list[str],
    words: str,
) -> None:
    # Given an environment for more branches than main, when compared, then they are named, and go
    spring(hub, loans, policy(name, allowed, *patterns), f"environment {name}: branches: {words}")


def test_trap_03_a_tag_named_main_does_not_count_as_the_branch(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given an environment for tags named main, when it is compared, then that is told, and fixed
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


REF = {"ref_name": {"include": ["refs/heads/other"], "exclude": []}}
EXCLUDED = {"ref_name": {"include": ["refs/heads/main"], "exclude": ["refs/heads/main"]}}


LESS: list[tuple[Callable[[GitHubStandIn], object], str]] = [
    (lambda hub: hub.settings.rulesets.pop(41), "governance: main: is missing"),
    (lambda hub: hub.settings.rulesets.pop(42), "governance: governance-ledger: is missing"),
    (whole("main", enforcement="evaluate"), "enforcement: is evaluate, must be active"),
    (whole("main", enforcement="disabled"), "enforcement: is disabled"),
    (whole("main", bypass_actors=ANYBODY), "bypass_actors: is actor_id 5"),
    (whole("governance-ledger", bypass_actors=ANYBODY), "bypass_actors: is actor_id 5"),
    (whole("main", conditions=REF), "include: is refs/heads/other"),
    (whole("main", conditions=EXCLUDED), "exclude: is refs/heads/main, must be none"),
    (lambda hub: without(hub, "deletion"), "rules: deletion: is missing"),
    (lambda hub: without(hub, "non_fast_forward"), "rules: non_fast_forward: is missing"),
    (lambda hub: without(hub, "pull_request"), "rules: pull_request: is missing"),
    (
        lambda hub: without(hub, "required_status_checks"),
        "required_status_checks: is missing",
    ),
    (lambda hub: without(hub, "deletion", "governance-ledger"), "deletion: is missing"),
    (lambda hub: without(hub, "non_fast_forward", "governance-ledger"), "is missing"),
    (parameter("pull_request", "required_approving_review_count", 0), "count: is 0, must be 1"),
    (parameter("pull_request", "dismiss_stale_reviews_on_push", False), "stale"),
    (parameter("pull_request", "require_code_owner_review", False), "code_owner"),
    (parameter("pull_request", "require_last_push_approval", False), "last_push"),
    (
        parameter("required_status_checks", "strict_required_status_checks_policy", False),
        "strict",
    ),
    (parameter("required_status_checks", "required_status_checks", []), "is none, must be"),
    (first_check(context="another"), "must be another, decision"),
    (first_check(integration_id=1), "decision (an app)"),
    (any_app, "decision (any app's)"),
]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        pytest.param(*one, marks=() if number % 4 == 0 else pytest.mark.nightly)
        for number, one in enumerate(LESS)
    ],
)
def test_a_weaker_ruleset_is_reported(
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
def test_excessive_permissions_of_actions_are_reported(
    hub: GitHubStandIn, loans: baked.BakedProject, break_it: Break, words: str
) -> None:
    # Given one setting of Actions that is too wide, when compared, then it is named, and set
    spring(hub, loans, break_it, words)


def test_trap_35_lines_of_codeowners_that_github_ignores_are_reported(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a line of CODEOWNERS that GitHub does not understand
    settle(hub)
    fault = {"line": 2, "column": 3, "kind": "Unknown owner", "message": "x", "path": "x"}
    hub.settings.owners_errors = [fault]
    # When the settings are applied, then it is named, for people to fix
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
def test_trap_38_a_line_of_codeowners_without_an_owner_is_reported(
    hub: GitHubStandIn, own: baked.BakedProject, old: str, new: str, words: str
) -> None:
    # Given a line without an owner, which GitHub takes for "nobody has to review"
    settle(hub)
    change(own, hub, ".github/CODEOWNERS", old, new)
    # When the settings are compared, then it is named
    report = compared(own)
    assert report.exit_code == 1
    assert words in lines(report)


def test_trap_38_a_missing_codeowners_is_reported(
    hub: GitHubStandIn, own: baked.BakedProject
) -> None:
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
        (f'"{RISK}"', '"model-risk"', "'model-risk' is not a GitHub @user or @org/team"),
        (f'"{RISK}"', '"@acme/model risk"', "'risk' is not a GitHub @user or @org/team"),
        (f'"{RISK}"', '"@../x"', "is not a GitHub @user or @org/team"),
        (f'"{RISK}"', f'"{MODEL}"', "is both model_owner and risk_owner"),
        (
            f'"{RISK}"',
            f'"@bob {MODEL.upper()[:5]}{MODEL[5:]}"',
            "is both model_owner and risk_owner",
        ),
        (f'"{RISK}"', '"@a @b @c @d @e @f @g"', "names 7 reviewers, but GitHub allows 6"),
    ],
)
def test_trap_38_invalid_owners_are_refused(
    hub: GitHubStandIn, own: baked.BakedProject, old: str, new: str, words: str
) -> None:
    # Given owners that are empty, malformed, the same or too many, when the settings are compared
    change(own, hub, "conf/config.yaml", old, new)
    # Then nothing is, and it says which
    refused(lambda: compared(own), words, "conf/config.yaml on main", code=1)


def test_owners_are_read_from_main_not_from_the_working_tree(
    hub: GitHubStandIn, own: baked.BakedProject
) -> None:
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


def test_a_role_without_an_environment_is_reported(
    hub: GitHubStandIn, own: baked.BakedProject
) -> None:
    # Given a policy that asks for another role, when the settings are compared, then it is told
    change(own, hub, "conf/policy/high.yaml", "[model-owner, risk-owner]", "[model-owner, auditor]")
    report = compared(own)
    assert report.notes == [
        "the role auditor has no environment: it approves with a key, or in a pull request"
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
    refused(lambda: compared(own), f".github/workflows/{name} on main lacks the jobs")


def test_the_templates_workflows_have_the_jobs_that_are_required() -> None:
    # Given the template's own workflows, when the required checks are read, then all are there
    folder = baked.TEMPLATE / ".github" / "workflows"
    texts = {name: (folder / name).read_text("utf-8") for name in wants.REQUIRED_JOBS}
    assert wants.checks(texts) == CHECKS
    # And no workflow of a team may report under any of these names
    assert set(CHECKS) <= set(manifest.RESERVED_NAMES)


def test_stricter_settings_are_kept(hub: GitHubStandIn, loans: baked.BakedProject) -> None:
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
    # And when something else is fixed, then all of it stays
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


def test_other_rulesets_of_the_team_are_left_alone(
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
