"""The registry on an MLflow server, with several clients at once."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import baked
import pandas as pd
import pytest
import registry
from baked import BakedProject

pytestmark = pytest.mark.slow


def start(project: BakedProject, *arguments: str) -> subprocess.Popen[str]:
    """Start a command of the project without waiting for it."""
    assert project.environment
    scripts = project.environment / ("Scripts" if os.name == "nt" else "bin")
    env = baked.clean_environment(**project.variables)
    env["PATH"] = os.pathsep.join([str(scripts), env["PATH"]])
    command = [str(scripts / "governance"), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=project.path, env=env, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.nightly  # on every push: test_registry_crashes.py, on SQLite
def test_several_clients_share_a_server(project_after_run: BakedProject, tmp_path: Path) -> None:
    # Given a project whose registry is a server, and a colleague's clone that uses the same one
    first = registry.equip(baked.copy_project(project_after_run, tmp_path / "first"))
    with registry.served(first) as project:
        project.governance("register")
        registry.approve(project, 1)
        second = registry.copy(project, tmp_path / "second")
        url = str(registry.home(project) / "origin.git")
        baked.git(second.path, "remote", "set-url", "origin", url)
        shared = {"MLFLOW_TRACKING_URI": project.variables["MLFLOW_TRACKING_URI"]}
        second = BakedProject(second.path, second.environment, second.variables | shared)
        # When both promote at once, and others look
        running = [
            start(one, *words)
            for one in (project, second)
            for words in (["promote", "1"], ["promote", "1"], ["ledger", "show"])
        ]
        said = [(*one.communicate(), one.returncode) for one in running]
        # Then one has won, whoever it was, and nobody saw a traceback
        won = [out for out, _, _ in said if "version 1 is champion (event" in out]
        assert len(won) == 1, said
        assert not [errors for _, errors, _ in said if "Traceback" in errors]
        for one in (project, second):
            assert registry.states(one) == {1: "champion"}
            assert registry.actions(one).count("promoted 1") == 1
        # And the colleague predicts with the files from the server
        rows = pd.read_parquet(second.path / "data" / "raw.parquet").head(20)
        rows.to_parquet(tmp_path / "in.parquet")
        out = tmp_path / "out.parquet"
        second.governance("predict", str(tmp_path / "in.parquet"), "--output", str(out))
        assert set(pd.read_parquet(out)["model_version"]) == {1}
    # And when the server is gone, then it is said in a line
    done = project.governance("status", code=None)
    registry.refused(
        done,
        "does not answer",
        "check that it is running and that MLFLOW_TRACKING_URI is right",
        code=2,
    )
