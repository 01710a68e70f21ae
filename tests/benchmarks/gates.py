"""Part c: each gate that reads the table, against its library used directly on a DataFrame."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import books
import measure
from baked import BakedProject

HERE = Path(__file__).resolve().parent
GATES = {  # stage, part of direct.py, the library, how its answer is compared with ours
    "contract": ("validate", "Great Expectations"),
    "drift": ("drift", "Evidently"),
    "fairness": ("fairness", "Fairlearn"),
}
HEADER = [
    "rows", "gate", "ours, s", "ours, GB", "library", "directly, s", "directly, GB",
    "times faster", "same numbers",
]  # fmt: skip


def compare(project: BakedProject, sizes: list[int], say: Callable[[str], None]) -> str:
    """Measure every gate at every size in a finished project (which is changed)."""
    rows: list[list[str]] = []
    for size in sizes:
        say(f"  writing tables of {size:,} rows")
        books.raw(size, project.path)
        books.split(size, project.path)
        for gate in GATES:
            line = measured(project, gate)
            say(f"  {size:,} rows, {gate}: " + ", ".join(line[1:]))
            rows.append([f"{size:,}", *line])
    return measure.table(HEADER, rows)


def measured(project: BakedProject, gate: str) -> list[str]:
    """Measure one gate and its library, one after the other; return a line of the table."""
    stage, library = GATES[gate]
    environment = project.environment
    assert environment
    code = ["governance", "stage", stage]
    ours = measure.must(measure.run(code, project.path, environment))
    script = ["python", str(HERE / "direct.py")]
    other = measure.run([*script, gate], project.path, environment)
    answer = other
    if gate == "drift":
        answer = measure.must(measure.run([*script, "psi"], project.path, environment))
    fits = other.code == 0
    return [
        gate,
        f"{ours.seconds:.1f}",
        gigabytes(ours),
        library,
        f"{other.seconds:.1f}" if fits else f"does not fit ({why(other)})",
        gigabytes(other),
        f"{other.seconds / ours.seconds:.1f}" if fits else "",
        agreement(answer) if answer.code == 0 else "",
    ]


def gigabytes(run: measure.Run) -> str:
    """Say a peak of memory."""
    return "not measured" if run.megabytes is None else f"{run.megabytes / 1024:.2f}"


def why(run: measure.Run) -> str:
    """Say why a library did not come to an end."""
    if run.seconds >= measure.TIMEOUT:
        return f"stopped after {run.seconds:.0f} s"
    if "MemoryError" in run.output or "alloc" in run.output or run.code < 0:
        return f"out of 12 GB after {run.seconds:.0f} s"
    last = run.output.strip().splitlines() or [f"exit {run.code}"]
    return last[-1][:80].replace("|", "/")


def agreement(run: measure.Run) -> str:
    """Say how far the answers are apart."""
    found = json.loads(run.output.strip().splitlines()[-1])
    if "different" in found:
        return f"{found['compared'] - found['different']} of {found['compared']} verdicts"
    return f"{found['compared']} values, largest difference {found['largest']:.1e}"
