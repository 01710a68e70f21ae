"""`dvc.yaml` says what the code says: DVC runs a stage again exactly when it has to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))[
    "stages"
]


def compare(stage: str, part: str, declared: set[str], expected: set[str]) -> None:
    """Fail with the lines of `dvc.yaml` to add and those to take out, if there are any."""
    lines = [f"    add     - {name}" for name in sorted(expected - declared)]
    lines += [f"    remove  - {name}" for name in sorted(declared - expected)]
    if lines:
        pytest.fail("\n".join([f"dvc.yaml, stages.{stage}.{part}:", *lines]), pytrace=False)


def declared_sections(stage: str) -> set[str]:
    """Return what a stage lists under `params: - params.yaml:`."""
    entries = STAGES[stage].get("params", [])
    assert all(isinstance(entry, dict) and set(entry) == {"params.yaml"} for entry in entries), (
        f"dvc.yaml, stages.{stage}.params: list sections under `- params.yaml:`"
    )
    return {name for entry in entries for name in entry["params.yaml"]}


def test_every_stage_has_a_module_and_every_module_that_runs_is_a_stage(package: Path) -> None:
    # Given the modules under pipeline/ that can be run
    runnable = {
        path.stem
        for path in (package / "pipeline").glob("*.py")
        if f'run("{path.stem}", main)' in path.read_text(encoding="utf-8")
    }
    # When they are compared with the stages, then they are the same
    assert set(STAGES) == runnable, (
        f"dvc.yaml has stages without a module: {sorted(set(STAGES) - runnable)}; "
        f"pipeline/ has modules without a stage: {sorted(runnable - set(STAGES))}"
    )


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_modules_that_it_imports(
    stage: str, root: Path, module: Callable[[str], Any]
) -> None:
    # Given a stage's module, when its imports are followed
    modules = module("closure").modules(stage)
    expected = {path.relative_to(root).as_posix() for path in modules}
    declared = {name for name in STAGES[stage]["deps"] if name.startswith("src/")}
    # Then dvc.yaml names just these
    compare(stage, "deps", declared, expected)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_parameters_that_it_reads(
    stage: str, module: Callable[[str], Any]
) -> None:
    # Given the SECTIONS that a stage's module reads, when dvc.yaml is held against them
    expected = set(getattr(module(f"pipeline.{stage}"), "SECTIONS", ()))
    # Then it names just these
    compare(stage, "params", declared_sections(stage), expected)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_its_own_module(stage: str, package: Path) -> None:
    # Given a stage, when its command is read, then it is the module of its name
    assert STAGES[stage]["cmd"] == f"python -m {package.name}.pipeline.{stage}"
    # And nothing keeps DVC from running it
    assert "frozen" not in STAGES[stage], (
        f"dvc.yaml, stages.{stage}: remove `frozen`, a frozen stage keeps old evidence"
    )


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "compose"])
def test_a_stage_hangs_on_the_line(stage: str) -> None:
    # Given a stage, when what it needs is compared with what all stages make
    made = {
        next(iter(out)) if isinstance(out, dict) else out
        for body in STAGES.values()
        for out in body.get("outs", [])
    }
    needs = {name for name in STAGES[stage]["deps"] if not name.startswith("src/")}
    # Then it reads parameters or something that a stage before it made
    assert declared_sections(stage) or needs & made, (
        f"dvc.yaml, stages.{stage}: nothing before it makes what it needs, so DVC may run it first"
    )
