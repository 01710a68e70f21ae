"""Run a command in a process of its own: wall time, peak memory, what it printed."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import baked

TIMEOUT = 300  # seconds; a library that takes longer "does not fit"


@dataclass(frozen=True)
class Run:
    """One measured process; `megabytes` is the peak resident set, None where it is not measured."""

    seconds: float
    megabytes: float | None
    code: int
    output: str


def run(command: list[str], cwd: Path, environment: Path, **variables: str) -> Run:
    """Measure a command of a virtual environment, with its start-up and imports."""
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    env = baked.clean_environment(VIRTUAL_ENV=str(environment), **variables)
    env["PATH"] = os.pathsep.join([str(scripts), env["PATH"]])
    program = shutil.which(command[0], path=env["PATH"])
    if program is None:
        raise SystemExit(f"error: {command[0]} is not in {environment}: run `python tasks.py test`")
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            [program, *command[1:]], cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT
        )
        megabytes = _wait(process)
        seconds = time.perf_counter() - start
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Run(seconds, megabytes, process.returncode, text)


def _wait(process: subprocess.Popen[bytes]) -> float | None:
    """Wait for a process, or kill it after `TIMEOUT`; return the peak memory of it or a child."""
    if not hasattr(os, "wait4"):  # Windows
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return None
    end = time.monotonic() + TIMEOUT
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > end:
            process.kill()
        time.sleep(0.005)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / (2**20 if os.uname().sysname == "Darwin" else 2**10)


def must(done: Run) -> Run:
    """Return the run, or stop with what it said if it failed."""
    if done.code:
        raise SystemExit(f"error: a measured command exited {done.code}:\n{done.output[-3000:]}")
    return done


def interleaved(
    measures: dict[str, Callable[[], float]], repeats: int, say: Callable[[str], None]
) -> dict[str, float]:
    """Measure in turns, so that a busy moment falls on all alike; return the medians."""
    times: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(1, repeats + 1):
        for name, measure in measures.items():
            times[name].append(measure())
        say(f"  {number} of {repeats}: " + said({name: t[-1] for name, t in times.items()}))
    return {name: statistics.median(values) for name, values in times.items()}


def said(times: dict[str, float]) -> str:
    """Say times in one line."""
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in times.items())


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
