"""A preflight asks for what its purpose needs: a pull request, a rollback, what runs by itself."""

from __future__ import annotations

import baked
import pytest
from github_projects import named_environments, ruleset
from github_stand_in import GitHubStandIn
from preflighted import failures, hub_settled, only  # noqa: F401 - a fixture, too

from governed_ml.github import preflight as checks

pytestmark = pytest.mark.slow  # all together


# By a pull request


@pytest.fixture
def small(hub: GitHubStandIn) -> GitHubStandIn:
    """A private repository on a small plan, without required reviewers; pull request 3 promotes."""
    del hub.settings.environments["approve-model"], hub.settings.environments["approve-risk"]
    hub.add_pull(3)
    return hub


def test_a_promotion_by_pull_request_passes_the_preflight(
    small: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a promotion's pull request, when GitHub is asked about it
    found = checks.preflight(loans.path, 3)
    # Then all holds: the environments of the roles need not be there, as no job will name them
    assert (failures(found), found.exit_code, found.path) == ([], 0, "pull-request")


def test_a_pull_request_cannot_replace_environments_with_reviewers(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given environments with reviewers, when a pull request is to stand in for them
    hub.add_pull(3)
    found = failures(checks.preflight(loans.path, 3))
    # Then it does not
    assert len(found) == 2
    assert all("the environment has reviewers who give the approval" in line for line in found)


def test_a_promotion_by_pull_request_still_checks_the_rules_of_main(
    small: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a pull request's path and a main without rules, when GitHub is asked, then it fails
    ruleset(small)["enforcement"] = "disabled"
    small.settings.environments.clear()
    found = checks.preflight(loans.path, 3)
    text = "\n".join(failures(found))
    for words in ("no review by the code owners", "last push", "production: it does not exist"):
        assert words in text


def test_a_rollback_asks_for_production_and_not_for_who_approves(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a repository whose plan has no environments with reviewers
    del hub.settings.environments["approve-model"], hub.settings.environments["approve-risk"]
    # When a rollback is to start, then it may
    found = checks.preflight(loans.path, purpose="rollback")
    assert (found.exit_code, found.path, failures(found)) == (0, "rollback", [])
    # And neither CODEOWNERS nor a rule of main stand in its way
    ruleset(hub)["enforcement"] = "disabled"
    assert checks.preflight(loans.path).exit_code == 1
    assert checks.preflight(loans.path, purpose="rollback").exit_code == 0
    # And not into a production that is not there
    del hub.settings.environments["production"]
    only(
        checks.preflight(loans.path, purpose="rollback"),
        "environment production: it does not exist",
    )


@pytest.mark.parametrize("purpose", ["monitor", "retrain"])
def test_trap_01_automatic_runs_require_only_their_own_environments(
    hub: GitHubStandIn, loans: baked.BakedProject, purpose: str
) -> None:
    # Given a repository in which only these environments are there, and a rule of the ledger
    names = named_environments(f"{purpose}.yml")
    environments = hub.settings.environments
    for name in environments.keys() - names:
        del environments[name]
    ruleset(hub)["enforcement"] = "disabled"
    # When the workflow is to start, then all holds, but for what a project has to name itself
    found = checks.preflight(loans.path, purpose=purpose)
    said = "batch source: none is set, so monitoring would measure nothing: "
    unknown = (
        [f"{said}set monitor.source in conf/config.yaml on main"] if purpose == "monitor" else []
    )
    assert (failures(found), failures(found, "unknown"), found.path) == ([], unknown, purpose)
    assert found.exit_code == (2 if unknown else 0)
    # And each of them that every branch reaches, or that is not there, stops it
    for name in names:
        kept = environments.pop(name)
        assert failures(checks.preflight(loans.path, purpose=purpose))[0].startswith(
            f"environment {name}: it does not exist"
        )
        environments[name] = kept | {"deployment_branch_policy": None}
        (line,) = failures(checks.preflight(loans.path, purpose=purpose))
        assert f"environment {name}: every branch may deploy" in line
        environments[name] = kept


@pytest.mark.parametrize(
    ("head", "base"), [("feature", "main"), ("promote/x", "release"), ("xpromote/x", "main")]
)
def test_a_pull_request_between_other_branches_is_no_promotion(
    small: GitHubStandIn, loans: baked.BakedProject, head: str, base: str
) -> None:
    # Given a pull request between other branches, when GitHub is asked about it, then it fails
    pull = small.pulls[3]
    pull["head"]["ref"], pull["base"]["ref"] = head, base
    only(checks.preflight(loans.path, 3), f"it goes from {head} to {base}", "promote/… to main")


def test_a_pull_request_that_is_not_there_is_unknown(
    small: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a number that no pull request has, when GitHub is asked about it, then that is told
    found = checks.preflight(loans.path, 4)
    assert found.exit_code == 2
    assert "GitHub answered 404 about pull request 4" in failures(found, "unknown")[0]
