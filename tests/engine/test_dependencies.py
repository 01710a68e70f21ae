"""What the engine needs is declared, in the right extra, and imported when it is needed."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

import baked
import core_only
import pytest
from baked import ROOT, BakedProject
from engine_source import modules, parsed

CORE_ONLY = Path(core_only.__file__)
NOT_NEEDED_TO_START = {
    *("cel", "hydra", "omegaconf", "ruamel", "cryptography", "duckdb", "dvc", "evidently"),
    *("fairlearn", "filelock", "githubkit", "great_expectations", "httpx", "jinja2", "markupsafe"),
    *("matplotlib", "mlflow", "numpy", "openlineage", "pandas", "pyarrow", "scipy", "shap"),
    *("sklearn", "skops", "sqlalchemy", "urllib3", "requests"),
}


def test_every_import_of_the_engine_is_declared() -> None:
    # Given the engine's source, when deptry holds its imports against pyproject.toml
    # Then none is missing, none comes by way of another package, none is declared for nothing
    baked.run_plain([sys.executable, "-m", "deptry", "src", "--no-ansi"], ROOT)


def test_an_import_that_is_not_declared_is_found(tmp_path: Path) -> None:
    # Given a module that imports what only another package brings, when deptry looks at it
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"), "utf-8")
    (tmp_path / "module.py").write_text("import antlr4\n", encoding="utf-8")
    done = baked.run_plain([sys.executable, "-m", "deptry", ".", "--no-ansi"], tmp_path, 1)
    # Then it is named (else the test above could not fail)
    assert "DEP003 'antlr4' imported but it is a transitive dependency" in done.stderr


def test_every_import_of_a_generated_project_is_declared(project: BakedProject) -> None:
    # Given a generated project, when deptry holds the team's code against its pyproject.toml
    # Then nothing is imported that is not declared; groups are this project's way to declare
    command = [sys.executable, "-m", "deptry", "src", "--no-ansi", "--ignore", "DEP002,DEP004"]
    baked.run_plain(command, project.path)


def test_bounds_of_the_project_are_those_of_the_engine(project: BakedProject) -> None:
    # Given what a generated project and the engine ask for
    engine = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [engine["dependencies"], *engine["optional-dependencies"].values()]
    bounds = {name_of(one): one.partition(">=")[2] for many in lists for one in many}
    asked = tomllib.loads(project.read("pyproject.toml"))
    groups = [asked["project"]["dependencies"], *asked["dependency-groups"].values()]
    both = [one for many in groups for one in many if name_of(one) in bounds]
    # When those that both name are compared, then they are the same
    assert len(both) >= 7
    for one in both:
        assert one.partition(">=")[2] == bounds[name_of(one)], one


def name_of(requirement: str) -> str:
    """The name of a requirement, without extras and bounds."""
    return requirement.partition(">=")[0].partition("[")[0]


def test_modules_import_only_the_core_when_they_are_imported() -> None:
    # Given the modules outside of what only the pipeline runs
    core = {"hydra", "omegaconf", "pydantic", "yaml", "rich", "ruamel", "typer", "cel"}
    allowed = core | set(sys.stdlib_module_names) | {"governed_ml"}
    measuring = (
        "measures.",
        "pipeline.",
        "page.",
        "core.drawing.",
        "lineage.events",
        "lineage.facets",
        "monitoring.measure",
        "monitoring.measuring.",
    )
    for name, path in modules().items():
        # When their imports at start are collected, then they are Python's and the core's
        found = set(at_start(parsed(path)))
        assert name.startswith(measuring) or found <= allowed, (name, found - allowed)


def at_start(node: ast.AST) -> list[str]:
    """The top names of what is imported when a module is, types left out."""
    found: list[str] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ImportFrom):
            found.append((child.module or "").partition(".")[0])
        elif isinstance(child, ast.Import):
            found += [alias.name.partition(".")[0] for alias in child.names]
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not (
            isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        ):
            found += at_start(child)
    return found


@pytest.mark.parametrize(
    "start",
    ["governed_ml.cli.app", "governed_ml.checks.command", "governed_ml.pipeline.stage_runner"],
)
def test_a_command_starts_without_heavy_libraries(start: str) -> None:
    # Given a new process, when what commands, checks or stages begin with is imported
    script = f"import sys, {start}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = set(baked.run_plain([sys.executable, "-c", script], ROOT).stdout.split())
    # Then no library is there that only some commands need
    assert "governed_ml" in loaded
    assert not NOT_NEEDED_TO_START & loaded


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--help", 0),
        ("gate", 1),
        ("gate drift", 1),
        ("policy diff --base HEAD", 0),
        ("check config,data-in-git,workflows", 0),
        ("ledger verify", 0),
    ],
)
def test_judging_needs_no_extra(
    words: str, code: int, project: BakedProject, tmp_path: Path
) -> None:
    # Given a fresh project, and an environment in which no extra of the engine is installed
    fresh = baked.copy_project(project, tmp_path)
    # When it is judged there, then the answer is the one that is due, and never a missing module
    command = [sys.executable, str(CORE_ONLY), *words.split()]
    done = baked.run_plain(command, fresh.path, code)
    assert "No module named" not in done.stdout + done.stderr


def test_a_command_that_needs_a_missing_extra_names_it(project: BakedProject) -> None:
    # Given that environment, when something is asked that needs an extra
    command = [sys.executable, str(CORE_ONLY), "check", "hygiene"]
    done = baked.run_plain(command, project.path, 2)
    # Then a module is missing (else the test above could not fail), and the line names the extra
    assert "No module named 'pre_commit_hooks" in done.stderr
    assert "The engine's extra 'hooks' installs it: run `uv sync --group dev`" in done.stderr


@pytest.mark.slow
def test_the_gate_without_data_needs_no_extra(finished: BakedProject) -> None:
    # Given a project whose tables were hashed by another job
    finished.governance("rehash")
    # When the gate runs with the core alone, then it judges as with everything
    done = finished.run(["python", str(CORE_ONLY), "gate", "--rehashed"])
    assert "allow" in done.stdout
