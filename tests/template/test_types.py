"""Strict types, of the engine and of what a project is generated with."""

from __future__ import annotations

import sys

import baked
import pytest
from baked import Bake


@pytest.mark.slow
def test_the_engine_is_strictly_typed() -> None:
    # Given the engine, when basedpyright checks it as pyproject.toml says, then it finds nothing
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable]
    done = baked.run_plain(command, baked.ROOT)
    assert "0 errors, 0 warnings" in done.stdout


@pytest.mark.slow
def test_a_generated_project_is_strictly_typed(bake_runnable: Bake) -> None:
    # Given a generated project, when `basedpyright` runs in it, then it finds nothing
    project = bake_runnable()
    assert "0 errors, 0 warnings" in project.run(["basedpyright"]).stdout
    # And when there is a mistake, it finds that
    name = f"src/{project.package}/training.py"
    project.write(name, project.read(name) + '\n\ndef wrong() -> int:\n    return ""\n')
    assert "reportReturnType" in project.run(["basedpyright"], code=1).stdout
