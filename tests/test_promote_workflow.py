"""promote.yml and rollback.yml, really executed by `act`: from a registered version to champion."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Generator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import acting
import baked
import hosting
import pytest
import yaml
from conftest import once
from hosting import Hosted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]


@pytest.fixture(scope="session")
def hosted_once(
    default_line: baked.BakedProject, tmp_path_factory: pytest.TempPathFactory
) -> baked.BakedProject:
    """A project on GitHub whose version 1 waits for two approvals."""

    def make(folder: Path) -> None:
        hosting.build(baked.copy_project(default_line, folder))

    folder = once(tmp_path_factory, "hosted-server", make)
    return baked.BakedProject(folder / "project", default_line.environment)


@pytest.fixture
def hosted(
    hosted_once: baked.BakedProject, tmp_path: Path, runner: acting.Runner
) -> Generator[Hosted]:
    """A copy of that project for one test, with a GitHub, a registry and a DVC remote."""
    with hosting.hosted(hosted_once, tmp_path, runner) as found:
        yield found


def test_two_people_say_yes_and_the_version_is_champion(hosted: Hosted) -> None:
    # Given a version that waits, and a run of the workflow that two people approve
    hosted.say_yes(model="owner", risk="risk")
    # When the workflow runs
    run = hosted.run()
    # Then every job ran and is green
    jobs = {"preflight", "rejudge", "approve-model", "approve-risk", "promote"}
    assert (run.code, run.green, run.red) == (0, jobs, set()), run.tail()


# The one `if:` that lets a version through


RESULTS = ("success", "failure", "cancelled", "skipped")
PATHS = ("environments", "pull-request", "", "other")
ROLES = ((), ("model-owner",), ("risk-owner",), ("model-owner", "risk-owner"))
NEEDS = ("preflight", "rejudge", "approve-model", "approve-risk")


class Case(NamedTuple):
    """What was before the job `promote`."""

    preflight: str
    rejudge: str
    model: str
    risk: str
    path: str
    roles: tuple[str, ...]
    pull: str

    @property
    def results(self) -> dict[str, str]:
        """Job → result."""
        return dict(zip(NEEDS, self[:4], strict=True))

    @property
    def goes(self) -> bool:
        """Whether the version may be promoted, in words of its own."""
        if (self.preflight, self.rejudge) != ("success", "success"):
            return False
        if self.path == "pull-request":
            return self.pull != "" and (self.model, self.risk) == ("skipped", "skipped")
        asked = {"model-owner": self.model, "risk-owner": self.risk}
        wanted = {role: "success" if role in self.roles else "skipped" for role in asked}
        return self.path == "environments" and asked == wanted


CASES = [
    Case(*results, path, roles, pull)
    for results in product(RESULTS, repeat=4)
    for path, roles, pull in product(PATHS, ROLES, ("", "5"))
]


def condition() -> str:
    """The text of the job's `if:`."""
    path = baked.TEMPLATE / ".github" / "workflows" / "promote.yml"
    job = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["promote"]
    assert tuple(job["needs"]) == NEEDS
    return job["if"]


def evaluated(text: str, case: Case) -> bool:
    """Evaluate an expression as GitHub does, as far as this one goes: its operators are Python's.

    Of a run that was cancelled, `cancelled()` is true; a preflight that failed has no outputs.
    """
    words = {
        "!cancelled()": f"{'cancelled' not in case.results.values()}",
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
    assert (len(CASES), sum(case.goes for case in CASES)) == (8192, 12)


POSSIBLE = [case for case in CASES if "cancelled" not in case[:4] and case.path != "other"]
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
