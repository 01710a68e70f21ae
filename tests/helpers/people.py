"""A small project with a table of people, and what every refusal has to be, for bad input."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import baked
import numpy as np
import pandas as pd
import pytest
from baked import BakedProject

RAW = "data/raw.parquet"
CSV = "data/source/people.csv"
SUITE = "governance/expectations/people.json"
DATA = f"""\
name: people
task: classification
source:
  kind: file
  path: {CSV}
target: paid
positive: "yes"
sensitive:
  sex: {{}}
contract: {SUITE}
"""
CHOICE = {
    "data: synthetic": "data: people",
    "model: hist_gradient_boosting_classifier": "model: logistic_regression",
    "split: time": "split: random",
}


def people(rows: int = 300) -> pd.DataFrame:
    """A table of people with one feature that says something about the target."""
    chance = np.random.default_rng(1)
    income = chance.normal(30_000, 9_000, rows).round(2)
    return pd.DataFrame(
        {
            "age": chance.integers(18, 80, rows),
            "income": income,
            "town": chance.choice(["Rome", "Oslo", "Bern"], rows),
            "sex": chance.choice(["f", "m"], rows),
            "paid": np.where(income + chance.normal(0, 9_000, rows) > 30_000, "yes", "no"),
        }
    )


MADE = {  # whole, and why the pipeline stopped; what was made before it did
    "mlflow.db",
    "reports/contract.html",
    "reports/decision.json",
    "reports/evidence/validate.json",
    "reports/index.html",
}
LINES = people().to_csv(index=False).splitlines()


def text(lines: list[str] = LINES, **replaced: str) -> str:
    """The table as CSV; `sex="gender"` replaces text in its header."""
    head = lines[0]
    for old, new in replaced.items():
        assert old in head
        head = head.replace(old, new)
    return "\n".join([head, *lines[1:]]) + "\n"


def changed(**columns: object) -> str:
    """The table as CSV with other columns; a function makes a column from the row's number."""
    frame = people()
    for name, values in columns.items():
        frame[name] = list(map(values, frame.index)) if callable(values) else values
    return frame.to_csv(index=False)


def configure(project: BakedProject, data: str = DATA) -> None:
    """Choose a configuration for the table."""
    project.write("conf/data/people.yaml", data)
    text = project.read("conf/config.yaml")
    for old, new in CHOICE.items():
        text = text.replace(old, new)
    project.write("conf/config.yaml", text)


def replace(project: BakedProject, name: str, old: str, new: str) -> None:
    """Edit a file of a project; the old text must be there."""
    text = project.read(name)
    assert old in text, f"{name} has no {old!r}"
    project.write(name, text.replace(old, new, 1))


def stage(project: BakedProject, name: str, code: int = 0, **variables: str) -> str:
    """Run one stage as `dvc repro` does; return what it said."""
    done = project.call("stage", name, code=code, **variables)
    return done.stderr if code else done.stdout


def every_push(cases: Mapping[str, object], *chosen: str) -> list[Any]:
    """All cases as parameters of a test: those not chosen run at night only."""
    assert set(chosen) <= set(cases)
    nightly = {name: () if name in chosen else (pytest.mark.nightly,) for name in cases}
    return [pytest.param(name, id=name, marks=marks) for name, marks in nightly.items()]


def files(project: BakedProject) -> set[str]:
    """Every file of a project but for compiled Python and git's own, hidden ones too."""
    found = (path for path in project.path.rglob("*") if path.is_file())
    names = {path.relative_to(project.path).as_posix() for path in found}
    return {name for name in names if "__pycache__" not in name and not name.startswith(".git/")}


def refused(project: BakedProject, name: str, code: int = 2, **variables: str) -> str:
    """Run a stage that must refuse in one line and leave a deny, and nothing half-written."""
    before = files(project)
    said = stage(project, name, code, **variables)
    assert "Traceback" not in said
    # A slow machine may also show that the stage is still at work.
    [line] = [one for one in said.splitlines() if not re.fullmatch(r"\w+ \(\d+ s\) …", one)]
    assert line.startswith(f"{name}: ")
    assert len(line) < 1_000, line
    assert str(project.path) not in line, "paths are said as they were written"
    decision = json.loads(project.read("reports/decision.json"))
    assert decision["verdict"] == "deny"
    assert decision["rules"][0]["reason"] == line.removeprefix(f"{name}: ")
    new = files(project) - before - MADE
    assert not new, f"left behind: {new}"
    return line


def draft(project: BakedProject) -> None:
    """Ingest the table as it is and write its contract, as a team does once."""
    stage(project, "ingest")
    project.governance("contract", "draft")


@pytest.fixture(scope="session")
def before(
    template: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> BakedProject:
    """A project configured for the table, with its contract, as a line that was allowed left it."""
    project = baked.bake(template, tmp_path_factory.mktemp("people"), environment)
    configure(project)
    project.write(CSV, text())
    stage(project, "compose")
    draft(project)
    project.write("reports/decision.json", '{"verdict": "allow"}')
    return project


@pytest.fixture
def project(before: BakedProject, tmp_path: Path) -> BakedProject:
    """A copy of that project for one test."""
    return baked.copy_project(before, tmp_path)
