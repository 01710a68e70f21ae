"""What a promotion rests on at GitHub is asked for before any job names an environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import baked
import pytest
from baked import Bake
from github_projects import (
    CUSTOM,
    KEY,
    MODEL,
    ONLY,
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
from github_stand_in import Failure, GitHubStandIn
from hypothesis import given
from hypothesis import strategies as st

from governed_ml.core.problem import Problem
from governed_ml.github import preflight as checks
from governed_ml.github import protection
from governed_ml.github import settings as wants

pytestmark = pytest.mark.slow  # all together

Break = Callable[[GitHubStandIn], Any]


@pytest.fixture
def hub(loans: baked.BakedProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubStandIn]:
    """A GitHub with the project's main and the settings as they must be; no administrator asks."""
    with github(monkeypatch) as stand_in:
        meet(loans, stand_in)
        settle(stand_in)
        stand_in.settings.admin = False
        yield stand_in


def failures(found: Any, state: str = "fails") -> list[str]:
    """All that does not hold."""
    return [f"{one.name}: {one.line}" for one in found.checks if one.state == state]


def only(found: Any, *words: str) -> None:
    """One thing does not hold, and the words tell it; the line says what fixes it."""
    (line,) = failures(found)
    assert found.exit_code == 1
    for word in words:
        assert word in line, line


def test_all_holds(hub: GitHubStandIn, loans: baked.BakedProject) -> None:
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
def test_trap_01_an_environment_that_is_not_there_fails(
    hub: GitHubStandIn, loans: baked.BakedProject, name: str
) -> None:
    # Given an environment that nobody made, when GitHub is asked
    del hub.settings.environments[name]
    # Then it fails, before a job has it made unprotected
    only(checks.preflight(loans.path), f"environment {name}: it is not there", "unprotected")
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
    assert "environment approve-risk: nobody has to review" in failures(found)[0]
    assert "GitHub Enterprise" in failures(found)[0]
    assert "promotion pull request from promote/… to main" in failures(found)[0]


@pytest.mark.parametrize("name", ["approve-model", "approve-risk"])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"prevent_self_review": False}, "who starts a run may review it"),
        ({"can_admins_bypass": True}, "administrators may get around it"),
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
    only(checks.preflight(loans.path), "environment production: administrators may get around it")


