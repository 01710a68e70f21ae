"""The generated `dvc.yaml` says what the engine's stages say: parameters, code, order."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest
import yaml
from baked import STAGES, BakedProject

from governed_ml.core.code import stage_code
from governed_ml.core.files import COMPOSED, PARAMS, POLICY
from governed_ml.registry.remeasure.fetch import Start


@pytest.fixture(scope="module")
def stages(project: BakedProject) -> dict[str, dict[str, Any]]:
    """The stages of a generated pipeline."""
    return yaml.safe_load(project.read("dvc.yaml"))["stages"]


def sections(body: dict[str, Any]) -> set[str]:
    """What a stage lists under `params:` of what `compose` writes of `conf/`."""
    files = {name: keys for entry in body.get("params", []) for name, keys in entry.items()}
    assert set(files) <= {"code.json", *COMPOSED}
    found = {file: set(files.get(file, [])) for file in COMPOSED}
    assert all(key.split(".")[0] == "policy" for key in found[POLICY])
    assert not any(key.split(".")[0] == "policy" for key in found[PARAMS])
    return found[PARAMS] | found[POLICY]


def test_every_stage_has_a_module_and_every_module_that_runs_is_a_stage(
    stages: dict[str, dict[str, Any]],
) -> None:
    assert set(stages) == set(STAGES) == set(stage_code.runnable())


def test_trap_42_the_workflow_measures_with_the_engines_stages_alone_and_in_their_order(
    stages: dict[str, dict[str, Any]],
) -> None:
    # Given where a pipeline may start, when what runs is read, then it is the engine's stages
    runs = {name: Start("recompute", name, "").stages for name in ("ingest", "validate")}
    assert runs == {"ingest": tuple(stages)[1:], "validate": tuple(stages)[2:]}
    assert Start("committed", "", "").stages == ()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_what_its_module_reads(
    stage: str, stages: dict[str, dict[str, Any]]
) -> None:
    # Given a stage, when dvc.yaml is held against the SECTIONS that its module reads
    read = set(getattr(stage_module(stage), "SECTIONS", ()))
    # Then it names just these, and the digest of its code
    assert sections(stages[stage]) == read
    if stage != "compose":
        assert {"code.json": [stage]} in stages[stage]["params"]
    # And it runs its own module, and nothing keeps DVC from running it
    assert stages[stage]["cmd"] == f"governance stage {stage}"
    assert "frozen" not in stages[stage]


def stage_module(stage: str) -> Any:
    """The engine's module of a stage."""
    return import_module(f"governed_ml.pipeline.stages.{stage}")


def test_the_stage_that_digests_code_depends_on_all_code(
    project: BakedProject, stages: dict[str, dict[str, Any]]
) -> None:
    # Given the stage that writes those digests, then it runs whenever the team's code or the lock
    # of the engine changes
    assert {f"src/{project.package}", "uv.lock"} <= set(stages["compose"]["deps"])
    assert {"code.json": {"cache": False, "persist": True}} in stages["compose"]["outs"]


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "compose"])
def test_every_stage_depends_on_an_earlier_one(
    stage: str, stages: dict[str, dict[str, Any]]
) -> None:
    # Given a stage, when what it needs is compared with what all stages make
    made = {
        next(iter(out)) if isinstance(out, dict) else out
        for body in stages.values()
        for out in body.get("outs", [])
    }
    # Then it reads parameters or something that a stage before it made: DVC runs it after those
    assert sections(stages[stage]) or set(stages[stage]["deps"]) & made


def test_the_digest_of_a_stage_covers_what_it_imports(project: BakedProject) -> None:
    # Given a stage that imports helpers, which import others, when its code is listed
    names = set(stage_code.named("drift", project.path))
    # Then all are in it, down to the base, and other stages are not
    own = {"pipeline/stage_runner.py", "pipeline/stages/drift.py", "measures/drift.py"}
    base = {"measures/binning.py", "core/problem.py", "__init__.py", "pipeline/__init__.py"}
    assert {f"governed_ml/{name}" for name in own | base} <= names
    others = {"pipeline/stages/train.py", "policy/judge.py", "cli/app.py"}
    assert not {f"governed_ml/{name}" for name in others} & names
    assert not [name for name in names if name.startswith("src/")]
    # And where the team's code is called, it is part of it
    assert {f"src/{project.package}/{name}.py" for name in ("features", "training")} <= set(
        stage_code.named("train", project.path)
    )


def test_no_import_of_the_engine_is_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given every module of the engine, when its imports are looked for by their lines
    modules = sorted(stage_code.ENGINE.rglob("*.py"))
    look = stage_code.imports.__wrapped__
    found = {path: look(path, stage_code.ENGINE, "governed_ml") for path in modules}
    assert sum(map(len, found.values())) > 600
    # Then they are those that Python's parser finds in the whole text
    whole = re.compile(r"\A((?s:.*))")
    monkeypatch.setattr(stage_code, "OWN_IMPORT", whole)
    assert {path: look(path, stage_code.ENGINE, "governed_ml") for path in modules} == found
