"""What act does not know of the workflows that move a model: environments, queues, tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import baked
import pytest
import workflow_rules as rules
import yaml

WORKFLOWS = [path for path in rules.files() if rules.name(path).startswith("project/")]
MOVING = [path for path in WORKFLOWS if path.name in ("promote.yml", "rollback.yml")]
ASKS = ("preflight", "update")  # jobs that look at environments and name none


def environment(job: dict[str, Any]) -> str:
    """The environment that a job names, or nothing."""
    found = job.get("environment", "")
    return found if isinstance(found, str) else found["name"]


def before(path: Path, job: str) -> set[str]:
    """The jobs that a job waits for, and those that these wait for."""
    needs = rules.jobs(path)[job].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct | {one for name in direct for one in before(path, name)}


def named() -> Iterator[tuple[Path, str, str]]:
    """Each job of a project's workflows that names an environment."""
    for path in WORKFLOWS:
        for job, values in rules.jobs(path).items():
            if environment(values):
                yield path, job, environment(values)


def test_trap_01_an_environment_is_looked_at_before_a_job_names_it() -> None:
    # Given the jobs that name an environment, when what they wait for is read
    found = list(named())
    # Then a job that asks GitHub about it is among that, and names none itself
    for path, job, _ in found:
        asking = [one for one in before(path, job) if one in ASKS]
        assert asking, f"{path.name}: {job}"
        assert not any(environment(rules.jobs(path)[one]) for one in asking)
    # And those of a promotion are just those that the preflight and the settings know
    settings = import_module("governed_ml.github.settings")
    today = import_module("governed_ml.registry.approval.current_rules")
    known = {*today.ENVIRONMENTS, settings.PRODUCTION, settings.REGISTRY}
    assert {name for path, _, name in found if path in MOVING} == known
    # And so it is with those of every other workflow
    names = import_module("governed_ml.github.preflight").NAMED
    for purpose in ("monitor", "retrain"):
        assert {name for path, _, name in found if path.stem == purpose} == set(names[purpose])


@pytest.mark.parametrize("path", MOVING, ids=rules.name)
def test_trap_23_what_moves_a_model_waits_its_turn_and_is_never_pushed_out(path: Path) -> None:
    # Given the job that moves a model, when its concurrency is read
    job = rules.jobs(path)[path.stem]
    # Then it is one group for both, whose queue drops nobody; an approval that takes long holds
    # up nothing, as the run as a whole is in a group of its own
    group = {"group": "registry", "cancel-in-progress": False, "queue": "max"}
    assert job["concurrency"] == group
    assert "github.run_id" in rules.load(path)["concurrency"]["group"]


def test_trap_23_whoever_writes_the_ledger_waits_in_the_same_queue() -> None:
    # Given the jobs that may push, when their concurrency is read
    writing = {
        f"{path.stem}/{name}": job.get("concurrency")
        for path in WORKFLOWS
        for name, job in rules.jobs(path).items()
        if job["permissions"].get("contents") == "write"
    }
    # Then all are in one group, whose queue drops nobody
    assert writing.keys() == {
        "monitor/monitor", "promote/promote", "retrain/record", "rollback/rollback",
    }  # fmt: skip
    group = {"group": "registry", "cancel-in-progress": False, "queue": "max"}
    assert all(found == group for found in writing.values())


def test_a_pipeline_on_new_data_sees_no_token_that_writes() -> None:
    # Given the jobs of a retraining, when their secrets are read
    jobs = rules.jobs(baked.TEMPLATE / ".github" / "workflows" / "retrain.yml")
    secrets = {job: set(re.findall(r"secrets\.(\w+)", yaml.safe_dump(jobs[job]))) for job in jobs}
    # Then the pipeline has what it reads and what its remote wants; another job has the token
    read = {f"MLFLOW_TRACKING_{one}" for one in ("USERNAME", "PASSWORD", "TOKEN")}
    assert secrets["pipeline"] == read | {"DVC_SSH_KEY", "DATA_URL"}
    assert secrets["propose"] == {"RETRAIN_TOKEN"}
    assert secrets["record"] == read | {"LEDGER_SSH_KEY", "GOVERNANCE_WEBHOOK"}
    # And what goes between them is kept as an artifact or missed
    (upload,) = [
        one for one in jobs["pipeline"]["steps"] if "upload-artifact" in one.get("uses", "")
    ]
    assert upload["with"]["if-no-files-found"] == "error"


@pytest.mark.parametrize("path", MOVING, ids=rules.name)
def test_the_teams_own_steps_are_given_no_token_and_the_ledgers_key_is_gone(path: Path) -> None:
    # Given the steps that call the team's own actions, when what they are given is read
    jobs = rules.jobs(path).values()
    steps = [step for job in jobs for step in job["steps"]]
    own = [one for one in steps if one.get("uses", "").endswith(("/deploy", "/smoke"))]
    assert len(own) >= 2
    # Then it is the version and its digest
    assert all(set(step) <= {"name", "id", "if", "uses", "with"} for step in own)
    assert all(set(step["with"]) == {"version", "model"} for step in own)
    # And the key that signs events was deleted before the first of them
    for job in jobs:
        names = [step.get("name") or step.get("uses", "") for step in job["steps"]]
        if "Deploy" in names:
            assert names.index("Deploy") == names.index("Take the ledger's key away") + 1
    # And no job hands out a token that may write, or the key that signs events
    held = [name for job in jobs for name in job.get("env", {})]
    assert {name for name in held if not name.startswith("MLFLOW_TRACKING_")} <= {"VERSION"}


def test_trap_33_a_rollback_that_is_not_deployed_is_recorded_whenever_a_promotions_would_be() -> (
    None
):
    # Given the steps of a rollback and of a promotion, when their conditions are read
    whole = {path.stem: rules.jobs(path)[path.stem]["steps"] for path in MOVING}
    found = {
        (job, one.get("name", "key")): one for job in whole for one in whole[job] if "if" in one
    }
    # Then what failed after the champion has moved is recorded by both, with the key, and by one
    # condition
    undo = found["promote", "Roll back"]["if"].replace("promote", "rollback")
    assert undo.startswith("(failure() || cancelled())")
    for name in ("Record that it is not in production", "key"):
        assert found["rollback", name]["if"] == undo
    assert found["rollback", "Smoke test"]["id"] == "smoke"
    # And the webhook hears of it
    assert "GOVERNANCE_WEBHOOK" in found["rollback", "Record that it is not in production"]["env"]


def test_trap_26_what_was_attested_is_verified_before_anything_moves() -> None:
    # Given the steps of a promotion, when their order is read
    path = baked.TEMPLATE / ".github" / "workflows" / "promote.yml"
    names = [step.get("name", "") for step in rules.jobs(path)["promote"]["steps"]]
    order = [
        *("Record who approved", "Attest the model and what it consists of"),
        *("Verify that this workflow attested it", "Promote", "Deploy", "Smoke test", "Roll back"),
    ]
    # Then it is verified before the promotion, with the workflow's own name, and deployed after it
    assert [name for name in names if name in order] == order
    verify = rules.jobs(path)["promote"]["steps"][names.index(order[2])]["run"]
    assert '--signer-workflow "$GITHUB_REPOSITORY/.github/workflows/promote.yml"' in verify
    assert '--repo "$GITHUB_REPOSITORY"' in verify
