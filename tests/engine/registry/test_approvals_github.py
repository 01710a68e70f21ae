"""An approval on GitHub counts for its commit, and as long as GitHub says so."""

from __future__ import annotations

from dataclasses import replace

import baked
import pytest
import registry
from baked import BakedProject
from github_stand_in import GitHubStandIn
from registry import ago


def at_github(project: BakedProject, hub: GitHubStandIn) -> BakedProject:
    """The project as in a workflow of the stand-in's repository."""
    variables = {
        "GITHUB_REPOSITORY": hub.repository,
        "GITHUB_API_URL": hub.url,
        "GITHUB_TOKEN": "gh-token",
        "NO_PROXY": "127.0.0.1",
    }
    return replace(project, variables=project.variables | variables)


@pytest.mark.nightly
@pytest.mark.slow
def test_approvals_on_github_count_for_the_commit_and_while_github_says_so(
    registered: BakedProject,
) -> None:
    commit = baked.git(registered.path, "rev-parse", "HEAD")
    with GitHubStandIn() as hub:
        project = at_github(registered, hub)
        # Given a run on the version's commit that its own starter, and one on another commit that
        # the owner approved: when they are taken over, then neither counts
        hub.add_run(1, actor="owner-at-github", head_sha=commit)
        hub.approve(1, "owner-at-github", "approve-model")
        done = project.governance("approve", "1", "--run", "1", code=None)
        registry.refused(done, "with a role that the policy asks for has approved in github:run:1")
        hub.add_run(2, actor="robot", head_sha="d" * 40)
        hub.approve(2, "owner-at-github", "approve-model")
        done = project.governance("approve", "1", "--run", "2", code=None)
        registry.refused(done, "it is for another commit")
        # Nor does that of an author, of a stranger, or one that somebody else refused
        hub.add_run(3, actor="robot", head_sha=commit)
        hub.approve(3, "author-at-github", "approve-model")
        done = project.governance("approve", "1", "--run", "3", code=None)
        registry.refused(done, "wrote or registered what is to be approved")
        hub.add_run(4, actor="robot", head_sha=commit)
        # Nor one for another environment, of another workflow, of a pull request about code
        hub.approve(4, "owner-at-github", "staging")
        done = project.governance("approve", "1", "--run", "4", code=None)
        registry.refused(done, "nobody with a role that the policy asks for has approved")
        hub.approve(4, "owner-at-github", "approve-risk")
        done = project.governance("approve", "1", "--run", "4", code=None)
        registry.refused(done, "nobody with a role that the policy asks for has approved")
        hub.add_run(6, actor="robot", head_sha=commit, path=".github/workflows/deploy.yml")
        hub.approve(6, "owner-at-github", "approve-model")
        done = project.governance("approve", "1", "--run", "6", code=None)
        registry.refused(done, "run 6 is of .github/workflows/deploy.yml")
        code = hub.add_pull(7, author="author-at-github")
        code["head"] |= {"sha": commit, "ref": "faster"}
        hub.review(7, "owner-at-github", "APPROVED", commit_id=commit)
        done = project.governance("approve", "1", "--pull", "7", code=None)
        registry.refused(
            done,
            "pull request 7 is not a promotion: it goes from faster to main",
        )
        hub.approve(4, "stranger", "approve-model")
        done = project.governance("approve", "1", "--run", "4", code=None)
        registry.refused(done, "nobody with a role that the policy asks for has approved")
        hub.approve(4, "owner-at-github", "approve-model")
        hub.approve(4, "risk-at-github", "approve-risk", state="rejected")
        done = project.governance("approve", "1", "--run", "4", code=None)
        registry.refused(done, "risk-at-github rejected this version on GitHub")
        assert registry.actions(project) == ["registered 1"]
        # When the owner approves a run on the commit, or reviews a pull request with that head
        pull = hub.add_pull(5, author="author-at-github")
        pull["head"]["sha"] = commit
        hub.review(5, "owner-at-github", "APPROVED", commit_id=commit)
        done = project.governance("approve", "1", "--pull", "5", code=None)
        registry.refused(done, "it is older than the registration")
        given = {"commit_id": commit, "submitted_at": ago(0)}
        hub.review(5, "owner-at-github", "APPROVED", **given)
        said = project.governance("approve", "1", "--pull", "5").stdout
        # Then it counts
        assert "owner approved it" in said
        assert registry.states(project) == {1: "approved"}
        # And when the review is dismissed before the promotion, then it counts no longer
        hub.review(5, "owner-at-github", "DISMISSED", **given)
        done = project.governance("promote", code=None)
        registry.refused(done, "still needs approval by", "GitHub does not have this approval")
        # And without an answer from GitHub, nobody can tell
        lost = replace(project, variables=project.variables | {"GITHUB_TOKEN": ""})
        done = lost.governance("promote", code=None)
        registry.refused(done, "no token for GitHub", code=2)
        # And only a signed event can vouch for GitHub later, so git has to sign
        hub.review(5, "owner-at-github", "APPROVED", **given)
        done = project.governance("promote", code=None)
        registry.refused(done, "count only in signed events")
        registry.sign_events(project, "ci")
        project.governance("promote")
        assert registry.states(project) == {1: "champion"}
        rows = registry.home(project) / "rows.csv"
        rows.write_bytes((project.path / "data" / "raw.parquet").read_bytes())
        out = str(registry.home(project) / "out.csv")
        project.governance("predict", str(rows), "--output", out)
        assert not hub.complaints
