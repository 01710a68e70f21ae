"""A project of the last commit before the engine was a library, beside one of now.

Both are measured in turns: generation, `uv sync` with a warm cache, the default pipeline, `dvc
repro` with nothing to do, and the start-up of commands, a check, a gate and a stage.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import baked
import measure
from baked import BakedProject

BEFORE = "b14ddfc7c713"
"""The last commit at which all code was copied into each generated project."""
BARE = Path(__file__).with_name("bare.py")


@dataclass
class Side:
    """A template and a project of it whose pipeline has run, with an environment of its own."""

    template: Path
    uv: str
    scratch: Path
    check: tuple[str, ...]
    stage: tuple[str, ...]

    def __post_init__(self) -> None:
        """Generate the project and make its environment; nothing of this is measured."""
        self.scratch.mkdir()
        self.project = baked.bake(self.template, self.scratch / "made")
        self.environment = self.project.path / ".venv"
        self._sync(self.project)
        self.run("dvc", "repro")
        self.run("dvc", "repro")

    def _sync(self, project: BakedProject) -> float:
        command = [self.uv, "sync", "--quiet", "--python", sys.executable]
        return measure.must(measure.run(command, project.path, project.path / ".venv")).seconds

    def run(self, *words: str, at: Path | None = None) -> float:
        """The wall time of a command in the finished project or in another folder."""
        site = {"DVC_SITE_CACHE_DIR": str(self.scratch / "site")}
        done = measure.run([*words], at or self.project.path, self.environment, **site)
        return measure.must(done).seconds

    def generate(self) -> float:
        """The wall time of a generation."""
        folder, start = Path(tempfile.mkdtemp(dir=self.scratch)), time.perf_counter()
        baked.bake(self.template, folder)
        return time.perf_counter() - start

    def new(self) -> BakedProject:
        """A new project in a folder of its own, with the lock that is known."""
        project = baked.bake(self.template, Path(tempfile.mkdtemp(dir=self.scratch)))
        shutil.copy(self.project.path / "uv.lock", project.path / "uv.lock")
        return project

    def sync(self) -> float:
        """The wall time of making an environment anew."""
        project = self.new()
        took = self._sync(project)
        shutil.rmtree(project.path.parent)
        return took

    def pipeline(self) -> float:
        """The wall time of everything but the commit: every stage runs, none from a cache."""
        return self.run("dvc", "repro", "--force")

    def bare(self) -> float:
        """The wall time of the same training in a script."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        return self.run("python", str(BARE), "lean", str(self.project.path), at=folder)

    @property
    def measures(self) -> dict[str, Callable[[], float]]:
        """What is measured, by its name in the table."""
        return {
            "generation": self.generate,
            "`uv sync`, warm cache": self.sync,
            "the bare script": self.bare,
            "the default pipeline": self.pipeline,
            "`dvc repro`, nothing to do": lambda: self.run("dvc", "repro"),
            "`governance --help`": lambda: self.run("governance", "--help"),
            "a gate (drift)": lambda: self.run("governance", "gate", "drift"),
            "a check (hygiene)": lambda: self.run(*self.check, "hygiene", "README.md"),
            "a stage (compose)": lambda: self.run(*self.stage, "compose"),
        }


def earlier(folder: Path) -> Path:
    """The template as it was, as a repository of its own; the clone has to reach that far back."""
    baked.git(folder.parent, "clone", "--quiet", "--no-checkout", str(baked.ROOT), str(folder))
    if baked.git_code(folder, "cat-file", "-e", f"{BEFORE}^{{commit}}"):
        raise SystemExit(f"error: this clone does not have {BEFORE}: `git fetch --unshallow`")
    baked.git(folder, "checkout", "--quiet", "-B", "main", BEFORE)
    return folder


def compare(
    template: Path, uv: str, scratch: Path, repeats: int, say: Callable[[str], None]
) -> str:
    """Return a table: seconds before and now, and now as a multiple of before."""
    say(f"Running the default pipelines of {BEFORE} and of now once ...")
    old_words = [("python", "-m", f"governed_model.{module}") for module in ("checks", "stage")]
    new_words = [("governance", word) for word in ("check", "stage")]
    sides = {
        "before": Side(earlier(scratch / "earlier"), uv, scratch / "before", *old_words),
        "now": Side(template, uv, scratch / "now", *new_words),
    }
    times: dict[str, dict[str, list[float]]] = {}
    for number in range(1, repeats + 1):
        for name in sides["now"].measures:
            for side, which in sides.items():
                kept = times.setdefault(name, {"before": [], "now": []})
                kept[side].append(which.measures[name]())
        say(f"  {number} of {repeats}")
    found = {
        name: [statistics.median(one) for one in both.values()] for name, both in times.items()
    }
    bare, whole = found["the bare script"], found["the default pipeline"]
    found["the pipeline, times the bare script"] = [
        pipeline / script for pipeline, script in zip(whole, bare, strict=True)
    ]
    rows = [
        [name, f"{before:.2f}", f"{now:.2f}", f"{now / before:.2f}"]
        for name, (before, now) in found.items()
    ]
    return measure.table(["", "seconds before", "seconds now", "times before"], rows)
