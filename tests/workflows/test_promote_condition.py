"""The one `if:` that lets a version through, as a truth table, and as `act` evaluates it."""

from __future__ import annotations

import json
import random
import sys
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import acting
import baked
import pytest
import yaml
from hosting import NEEDS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]


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
