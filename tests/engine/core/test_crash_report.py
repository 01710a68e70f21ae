"""An exception that nobody expected: one line for people, the traceback in a log file."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from baked import ROOT, TEMPLATE

from governed_ml.core import crash_report
from governed_ml.core.installation.extras import BOOSTERS

GOVERNANCE = (sys.executable, "-P", "-m", "governed_ml")


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a project, as far as errors go: `dvc.yaml`, and a module of the team's."""
    (tmp_path / "dvc.yaml").touch()
    module = tmp_path / "src" / "credit" / "features.py"
    module.parent.mkdir(parents=True)
    module.write_text("def columns(table):\n    return table['incom']\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(crash_report.VARIABLE, raising=False)
    return tmp_path


def raised(base: Path) -> KeyError:
    """What the team's module raises."""
    columns = runpy.run_path(str(base / "src" / "credit" / "features.py"))["columns"]
    with pytest.raises(KeyError) as caught:
        columns({})
    return caught.value


def logs(base: Path) -> list[Path]:
    """The log files, oldest first."""
    return sorted((base / crash_report.FOLDER).glob("*.log"))


def run(base: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project."""
    command = [*GOVERNANCE, *words]
    return subprocess.run(command, cwd=base, capture_output=True, text=True, check=False)


def test_the_message_names_the_error_and_the_line_of_the_teams_code(base: Path) -> None:
    # Given an error in the team's code, when it is told
    error = raised(base)
    # Then the line names the file and the line number
    assert crash_report.one_line(error) == "KeyError: 'incom' in src/credit/features.py, line 2"


def test_the_place_of_a_chained_error_is_found(base: Path) -> None:
    # Given a library's error about an error in the team's code
    with pytest.raises(ValueError, match="fit failed") as hidden:
        raise ValueError("fit failed") from raised(base)
    assert crash_report.place(hidden.value) == "src/credit/features.py, line 2"
    # And a slip that keeps the module from being read
    with pytest.raises(SyntaxError) as caught:
        compile("a = (\n", str(base / "src" / "credit" / "training.py"), "exec")
    assert crash_report.place(caught.value) == "src/credit/training.py, line 1"


def test_an_error_in_the_engine_names_no_file_of_the_project(base: Path) -> None:
    # Given an error outside the team's code, when it is told, then no file of theirs is named
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    assert crash_report.one_line(caught.value) == "ZeroDivisionError: division by zero"


def test_a_missing_module_names_the_extra_that_brings_it() -> None:
    # Given what the extras of the engine bring, by the names under which it is imported
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    renamed = {distribution: module for module, distribution in crash_report.DISTRIBUTIONS.items()}
    del extras["excel"]  # the reader of workbooks says itself what to add
    for extra, asked in extras.items():
        for one in asked:
            name = re.split(r"[<>=[]", one)[0].partition(",")[0]
            if name == "ruamel.yaml.clib":
                continue  # ruamel.yaml does without it
            module = renamed.get(name, name.replace("-", "_"))
            if extra in BOOSTERS:
                error = ModuleNotFoundError(f"No module named {extra!r}", name=f"{extra}.sklearn")
                assert crash_report.one_line(error).startswith(f"{extra} is not installed: add the")
                continue
            # When one of them is missing, then the line names the extra and the command
            said = crash_report.one_line(
                ModuleNotFoundError(f"No module named {module!r}", name=module)
            )
            assert f"The engine's extra {extra!r}" in said, said
            assert f"`uv sync --group {crash_report.GROUPS[extra]}`" in said


def test_the_groups_of_the_advice_are_those_of_a_project() -> None:
    # Given the dependency groups of the template, when those of the advice are looked up
    text = (TEMPLATE / "pyproject.toml").read_text(encoding="utf-8")
    groups = text.partition("[dependency-groups]")[2].partition("[build-system]")[0]
    # Then each asks for its extra
    for extra, group in crash_report.GROUPS.items():
        lines = groups.partition(f"\n{group} = ")[2].partition(
            "\n]" if extra == "pipeline" else "\n"
        )
        assert f'"governed-ml[{extra}]"' in lines[0]


def test_a_missing_module_without_an_extra_is_reported_unchanged(base: Path) -> None:
    # Given a module that nobody declares, and one that the team's own file lacks
    error = ModuleNotFoundError("No module named 'nowhere'", name="nowhere")
    assert crash_report.one_line(error) == "ModuleNotFoundError: No module named 'nowhere'"
    module = base / "src" / "credit" / "features.py"
    module.write_text("import xgboost_of_ours\n", encoding="utf-8")
    with pytest.raises(ModuleNotFoundError) as caught:
        runpy.run_path(str(module))
    # Then the line says no more, or where
    assert crash_report.one_line(caught.value).endswith("in src/credit/features.py, line 1")


def test_the_traceback_is_in_the_log_that_the_line_names(base: Path) -> None:
    # Given an error, when its traceback is logged
    said = crash_report.logged(raised(base), "stage train")
    # Then the named file has it, and git ignores the folder
    [log] = logs(base)
    assert said == f" (traceback in {log.relative_to(base).as_posix()})"
    assert log.name.endswith("-stage-train.log")
    text = log.read_text(encoding="utf-8")
    assert "governance stage train" in text
    assert "return table['incom']" in text
    subprocess.run(["git", "init", "--quiet"], cwd=base, check=True)
    command = ["git", "status", "--porcelain", "--untracked-files=all", ".governance"]
    assert subprocess.run(command, cwd=base, capture_output=True, check=True).stdout == b""


def test_only_the_newest_logs_are_kept(base: Path) -> None:
    # Given more errors than logs are kept, when each is logged
    for number in range(crash_report.KEPT + 3):
        crash_report.logged(raised(base), f"run{number:02}")
    # Then the newest stay
    kept = logs(base)
    assert len(kept) == crash_report.KEPT
    assert kept[-1].name.endswith(f"run{crash_report.KEPT + 2:02}.log")


def test_without_a_log_the_message_names_the_traceback_option(
    base: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an error outside a project, when it is logged, then the line names the option
    error = raised(base)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert crash_report.logged(error, "gate").endswith("use --traceback)")


@pytest.mark.parametrize(
    ("words", "left", "asked"),
    [
        (["stage", "train"], ["stage", "train"], False),
        (["--traceback", "stage", "train"], ["stage", "train"], True),
        (["stage", "train", "--traceback"], ["stage", "train"], True),
        (["check", "pii", "--", "--traceback"], ["check", "pii", "--", "--traceback"], False),
    ],
)
def test_the_traceback_option_is_accepted_in_any_position(
    words: list[str], left: list[str], asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a command line, when the option is taken out, then the rest is left as it was
    monkeypatch.setenv(crash_report.VARIABLE, "")
    assert crash_report.take_option(words) == left
    assert os.environ[crash_report.VARIABLE] == ("1" if asked else "")


def test_a_failing_stage_prints_one_line_and_writes_a_log(base: Path) -> None:
    # Given a stage that fails in an unexpected way, when it is run
    done = run(base, "stage", "no_such_stage")
    # Then it prints one line, which names a log that is there, and no traceback
    assert done.returncode == 2
    line = done.stderr.splitlines()[0]
    assert line.startswith("no_such_stage: ModuleNotFoundError: ")
    [log] = logs(base)
    assert f"(traceback in .governance/logs/{log.name})" in line
    assert "Traceback" not in done.stderr
    assert "Traceback" in log.read_text(encoding="utf-8")
    # And the decision that it leaves does not name the log, which is of this machine only
    assert "traceback" not in (base / "reports" / "decision.json").read_text(encoding="utf-8")


def test_with_the_option_the_traceback_is_printed(base: Path) -> None:
    # Given the same, and the option, when it is run, then the traceback comes before the line
    said = run(base, "--traceback", "stage", "no_such_stage").stderr
    assert said.index("Traceback (most recent call last)") < said.index("no_such_stage: Module")


@pytest.mark.parametrize("words", [("schemas",), ("check", "hygiene", "x.yaml")])
def test_a_failing_command_prints_one_line_and_writes_a_log(
    base: Path,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Given a command in which something breaks, when it is run
    from governed_ml import __main__ as program
    from governed_ml.checks import command
    from governed_ml.core import evidence

    def broken(*_: object, **__: object) -> None:
        raise KeyError("incom")

    monkeypatch.setattr(evidence, "json_schema", broken)
    monkeypatch.setattr(command, "look", broken)
    monkeypatch.setattr(sys, "argv", ["governance", *words])
    with pytest.raises(SystemExit) as left:
        program.main()
    # Then it is one line, which names a log that has the traceback
    said = capsys.readouterr().err
    assert left.value.code == 2
    [log] = logs(base)
    assert said.endswith(f"KeyError: 'incom' (traceback in .governance/logs/{log.name})\n")
    assert "Traceback" not in said
    assert "in broken" in log.read_text(encoding="utf-8")
