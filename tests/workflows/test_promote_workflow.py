"""promote.yml and rollback.yml, really executed by `act`: from a registered version to champion."""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import acting
import baked
import github_projects
import hosting
import pytest
import registry
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hosting import Hosted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]
NEEDS = ("preflight", "rejudge", "approve-model", "approve-risk")
MOVED = ("promote", "deploy")


@pytest.mark.nightly
def test_two_people_say_yes_and_the_version_is_champion(hosted: Hosted) -> None:
    # Given a version that waits, and a run of the workflow that two people approve
    hosted.say_yes(model="owner", risk="risk")
    # When the workflow runs
    run = hosted.run()
    # Then every job ran and is green
    assert (run.code, run.green, run.red) == (0, {*NEEDS, *MOVED}, set()), run.tail()
    # And the version is champion, on the word of two people about just this run
    assert registry.states(hosted.project) == {1: "champion"}
    assert registry.actions(hosted.pulled()) == ["registered 1", "approved 1", "promoted 1"]
    promoted = registry.ledger(hosted.project)[-1]
    assert promoted["actor"] == "robot"
    said = {(one["approver"], one["source"], one["commit"]) for one in promoted["approvals"]}
    assert said == {(name, "github:run:7", hosted.commit) for name in ("owner", "risk")}
    # And who was asked could read the decision, who approved what was approved
    assert "| ✅ pass | evaluate.roc" in run.summaries["rejudge"]
    for job in ("approve-model", "approve-risk"):
        assert promoted["subject"]["model"] in run.summaries[job]
        assert hosted.commit in run.summaries[job]
    # And the model was attested with all that it consists of, verified, and only then promoted
    attested = hosted.runner.noted("actions/attest")
    assert [one["subject-path"] for one in attested] == ["reports/sbom/model.skops"]
    steps = [step for job, step in run.steps if job == "promote"]
    order = ["Record who approved", "Attest the model and what it consists of"]
    order += ["Verify that this workflow attested it", "Promote"]
    assert [step for step in steps if step in order] == order
    assert run.steps["deploy", "Smoke test"] == "success"
    assert "Nothing is deployed yet" in run.summaries["deploy"]
    page = f"{hosted.settings['MLFLOW_TRACKING_URI']}/#/models/governed-model/versions/1"
    assert run.outputs["promote", "url"] == page
    # And the list is whole, valid, an artifact, and beside the version
    bill = json.loads((hosted.runner.home / "artifacts" / "sbom" / "sbom.json").read_text("utf-8"))
    parts = {one["name"]: one for one in bill["components"]}
    assert {"scikit-learn", "duckdb", "data/raw.parquet", "governed-model"} <= set(parts)
    assert parts["governed-model"]["type"] == "machine-learning-model"
    known = {one["name"]: one["value"] for one in parts["governed-model"]["properties"]}
    assert known["governance:commit"] == hosted.commit
    assert known["governance:model"] == promoted["subject"]["model"]
    file = (registry.artifacts(hosted.project, 1) / "bundle" / "model.skops").read_bytes()
    digest = {"alg": "SHA-256", "content": hashlib.sha256(file).hexdigest()}
    assert parts["governed-model"]["hashes"] == [digest]
    beside = registry.artifacts(hosted.project, 1) / "sbom" / "sbom.json"
    assert json.loads(beside.read_text("utf-8")) == bill
    # (of the packages a few, without their addresses: checking one takes a second)
    few = [dict(one) for one in bill["components"][:6]]
    for one in few:
        one.pop("externalReferences", None)
    text = json.dumps(bill | {"components": few})
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None


def breaking(hosted: Hosted, action: str) -> None:
    """Let the team's own action fail."""
    step = {"shell": "bash", "run": "echo it does not answer; exit 1"}
    runs = {"using": "composite", "steps": [step]}
    whole = {"name": action, "description": "It fails", "runs": runs}
    hosted.project.write(f".github/actions/{action}/action.yml", json.dumps(whole))


