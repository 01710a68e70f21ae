"""The template's update becomes a pull request, by the workflow, all of it or nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import acting
import baked
import pytest
from evolving import change, evolving  # noqa: F401 - the fixture
from git_stand_in import GitStandIn
from github_stand_in import GitHubStandIn

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]
TOKEN, WEAK = "ghp_T0SECRET", "ghp_WEAK"
BRANCH, WORKFLOW, GATE = "template-update", ".github/workflows/ci.yml", "conf/model/ridge.yaml"
CODE = "src/{{cookiecutter.package}}/features.py"


@dataclass
class World:
    """A project, its template, and the GitHub where both a run and a push end up."""

    template: Path
    project: baked.BakedProject
    hub: GitHubStandIn
    git: GitStandIn
    run: Callable[..., acting.Run]

    def there(self, name: str) -> str:
        """The text of a file on the update's branch."""
        return baked.git(self.git.path, "show", f"{BRANCH}:{name}")

    def propose(self, *, token: str = TOKEN, code: int = 0) -> str:
        """Update and propose by the commands, as a person would; return what was said."""
        patch = self.project.path.parent / "template.patch"
        self.project.governance("update", "--patch", str(patch), code=0)
        baked.git(self.project.path, "reset", "--quiet", "--hard")
        baked.git(self.project.path, "clean", "-fdq")
        given = {"GITHUB_API_URL": self.hub.url, "GITHUB_REPOSITORY": self.hub.repository}
        given |= {"NO_PROXY": "127.0.0.1", "TEMPLATE_UPDATE_TOKEN": token}
        self.hub.token = token or TOKEN
        done = self.project.governance("template", "propose", str(patch), code=code, **given)
        assert not token or token not in done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def world(
    evolving: Path,  # noqa: F811
    environment: Path,
    tmp_path: Path,
    runner: acting.Runner,
) -> Iterator[World]:
    """A project on GitHub, with a guarded environment for the token."""
    project = baked.bake(evolving, tmp_path / "out", environment, package="scores")
    baked.run_plain([acting.uv(), "lock", "--quiet"], project.path)
    baked.commit_all(project.path, "The lock")
    with (
        GitHubStandIn(token=TOKEN) as hub,
        GitStandIn(tmp_path / "git", project, {TOKEN: True, WEAK: False}) as git,
    ):
        guard(hub)
        runner.variables = {
            "GITHUB_API_URL": hub.url,
            "GITHUB_REPOSITORY": hub.repository,
            "NO_PROXY": "127.0.0.1",
        }

        def run(token: str = TOKEN) -> acting.Run:
            secrets = {"GITHUB_TOKEN": TOKEN} | ({"TEMPLATE_UPDATE_TOKEN": token} if token else {})
            return runner(project, "template-update.yml", "workflow_dispatch", secrets=secrets)

        yield World(evolving, project, hub, git, run)
        assert not hub.complaints


def guard(hub: GitHubStandIn) -> None:
    """Have an environment that only the protected branch reaches."""
    policy = {"protected_branches": False, "custom_branch_policies": True}
    body = {"deployment_branch_policy": policy, "can_admins_bypass": False}
    hub.settings.put_environment(body, BRANCH)
    hub.settings.post_pattern({"name": "main"}, BRANCH)


# The workflow


@pytest.mark.nightly
@pytest.mark.slow
def test_an_update_arrives_as_a_pull_request(world: World) -> None:
    # Given a template that changed a workflow and a gate's code
    change(world.template, WORKFLOW, "timeout-minutes: 30", "timeout-minutes: 35")
    first = change(world.template, CODE, '"""', '"""Changed. ')
    # When the workflow runs
    run = world.run()
    # Then a branch has all of it, after main, which is as it was
    assert run.jobs == {"update": "success", "propose": "success"}, run.tail()
    assert "timeout-minutes: 35" in world.there(WORKFLOW)
    assert '"""Changed. ' in world.there("src/scores/features.py")
    assert json.loads(world.there(".cruft.json"))["commit"] == first
    assert f'rev = "{first}"' in world.there("pyproject.toml")
    assert first in world.there("uv.lock")
    branches, main = world.git.branches(), baked.git(world.project.path, "rev-parse", "HEAD")
    assert branches.keys() == {"main", BRANCH}
    assert branches["main"] == main == baked.git(world.git.path, "rev-parse", f"{BRANCH}^")
    # And a pull request says what it is, the workflows among it
    pull = world.hub.pulls[1]
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (BRANCH, "main")
    assert pull["title"] == f"Update from the template ({first[:12]})"
    assert WORKFLOW in pull["body"]
    # And when the template changes again, the next run brings both up to date
    second = change(world.template, CODE, "Changed. ", "Changed again. ")
    run = world.run()
    assert run.jobs == {"update": "success", "propose": "success"}, run.tail()
    assert '"""Changed again. ' in world.there("src/scores/features.py")
    assert baked.git(world.git.path, "rev-parse", f"{BRANCH}^") == main
    assert [one["title"] for one in world.hub.pulls.values()] == [
        f"Update from the template ({second[:12]})"
    ]


@pytest.mark.nightly
@pytest.mark.slow
def test_without_a_change_there_is_nothing_to_do(world: World) -> None:
    # Given a project at its template's last commit, when the workflow runs
    run = world.run()
    # Then it is green, and nothing was proposed
    assert run.code == 0, run.tail()
    assert run.green == {"update"}
    assert run.red <= {"propose"}  # skipped
    assert "nothing to do" in run.said["update"]
    assert world.git.branches().keys() == {"main"}
    assert not world.hub.pulls


