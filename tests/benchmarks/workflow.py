"""The workflow `governance`, job by job, against a job that only runs the pipeline."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import acting
import yaml
from baked import BakedProject
from results import ratios

BARE = "pipeline alone"
SYNC = "Make the environment"
FIRST = {"before": "0" * 40}


def bare(project: BakedProject) -> None:
    """Add a workflow of one job: check out, make the environment, run the pipeline."""
    path = project.path / ".github" / "workflows"
    whole = yaml.safe_load((path / "governance.yml").read_text(encoding="utf-8"))
    steps = whole["jobs"]["pipeline"]["steps"]
    kept = [step for step in steps if step.get("name", SYNC) == SYNC]
    kept.append({"run": "uv run dvc repro --force"})
    job = whole["jobs"]["pipeline"] | {"steps": kept}
    on = whole.pop(True)  # the key `on`, which YAML 1.1 takes for a boolean
    text = yaml.safe_dump({**whole, "on": on, "jobs": {BARE.replace(" ", "-"): job}})
    (path / "bare.yml").write_text(text, encoding="utf-8")


def compare(
    fresh: Callable[[], BakedProject], scratch: Path, repeats: int, say: Callable[[str], None]
) -> str:
    """Return a table: each job's seconds, alone on this machine, and what waits for what."""
    times: dict[str, list[float]] = {}
    for number in range(repeats):
        project = fresh()
        bare(project)
        runner = acting.Runner(scratch / f"runner-{number}", options=["--concurrent-jobs", "1"])
        for workflow in ("bare.yml", "governance.yml"):
            say(f"Run {number + 1} of {repeats}: {workflow} ...")
            run = runner(project, workflow, payload=FIRST)
            if run.code:
                raise SystemExit(f"error: {workflow} is red\n{run.tail()}")
            for job, seconds in run.seconds.items():
                times.setdefault(job.replace("-alone", " alone"), []).append(seconds)
    medians = {job: statistics.median(found) for job, found in times.items()}
    alone = medians.pop(BARE)
    gates = {job: medians[job] for job in medians if job not in ("pipeline", "decision", "policy")}
    last = medians["pipeline"] + max(gates.values()) + medians["decision"]
    rows = {BARE: alone, **medians, "pipeline, slowest gate, decision": last}
    return ratios(rows, BARE)
