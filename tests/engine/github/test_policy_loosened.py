"""A limit that is loosened needs its owner's word about the pull request that brings it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import baked
import pytest
import registry
from baked import Bake
from github_projects import in_actions
from github_stand_in import GitHubStandIn

from governed_ml.github.workflow_run import event as events


@pytest.mark.parametrize(
    ("event", "number"),
    [
        ({"pull_request": {"number": 5}}, 5),
        ({"merge_group": {"head_ref": f"refs/heads/gh-readonly-queue/main/pr-12-{'a' * 40}"}}, 12),
        ({"merge_group": {"head_ref": "refs/heads/other/pr-12-aa"}}, None),
        ({"before": "a" * 40}, None),
        ({}, None),
    ],
)
def test_the_event_names_the_pull_request(event: dict[str, Any], number: int | None) -> None:
    # Given an event, when its pull request is looked for, then it is the one it is about
    assert events.pull_number(event) == number


@pytest.mark.parametrize(
    ("head", "fork"),
    [
        ({"repo": {"full_name": "a/b"}}, False),
        ({"repo": {"full_name": "m/b"}}, True),
        ({"repo": None}, True),
        ({}, True),
    ],
)
def test_a_pull_request_from_a_missing_repository_counts_as_a_fork(
    head: dict[str, Any], fork: bool
) -> None:
    # Given a pull request, when its head's repository is another one, or gone, then it is a fork
    event = {"pull_request": {"head": head, "base": {"repo": {"full_name": "a/b"}}}}
    assert events.from_fork(event) is fork


POLICY = "conf/policy/base.yaml"


@pytest.fixture
def loosened(bake_runnable: Bake) -> baked.BakedProject:
    """A project with a policy owner, and on a branch a commit that loosens a limit."""
    project = bake_runnable()
    project.write("governance/approvers.yaml", json.dumps(registry.POLICY_OWNER))
    baked.commit_all(project.path, "Who owns the policy")
    baked.git(project.path, "checkout", "--quiet", "-b", "feature")
    text = project.read(POLICY)
    changed = text.replace(registry.LIMIT, "warn: 0.65\n    block: 0.60")
    assert changed != text
    project.write(POLICY, changed)
    baked.commit_all(project.path, "Loosen")
    return project


@pytest.mark.slow
def test_trap_29_a_loosened_limit_needs_the_policys_owner(
    loosened: baked.BakedProject, github_api: GitHubStandIn, tmp_path: Path
) -> None:
    # Given a pull request that loosens a limit
    base = baked.git(loosened.path, "rev-parse", "main")
    head = baked.git(loosened.path, "rev-parse", "HEAD")
    github_api.add_pull(4, author="ada")
    github_api.pulls[4]["head"]["sha"] = head
    event = {"pull_request": {"number": 4, "base": {"sha": base}}}
    variables = in_actions(github_api, tmp_path, event)
    # When nobody, the author, or somebody else has approved, then it is refused, with the rule
    github_api.review(4, "ada", "APPROVED", commit_id=head)
    github_api.review(4, "eve", "APPROVED", commit_id=head)
    done = loosened.governance("policy", "diff", code=1, **variables)
    assert "loosened: evaluate.roc_auc: warn is" in done.stderr
    assert "no risk-owner has approved its head" in done.stderr
    assert "ask @risky for a review" in done.stderr
    assert f"::warning file={POLICY},line=" in done.stderr
    assert "evaluate.roc_auc" in (tmp_path / "summary.md").read_text()
    # When the owner has approved an earlier commit, then that is not enough
    github_api.review(4, "risky", "APPROVED", commit_id=base)
    done = loosened.governance("policy", "diff", code=1, **variables)
    assert f"@risky approved commit {base[:12]} of pull request 4" in done.stderr
    # When the owner has approved this commit, then it goes through, and says who it was
    github_api.review(4, "Risky", "APPROVED", commit_id=head)
    done = loosened.governance("policy", "diff", **variables)
    assert "1 loosened" in done.stdout
    assert "approved by Risk (@Risky)" in done.stdout
    # When the owner wrote a part of it, then that approval is none
    own = ["-c", "user.email=risk@example.org", "commit", "--quiet", "--allow-empty", "-m", "Mine"]
    baked.git(loosened.path, *own)
    mine = baked.git(loosened.path, "rev-parse", "HEAD")
    github_api.pulls[4]["head"]["sha"] = mine
    github_api.review(4, "risky", "APPROVED", commit_id=mine)
    done = loosened.governance("policy", "diff", code=1, **variables)
    assert "ask one who wrote none of it" in done.stderr
    baked.git(loosened.path, "reset", "--quiet", "--hard", head)
    github_api.pulls[4]["head"]["sha"] = head
    # When the owner takes it back, then it is refused again
    github_api.review(4, "risky", "CHANGES_REQUESTED", commit_id=head)
    loosened.governance("policy", "diff", code=1, **variables)


@pytest.mark.slow
def test_a_loosened_limit_on_main_needs_the_pull_request_that_brought_it(
    loosened: baked.BakedProject, github_api: GitHubStandIn, tmp_path: Path
) -> None:
    # Given a push to main that loosens a limit
    base = baked.git(loosened.path, "rev-parse", "main")
    head = baked.git(loosened.path, "rev-parse", "HEAD")
    variables = in_actions(github_api, tmp_path, {"before": base})
    # When it came by no pull request, then the owner is asked for
    done = loosened.governance("policy", "diff", code=1, **variables)
    assert "a risk-owner must approve" in done.stdout
    # When it came by one that the owner approved, then it goes through
    github_api.add_pull(4, author="ada", merged=True)
    github_api.pulls[4]["head"]["sha"] = head
    github_api.review(4, "risky", "APPROVED", commit_id=head)
    github_api.add_commit(head, 4)
    assert "approved by Risk" in loosened.governance("policy", "diff", **variables).stdout
    # And so it does if the same push brought another pull request after it
    loosened.write("README.md", "Another one\n")
    after = baked.commit_all(loosened.path, "Words")
    github_api.add_pull(5, author="ada", merged=True)
    github_api.add_commit(after, 5)
    assert "approved by Risk" in loosened.governance("policy", "diff", **variables).stdout
    # And not if that loosens a limit, too
    text = loosened.read(POLICY)
    stricter = "metric: explain.coverage\n    bound: at_least\n    block: 0.95"
    assert stricter in text
    loosened.write(POLICY, text.replace(stricter, stricter.replace("0.95", "0.5")))
    later = baked.commit_all(loosened.path, "Loosen more")
    github_api.add_pull(6, author="ada", merged=True)
    github_api.pulls[6]["head"]["sha"] = later
    github_api.add_commit(later, 6)
    done = loosened.governance("policy", "diff", code=1, **variables)
    assert "pull request 6 loosens the policy" in done.stderr


@pytest.mark.slow
def test_without_a_loosened_limit_github_is_not_asked(
    bake_runnable: Bake, github_api: GitHubStandIn, tmp_path: Path
) -> None:
    # Given a push that touches no limit, when its policy is compared, then GitHub is not asked
    project = bake_runnable()
    base = baked.commit_all(project.path, "The lock")
    project.write("README.md", "Another one\n")
    baked.commit_all(project.path, "Words")
    project.governance("policy", "diff", **in_actions(github_api, tmp_path, {"before": base}))
    assert not github_api.asked
    # And of a first push there is nothing to compare with
    first = in_actions(github_api, tmp_path, {"before": "0" * 40})
    assert "no earlier policy" in project.governance("policy", "diff", **first).stdout
    # And a base that is not here is no answer
    lost = in_actions(github_api, tmp_path, {"before": "1" * 40})
    assert "fetch-depth: 0" in project.governance("policy", "diff", code=2, **lost).stderr
    # And on a machine without an event it is compared with main
    assert "0 loosened" in project.governance("policy", "diff").stdout
    # And there it counts what is in no commit yet
    limits = project.read(POLICY)
    project.write(POLICY, limits.replace("block: 0.95", "block: 0.5"))
    said = project.governance("policy", "diff", code=1).stdout
    assert "uncommitted changes included: 1 loosened" in said