@pytest.mark.nightly
@pytest.mark.slow
def test_a_conflict_is_red(world: World) -> None:
    # Given a team and a template that changed the same line
    world.project.write(GATE, world.project.read(GATE).replace("name: ridge", "name: ours"))
    baked.commit_all(world.project.path, "Our work")
    change(world.template, GATE, "name: ridge", "name: theirs")
    # When the workflow runs, then it is red, and names the file
    run = world.run()
    assert "update" in run.red
    assert f"{GATE}: it conflicts with the template's change" in run.said["update"]
    assert [one.file for one in run.annotations] == [GATE]
    # And nothing was proposed
    assert "propose" not in run.green
    assert world.git.branches().keys() == {"main"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("token", "words"),
    [
        (WEAK, f"may not change workflows, and the update changes {WORKFLOW}"),
        pytest.param(
            "",
            "TEMPLATE_UPDATE_TOKEN is not set, and the gates cannot be updated without it",
            marks=pytest.mark.nightly,
        ),
    ],
    ids=["weak", "none"],
)
def test_trap_39_a_token_that_may_not_change_workflows_is_red(
    world: World, token: str, words: str
) -> None:
    # Given an update of a workflow and of code, and a token without that right, or none
    change(world.template, CODE, '"""', '"""Changed. ')
    change(world.template, WORKFLOW, "timeout-minutes: 30", "timeout-minutes: 35")
    world.hub.others.add(WEAK)
    # When the workflow runs
    run = world.run(token)
    # Then it is red with the reason, and the rest of the update was not pushed without the workflow
    assert run.jobs == {"update": "success", "propose": "failure"}, run.tail()
    assert words in run.said["propose"]
    assert world.git.branches().keys() == {"main"}
    assert not world.hub.pulls


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda hub: hub.settings.environments.clear(),
            "would create it without protection",
        ),
        (lambda hub: hub.settings.put_environment({}, BRANCH), "every branch may deploy"),
    ],
    ids=["none", "unguarded"],
)
def test_trap_01_no_job_names_an_environment_that_is_not_guarded(
    world: World, spoil: Callable[[GitHubStandIn], object], words: str
) -> None:
    # Given an update, and no environment for the token, or one that every branch reaches
    change(world.template, CODE, '"""', '"""Changed. ')
    spoil(world.hub)
    # When the workflow runs, then the job before it is red with the reason
    run = world.run()
    assert "update" in run.red
    assert words in run.said["update"]
    assert "propose" not in run.green
    assert world.git.branches().keys() == {"main"}


# The commands


@pytest.mark.nightly
def test_a_second_proposal_of_the_same_changes_nothing(world: World) -> None:
    # Given a proposal
    change(world.template, WORKFLOW, "timeout-minutes: 30", "timeout-minutes: 35")
    world.propose()
    before, asked = world.git.branches(), len(world.hub.asked)
    # When it is proposed again, then branch and pull request stay
    assert "pull request 1 updates to the template at" in world.propose()
    assert world.git.branches() == before
    assert [one.method for one in world.hub.asked[asked:]] == ["GET"]


@pytest.mark.nightly
def test_an_update_without_workflows_needs_no_workflow_permission(world: World) -> None:
    # Given an update without a workflow, when it is proposed with the weaker token, then it goes
    change(world.template, CODE, '"""', '"""Changed. ')
    world.propose(token=WEAK)
    assert world.hub.pulls[1]["state"] == "open"


@pytest.mark.nightly
def test_a_token_that_git_does_not_know_pushes_nothing(world: World) -> None:
    # Given a token that may read pull requests and push nothing
    change(world.template, CODE, '"""', '"""Changed. ')
    # When an update is proposed with it, then it says that nothing was pushed
    said = world.propose(token="ghp_other", code=2)  # noqa: S106 - of this test
    assert "origin refused template-update, so nothing was pushed" in said
    assert not world.hub.pulls


@pytest.mark.nightly
def test_other_peoples_commits_are_not_overwritten(world: World) -> None:
    # Given a proposal on whose branch somebody went on
    change(world.template, CODE, '"""', '"""Changed. ')
    world.propose()
    clone = world.project.path.parent / "clone"
    baked.git(clone.parent, "clone", "--quiet", "--branch", BRANCH, str(world.git.path), clone.name)
    (clone / "ours.txt").write_text("ours\n", encoding="utf-8")
    theirs = baked.commit_all(clone, "Update from the template (000000000000)")
    baked.git(world.git.path, "fetch", "--quiet", str(clone), f"+{BRANCH}:{BRANCH}")
    # When the next update is proposed, then it is refused, and their commit is there
    change(world.template, CODE, "Changed. ", "Changed again. ")
    assert f"somebody committed to {BRANCH}" in world.propose(code=1)
    assert world.git.branches()[BRANCH] == theirs


@pytest.mark.nightly
def test_an_update_of_another_commit_is_refused(world: World, tmp_path: Path) -> None:
    # Given a patch that does not fit this commit
    patch = tmp_path / "other.patch"
    text = "--- a/dvc.yaml\n+++ b/dvc.yaml\n@@ -1 +1 @@\n-nothing like it\n+x\n"
    patch.write_text(text, encoding="utf-8")
    # When it is proposed, then that is said
    given = {"TEMPLATE_UPDATE_TOKEN": TOKEN}
    done = world.project.governance("template", "propose", str(patch), code=2, **given)
    assert "other.patch does not apply to this commit" in done.stderr