@pytest.mark.nightly  # on every push: test_promotion.py, without act
def test_trap_33_a_first_version_that_fails_its_smoke_test_is_red_and_recorded(
    hosted: Hosted,
) -> None:
    # Given a service that does not answer after the first deployment, in a private repository
    hosted.say_yes(model="owner", risk="risk")
    breaking(hosted, "smoke")
    hosted.payload["repository"]["visibility"] = "private"
    # When the workflow runs
    run = hosted.run()
    # Then the run is red after the rollback was tried, and there is nothing to roll back to
    green, red = {*NEEDS, "promote"}, {"deploy", "rollback"}
    assert (run.code, run.green, run.red) == (1, green, red), run.tail()
    assert run.steps["deploy", "Smoke test"] == "failure"
    assert run.steps["rollback", "Roll back"] == "failure"
    assert "nothing to roll back to" in run.said["rollback"]
    # And the ledger has the failure, with the reason
    assert registry.actions(hosted.pulled())[-2:] == ["promoted 1", "rollback_failed 1"]
    event = registry.ledger(hosted.project)[-1]
    assert "smoke test failure (run 7)" in event["reason"]
    assert "no version was champion before" in event["details"]["why"]
    # And nothing was attested, which is said
    assert hosted.runner.noted("actions/attest") == []
    assert "Not attested" in run.summaries["promote"]


@pytest.mark.nightly
def test_trap_01_no_job_names_an_environment_that_is_not_there(hosted: Hosted) -> None:
    # Given a repository without the risk owner's environment
    hosted.say_yes(model="owner", risk="risk")
    hosted.hub.settings.environments.pop("approve-risk")
    # When the workflow runs, then it ends before any job that names an environment
    run = hosted.run()
    assert (run.code, run.jobs) == (1, {"preflight": "failure"}), run.tail()
    assert "approve-risk" in run.said["preflight"]
    assert "it is not there, and GitHub would make it, unprotected" in run.said["preflight"]


@pytest.mark.nightly
def test_trap_36_without_a_server_nothing_moves(hosted: Hosted) -> None:
    # Given a repository that does not say where its registry is
    hosted.settings.clear()
    # When a workflow that moves a model is started, then it ends at once and says what to set
    for workflow in ("promote.yml", "rollback.yml"):
        run = hosted.run(workflow, {"reason": "Complaints from customers"})
        assert (run.code, run.jobs) == (1, {"preflight": "failure"}), run.tail()
        assert "set MLFLOW_TRACKING_URI to a server" in run.said["preflight"]


def tampered(hosted: Hosted) -> None:
    """Change a byte of the registered model's folder."""
    path = registry.artifacts(hosted.project, 1) / "bundle" / "MLmodel"
    path.write_bytes(path.read_bytes() + b"\n")


def moved_on(hosted: Hosted) -> None:
    """Let main go on after the registration."""
    hosted.project.write("notes.md", "A note\n")
    registry.save(hosted.project, "A note")
    github_projects.meet(hosted.project, hosted.hub)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (tampered, "the model's signature does not hold: MLmodel changed"),
        (moved_on, "and approvals here are for"),
    ],
    ids=["tampered", "another-commit"],
)
def test_nobody_is_asked_about_what_is_not_what_was_registered(
    hosted: Hosted, change: Callable[[Hosted], None], cause: str
) -> None:
    # Given a version that is not what was registered, or not of the run's commit
    hosted.say_yes(model="owner", risk="risk")
    change(hosted)
    # When the workflow runs, then it ends before people are asked
    run = hosted.run()
    assert (run.code, run.green, run.red) == (1, {"preflight"}, {"rejudge"}), run.tail()
    assert cause in run.said["rejudge"]
    assert registry.actions(hosted.pulled()) == ["registered 1"]


def by_an_author(hosted: Hosted) -> None:
    """The owner's word comes from somebody who wrote the commit."""
    hosted.say_yes(model="author", risk="risk")


def of_another_commit(hosted: Hosted) -> None:
    """The run that people approved was on another commit."""
    hosted.say_yes(model="owner", risk="risk")
    hosted.hub.runs[hosting.RUN]["head_sha"] = "d" * 40


def of_another_workflow(hosted: Hosted) -> None:
    """The run that people approved was of another workflow."""
    hosted.say_yes(model="owner", risk="risk")
    hosted.hub.runs[hosting.RUN]["path"] = ".github/workflows/deploy.yml"


def of_another_run(hosted: Hosted) -> None:
    """People approved another run, not this one."""
    hosted.say_yes(model="owner", risk="risk")
    hosted.hub.approvals[8] = hosted.hub.approvals.pop(hosting.RUN)


