"""Turn a retraining into a pull request, and record its outcome in the ledger."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from governed_ml.core.files import COMPOSED, read_json
from governed_ml.core.problem import Problem, first_line
from governed_ml.github import proposal
from governed_ml.github.current_settings import opened
from governed_ml.github.proposal import Proposal, Pull, Say
from governed_ml.github.settings import RETRAINING as ENVIRONMENT
from governed_ml.monitoring.actions import issue
from governed_ml.monitoring.actions.dispatch import page
from governed_ml.monitoring.retraining.challenge import Challenge
from governed_ml.monitoring.retraining.retrain import CHALLENGE, PATCH
from governed_ml.policy.rehash import current_run
from governed_ml.registry.append_event import record, situation
from governed_ml.registry.notify import Lost
from governed_ml.registry.versions import Registry

BRANCH = ENVIRONMENT
TOKEN = "RETRAIN_TOKEN"  # noqa: S105 - a variable's name
RIGHTS = "a fine-grained token with read and write access to Contents and Pull requests"
SUBJECT = "Retrain on new data"
ALLOWED = ("reports/", "dvc.lock", *COMPOSED, "code.json")
NEED = "give it `issues: write`"


def propose(base: Path, folder: Path, say: Say) -> tuple[Challenge, Pull]:
    """Push the result of a retraining to its branch, and open or update its pull request.

    Raise `Problem` if the patch changes files that the pipeline never writes.
    """
    fix = "make it again with `uv run governance retrain run`"
    try:
        found = Challenge.model_validate(read_json(folder / CHALLENGE))
    except ValidationError as error:
        raise Problem(f"{CHALLENGE} is not readable ({first_line(error, 120)}): {fix}") from error
    tree, names = proposal.applied(base, folder / PATCH, fix)
    strange = [name for name in names if not name.startswith(ALLOWED)]
    if strange or not names:
        what = f"{strange[0]}, which the pipeline never writes" if strange else "nothing"
        raise Problem(f"{PATCH} changes {what}: nothing was pushed; {fix}", 1)
    digest = found.data.get("challenger", "").removeprefix("sha256:")[:12]
    commit = proposal.committed(base, tree, f"{SUBJECT} ({digest})")
    wanted = Proposal(
        branch=BRANCH,
        subject=SUBJECT,
        commit=commit,
        title=found.title,
        body=found.body(),
        token=TOKEN,
        environment=ENVIRONMENT,
        rights=RIGHTS,
    )
    return found, proposal.propose(base, wanted, say)


def noted(base: Path, registry: Registry, jobs: dict[str, Any], reason: str) -> str:
    """Record the outcome of a retraining, and add it to the monitoring issue if that is open."""
    results = {job: str(said["result"]) for job, said in jobs.items()}
    known: dict[str, str] = {}
    ran = [said for said in jobs.values() if said["result"] != "skipped"]
    for said in ran:
        known |= {name: value for name, value in (said.get("outputs") or {}).items() if value}
    good = all(result == "success" for result in results.values())
    bad = ", ".join(f"{job}: {result}" for job, result in results.items() if result != "success")
    line = f"pull request {known.get('pull', '')} has the challenger: {known.get('verdict', '')}"
    if not good:
        line = f"the retraining failed ({bad}): {known.get('why') or 'look at the log of its run'}"
    link = known.get("url") if good else page()
    details = known | {"page": page(), "run": current_run() or ""} | ({} if good else {"jobs": bad})
    failed: list[str] = []
    seen = situation(base, registry)
    subject = {"policy": seen.now.policy_digest}

    def told(action: Any, **more: str) -> None:
        fields = {name: value for name, value in (details | more).items() if value}
        record(base, registry, action, seen, subject=subject, reason=reason, details=fields)

    try:
        told("retrained" if good else "retraining_failed")
    except Lost as lost:
        failed.append(str(lost))
    try:
        with opened(base, NEED) as hub:
            there = issue.of(hub)
            if there is not None and there.state == "open":
                issue.comment(hub, there, f"{issue.plain(line)}\n\n{link}".rstrip())
    except Problem as problem:
        failed.append(f"the issue was not updated: {problem}")
        told("alert_failed", why=str(problem))
    if failed:
        raise Problem("; ".join(failed))
    return line


def jobs() -> dict[str, Any]:
    """Return the results of earlier jobs from the variable NEEDS (GitHub's `toJSON(needs)`)."""
    try:
        found: dict[str, Any] = json.loads(os.environ.get("NEEDS", ""))
        if found and all("result" in said for said in found.values()):
            return found
    except (ValueError, TypeError, AttributeError):
        pass
    raise Problem(
        "the environment variable NEEDS holds no results of jobs: set it to `toJSON(needs)`"
    )
