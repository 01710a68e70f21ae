"""A retraining becomes one pull request with champion against challenger, and an event; no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import baked
import github_issues_stand_in as issues
import pytest
import workflow_rules as rules
import yaml
from baked import STAGES
from git_stand_in import GitStandIn
from github_projects import TOKEN, github
from github_stand_in import GitHubStandIn

from governed_ml.core import evidence, repository
from governed_ml.core.problem import Problem
from governed_ml.monitoring.actions import issue
from governed_ml.monitoring.retraining import challenge
from governed_ml.monitoring.retraining import propose as proposing
from governed_ml.monitoring.retraining import retrain as retraining
from governed_ml.policy import decision as decisions
from governed_ml.registry.remeasure import recompute
from governed_ml.registry.remeasure.fetch import Start

BRANCH, DIGEST = "retrain", "sha256:" + "5" * 64
RIGHT = "ghp_RETRAIN"


def metrics(gate: str, **values: float) -> dict[str, Any]:
    """Evidence of one gate, as far as a comparison reads it."""
    found = {name: evidence.Metric(value=value) for name, value in values.items()}
    return {gate: SimpleNamespace(metrics=found)}


def compared(verdict: str = "deny", digest: str = DIGEST) -> Any:
    """A challenger against version 3."""
    rule = decisions.RuleResult(
        id="evaluate.roc_auc", verdict="fail" if verdict == "deny" else "pass", value=0.6,
        interval=None, limit=0.65, reason="0.6, at least 0.65 | @team",
    )  # fmt: skip
    decision = decisions.Decision(
        verdict=verdict, rules=[rule], subject=decisions.DecisionSubject(), policy_digest=None
    )
    own = metrics("evaluate", roc_auc=0.6, accuracy=0.8, **{"leak.income": 0.5})
    own["evaluate"].metrics["champion_difference"] = evidence.Metric(
        value=-0.02, lower=-0.03, upper=-0.01
    )
    own |= metrics("drift", **{"income.psi_quantile10": 0.02, "age.psi_quantile10": 0.2})
    own |= metrics("split", rows_train=4000.0, rows_test=1000.0)
    return challenge.compared(
        decision, own, metrics("evaluate", roc_auc=0.72), champion=3, why_no_champion="",
        data={"champion": "sha256:1", "challenger": digest}, model={"challenger": "sha256:3"},
    )  # fmt: skip


def test_a_denied_challenger_says_so_first() -> None:
    # Given a challenger that is denied, when its pull request is written
    found = compared()
    text = found.body()
    # Then title and text begin with the verdict, and nobody takes it for something to merge
    assert found.title == "Deny: retrained on new data"
    assert text.startswith("**deny** (1 fail) for the challenger; it is compared with version 3.")
    assert "the check `decision` fails" in text
    assert "| ❌ fail | evaluate.roc_auc | 0.6, at least 0.65 &#124; @&#8203;team |" in text
    # And both are side by side, on their own rows and on the same
    assert "| evaluate.roc_auc | 0.72 | 0.6 |" in text
    assert "| evaluate.accuracy |  | 0.8 |" in text
    assert "leak" not in text
    assert "-0.02 [-0.03, -0.01]" in text
    # And drift is there, the most first, with every digest and the number of rows
    assert text.index("age.psi_quantile10") < text.index("income.psi_quantile10")
    assert f"| data of challenger | {DIGEST} |" in text
    assert "rows_train 4000, rows_test 1000" in text
    # And one that is allowed promotes nothing either
    assert compared("allow").title == "Allow: retrained on new data"
    assert "Nothing is registered or promoted" in compared("allow").body()


# The pull request


class World:
    """A project, what a retraining left, and the GitHub where both a push and a request end up."""

    def __init__(self, project: baked.BakedProject, git: GitStandIn, hub: GitHubStandIn) -> None:
        self.project, self.git, self.hub = project, git, hub
        self.folder = project.path.parent / "left"

    def left(self, text: str, name: str = "reports/decision.json", **values: Any) -> World:
        """What `retrain run` leaves: a patch and a comparison."""
        kept = self.project.read(name) if name in self.project.files else None
        self.project.write(name, text)
        self.folder.mkdir(exist_ok=True)
        patch = repository.patch(self.project.path)
        (self.folder / "retrain.patch").write_bytes(patch)
        (self.folder / "challenge.json").write_text(compared(**values).model_dump_json())
        (self.project.path / name).unlink()
        if kept is not None:
            self.project.write(name, kept)
        return self

    def propose(self) -> Any:
        """Propose it, by the function behind the command."""
        return proposing.propose(self.project.path, self.folder, lambda _: None)


@pytest.fixture
def world(
    project: baked.BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A project at GitHub, and the token that may push and open pull requests."""
    copied = baked.copy_project(project, tmp_path)
    with github(monkeypatch) as hub, GitStandIn(tmp_path / "git", copied, {RIGHT: False}) as git:
        hub.others.add(RIGHT)
        monkeypatch.setenv("RETRAIN_TOKEN", RIGHT)
        yield World(copied, git, hub)