def by_who_started_it(hosted: Hosted) -> None:
    """The owner started the run that the owner approved."""
    hosted.say_yes(model="owner", risk="risk")
    hosted.hub.add_run(hosting.RUN, actor="owner-at-github", head_sha=hosted.commit)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("say", "cause"),
    [
        (by_an_author, "is an author of what is to be approved"),
        (of_another_commit, "it is for another commit"),
        (of_another_workflow, "run 7 is of .github/workflows/deploy.yml"),
        (of_another_run, "has no approval by anybody whom the policy asks for"),
        (by_who_started_it, "lacks an approval by model-owner"),
    ],
    ids=["author", "commit", "workflow", "run", "starter"],
)
def test_trap_34_a_replayed_or_forged_approval_promotes_nothing(
    hosted: Hosted, say: Callable[[Hosted], None], cause: str
) -> None:
    # Given words of people that are not about this run of this workflow on this commit
    say(hosted)
    # When the workflow runs, then the version stays where it is
    run = hosted.run()
    assert (run.code, run.green, run.red) == (1, {*NEEDS}, {"promote"}), run.tail()
    assert cause in run.said["promote"]
    assert registry.states(hosted.project)[1] == "pending_review"


@pytest.mark.nightly
def test_trap_26_an_attestation_by_another_workflow_stops_the_promotion(hosted: Hosted) -> None:
    # Given a model that another workflow has attested
    hosted.say_yes(model="owner", risk="risk")
    hosted.runner.variables["ATTESTED_BY"] = "acme/loans/.github/workflows/other.yml"
    # When the workflow runs, then it is red before anything has moved
    run = hosted.run()
    assert (run.green, run.red) == ({*NEEDS}, {"promote"}), run.tail()
    assert run.steps["promote", "Verify that this workflow attested it"] == "failure"
    assert "signed by acme/loans/.github/workflows/other.yml" in run.said["promote"]
    assert registry.states(hosted.project) == {1: "approved"}
    # And when the job runs again with the right one, then what was recorded counts
    del hosted.runner.variables["ATTESTED_BY"]
    run = hosted.run()
    assert (run.green, run.red) == ({*NEEDS, *MOVED}, set()), run.tail()
    assert "is recorded, and it is approved" in run.said["promote"]


