"""Promote and roll back side by side with what they replace: moving an alias by hand."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import measure
import registry
from baked import BakedProject, copy_project

BARE = """\
import sys
from mlflow import set_tracking_uri
from mlflow.tracking import MlflowClient
set_tracking_uri("sqlite:///mlflow.db")
MlflowClient().set_registered_model_alias("governed-model", "champion", sys.argv[1])
"""


def contested(project: BakedProject, folder: Path, say: Callable[[str], None]) -> BakedProject:
    """A project with a champion and an approved challenger."""
    made = registry.equip(copy_project(project, folder))
    for rate in (None, "0.2"):
        say("Registering a model ...")
        if rate:
            registry.another_model(made, rate)
        made.governance("register")
        registry.approve(made, 2 if rate else 1)
        if not rate:
            made.governance("promote")
    return made


def seconds(project: BakedProject, *command: str) -> float:
    """The wall time of a command of the project."""
    start = time.perf_counter()
    project.run(list(command))
    return time.perf_counter() - start


def compare(
    project: BakedProject, scratch: Path, repeats: int, say: Callable[[str], None]
) -> dict[str, float]:
    """Return the medians: an alias moved by hand, status, promote, rollback, predict."""
    kept = contested(project, scratch / "contested", say)
    cli = ("python", "-m", f"{project.package}.cli")
    rows, out = "data/sample.parquet", str(scratch / "out.parquet")
    here: list[BakedProject] = []

    def fresh() -> float:
        for one in here:
            shutil.rmtree(one.path.parents[1])
        folder = Path(tempfile.mkdtemp(dir=scratch))
        here[:] = [registry.copy(kept, folder)]
        read = "import pandas as p; p.read_parquet('data/raw.parquet').head(1000)"
        here[0].run(["python", "-c", f"{read}.to_parquet('{rows}')"])
        return seconds(here[0], "python", "-c", BARE, "1")

    measures = {
        "an alias moved by hand": fresh,
        "governance status": lambda: seconds(here[0], *cli, "status"),
        "governance promote": lambda: seconds(here[0], *cli, "promote"),
        "governance predict, 1,000 rows": lambda: seconds(
            here[0], *cli, "predict", rows, "--output", out
        ),
        "governance rollback": lambda: seconds(
            here[0], *cli, "rollback", "--reason", "To measure it"
        ),
    }
    return measure.interleaved(measures, repeats, say)
