"""The workflow that judges, executed by `act`: green, and red for the right reason."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import acting
import baked
import pytest
import registry
import yaml
from baked import Bake, BakedProject, once
from github_stand_in import GitHubStandIn

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]
GATES = {"data-validation", "drift", "fairness", "performance", "explainability"}
ALL = GATES | {"pipeline", "policy", "decision"}
FIRST = {"before": "0" * 40}
WORKFLOW = "governance.yml"
TIER, FORKS = "conf/policy/limited.yaml", "\nforks: {accept_committed: true}\n"
BOOK = """\
name: book
task: classification
source: {kind: file, path: data/source/book.parquet}
target: repaid
positive: "yes"
sensitive: {sex: {}, age_group: {}}
drop: [application_id, credit_limit]
time: applied_on
contract: governance/expectations/synthetic.json
"""


@pytest.fixture
def pushed(bake_runnable: Bake) -> Bake:
    """Generate a project whose lock is committed, as `uv run` leaves it."""

    def make(**answers: str) -> BakedProject:
        project = bake_runnable(**answers)
        baked.commit_all(project.path, "The lock")
        return project

    return make


def artifacts(runner: acting.Runner) -> set[str]:
    """Every file that the run kept."""
    folder = runner.home / "artifacts"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def decision(runner: acting.Runner) -> dict[str, Any]:
    """What was decided at the end."""
    path = runner.home / "artifacts" / "decision" / "decision.json"
    return json.loads(path.read_text(encoding="utf-8"))


def errors(run: acting.Run, job: str) -> str:
    """What a job put beside lines, as one text."""
    found = [one for one in run.annotations if (one.job, one.level) == (job, "error")]
    return "\n".join(f"{one.file}:{one.line} {one.title}: {one.message}" for one in found)


@pytest.mark.nightly
def test_a_first_push_is_judged_and_allowed(pushed: Bake, runner: acting.Runner) -> None:
    # Given a fresh repository, without secrets and servers, when it is pushed
    run = runner(pushed(), WORKFLOW, payload=FIRST)
    # Then every job ran, and all are green
    assert run.code == 0, run.tail()
    assert run.jobs == dict.fromkeys(ALL, "success")
    assert "the pipeline starts at ingest: the source is synthetic" in run.said["pipeline"]
    # And what is kept is evidence and pages, never a row
    kept = artifacts(runner)
    assert {"reports/evidence/fairness.json", "reports/rehash.json", "reports/drift.html"} <= kept
    assert {Path(name).suffix for name in kept} == {".json", ".md", ".html", ".svg"}
    assert decision(runner)["verdict"] == "allow"
    # And people see a table for each
    assert all("| rule |" in run.summaries[job] for job in GATES | {"decision"})
    assert "no evidence was committed" in run.summaries["pipeline"]


@pytest.mark.nightly  # on every push: test_faults.py, without act
def test_a_biased_and_drifted_model_is_red_at_its_gates(
    pushed: Bake, runner: acting.Runner
) -> None:
    # Given a repository whose data favour one sex, and whose newest incomes are others
    project = pushed()
    name = "conf/data/synthetic.yaml"
    project.write(name, project.read(name).replace("faults: []", "faults: [biased, drifted]"))
    # When it is pushed
    run = runner(project, WORKFLOW, payload=FIRST)
    # Then the line is green, and red are the gates that it is about, and the decision
    assert run.code == 1
    assert run.jobs.keys() == ALL
    assert run.red == {"fairness", "drift", "decision"}, run.tail()
    assert decision(runner)["verdict"] == "deny"
    # And the line of the rule says why
    lines = project.read("conf/policy/base.yaml").splitlines()
    number = 1 + lines.index("  fairness.demographic_parity:")
    said = errors(run, "fairness")
    assert f"conf/policy/base.yaml:{number} fail: fairness.demographic_parity[sex]: " in said
    assert "fail: drift.data[income]: " in errors(run, "drift")
    assert "gate is failure, but the decision needs every job to succeed" in errors(run, "decision")
    assert "❌ fail | fairness.demographic" in run.summaries["fairness"]


@pytest.mark.nightly
def test_a_poisoned_table_stops_the_line_and_no_gate_is_skipped(
    pushed: Bake, runner: acting.Runner
) -> None:
    # Given a repository whose table breaks the contract
    project = pushed()
    name = "conf/data/synthetic.yaml"
    project.write(name, project.read(name).replace("faults: []", "faults: [schema_break]"))
    # When it is pushed
    run = runner(project, WORKFLOW, payload=FIRST)
    # Then the pipeline stops, and every gate ran and is red: the contract's names the breach
    assert run.code == 1
    assert run.jobs.keys() == ALL
    assert run.red == ALL - {"policy"}, run.tail()
    assert "validate: the data contract does not hold" in run.said["pipeline"]
    assert "fail: validate.contract: " in errors(run, "data-validation")
    assert "reports/evidence/fairness.json is missing" in errors(run, "fairness")
    # And what there is was kept, with a deny
    assert {"reports/contract.html", "reports/evidence/validate.json"} <= artifacts(runner)
    assert decision(runner)["verdict"] == "deny"


@pytest.mark.nightly  # on every push: test_rehash.py, without act
def test_trap_13_a_forged_lock_makes_the_push_red(
    finished: BakedProject, runner: acting.Runner
) -> None:
    # Given a hand-written report that was locked and committed: to DVC nothing has changed
    name = "reports/evidence/fairness.json"
    evidence = json.loads(finished.read(name))
    metric = evidence["metrics"]["sex.demographic_parity_difference"]
    metric |= {"value": 0.0001, "lower": 0.0, "upper": 0.001}
    finished.write(name, json.dumps(evidence))
    finished.run(["dvc", "commit", "--force", "--quiet"])
    finished.run(["dvc", "status", "-q"])
    baked.commit_all(finished.path, "Better numbers")
    # When it is pushed
    run = runner(finished, WORKFLOW, payload=FIRST)
    # Then it was measured again, and the job `pipeline` says what is not so
    assert run.code == 1
    assert run.jobs.keys() == ALL
    assert run.red == {"pipeline", "decision"}, run.tail()
    said = errors(run, "pipeline")
    assert "evidence of fairness was not measured on this commit" in said
    assert "sex.demographic_parity_difference" in said
    # And the gates judged the honest numbers
    path = runner.home / "artifacts" / "reports" / "evidence" / "fairness.json"
    honest = json.loads(path.read_text(encoding="utf-8"))["metrics"]
    assert honest["sex.demographic_parity_difference"]["value"] != 0.0001


@pytest.fixture(scope="session")
def private_once(
    project_after_run: BakedProject, tmp_path_factory: pytest.TempPathFactory
) -> BakedProject:
    """A project on data in a remote which cannot be reached from here; it trusts its forks."""

    def make(folder: Path) -> None:
        project = baked.copy_project(project_after_run, folder)
        source = project.path / "data/source/book.parquet"
        (project.path / "data/raw.parquet").rename(source)
        project.write("conf/data/book.yaml", BOOK)
        text = project.read("conf/config.yaml")
        project.write("conf/config.yaml", text.replace("data: synthetic", "data: book"))
        project.write("governance/approvers.yaml", json.dumps(registry.POLICY_OWNER))
        project.write(TIER, project.read(TIER) + FORKS)
        project.run(["dvc", "add", "--quiet", "data/source/book.parquet"])
        project.run(["dvc", "repro", "--quiet"])
        address = "https://data.invalid/loans"
        project.run(["dvc", "remote", "modify", "storage", "url", address])
        baked.commit_all(project.path, "Our own data")

    folder = once(tmp_path_factory, "private", make)
    return BakedProject(folder / "project", project_after_run.environment)


@pytest.fixture
def private(private_once: BakedProject, tmp_path: Path) -> BakedProject:
    """A copy of it as a clone has it: without data, on a branch of its own."""
    project = baked.copy_project(private_once, tmp_path, "cache", "site")
    ignored = baked.git(project.path, "clean", "-ndX", "data", "models")
    assert "book.parquet" in ignored
    baked.git(project.path, "clean", "-qfdX", "data", "models")
    baked.git(project.path, "checkout", "--quiet", "-b", "feature")
    return project


def pull_request(
    runner: acting.Runner, project: BakedProject, github_api: GitHubStandIn, owner: str = "mallory"
) -> acting.Run:
    """Run the workflow for pull request 4, of a fork or of the repository itself."""
    head = baked.git(project.path, "rev-parse", "HEAD")
    base = baked.git(project.path, "rev-parse", "main")
    if 4 not in github_api.pulls:
        github_api.add_pull(4, author="mallory")
    github_api.pulls[4]["head"]["sha"] = head
    event = {
        "pull_request": {
            "number": 4,
            "head": {"sha": head, "repo": {"full_name": f"{owner}/loans"}},
            "base": {"sha": base, "repo": {"full_name": "acme/loans"}},
        }
    }
    variables = {"GITHUB_REPOSITORY": "acme/loans", "GITHUB_API_URL": github_api.url}
    secrets = {"GITHUB_TOKEN": github_api.token}
    ready = replace(runner, variables=variables)
    return ready(project, WORKFLOW, "pull_request", payload=event, secrets=secrets)


@pytest.mark.nightly  # on every push: test_rehash.py, without act
def test_trap_21_a_fork_without_the_data_is_judged_as_committed_and_says_so(
    private: BakedProject, runner: acting.Runner, github_api: GitHubStandIn
) -> None:
    # Given a pull request from a fork, which cannot read the data, and a policy that accepts that
    run = pull_request(runner, private, github_api)
    # Then every gate ran on the committed evidence, without a secret
    assert run.code == 0, run.tail()
    assert run.jobs == dict.fromkeys(ALL, "success")
    assert ("pipeline", "Run the pipeline") not in run.steps
    # And it says everywhere that nothing was measured
    assert "not recomputed: a fork cannot read the data" in run.said["pipeline"]
    assert all("**not recomputed**" in run.summaries[job] for job in GATES | {"decision"})
    assert decision(runner)["volatile"]["recomputed"] == "false"
    warned = {one.job for one in run.annotations if "not recomputed" in one.message}
    assert warned == GATES | {"pipeline", "decision"}
    # When the policy does not accept it, then no gate says yes on the word of the commit
    for branch in ("main", "feature"):
        baked.git(private.path, "checkout", "--quiet", branch)
        private.write(TIER, private.read(TIER).replace(FORKS, ""))
        baked.commit_all(private.path, "Forks are measured elsewhere")
    run = pull_request(runner, private, github_api)
    assert run.jobs.keys() == ALL
    assert run.red == GATES | {"decision"}, run.tail()
    assert "nothing was measured in this run" in errors(run, "decision")


@pytest.mark.nightly  # on every push: test_rehash.py, without act
def test_trap_15_an_own_branch_without_its_data_is_denied(
    private: BakedProject, runner: acting.Runner, github_api: GitHubStandIn
) -> None:
    # Given a pull request of the repository itself, whose data cannot be pulled, when it is judged
    run = pull_request(runner, private, github_api, owner="acme")
    # Then committed evidence is not enough, and the cause is named
    assert run.code == 1
    assert run.jobs.keys() == ALL
    assert run.red == ALL - {"policy"}, run.tail()
    said = errors(run, "pipeline")
    assert "cannot fetch the data from DVC's remote" in said
    assert "dvc push" in said
    assert "the job `pipeline` did not succeed" in errors(run, "fairness")


@pytest.mark.nightly  # on every push: test_rehash.py and test_gate_evidence.py, without act
def test_traps_04_and_05_a_missing_report_and_a_nan_are_red(
    private: BakedProject, runner: acting.Runner, github_api: GitHubStandIn
) -> None:
    # Given a fork's pull request in which one report is missing and another holds a NaN
    name = "reports/evidence/fairness.json"
    evidence = json.loads(private.read(name))
    evidence["metrics"]["sex.demographic_parity_difference"]["value"] = float("nan")
    private.write(name, json.dumps(evidence))
    (private.path / "reports/evidence/explain.json").unlink()
    baked.commit_all(private.path, "Less to read")
    # When it is judged
    run = pull_request(runner, private, github_api)
    # Then these two are red, each with its cause, and so is the decision
    assert run.code == 1
    assert run.jobs.keys() == ALL
    assert run.red == {"fairness", "explainability", "decision"}, run.tail()
    assert "fairness.json breaks its schema" in errors(run, "fairness")
    assert "finite" in errors(run, "fairness")
    assert "explain.json is missing" in errors(run, "explainability")


@pytest.mark.nightly  # on every push: test_policy_loosened.py, without act
def test_trap_29_a_loosened_policy_is_red_until_its_owner_approved(
    private: BakedProject, runner: acting.Runner, github_api: GitHubStandIn
) -> None:
    # Given a pull request that loosens a limit
    name = "conf/policy/base.yaml"
    text = private.read(name)
    loosened = text.replace("bound: at_least\n    block: 0.95", "bound: at_least\n    block: 0.5")
    assert loosened != text
    private.write(name, loosened)
    baked.commit_all(private.path, "Loosen")
    # When it is judged, then the policy's job is red, and tells the rule and whom to ask
    run = pull_request(runner, private, github_api)
    assert run.red == {"policy", "decision"}, run.tail()
    assert run.jobs.keys() == ALL
    assert "no risk-owner has approved its head" in errors(run, "policy")
    assert "explain.coverage" in run.summaries["policy"]
    assert "policy is failure, but the decision needs every job to succeed" in errors(
        run, "decision"
    )
    # When its owner has approved, then it is green
    head = baked.git(private.path, "rev-parse", "HEAD")
    github_api.review(4, "risky", "APPROVED", commit_id=head)
    run = pull_request(runner, private, github_api)
    assert run.code == 0, run.tail()
    assert run.jobs == dict.fromkeys(ALL, "success")
    assert "approved by Risk" in run.said["policy"]


@pytest.mark.nightly  # on every push: the truth table in test_rehash.py, without act
@pytest.mark.parametrize(
    "change",
    [
        {"if": "${{ false }}"},
        {"needs": "policy", "if": "${{ needs.policy.outputs.no == 'x' }}"},
    ],
    ids=["skipped", "skipped-by-need"],
)
def test_trap_20_a_skipped_gate_makes_the_decision_red(
    private: BakedProject, runner: acting.Runner, github_api: GitHubStandIn, change: dict[str, Any]
) -> None:
    # Given a workflow in which the gates are skipped, which would satisfy a required check, and
    # which the risk owner has approved
    name = f".github/workflows/{WORKFLOW}"
    workflow = yaml.safe_load(private.read(name))
    workflow["on"] = workflow.pop(True)
    workflow["jobs"]["gate"] |= change
    private.write(name, yaml.safe_dump(workflow, sort_keys=False))
    baked.commit_all(private.path, "Skip")
    github_api.add_pull(4, author="mallory")
    head = baked.git(private.path, "rev-parse", "HEAD")
    github_api.review(4, "risky", "APPROVED", commit_id=head)
    # When it runs
    run = pull_request(runner, private, github_api)
    # Then no gate ran, and the decision is red for that alone
    assert run.code == 1
    assert run.jobs.keys() == ALL - GATES
    assert run.red == {"decision"}, run.tail()
    assert "gate is skipped, but the decision needs every job to succeed" in errors(run, "decision")


@pytest.mark.nightly  # on every push: test_policy_engine.py, without act
def test_trap_44_the_engine_of_the_base_judges_a_change_of_the_engine(
    private: BakedProject, runner: acting.Runner, github_api: GitHubStandIn
) -> None:
    # Given a pull request that replaces a stage's command, and one that brings settings for uv
    text = private.read("dvc.yaml")
    private.write("dvc.yaml", text.replace("governance stage fairness", "governance stage drift"))
    private.write("uv.toml", "offline = false\n")
    baked.commit_all(private.path, "A small improvement")
    # When it is judged, then the base's engine names both, and asks for the risk owner
    run = pull_request(runner, private, github_api)
    assert {"policy", "decision"} <= run.red, run.tail()
    assert "dvc.yaml fairness" in run.summaries["policy"]
    assert "uv.toml" in run.summaries["policy"]
    assert "no risk-owner has approved its head" in errors(run, "policy")
