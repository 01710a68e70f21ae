"""The generated workflows, really executed by `act` on this machine, as on a first push."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import baked
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]

STUB = """name: stub
description: stands in for an action that cannot be fetched here
inputs: {path: {required: false}, name: {required: false}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {WANTED: "${{ inputs.path }}"}
      run: for pattern in $WANTED; do ls -d $pattern; done
"""


@pytest.fixture
def push(tmp_path: Path) -> Callable[[baked.BakedProject, str], tuple[int, str]]:
    """Run one workflow as a push would; returns the exit code and what the run printed."""
    act = shutil.which("act")
    uv = os.environ.get("UV") or shutil.which("uv")
    assert act, "act is missing: run the tests with `python tasks.py test`"
    assert uv, "uv is missing: run the tests with `python tasks.py test`"
    home = tmp_path / "home"
    home.mkdir()

    def run(project: baked.BakedProject, workflow: str) -> tuple[int, str]:
        text = project.read(f".github/workflows/{workflow}")
        command = [act, "push", "-W", f".github/workflows/{workflow}", "--no-cache-server"]
        command += ["-P", "ubuntu-latest=-self-hosted"]
        for option in ("--env-file", "--secret-file", "--var-file", "--input-file"):
            command += [option, os.devnull]
        for number, action in enumerate(sorted(set(re.findall(r"uses: (\S+@\S+)", text)))):
            if action.startswith("actions/checkout@"):
                continue  # act has this one built in
            stub = tmp_path / f"stub-{number}"
            stub.mkdir(exist_ok=True)
            (stub / "action.yml").write_text(STUB, encoding="utf-8")
            command += ["--local-repository", f"{action}={stub}"]
        variables = baked.clean_environment(HOME=str(home))
        variables["PATH"] = os.pathsep.join([str(Path(uv).parent), variables["PATH"]])
        # The package cache is the caller's, as a runner's would be the action's; nothing else is.
        variables["UV_CACHE_DIR"] = baked.run_plain([uv, "cache", "dir"], tmp_path).stdout.strip()
        variables["COLUMNS"] = "160"  # act gives steps a terminal, GitHub does not
        done = baked.run_plain(command, project.path, code=None, **variables)
        return done.returncode, done.stdout + done.stderr

    return run


def succeeded(output: str) -> list[str]:
    """Return the names of the jobs that ran to a good end, in order."""
    return sorted(set(re.findall(r"\[[^/\]]+/([^\]]+?)\s*\] 🏁  Job succeeded", output)))


def test_the_first_push_is_green(bake: Callable[..., baked.BakedProject], push: Callable) -> None:
    # Given a fresh repository, without secrets and servers
    project = bake()
    # When it is pushed
    checked, checks = push(project, "ci.yml")
    judged, judgement = push(project, "governance.yml")
    # Then hooks, types and tests are green, and the line ends in an allow that the gate confirms
    assert checked == 0, checks[-6000:]
    assert succeeded(checks) == ["hooks, types, tests"]
    assert judged == 0, judgement[-6000:]
    assert succeeded(judgement) == ["line and gate"]
    assert "decide: allow" in judgement


def test_a_denied_model_makes_the_push_red(
    bake: Callable[..., baked.BakedProject], push: Callable
) -> None:
    # Given a repository whose data favour one sex
    project = bake()
    data = project.read("conf/data/synthetic.yaml")
    project.write("conf/data/synthetic.yaml", data.replace("faults: []", "faults: [biased]"))
    # When it is pushed
    code, output = push(project, "governance.yml")
    # Then the line ends, the reports are kept, and it is the gate that turns the job red
    assert code == 1, output[-6000:]
    assert succeeded(output) == []
    assert "decide: deny" in output
    assert "Success - Main Keep evidence and pages" in output
    assert re.search(r"Failure - Main Judge", output), output[-3000:]
    assert "fairness.demographic_parity[sex]" in output