def test_trap_02_one_reviewer_in_both_environments_fails(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a team that reviews in both environments, when GitHub is asked, then it is named
    both = hub.settings.environments
    both["approve-risk"]["reviewers"] += both["approve-model"]["reviewers"]
    only(checks.preflight(loans.path), f"reviewers: {MODEL} reviews in two environments")


@pytest.mark.parametrize(
    ("allowed", "patterns", "words"),
    [
        (None, [], "every branch may deploy; limit it to main"),
        (ONLY, [], "every branch may deploy: it takes protected branches, and main is none"),
        (CUSTOM, ["*"], "* may deploy, and main alone must"),
        (CUSTOM, ["main", "release/*"], "main, release/* may deploy, and main alone must"),
        (CUSTOM, [], "no branch may deploy, and main alone must"),
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


def test_trap_03_protected_branches_will_do_where_main_is_one(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given environments for protected branches, and the classic protection of main
    for one in hub.settings.environments.values():
        one["deployment_branch_policy"] = ONLY
    hub.settings.branches["main"]["classic"] = True
    # When GitHub is asked, then that holds
    assert checks.preflight(loans.path).exit_code == 0


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
        (parameter("required_approving_review_count", 0), "no pull request with an approval"),
        (parameter("require_code_owner_review", False), "no review by the code owners"),
        (parameter("dismiss_stale_reviews_on_push", False), "before the last push counts"),
        (parameter("require_last_push_approval", False), "who pushed last may approve"),
        (lambda hub: without(hub, "required_status_checks"), "no status check `decision`"),
        (any_apps, "no status check `decision` by GitHub Actions"),
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
def test_trap_03_a_rule_that_is_not_active_is_none(
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
        (f'"{RISK}"', '"model-risk"', "'model-risk' is no GitHub @user or @org/team"),
    ],
)
def test_trap_38_owners_that_are_none_fail(
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


# In a workflow


@pytest.fixture
def runner_here(
    hub: GitHubStandIn, own: baked.BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> baked.BakedProject:
    """A project in a workflow's run on main, with a server and a remote that others reach."""
    baked.git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    baked.git(own.path, "remote", "add", "origin", str(tmp_path / "origin.git"))
    text = own.read(".dvc/config").replace("url = ../.dvc-remote", "url = s3://acme/dvc")
    own.write(".dvc/config", text)
    baked.commit_all(own.path, "A remote for all")
    baked.git(own.path, "push", "--quiet", "origin", "main")
    meet(own, hub)
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REF": "refs/heads/main",
        "MLFLOW_TRACKING_URI": "https://mlflow.example.org",
    }.items():
        monkeypatch.setenv(name, value)
    return own


def test_in_a_workflow_all_holds(runner_here: baked.BakedProject) -> None:
    # Given a run on main, when GitHub is asked, then all holds
    found = checks.preflight(runner_here.path)
    assert (failures(found), failures(found, "unknown"), found.exit_code) == ([], [], 0)
    assert found.notes == ["who may bypass rulesets is seen by `governance github verify` alone"]


@pytest.mark.parametrize("ref", ["refs/heads/promote/x", "refs/tags/main", "refs/pull/3/merge", ""])
def test_a_run_elsewhere_than_on_main_fails(
    runner_here: baked.BakedProject, monkeypatch: pytest.MonkeyPatch, ref: str
) -> None:
    # Given a run of another branch, when GitHub is asked, then it fails
    monkeypatch.setenv("GITHUB_REF", ref)
    only(checks.preflight(runner_here.path), "start the workflow from the branch main")


@pytest.mark.parametrize("server", ["", "sqlite:///mlflow.db", "file:///mlruns"])
def test_trap_36_without_a_server_it_says_what_to_set(
    runner_here: baked.BakedProject, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    # Given a store that vanishes with the runner, when GitHub is asked, then nothing is promised
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    found = checks.preflight(runner_here.path)
    assert found.exit_code == 2
    (line,) = failures(found, "unknown")
    assert "set MLFLOW_TRACKING_URI to a server" in line


@pytest.mark.parametrize("url", ["../.dvc-remote", "/srv/dvc"])
def test_trap_36_without_a_shared_remote_it_says_what_to_set(
    hub: GitHubStandIn, runner_here: baked.BakedProject, url: str
) -> None:
    # Given a remote that vanishes with the runner, and a setting that differs, when GitHub is asked
    runner_here.write(".dvc/config", runner_here.read(".dvc/config").replace("s3://acme/dvc", url))
    hub.settings.environments["production"]["can_admins_bypass"] = True
    found = checks.preflight(runner_here.path)
    # Then it exits 2, and tells both
    assert found.exit_code == 2
    (line,) = failures(found, "unknown")
    assert "set DVC's remote to one that is shared" in line
    assert len(failures(found)) == 1


def test_a_commit_that_the_clone_has_not_is_fetched(
    hub: GitHubStandIn, runner_here: baked.BakedProject, tmp_path: Path
) -> None:
    # Given a main that somebody pushed to, after this clone was made
    other = tmp_path / "other"
    baked.git(tmp_path, "clone", "--quiet", "--branch", "main", "origin.git", str(other))
    path = other / "conf" / "policy" / "high.yaml"
    text = path.read_text("utf-8").replace("[model-owner, risk-owner]", "[model-owner]")
    path.write_text(text, encoding="utf-8")
    hub.settings.branches["main"]["sha"] = baked.commit_all(other, "Fewer roles")
    baked.git(other, "push", "--quiet", "origin", "main")
    # When GitHub is asked, then the newer policy counts
    assert checks.preflight(runner_here.path).roles == ["model-owner"]


# By a pull request


@pytest.fixture
def small(hub: GitHubStandIn) -> GitHubStandIn:
    """A private repository on a small plan, without required reviewers; pull request 3 promotes."""
    del hub.settings.environments["approve-model"], hub.settings.environments["approve-risk"]
    hub.add_pull(3)
    return hub


def test_by_a_pull_request_all_holds(small: GitHubStandIn, loans: baked.BakedProject) -> None:
    # Given a promotion's pull request, when GitHub is asked about it
    found = checks.preflight(loans.path, 3)
    # Then all holds: the environments of the roles need not be there, as no job will name them
    assert (failures(found), found.exit_code, found.path) == ([], 0, "pull-request")


def test_a_pull_request_is_no_way_round_environments_with_reviewers(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given environments with reviewers, when a pull request is to stand in for them
    hub.add_pull(3)
    found = failures(checks.preflight(loans.path, 3))
    # Then it does not
    assert len(found) == 2
    assert all("it has reviewers, and they are who says yes" in line for line in found)


def test_by_a_pull_request_main_is_guarded_all_the_same(
    small: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a pull request's path and a main without rules, when GitHub is asked, then it fails
    ruleset(small)["enforcement"] = "disabled"
    small.settings.environments.clear()
    found = checks.preflight(loans.path, 3)
    text = "\n".join(failures(found))
    for words in ("no review by the code owners", "last push", "production: it is not there"):
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
        checks.preflight(loans.path, purpose="rollback"), "environment production: it is not there"
    )


@pytest.mark.parametrize("purpose", ["monitor", "retrain"])
def test_trap_01_what_runs_by_itself_asks_for_just_its_environments(
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
    said = "batch source: there is none, so nothing would be measured: set monitor.source in "
    unknown = [f"{said}conf/config.yaml on main"] if purpose == "monitor" else []
    assert (failures(found), failures(found, "unknown"), found.path) == ([], unknown, purpose)
    assert found.exit_code == (2 if unknown else 0)
    # And each of them that every branch reaches, or that is not there, stops it
    for name in names:
        kept = environments.pop(name)
        assert failures(checks.preflight(loans.path, purpose=purpose))[0].startswith(
            f"environment {name}: it is not there"
        )
        environments[name] = kept | {"deployment_branch_policy": None}
        (line,) = failures(checks.preflight(loans.path, purpose=purpose))
        assert f"environment {name}: every branch may deploy" in line
        environments[name] = kept


@pytest.mark.parametrize(
    ("head", "base"), [("feature", "main"), ("promote/x", "release"), ("xpromote/x", "main")]
)
def test_another_pull_request_is_no_promotion(
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


# What goes wrong


@pytest.mark.parametrize("path", ["rules/branches/main", "codeowners", "environments/production"])
def test_what_github_does_not_tell_is_unknown(
    hub: GitHubStandIn, loans: baked.BakedProject, path: str
) -> None:
    # Given one answer that the token may not have, when GitHub is asked, then that is unknown
    hub.failures.append(Failure(403, path=path))
    found = checks.preflight(loans.path)
    assert (found.exit_code, len(failures(found, "unknown"))) == (2, 1)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (Failure(401), "the token is not valid"),
        (Failure(404, path="branches/main"), "it is not there, or the token may not see it"),
        (Failure(429, headers={"Retry-After": "3600"}), "rate limit is used up"),
        (Failure(503, path="rules/branches"), "run this again later"),
        (Failure(None, path="environments/approve-risk"), "cannot reach GitHub"),
        (Failure(200, b"[1]", path="rules/branches"), "not as documented"),
        (Failure(200, b"{}", path="environments/production"), "not as documented"),
        (Failure(200, b'{"errors": null}', path="codeowners"), "not as documented"),
        (Failure(200, b'{"name": "main"}', path="branches/main"), "not as documented"),
    ],
)
def test_githubs_trouble_is_one_line(
    hub: GitHubStandIn, loans: baked.BakedProject, failure: Failure, words: str
) -> None:
    # Given a GitHub in trouble, when it is asked, then it could not, whatever else holds
    hub.failures.append(failure)
    with pytest.raises(Problem) as caught:
        checks.preflight(loans.path)
    assert words in str(caught.value)
    assert caught.value.exit_code == 2
    assert TOKEN not in str(caught.value)


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


# As a workflow runs it


def test_the_command_leaves_outputs_and_a_table(
    bake_runnable: Bake, hub: GitHubStandIn, tmp_path: Path
) -> None:
    # Given a project whose settings are as they must be, when a workflow's step asks
    made = clone(bake_runnable(), tmp_path)
    meet(made, hub)
    output, summary = tmp_path / "output", tmp_path / "summary"
    env = variables(hub, GITHUB_OUTPUT=str(output), GITHUB_STEP_SUMMARY=str(summary))
    done = made.governance("preflight", **env)
    # Then the roles and the path are outputs, and all is in a table
    said = output.read_text("utf-8").splitlines()
    assert said[1] == '["model-owner", "risk-owner"]'
    assert [line.partition("<<")[0] for line in (said[0], said[3])] == ["roles", "path"]
    assert said[4] == "environments"
    assert "| environment production | holds |" in summary.read_text("utf-8")
    assert done.stdout.splitlines()[-1] == (
        "people say yes by environments; roles: model-owner, risk-owner"
    )
    # And when something does not hold, it exits 1, and a program can read what
    hub.settings.environments["production"]["can_admins_bypass"] = True
    hub.add_pull(3)
    told = json.loads(made.governance("preflight", "--json", code=1, **env).stdout)
    assert [one["name"] for one in told["checks"] if one["state"] == "fails"] == [
        "environment production"
    ]
    assert "by pull request 3" in made.governance("preflight", "--pull", "3", code=1, **env).stdout
    # And in a workflow without a server, it exits 2
    env |= {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/heads/main"}
    last = made.governance("preflight", code=2, **env)
    assert "set MLFLOW_TRACKING_URI to a server" in last.stdout
    assert TOKEN not in last.stdout + last.stderr + summary.read_text("utf-8")