@pytest.mark.nightly
def test_by_a_pull_request_where_environments_have_no_reviewers(hosted: Hosted) -> None:
    # Given a plan without reviewers of environments, a stricter policy on main since, and a pull
    # request that both people approved
    for name in ("approve-model", "approve-risk"):
        del hosted.hub.settings.environments[name]
    commit = hosted.commit
    hosted.edit(hosting.POLICY, registry.LIMIT, registry.STRICT)
    before = baked.git(hosted.project.path, "rev-parse", "HEAD")
    registry.save(hosted.project, "Stricter", author="Risk <risk@example.org>")
    github_projects.meet(hosted.project, hosted.hub)
    pull = hosted.hub.add_pull(5, author="author-at-github")
    pull["head"]["sha"] = commit
    for name in ("owner", "risk"):
        given = {"commit_id": commit, "submitted_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        hosted.hub.review(5, f"{name}-at-github", "APPROVED", **given)
    # When the workflow runs, then today's policy denies the version
    run = hosted.run(inputs={"pull": "5"})
    assert (run.green, run.red) == ({"preflight"}, {"rejudge"}), run.tail()
    assert "evaluate.roc_auc" in run.said["rejudge"]
    # And under the policy as it was, it is promoted without an environment that asks
    baked.git(hosted.project.path, "checkout", "--quiet", before, "--", hosting.POLICY)
    registry.save(hosted.project, "As it was", author="Risk <risk@example.org>")
    github_projects.meet(hosted.project, hosted.hub)
    run = hosted.run(inputs={"pull": "5"})
    assert (run.green, run.red) == ({"preflight", "rejudge", *MOVED}, set()), run.tail()
    assert registry.ledger(hosted.pulled())[-1]["approvals"][0]["source"] == "github:pull:5"


@pytest.mark.nightly
def test_rollback_makes_the_champion_before_champion_again_and_once_only(hosted: Hosted) -> None:
    # Given two versions that were champion one after the other
    hosting.another(hosted, champion=True)
    given = {"reason": "Complaints from customers"}
    # When the workflow runs, then the first is champion, deployed and tested
    run = hosted.run("rollback.yml", given)
    jobs = {"preflight", "rollback", "deploy"}
    assert (run.code, run.green, run.red) == (0, jobs, set()), run.tail()
    assert registry.states(hosted.project) == {1: "champion", 2: "quarantined"}
    event = registry.ledger(hosted.pulled())[-1]
    assert (event["action"], event["version"], event["reason"]) == (
        "rolled_back",
        1,
        *given.values(),
    )
    assert run.steps["deploy", "Smoke test"] == "success"
    assert "Nothing is deployed yet" in run.summaries["deploy"]
    # And when the same run's job runs again, then no second version goes
    run = hosted.run("rollback.yml", given)
    assert (run.code, run.green) == (0, jobs), run.tail()
    assert registry.ledger(hosted.pulled())[-1] == event
    assert registry.states(hosted.project) == {1: "champion", 2: "quarantined"}


@pytest.mark.nightly  # on every push: test_promotion.py and test_promote_files.py, without act
def test_trap_33_a_rollback_that_does_not_get_into_production_is_red_and_recorded(
    hosted: Hosted,
) -> None:
    # Given two champions one after the other, and a deployment that fails
    hosting.another(hosted, champion=True)
    breaking(hosted, "deploy")
    # When the workflow runs, then it is red, and the ledger has both: who is champion, and that it
    # is not in production
    run = hosted.run("rollback.yml", {"reason": "Complaints from customers"})
    green = {"preflight", "rollback"}
    assert (run.green, run.red) == (green, {"deploy", "record"}), run.tail()
    assert registry.states(hosted.project) == {1: "champion", 2: "quarantined"}
    assert registry.actions(hosted.pulled())[-2:] == ["rolled_back 1", "rollback_failed 1"]
    event = registry.ledger(hosted.project)[-1]
    assert event["reason"] == "Complaints from customers"
    assert "deploy failure, smoke test skipped (run 7)" in event["details"]["why"]


@pytest.mark.nightly
def test_a_version_that_fails_is_rolled_back_and_the_champion_before_is_deployed_again(
    hosted: Hosted,
) -> None:
    # Given a champion, a newer version that waits, and a service that fails with that alone
    hosting.another(hosted, champion=False)
    hosted.say_yes(model="owner", risk="risk")
    hosted.edit(
        ".github/actions/smoke/action.yml",
        "run: uv run --no-sync dvc pull",
        'run: test "${{ inputs.version }}" = 1 && uv run --no-sync dvc pull',
    )
    # When the workflow runs, then it is red, and the champion before is champion, deployed, tested
    run = hosted.run()
    green = {*NEEDS, "promote", "rollback", "redeploy"}
    assert (run.green, run.red) == (green, {"deploy"}), run.tail()
    assert registry.states(hosted.project) == {1: "champion", 2: "quarantined"}
    assert registry.actions(hosted.pulled())[-2:] == ["promoted 2", "rolled_back 1"]
    assert run.steps["redeploy", "Deploy"] == "success"
    assert run.steps["redeploy", "Smoke test"] == "success"
    # And another run has nothing left to go back to, which is red and recorded
    hosted.runner.variables["GITHUB_RUN_ID"] = "8"
    run = hosted.run("rollback.yml", {"reason": "Complaints from customers"})
    assert (run.green, run.red) == ({"preflight"}, {"rollback"}), run.tail()
    assert registry.actions(hosted.pulled())[-1] == "rollback_failed 1"


# The one `if:` that lets a version through


RESULTS = ("success", "failure", "cancelled", "skipped")
PATHS = ("environments", "pull-request", "", "other")
ROLES = ((), ("model-owner",), ("risk-owner",), ("model-owner", "risk-owner"))


class Case(NamedTuple):
    """What was before the job `promote`."""

    preflight: str
    rejudge: str
    model: str
    risk: str
    path: str
    roles: tuple[str, ...]
    pull: str
    cancelled: bool  # the run as a whole; a job can be cancelled alone

    @property
    def results(self) -> dict[str, str]:
        """Job → result."""
        return dict(zip(NEEDS, self[:4], strict=True))

    @property
    def goes(self) -> bool:
        """Whether the version may be promoted, in words of its own."""
        if self.cancelled or (self.preflight, self.rejudge) != ("success", "success"):
            return False
        if self.path == "pull-request":
            return self.pull != "" and (self.model, self.risk) == ("skipped", "skipped")
        asked = {"model-owner": self.model, "risk-owner": self.risk}
        wanted = {role: "success" if role in self.roles else "skipped" for role in asked}
        return self.path == "environments" and asked == wanted


CASES = [
    Case(*results, path, roles, pull, cancelled)
    for results in product(RESULTS, repeat=4)
    for path, roles, pull, cancelled in product(PATHS, ROLES, ("", "5"), (False, True))
]


def condition() -> str:
    """The text of the job's `if:`."""
    path = baked.TEMPLATE / ".github" / "workflows" / "promote.yml"
    job = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["promote"]
    assert tuple(job["needs"]) == NEEDS
    return job["if"]


def evaluated(text: str, case: Case) -> bool:
    """Evaluate an expression as GitHub does, as far as this one goes: its operators are Python's.

    `cancelled()` is about the run, whatever became of a job; a failed preflight has no outputs.
    """
    words = {
        "!cancelled()": f"{not case.cancelled}",
        "needs.preflight.outputs.path": repr(case.path),
        "needs.preflight.outputs.roles": repr(json.dumps(case.roles)),
        "inputs.pull": repr(case.pull),
        "contains(fromJSON(": "within((",
        "&&": "and",
        "||": "or",
    } | {f"needs.{job}.result": repr(result) for job, result in case.results.items()}
    for old, new in words.items():
        text = text.replace(old, new)
    names = {"within": lambda items, item: item in json.loads(items)}
    return bool(eval(" ".join(text.split()), {"__builtins__": {}}, names))  # noqa: S307


def test_the_truth_table_of_a_promotion() -> None:
    # Given every result of every job before it, both paths, and each set of roles
    text = condition()
    # When the condition is evaluated, then what was asked for has succeeded, all else was skipped
    wrong = [case for case in CASES if evaluated(text, case) != case.goes]
    assert not wrong
    # And of these thousands few go
    assert (len(CASES), sum(case.goes for case in CASES)) == (16384, 12)


POSSIBLE = [
    case
    for case in CASES
    if "cancelled" not in case[:4] and case.path != "other" and not case.cancelled
]
SAMPLE = [
    *[case for case in POSSIBLE if case.goes],
    *random.Random(5).sample([case for case in POSSIBLE if not case.goes], 24),  # noqa: S311
]


def test_act_evaluates_the_condition_as_the_truth_table(
    tmp_path: Path, runner: acting.Runner
) -> None:
    # Given the very same condition behind jobs with the wanted results
    project = baked.BakedProject(tmp_path / "project")
    for number, case in enumerate(SAMPLE):
        jobs: dict[str, Any] = {
            job: {
                "runs-on": "ubuntu-latest",
                "if": "!cancelled()" if result != "skipped" else False,
                "needs": [] if job == "preflight" else "preflight",
                "steps": [{"run": "exit 1" if result == "failure" else "exit 0"}],
            }
            for job, result in case.results.items()
        }
        said = f"printf 'path=%s\\nroles=%s\\n' '{case.path}' '{json.dumps(case.roles)}'"
        jobs["preflight"]["steps"].insert(0, {"id": "say", "run": f'{said} >> "$GITHUB_OUTPUT"'})
        outputs = {name: f"${{{{ steps.say.outputs.{name} }}}}" for name in ("path", "roles")}
        jobs["preflight"]["outputs"] = outputs
        steps = [{"run": "exit 0"}]
        jobs["promote"] = {"runs-on": "ubuntu-latest", "needs": [*NEEDS], "if": condition()}
        jobs["promote"]["steps"] = steps
        inputs = {"pull": {"type": "string", "default": ""}}
        workflow = {"on": {"workflow_dispatch": {"inputs": inputs}}, "jobs": jobs}
        project.write(f".github/workflows/case-{number}.yml", json.dumps(workflow))
    baked.git(project.path, "init", "--quiet", "--initial-branch", "main")
    baked.commit_all(project.path, "Cases")
    # When act runs them, then the job runs just where the table says so
    for number, case in enumerate(SAMPLE):
        given = {"pull": case.pull}
        run = runner(project, f"case-{number}.yml", "workflow_dispatch", inputs=given)
        assert ("promote" in run.jobs) == case.goes, case
        ran = {job: result for job, result in case.results.items() if result != "skipped"}
        assert {job: run.jobs[job] for job in ran} == ran, run.output
