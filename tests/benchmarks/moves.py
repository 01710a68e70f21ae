"""Promote, roll back and watch side by side with an alias moved by hand, and with a bare start."""

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

SAMPLE = """\
import pandas as p
rows = p.read_parquet("data/raw.parquet").sample(1000, random_state=1, ignore_index=True)
rows = rows.assign(applied_on=p.Timestamp.now("UTC").tz_localize(None).floor("D"))
rows.to_parquet("data/sample.parquet")
rows.head(1).to_parquet("data/one.parquet")
"""

TWO_WINDOWS = """\
import pathlib, sys, time
from governed_ml.cli.registry import door
from governed_ml.monitoring.feeds import feed_of
from governed_ml.monitoring.monitor import monitor
base, registry = door()
feed = feed_of(pathlib.Path(sys.argv[1]))
for _ in range(2):
    start = time.perf_counter()
    monitor(base, registry, feed)
print(time.perf_counter() - start)
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


def seconds(project: BakedProject, *command: str, code: int = 0) -> float:
    """The wall time of a command of the project."""
    start = time.perf_counter()
    project.run(list(command), code=code)
    return time.perf_counter() - start


def compare(
    kept: BakedProject, scratch: Path, repeats: int, say: Callable[[str], None]
) -> dict[str, float]:
    """Return the medians: an alias moved by hand, status, promote, rollback, predict."""
    cli = ("governance",)
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


def watched(
    kept: BakedProject, scratch: Path, repeats: int, say: Callable[[str], None]
) -> dict[str, float]:
    """Return the medians of `monitor`: of one row, which is too few to measure, and of a thousand.

    Once as commands, and once in a process that has imported and measured before.
    """
    project = registry.copy(kept, Path(tempfile.mkdtemp(dir=scratch)))
    project.run(["python", "-c", SAMPLE])
    cli = ("governance", "monitor")

    def again(rows: str) -> float:
        return float(project.run(["python", "-c", TWO_WINDOWS, rows]).stdout)

    measures = {
        "nothing measured": lambda: seconds(project, *cli, "data/one.parquet", code=2),
        "1,000 rows": lambda: seconds(project, *cli, "data/sample.parquet"),
        "nothing measured, a second time": lambda: again("data/one.parquet"),
        "1,000 rows, a second time": lambda: again("data/sample.parquet"),
    }
    return measure.interleaved(measures, repeats, say)