def test_a_retraining_is_one_pull_request_that_the_next_one_updates(world: World) -> None:
    # Given what a retraining left, when it is proposed
    _, pull = world.left('{"verdict": "deny"}\n').propose()
    # Then a commit after main holds just that, on the branch of retrainings
    main = baked.git(world.project.path, "rev-parse", "HEAD")
    assert baked.git(world.git.path, "rev-parse", f"{BRANCH}^") == main
    files = baked.git(world.git.path, "diff", "--name-only", "main", BRANCH)
    assert files == "reports/decision.json"
    subject = baked.git(world.git.path, "log", "-1", "--format=%s", BRANCH)
    assert subject == f"Retrain on new data ({'5' * 12})"
    one = world.hub.pulls[pull.number]
    assert (one["head"]["ref"], one["base"]["ref"]) == (BRANCH, "main")
    assert one["title"] == "Deny: retrained on new data"
    # And a second retraining brings the same one up to date
    world.left('{"verdict": "allow"}\n', verdict="allow", digest="sha256:" + "6" * 64).propose()
    assert len(world.hub.pulls) == 1
    assert one["title"] == "Allow: retrained on new data"
    assert (
        baked.git(world.git.path, "show", f"{BRANCH}:reports/decision.json")
        == '{"verdict": "allow"}'
    )
    assert world.git.branches()["main"] == main


@pytest.mark.parametrize(
    "name", [".github/workflows/ci.yml", "src/x.py", "conf/policy/limited.yaml", "reports.py"]
)
def test_a_retraining_patch_with_other_files_is_refused(world: World, name: str) -> None:
    # Given a patch that changes what no line writes, when it is proposed, then nothing is pushed
    with pytest.raises(Problem, match=f"changes {name}, which the pipeline never writes"):
        world.left("x: 1\n", name).propose()
    assert world.git.branches().keys() == {"main"}
    assert not world.hub.pulls


def test_without_its_token_nothing_is_proposed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given no token, when a retraining is proposed, then the line says what to make, and where
    monkeypatch.delenv("RETRAIN_TOKEN")
    words = "RETRAIN_TOKEN is not set: create a fine-grained token with read and write access to"
    with pytest.raises(Problem, match=f"{words} Contents and Pull requests, .*environment retrain"):
        world.left("{}\n").propose()


def test_other_peoples_commits_are_not_overwritten(world: World) -> None:
    # Given a pull request on whose branch somebody went on
    world.left("{}\n").propose()
    tree = baked.git(world.git.path, "rev-parse", f"{BRANCH}^{{tree}}")
    theirs = baked.git(
        world.git.path, "-c", "user.name=Eve", "-c", "user.email=eve@example.org",
        "commit-tree", tree, "-p", BRANCH, "-m", f"Retrain on new data ({'5' * 12})",
    )  # fmt: skip
    baked.git(world.git.path, "update-ref", f"refs/heads/{BRANCH}", theirs)
    # When the next is proposed, then it is refused
    with pytest.raises(Problem, match=f"somebody committed to {BRANCH}"):
        world.left('{"verdict": "allow"}\n').propose()
    assert world.git.branches()[BRANCH] == theirs


