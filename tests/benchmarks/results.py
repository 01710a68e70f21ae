"""The results table: what was measured, on which machine, with which versions."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from measure import must, run, table

HERE = Path(__file__).resolve().parent
TITLES = {
    "a": "`dvc repro` with nothing to do",
    "b": "The full default pipeline against a bare script",
    "c": "Gates against their libraries used directly on a DataFrame",
    "d": "Generation",
    "e": "Start-up of commands",
    "f": "The ledger against bare git",
    "g": "Promote and roll back against an alias moved by hand",
    "h": "The workflow that judges against a job that only runs the pipeline",
    "i": "The hooks of a commit against pre-commit without hooks",
    "j": "`monitor` of 1,000 rows against one that measures nothing",
    "k": "`uv sync` with a warm cache",
    "l": "Before the engine was a library, and since",
    "s": "`governance serve` against a bare handler and `mlflow models serve`",
}
VERSIONS = [
    "dvc", "great-expectations", "evidently", "fairlearn", "mlflow", "scikit-learn", "pandas",
    "duckdb",
]  # fmt: skip


def ratios(times: dict[str, float], to: str) -> str:
    """Return the medians as a table, each with its ratio to one of them."""
    rows = [[name, f"{took:.2f}", f"{took / times[to]:.2f}"] for name, took in times.items()]
    return table(["", "seconds (median)", f"times {to}"], rows)


def machine(environment: Path) -> str:
    """Say what was measured on, without a name or a path of the machine."""
    cpu, memory = platform.processor() or platform.machine(), ""
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        cpu = found[1] if found else cpu
        total = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
        memory = f", {int(total[1]) / 2**20:.0f} GB" if total else ""
    code = (
        "from importlib.metadata import version as v; "
        f"print(', '.join(f'{{n}} {{v(n)}}' for n in {VERSIONS}))"
    )
    versions = must(run(["python", "-c", code], HERE, environment)).output.strip()
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {cpu}, {os.cpu_count()} cores{memory}; "
        f"{platform.system()}; Python {platform.python_version()}; {versions}."
    )


def write(path: Path, found: dict[str, str], where: str) -> None:
    """Write the results; parts that were not measured now stay as they are."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    parts = dict(re.findall(r"(?ms)^## (\w)\. .*?\n\n(.*?)(?=^## |\Z)", old))
    for part, text in found.items():
        parts[part] = f"{text}\n{where}\n\n"
    head = "# Benchmarks\n\nWritten by `python tasks.py bench`; wall time with start-up and imports"
    head += ", peak memory of a\nprocess or its children, each part measured side by side.\n\n"
    body = "".join(f"## {p}. {TITLES[p]}\n\n{parts[p].rstrip()}\n\n" for p in sorted(parts))
    path.write_text(head + body.rstrip() + "\n", encoding="utf-8", newline="\n")
