"""What the hooks of a commit cost, hook by hook, against a run of pre-commit without hooks."""

from __future__ import annotations

import os
import re
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

import baked
from baked import BakedProject
from measure import must, run, table

DURATION = re.compile(r"^- hook id: (\S+)\n- duration: ([\d.]+)s$", re.MULTILINE)
EVERY_FILE = ("hygiene", "data-in-git", "secrets", "pii")  # share a process


def compare(project: BakedProject, repeats: int, say: Callable[[str], None]) -> str:
    """Return a table: commits of words and of the pipeline, and what each hook has of them."""
    environment, uv = project.environment, os.environ.get("UV") or shutil.which("uv")
    assert environment
    assert uv
    shutil.copy(environment / "uv.lock", project.path / "uv.lock")
    baked.git(project.path, "add", "--all")
    path = os.pathsep.join([str(Path(uv).parent), os.environ["PATH"]])
    empty = project.path.parent / "no-hooks.yaml"
    empty.write_text("repos: []\n", encoding="utf-8")
    times: dict[str, list[float]] = {}

    def measured(name: str, *words: str) -> None:
        done = must(
            run(
                [*words],
                project.path,
                environment,
                UV_PROJECT_ENVIRONMENT=str(environment),
                PATH=path,
            )
        )
        times.setdefault(name, []).append(done.seconds)
        for hook, seconds in DURATION.findall(done.output):
            times.setdefault(f"{name}: {hook}", []).append(float(seconds))

    hooks = ("pre-commit", "run", "--verbose")
    alone = ("uv", "run", "--no-sync", "governance", "check")
    for number in range(1, repeats + 1):
        measured("no hooks", *hooks, "--config", str(empty), "--files", "README.md")
        measured("words", *hooks, "--files", "README.md")
        measured("the pipeline", *hooks, "--files", *_pipeline(project))
        for check in EVERY_FILE:
            measured(f"only `check {check}`, words", *alone, check, "README.md")
        say(f"  {number} of {repeats}: words {times['words'][-1]:.2f} s")
    medians = {name: statistics.median(values) for name, values in times.items()}
    rows = [
        [name, f"{took:.2f}", f"{took / medians['no hooks']:.2f}"]
        for name, took in sorted(medians.items(), key=lambda one: (one[0] != "no hooks", one[0]))
    ]
    return table(["commit of", "seconds (median)", "times no hooks"], rows)


def _pipeline(project: BakedProject) -> list[str]:
    """What a change of the training and of a limit brings into a commit."""
    tops = (
        "dvc.lock",
        "params.yaml",
        "policy.json",
        "code.json",
        "conf/policy/limited.yaml",
        "reports/",
    )
    return [
        f"src/{project.package}/training.py",
        *(name for name in project.files if name.startswith(tops)),
    ]
