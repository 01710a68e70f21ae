"""What act does not know of the workflows that move a model: environments, queues, tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import baked
import pytest
import workflow_rules as rules
import yaml

WORKFLOWS = [path for path in rules.files() if rules.name(path).startswith("project/")]
MOVING = [path for path in WORKFLOWS if path.name in ("promote.yml", "rollback.yml")]
OWN = ("Deploy", "Smoke test")
RESULTS = ("success", "failure", "cancelled", "skipped")
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


def deploying(path: Path) -> dict[str, dict[str, Any]]:
    """The jobs of a workflow that call the team's own actions."""
    found = rules.jobs(path)
    return {job: found[job] for job in found if set(OWN) & set(names(found[job]))}


def names(job: dict[str, Any]) -> list[str]:
    """The names of a job's steps."""
    return [step.get("name", "") for step in job.get("steps", [])]


def evaluated(text: str, words: dict[str, str]) -> bool:
    """Evaluate a job's `if:` as GitHub does, as far as it goes."""
    for old, new in words.items():
        text = text.replace(old, new)
    return bool(eval(" ".join(text.split()), {"__builtins__": {}}))  # noqa: S307


def named() -> Iterator[tuple[Path, str, str]]:
    """Each job of a project's workflows that names an environment."""
    for path in WORKFLOWS:
        for job, values in rules.jobs(path).items():
            if environment(values):
                yield path, job, environment(values)


def test_trap_01_an_environment_is_checked_before_a_job_names_it() -> None:
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
    expected = import_module("governed_ml.github.preflight").NAMED
    for purpose in ("monitor", "retrain"):
        assert {name for path, _, name in found if path.stem == purpose} == set(expected[purpose])


@pytest.mark.parametrize("path", MOVING, ids=rules.name)
def test_trap_23_jobs_that_move_a_model_queue_and_are_never_cancelled(path: Path) -> None:
    # Given the job that moves a model, when its concurrency is read
    job = rules.jobs(path)[path.stem]
    # Then it is one group for both, whose queue drops nobody; an approval that takes long holds
    # up nothing, as the run as a whole is in a group of its own
    group = {"group": "registry", "cancel-in-progress": False, "queue": "max"}
    assert job["concurrency"] == group
    assert "github.run_id" in rules.load(path)["concurrency"]["group"]


def test_trap_23_all_jobs_that_write_the_ledger_share_one_queue() -> None:
    # Given the jobs that may push, when their concurrency is read
    writing = {
        f"{path.stem}/{name}": job.get("concurrency")
        for path in WORKFLOWS
        for name, job in rules.jobs(path).items()
        if job["permissions"].get("contents") == "write"
    }
    # Then all are in one group, whose queue drops nobody
    assert writing.keys() == {
        *("monitor/monitor", "promote/promote", "promote/rollback", "retrain/record"),
        *("rollback/rollback", "rollback/record"),
    }
    group = {"group": "registry", "cancel-in-progress": False, "queue": "max"}
    assert all(found == group for found in writing.values())
    # And so is whoever deploys, who looks first whether somebody had the turn between
    for path in MOVING:
        for job in deploying(path).values():
            assert job["concurrency"] == group
            before = "Check that the version is still champion"
            looked, first = (names(job).index(one) for one in (before, OWN[0]))
            assert looked < first


def test_a_pipeline_on_new_data_sees_no_token_that_writes() -> None:
    # Given the jobs of a retraining, when their secrets are read
    jobs = rules.jobs(baked.TEMPLATE / ".github" / "workflows" / "retrain.yml")
    secrets = {job: set(re.findall(r"secrets\.(\w+)", yaml.safe_dump(jobs[job]))) for job in jobs}
    # Then the pipeline has what it reads and its remote wants, and the token is the other job's
    read = {f"MLFLOW_TRACKING_{one}" for one in ("USERNAME", "PASSWORD", "TOKEN")}
    assert secrets["pipeline"] == read | {"DVC_SSH_KEY", "DATA_URL"}
    assert secrets["propose"] == {"RETRAIN_TOKEN"}
    assert secrets["record"] == read | {"LEDGER_SSH_KEY", "GOVERNANCE_WEBHOOK"}
    # And what goes between them is kept as an artifact or missed
    steps = jobs["pipeline"]["steps"]
    (upload,) = [one for one in steps if "upload-artifact" in one.get("uses", "")]
    assert upload["with"]["if-no-files-found"] == "error"


