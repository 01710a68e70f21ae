"""A preflight finds an environment that is not there, not guarded or open to other branches."""

from __future__ import annotations

from typing import Any

import baked
import pytest
from github_projects import CUSTOM, MODEL, ONLY, RISK, change, named_environments
from github_stand_in import Failure, GitHubStandIn
from hypothesis import given
from hypothesis import strategies as st
from preflighted import failures, hub_settled, only  # noqa: F401 - a fixture, too

from governed_ml.github import preflight as checks
from governed_ml.github import protection
from governed_ml.github import settings as wants

pytestmark = pytest.mark.slow  # all together


def test_correct_settings_pass_the_preflight(hub: GitHubStandIn, loans: baked.BakedProject) -> None:
    # Given settings as they must be, when GitHub is asked with a workflow's token
    found = checks.preflight(loans.path)
    # Then all holds, by environments, and nothing was changed
    assert (failures(found), found.exit_code) == ([], 0)
    assert (found.path, found.roles) == ("environments", ["model-owner", "risk-owner"])
    assert {asked.method for asked in hub.asked} == {"GET"}
    # And every environment that a job of such a run names was asked for
    names = named_environments("promote.yml") | named_environments("rollback.yml")
    paths = {asked.path.partition("/environments/")[2] for asked in hub.asked}
    assert names <= paths


def test_a_policy_with_one_role_names_two_environments(
    hub: GitHubStandIn, own: baked.BakedProject
) -> None:
    # Given a policy that asks the model owner alone, when GitHub is asked
    change(own, hub, "conf/policy/high.yaml", "[model-owner, risk-owner]", "[model-owner]")
    del hub.settings.environments["approve-risk"]
    found = checks.preflight(own.path)
    # Then nobody misses the other environment
    assert (found.exit_code, found.roles) == (0, ["model-owner"])


# Each condition alone


@pytest.mark.parametrize("name", ["approve-model", "approve-risk", "production", "registry"])
def test_trap_01_a_missing_environment_fails(
    hub: GitHubStandIn, loans: baked.BakedProject, name: str
) -> None:
    # Given an environment that nobody made, when GitHub is asked
    del hub.settings.environments[name]
    # Then it fails, before a job has it made unprotected
    only(
        checks.preflight(loans.path), f"environment {name}: it does not exist", "without protection"
    )
    assert name not in hub.settings.environments


def test_trap_01_an_environment_that_cannot_be_seen_is_unknown(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a token that may not see an environment, when GitHub is asked
    hub.failures.append(Failure(403, path="environments/approve-risk"))
    found = checks.preflight(loans.path)
    # Then it is unknown, and that is not fine
    assert (failures(found), found.exit_code) == ([], 2)
    (line,) = failures(found, "unknown")
    assert "environment approve-risk: GitHub answered 403" in line
    assert "`actions: read`, `contents: read` and `pull-requests: read`" in line
    assert "GitHub says: so it is" in line


def test_trap_01_an_environment_without_reviewers_fails(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given an environment in which nobody has to review, when GitHub is asked
    hub.settings.environments["approve-risk"]["reviewers"] = []
    # Then it fails, and says what a private repository can do
    found = checks.preflight(loans.path)
    assert len(failures(found)) == 2  # who starts a run may review it, too
    assert "environment approve-risk: it requires no review" in failures(found)[0]
    assert "GitHub Enterprise" in failures(found)[0]
    assert "promotion pull request from promote/… to main" in failures(found)[0]


@pytest.mark.parametrize("name", ["approve-model", "approve-risk"])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"prevent_self_review": False}, "whoever starts a run may also review it"),
        ({"can_admins_bypass": True}, "administrators may bypass it"),
    ],
)
def test_trap_02_self_review_and_admin_bypass_fail(
    hub: GitHubStandIn, loans: baked.BakedProject, name: str, values: Any, words: str
) -> None:
    # Given an environment with a way around its reviewers, when GitHub is asked, then it fails
    hub.settings.environments[name].update(values)
    only(checks.preflight(loans.path), f"environment {name}: {words}", "governance github apply")


def test_trap_02_production_that_administrators_may_bypass_fails(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a way around production, when GitHub is asked, then it fails
    hub.settings.environments["production"]["can_admins_bypass"] = True
    only(checks.preflight(loans.path), "environment production: administrators may bypass it")


def test_trap_02_one_reviewer_in_both_environments_fails(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a team that reviews in both environments, when GitHub is asked, then it is named
    both = hub.settings.environments
    both["approve-risk"]["reviewers"] += both["approve-model"]["reviewers"]
    only(checks.preflight(loans.path), f"reviewers: {MODEL} is a reviewer of two environments")


@pytest.mark.parametrize(
    ("allowed", "patterns", "words"),
    [
        (None, [], "every branch may deploy; limit it to main"),
        (
            ONLY,
            [],
            "every branch may deploy, because it allows protected branches and main is not",
        ),
        (CUSTOM, ["*"], "* may deploy, but only main should"),
        (CUSTOM, ["main", "release/*"], "main, release/* may deploy, but only main should"),
        (CUSTOM, [], "no branch may deploy, but only main should"),
    ],
)
def test_trap_03_an_environment_for_other_branches_fails(
    hub: GitHubStandIn, loans: baked.BakedProject, allowed: Any, patterns: list[str], words: str
) -> None:
    # Given an environment for more branches than main, when GitHub is asked, then it fails
    hub.settings.environments["approve-model"]["deployment_branch_policy"] = allowed
    found = [{"id": n, "name": one, "type": "branch"} for n, one in enumerate(patterns, 1)]
    hub.settings.patterns["approve-model"] = found
    only(checks.preflight(loans.path), "environment approve-model", words)


def test_trap_03_protected_branches_suffice_if_main_is_protected(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given environments for protected branches, and the classic protection of main
    for one in hub.settings.environments.values():
        one["deployment_branch_policy"] = ONLY
    hub.settings.branches["main"]["classic"] = True
    # When GitHub is asked, then that holds
    assert checks.preflight(loans.path).exit_code == 0


# Any environment


@given(
    found=st.fixed_dictionaries(
        {
            "reviewers": st.lists(st.sampled_from(["@bob", RISK]), unique=True),
            "prevent_self_review": st.booleans(),
            "can_admins_bypass": st.sampled_from([None, True, False]),
            "wait_timer": st.just(0),
            "branches": st.one_of(
                st.sampled_from([wants.EVERY, wants.PROTECTED_ONLY]),
                st.lists(st.sampled_from(["main", "tag main", "dev", "*"]), unique=True),
            ),
        }
    ),
    classic=st.booleans(),
    reviewed=st.booleans(),
)
def test_an_environment_holds_only_if_every_condition_does(
    found: Any, classic: bool, reviewed: bool
) -> None:
    # Given any environment, when it is judged
    lines = protection.environment_doubts("x", found, classic, reviewed=reviewed)
    # Then it holds only if somebody else has to review, without a way around, from main alone
    guarded = found["prevent_self_review"] if found["reviewers"] else not reviewed
    limited = found["branches"] == ["main"] or (
        found["branches"] == wants.PROTECTED_ONLY and classic
    )
    holds = guarded and found["can_admins_bypass"] is False and limited
    assert (lines == []) == holds
    # And what `apply` makes of it always does
    made = wants.environment_becomes([RISK] if reviewed else [])(found)
    assert protection.environment_doubts("x", made, classic, reviewed=reviewed) == []
