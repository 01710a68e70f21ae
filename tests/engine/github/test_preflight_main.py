"""A preflight finds what main lacks: rules, code owners, owners, approvers who can count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import baked
import pytest
from github_projects import KEY, MODEL, RISK, change, meet, rule, ruleset, without
from github_stand_in import GitHubStandIn
from preflighted import failures, hub_settled, only  # noqa: F401 - a fixture, too

from governed_ml.github import preflight as checks

pytestmark = pytest.mark.slow  # all together

Break = Callable[[GitHubStandIn], Any]


# Each condition alone


def any_apps(hub: GitHubStandIn) -> None:
    """Let whoever may write a status say what `decision` says."""
    for one in rule(hub, "required_status_checks")["required_status_checks"]:
        one.pop("integration_id")


def parameter(name: str, value: Any) -> Break:
    """Break what a pull request needs."""
    return lambda hub: rule(hub, "pull_request").update({name: value})


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda hub: without(hub, "deletion"), "rules of main: it may be deleted"),
        (lambda hub: without(hub, "non_fast_forward"), "rules of main: it may be rewritten"),
        (
            parameter("required_approving_review_count", 0),
            "it requires no pull request with an approval",
        ),
        (parameter("require_code_owner_review", False), "it requires no review by the code owners"),
        (
            parameter("dismiss_stale_reviews_on_push", False),
            "it counts reviews from before the last push",
        ),
        (parameter("require_last_push_approval", False), "whoever pushed last may approve"),
        (
            lambda hub: without(hub, "required_status_checks"),
            "it requires no status check `decision`",
        ),
        (any_apps, "it requires no status check `decision` by GitHub Actions"),
        (
            lambda hub: without(hub, "deletion", "governance-ledger"),
            "rules of governance-ledger: it may be deleted",
        ),
        (
            lambda hub: without(hub, "non_fast_forward", "governance-ledger"),
            "rules of governance-ledger: it may be rewritten",
        ),
    ],
)
def test_trap_03_a_branch_without_a_rule_fails(
    hub: GitHubStandIn, loans: baked.BakedProject, break_it: Break, words: str
) -> None:
    # Given a branch without one of its rules, when GitHub is asked, then it fails
    break_it(hub)
    only(checks.preflight(loans.path), words, "governance github apply")


@pytest.mark.parametrize("enforcement", ["disabled", "evaluate"])
def test_trap_03_an_inactive_rule_does_not_count(
    hub: GitHubStandIn, loans: baked.BakedProject, enforcement: str
) -> None:
    # Given a ruleset that is switched off or only tried, when GitHub is asked, then all is missing
    ruleset(hub)["enforcement"] = enforcement
    assert len(failures(checks.preflight(loans.path))) == 7


def test_rules_of_several_rulesets_add_up(hub: GitHubStandIn, loans: baked.BakedProject) -> None:
    # Given rules that are split over rulesets, more than a page of them, when GitHub is asked
    review = rule(hub, "pull_request")
    weak = dict.fromkeys(review, False) | {"required_approving_review_count": 0}
    ruleset(hub)["rules"][2]["parameters"] = weak
    names = {"ref_name": {"include": ["refs/heads/main"], "exclude": []}}
    kinds = [{"type": "creation"}] * 120 + [{"type": "pull_request", "parameters": review}]
    body = {"name": "ours", "enforcement": "active", "conditions": names, "rules": kinds}
    hub.settings.post_ruleset(body)
    # Then they hold together
    assert failures(checks.preflight(loans.path)) == []


def test_trap_35_codeowners_with_errors_fails(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given lines of CODEOWNERS that GitHub ignores, when GitHub is asked, then each is named
    fault = {"column": 3, "kind": "Unknown owner", "message": "x", "path": "x"}
    hub.settings.owners_errors = [fault | {"line": line} for line in (2, 5)]
    found = checks.preflight(loans.path)
    assert [line.partition(": correct")[0] for line in failures(found)] == [
        ".github/CODEOWNERS: line 2: Unknown owner",
        ".github/CODEOWNERS: line 5: Unknown owner",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no .github/CODEOWNERS"),
        ("", "it is empty"),
        ("# nobody\n", "it is empty"),
        (f"* {MODEL}\n/governance/\n", "line 2: no owner"),
    ],
)
def test_trap_35_codeowners_that_names_nobody_fails(
    hub: GitHubStandIn, own: baked.BakedProject, text: str | None, words: str
) -> None:
    # Given a CODEOWNERS without owners, in which GitHub sees no error, when GitHub is asked
    if text is None:
        (own.path / ".github" / "CODEOWNERS").unlink()
        hub.settings.owners_errors = None
    else:
        own.write(".github/CODEOWNERS", text)
    baked.commit_all(own.path, "Nobody owns it")
    meet(own, hub)
    # Then it fails
    only(checks.preflight(own.path), words, "correct it on main")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f'risk_owner: "{RISK}"', 'risk_owner: ""', "project.risk_owner is empty"),
        (f'model_owner: "{MODEL}"', 'model_owner: " "', "project.model_owner is empty"),
        (f'"{RISK}"', '"model-risk"', "'model-risk' is not a GitHub @user or @org/team"),
    ],
)
def test_trap_38_invalid_owners_fail_the_preflight(
    hub: GitHubStandIn, own: baked.BakedProject, old: str, new: str, words: str
) -> None:
    # Given an owner that is empty or malformed, when GitHub is asked, then it fails
    change(own, hub, "conf/config.yaml", old, new)
    only(checks.preflight(own.path), "owners: conf/config.yaml on main", words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f"\n  - {{name: promote.yml, key: {KEY}}}", " []", "no key under ledger"),
        (", github: eve", "", "nobody with a GitHub account in the role risk-owner"),
        ("roles: [model-owner]", "roles: [other]", "in the role model-owner"),
    ],
)
def test_approvers_who_cannot_count_fail(
    hub: GitHubStandIn, own: baked.BakedProject, old: str, new: str, words: str
) -> None:
    # Given an approvers.yaml with which no approval on GitHub would count, when GitHub is asked
    change(own, hub, "governance/approvers.yaml", old, new)
    # Then it fails now, rather than after people have approved
    only(checks.preflight(own.path), "approvers: governance/approvers.yaml on main lists", words)


def test_everything_that_fails_is_listed(hub: GitHubStandIn, loans: baked.BakedProject) -> None:
    # Given a repository with nothing set, when GitHub is asked, then all of it is told at once
    hub.settings.environments.clear()
    hub.settings.rulesets.clear()
    found = checks.preflight(loans.path)
    assert found.exit_code == 1
    assert len(failures(found)) == 4 + 7 + 2
    assert all("governance github apply" in line for line in failures(found))
