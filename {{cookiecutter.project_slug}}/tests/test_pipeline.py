"""`dvc.yaml` says what the code says, and each module keeps to its room: measure, judge."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, package_name

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
    files = {
        name: keys for entry in STAGES[stage].get("params", []) for name, keys in entry.items()
    }
    assert set(files) <= {"code.json", "params.yaml"}, (
        f"dvc.yaml, stages.{stage}.params: list sections under `- params.yaml:`"
    )
    return set(files.get("params.yaml", []))


def test_every_stage_has_a_module_and_every_module_that_runs_is_a_stage(package: Path) -> None:
    # Given the modules under pipeline/ that can be run
    runnable = {
        path.stem
        for path in (package / "pipeline").glob("*.py")
        if "\ndef main() -> str:" in path.read_text(encoding="utf-8")
    }
    # When they are compared with the stages, then they are the same
    assert set(STAGES) == runnable, (
        f"dvc.yaml has stages without a module: {sorted(set(STAGES) - runnable)}; "
        f"pipeline/ has modules without a stage: {sorted(runnable - set(STAGES))}"
    )


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "compose"])
def test_a_stage_depends_on_its_code(stage: str, module: Callable[[str], Any]) -> None:
    # Given a stage, when its parameters are read, then the digest of its code is among them
    assert {"code.json": [stage]} in STAGES[stage]["params"], (
        f"dvc.yaml, stages.{stage}.params: add `- code.json: [{stage}]`"
    )
    assert stage in module("closure").digests()


def test_what_digests_the_code_sees_all_of_it(package: Path) -> None:
    # Given the stage that writes those digests, then it runs whenever any module changes
    assert f"src/{package.name}" in STAGES["compose"]["deps"]
    assert {"code.json": {"cache": False, "persist": True}} in STAGES["compose"]["outs"]


def test_the_digest_of_a_stage_covers_what_it_imports(
    package: Path, module: Callable[[str], Any]
) -> None:
    # Given a stage that imports helpers, which import others, when its code is listed
    closure = module("closure")
    names = {path.relative_to(package).as_posix() for path in closure.modules("drift")}
    # Then all are in it, down to the base, and other stages are not
    assert {"stage.py", "pipeline/drift.py", "measures/drift.py", "measures/binning.py"} <= names
    assert {"config.py", "problem.py", "__init__.py", "pipeline/__init__.py"} <= names
    assert not {"pipeline/train.py", "governance/policy.py", "cli.py"} & names


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
    assert STAGES[stage]["cmd"] == f"python -m {package.name}.stage {stage}"
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
    needs = set(STAGES[stage]["deps"])
    # Then it reads parameters or something that a stage before it made
    assert declared_sections(stage) or needs & made, (
        f"dvc.yaml, stages.{stage}: nothing before it makes what it needs, so DVC may run it first"
    )


SMALL_LINE = ("ingest", "split", "train", "evaluate", "fairness")
SMALL = ["data=synthetic", "data.source.rows=6000", "model=logistic_regression", "split=random"]


@pytest.fixture
def workspace(
    root: Path, tmp_path: Path, module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty folder with a small configuration and no MLflow; nothing else is touched."""
    shutil.copy(root / "dvc.yaml", tmp_path)
    (tmp_path / "models" / "champion").mkdir(parents=True)
    params = module("composition").compose(root / "conf", SMALL)
    text = yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module("pipeline.train"), "log", lambda *_: "no run")
    for stage in ("train", "evaluate"):
        monkeypatch.setattr(module(f"pipeline.{stage}"), "begin", lambda *_: "no store")
        monkeypatch.setattr(module(f"pipeline.{stage}"), "finish", lambda *_: {})
    return tmp_path