# The record


class Kept:
    """Takes events in place of the ledger."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.lost: Exception | None = None

    def record(self, *words: Any, details: dict[str, Any], **more: Any) -> None:
        """Keep an event."""
        self.events.append((words[2], details | {"reason": more["reason"]}))
        if self.lost:
            raise self.lost


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """A ledger."""
    found = Kept()
    now = SimpleNamespace(policy_digest="sha256:0")
    monkeypatch.setattr(proposing, "situation", lambda *_: SimpleNamespace(now=now))
    monkeypatch.setattr(proposing, "record", found.record)
    return found


def jobs(pipeline: str = "success", propose: str = "success", **outputs: str) -> dict[str, Any]:
    """What GitHub says about the jobs before."""
    return {
        "preflight": {"result": "success", "outputs": {}},
        "pipeline": {"result": pipeline, "outputs": outputs},
        "propose": {"result": propose, "outputs": {"url": "https://x/pull/4", "pull": "4"}},
    }


def test_the_outcome_of_a_retraining_is_recorded_and_reported(
    project: baked.BakedProject, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an open issue, and a retraining that has a pull request, then one whose pipeline stopped
    with github(monkeypatch) as hub:
        hub.token = TOKEN
        issues.add(hub, title="Monitoring", labels=[issue.LABEL])
        proposing.noted(project.path, None, jobs(verdict="deny"), "Window 7")
        stopped = jobs("failure", "skipped", why="the pipeline stopped: validate: 3 rows")
        proposing.noted(project.path, None, stopped, "Window 8")
        # Then the ledger has both, with verdict, reason and which job
        (good, first), (bad, second) = kept.events
        assert (good, first["verdict"], first["reason"]) == ("retrained", "deny", "Window 7")
        assert first["url"] == "https://x/pull/4"
        assert (bad, second["jobs"]) == ("retraining_failed", "pipeline: failure, propose: skipped")
        assert second["why"] == "the pipeline stopped: validate: 3 rows"
        assert "url" not in second
        # And who follows the issue is told
        assert ["deny" in text for text in hub.comments[1]] == [True, False]
        assert hub.comments[1][0].endswith("\n\nhttps://x/pull/4")
        assert "validate: 3 rows" in hub.comments[1][1]
        # And a closed issue is left alone
        hub.issues[1]["state"] = "closed"
        proposing.noted(project.path, None, jobs(verdict="allow"), "")
        assert len(hub.comments[1]) == 2


def test_trap_33_a_retraining_that_cannot_be_reported_fails_and_is_recorded(
    project: baked.BakedProject, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a token that may write no issue, when a retraining is recorded
    with github(monkeypatch) as hub:
        hub.token = "other"  # noqa: S105 - of this test
        # Then it is a failure, and the ledger has it
        with pytest.raises(Problem, match="the issue was not updated: GitHub answered 401"):
            proposing.noted(project.path, None, jobs(verdict="allow"), "")
    assert [action for action, _ in kept.events] == ["retrained", "alert_failed"]


@pytest.mark.parametrize("needs", ["", "[]", "{}", '{"pipeline": {}}', '{"pipeline": 1}'])
def test_without_results_nothing_is_recorded(needs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given no results of jobs, when they are read, then it is refused
    monkeypatch.setenv("NEEDS", needs)
    with pytest.raises(Problem, match="NEEDS holds no results of jobs"):
        proposing.jobs()


def test_a_reason_is_the_one_of_the_stage_that_stopped(tmp_path: Path) -> None:
    # Given a deny that a stage left, when it is asked why, then that is told; of another, nothing
    path = tmp_path / "reports" / "decision.json"
    path.parent.mkdir()
    for rule, said in (
        ({"id": "validate.stopped", "reason": "3 rows breach"}, "validate: 3 rows breach"),
        ({"id": "evaluate.roc_auc", "reason": "0.7"}, "look at what DVC said"),
    ):
        path.write_text(json.dumps({"rules": [rule]}), encoding="utf-8")
        assert retraining._why(tmp_path) == said


def test_a_stage_gets_no_secrets_of_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given all that a job's actions and secrets leave in the environment, and what a stage needs
    doors = [
        *("GITHUB_TOKEN", "GH_TOKEN", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT"),
        *("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        *("ACTIONS_RUNTIME_TOKEN", "ACTIONS_RUNTIME_URL", "ACTIONS_RESULTS_URL"),
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_GHA_CREDS_PATH", "GCLOUD_PROJECT"),
        *("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "GCP_PROJECT", "GOOGLE_CLOUD_PROJECT"),
        *("AZURE_CLIENT_ID", "AZURE_HTTP_USER_AGENT", "AZUREPS_HOST_ENVIRONMENT"),
        *("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"),
        *("MLFLOW_TRACKING_TOKEN", "MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID"),
    ]
    needed = ["DATA_URL", "PATH", "HOME", "DVC_NO_ANALYTICS", "MLFLOW_DISABLE_TELEMETRY"]
    for name in (*doors, *needed):
        monkeypatch.setenv(name, "x")
    # When a stage is run, of the pipeline or again beside the champion, then it sees what it needs
    seen: list[dict[str, str]] = []
    called: list[list[str]] = []
    done = SimpleNamespace(returncode=0)

    def run(command: list[str], *, env: dict[str, str], **_: Any) -> Any:
        called.append(command)
        seen.append(env)
        return done

    monkeypatch.setattr("subprocess.run", run)
    start = Start("recompute", "ingest", "")
    monkeypatch.setattr(retraining, "fetch", lambda *_, **__: start)
    monkeypatch.setattr(retraining, "require_plain", lambda _: None)
    monkeypatch.setattr(retraining, "take_away", lambda *_: [])
    retraining._line(Path(), lambda _: None)
    recompute.run_stage(tmp_path / "copy", "evaluate")
    assert len(seen) == 3
    # And DVC runs just the engine's stages: no process of the team's own can outlive one of them
    stages = ["repro", "--force", "--single-item"]
    assert called[0][-4:] == [*stages, "compose"]
    assert called[1][called[1].index("repro") :] == [*stages, *STAGES[1:]]
    for env in seen:
        assert not env.keys() & set(doors)
        assert env.keys() >= set(needed)


def test_a_credentials_file_of_googles_action_is_no_change(
    project: baked.BakedProject, tmp_path: Path
) -> None:
    # Given a clone in which the action has left its file, when it is looked at, then it is clean
    copied = baked.copy_project(project, tmp_path)
    copied.write("gha-creds-0123456789abcdef.json", "{}")
    assert baked.git(copied.path, "status", "--porcelain") == ""
    # And what a retraining proposes does not hold it
    assert repository.patch(copied.path) == b""


# The one `if:` of the workflow


RESULTS = ("success", "failure", "cancelled", "skipped")


def test_the_truth_table_of_the_record() -> None:
    # Given every result of every job before it, in a run that goes on or is cancelled
    path = baked.TEMPLATE / ".github" / "workflows" / "retrain.yml"
    job = rules.jobs(path)["record"]
    assert job["needs"] == ["preflight", "pipeline", "propose"]
    text = job["if"].removeprefix("${{ ").removesuffix(" }}").replace("&&", "and")
    table: dict[tuple[Any, ...], bool] = {}
    for *results, cancelled in product(*[RESULTS] * 3, (False, True)):
        # When the condition is evaluated
        said = text.replace("!cancelled()", str(not cancelled))
        for name, result in zip(job["needs"], results, strict=True):
            said = said.replace(f"needs.{name}.result", repr(result))
        table[*results, cancelled] = eval(said, {"__builtins__": {}})  # noqa: S307
    # Then it runs in every case of pipeline and pull request, if the environment was looked at
    assert {key for key, runs in table.items() if runs} == {
        ("success", pipeline, propose, False) for pipeline, propose in product(RESULTS, repeat=2)
    }
    # And neither the pipeline nor the pull request has a condition of its own
    whole = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    assert ["if" in whole[name] for name in job["needs"]] == [False] * 3