@pytest.mark.parametrize("path", MOVING, ids=rules.name)
def test_the_teams_own_steps_run_apart_from_the_ledgers_key_and_from_tokens_that_write(
    path: Path,
) -> None:
    # Given the jobs that call the team's own actions, when what they are given is read
    jobs, own = rules.jobs(path), deploying(path)
    assert own.keys() == {"promote": {"deploy", "redeploy"}, "rollback": {"deploy"}}[path.stem]
    for job in own.values():
        # Then no step has the ledger's key or the webhook, and nothing there may write
        assert {k: v for k, v in job["permissions"].items() if v == "write"} == {
            "id-token": "write"
        }
        secrets = set(re.findall(r"secrets\.(\w+)", yaml.safe_dump(job)))
        assert all(name.startswith(("MLFLOW_TRACKING_", "DVC_")) for name in secrets)
        # And the actions get the version and its digest, and are the last that runs there
        steps = [step for step in job["steps"] if step.get("name") in OWN]
        assert steps == job["steps"][-2:]
        assert all(set(step) <= {"name", "id", "uses", "with"} for step in steps)
        assert all(set(step["with"]) == {"version", "model"} for step in steps)
    # And where the key is, no code of the team's runs
    signing = [name for name, job in jobs.items() if "LEDGER_SSH_KEY" in yaml.safe_dump(job)]
    assert len(signing) == 2
    assert not set(signing) & own.keys()
    # And no job hands out a token that may write, or the key that signs events
    held = [name for job in jobs.values() for name in job.get("env", {})]
    assert {name for name in held if not name.startswith("MLFLOW_TRACKING_")} <= {"VERSION"}


@pytest.mark.parametrize(
    ("path", "first", "undo"),
    [(MOVING[0], "promote", "rollback"), (MOVING[1], "rollback", "record")],
    ids=["promote", "rollback"],
)
def test_trap_33_a_promotion_without_deployment_is_undone_or_recorded(
    path: Path, first: str, undo: str
) -> None:
    # Given every result of the job that moves and of the one that deploys
    jobs = rules.jobs(path)
    assert undo in rules.jobs(path)
    assert {first, "deploy"} <= set(jobs[undo]["needs"])
    cases = list(product(RESULTS, RESULTS, ("true", ""), (False, True)))
    for moving, deploying_, moved, stopped in cases:
        words = {
            "${{": "", "}}": "", "&&": "and", "||": "or",
            "!cancelled()": str(not stopped), "cancelled()": str(stopped),
            "failure()": str("failure" in (moving, deploying_)),
            f"needs.{first}.outputs.moved": repr(moved),
            "needs.deploy.result": repr(deploying_),
        }  # fmt: skip
        deploys, undoes = (evaluated(jobs[name]["if"], words) for name in ("deploy", undo))
        # Then it is deployed whenever it moved, and nobody stopped the run
        assert deploys == (moved == "true" and not stopped)
        # And nothing but a deployment that succeeded is left as it is: not one that was skipped
        wanted = moved == "true" and deploying_ != "success"
        possible = stopped or "failure" in (moving, deploying_)
        assert undoes == (wanted and possible)
        if deploys and deploying_ == "failure":
            assert undoes
    # And the webhook hears of it
    (last,) = [step for step in jobs[undo]["steps"] if "GOVERNANCE_WEBHOOK" in str(step)]
    assert "governance rollback" in last["run"]


def test_trap_26_the_attestation_is_verified_before_the_promotion() -> None:
    # Given the steps of a promotion, when their order is read
    path = baked.TEMPLATE / ".github" / "workflows" / "promote.yml"
    found = names(rules.jobs(path)["promote"])
    order = [
        *("Record who approved", "Attest the model and its parts"),
        *("Verify that this workflow attested it", "Promote"),
    ]
    # Then it is verified before the promotion, with the workflow's own name, and deployed after it
    assert [name for name in found if name in order] == order
    assert rules.jobs(path)["deploy"]["needs"] == ["rejudge", "promote"]
    verify = rules.jobs(path)["promote"]["steps"][found.index(order[2])]["run"]
    assert '--signer-workflow "$GITHUB_REPOSITORY/.github/workflows/promote.yml"' in verify
    assert '--repo "$GITHUB_REPOSITORY"' in verify