def test_a_small_table_becomes_evidence(workspace: Path, module: Callable[[str], Any]) -> None:
    # Given a small table, when the stages run one after another
    for stage in SMALL_LINE:
        assert module(f"pipeline.{stage}").main()
    # Then each left evidence that keeps to its schema
    evidence = {stage: module("evidence").load(stage, workspace) for stage in SMALL_LINE}
    # And its numbers are about the same rows, and are what the synthetic book is known for
    rows = evidence["ingest"].metrics["rows"].value
    parts = evidence["split"].metrics
    assert rows == 6000 == parts["rows_train"].value + parts["rows_test"].value
    assert evidence["evaluate"].metrics["roc_auc"].value > 0.7
    assert "sex*age_group.demographic_parity_difference" in evidence["fairness"].metrics
    assert evidence["evaluate"].subject.model == evidence["train"].subject.model


PACKAGE = ROOT / "src" / package_name()
MODULES = [path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py"))]
BASE = "base"  # the modules beside the rooms: config, tables, evidence, …
MAY_IMPORT = {
    BASE: {BASE},
    "measures": {BASE, "measures"},  # statistics: they neither judge nor run a stage
    "pipeline": {BASE, "measures", "pipeline"},  # stages: they measure, they do not judge
    "governance": {BASE, "governance"},  # judging: from evidence alone, never from a stage
    "page": {BASE, "governance", "page"},  # what people read: it judges nothing
    # a window of production: measured, judged, told
    "monitoring": {BASE, "measures", "pipeline", "governance", "page", "monitoring"},
    "drill": {BASE, "governance", "drill"},  # it runs commands, as people do
    "checks": {BASE, "governance", "checks"},  # before a commit: they judge nothing themselves
}
COMMAND_LINE = ("cli.py", "data_cli.py")  # calls all rooms, and is called by none
EXCEPTIONS = {
    "pipeline/compose.py": "governance",  # refuses an expression that is no CEL, early
    "pipeline/decide.py": "governance",  # the one stage that judges
    "checks/config.py": "pipeline",  # refuses what `compose` would
    "governance/doctor_looks.py": "pipeline",  # likewise
}


def room_of(module: str) -> str:
    """Return the room of `measures/drift.py`, which is `measures`."""
    return module.partition("/")[0] if "/" in module else BASE


@pytest.mark.parametrize("name", [name for name in MODULES if name not in COMMAND_LINE])
def test_a_module_imports_from_its_own_room_and_from_the_base(
    name: str, module: Callable[[str], Any]
) -> None:
    # Given a module, when its imports within the package are read
    room = room_of(name)
    assert room in MAY_IMPORT, f"this test does not know {room}/: say what it may import"
    allowed = MAY_IMPORT[room] | {EXCEPTIONS.get(name, room)}
    imports = {
        path.relative_to(PACKAGE).as_posix() for path in module("closure").imports(PACKAGE / name)
    }
    # Then none is the command line, and each is from a room that this one may use
    if imports & set(COMMAND_LINE):
        pytest.fail(
            f"{name} imports the command line: move what it needs into the base", pytrace=False
        )
    strangers = [target for target in imports if room_of(target) not in allowed]
    if strangers:
        worst = max(strangers, key=lambda target: not target.endswith("__init__.py"))
        pytest.fail(
            f"{name} imports {worst}, but {room} may import from {', '.join(sorted(allowed))} "
            "only: pass the value as an argument, or move the function",
            pytrace=False,
        )


@pytest.mark.parametrize("name", MODULES)
def test_imports_within_the_package_are_relative(name: str) -> None:
    # Given a module, when its absolute imports are read
    tree = ast.parse(Path(PACKAGE / name).read_text(encoding="utf-8"))
    absolute = {
        imported
        for node in ast.walk(tree)
        for imported in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and node.level == 0
            else []
        )
    }
    # Then none is of the package: dependencies of stages are found by relative imports
    own = [imported for imported in absolute if imported.partition(".")[0] == PACKAGE.name]
    assert not own, f"{name} imports {own[0]}: write a relative import"
