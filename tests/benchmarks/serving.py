"""`governance serve` beside a bare FastAPI handler and `mlflow models serve`, with one model."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import baked
import pandas as pd
import registry
from baked import BakedProject
from load import Load, measured, middle
from measure import table

HERE = Path(__file__).resolve().parent
BARE, SERVE, MLFLOW = "bare FastAPI", "`governance serve`", "`mlflow models serve`"
ROWS = (1, 100)
SECONDS, BODIES = 4, 50  # of each measurement; different requests that are sent in turn
CONNECTIONS = {"rate": 4, "latency": 1}
READY = 180  # seconds in which a service must answer
UNLIMITED = 1_000_000_000


@dataclass(frozen=True)
class Case:
    """One kind of request to one service."""

    service: str
    rows: int
    explains: bool
    url: str
    bodies: tuple[bytes, ...]


def compare(project: BakedProject, repeats: int, say: Callable[[str], None]) -> str:
    """Return a table of all cases: latency of one connection, and requests a second of four."""
    unlimited(project)
    given = rows_of(project)
    with ExitStack() as stack:
        addresses = {
            name: stack.enter_context(started(command, project, path))
            for name, (command, path) in commands(project).items()
        }
        cases = [*cases_of(addresses, given)]
        first = {case: answers_of(case) for case in cases}
        for case in cases:
            if any(first[case] != found for one, found in first.items() if one.rows == case.rows):
                raise SystemExit(f"error: {said(case)}: the services do not answer alike")
            measured(case.url, case.bodies, 1, 1)  # so that nothing is slow because it is the first
        times: dict[tuple[str, int], list[Load]] = {}
        for number in range(1, repeats + 1):
            for place, case in enumerate(cases):
                for what, connections in CONNECTIONS.items():
                    found = measured(case.url, case.bodies, SECONDS, connections)
                    times.setdefault((what, place), []).append(found)
                last = times["latency", place][-1]
                say(f"  {number} of {repeats}: {said(case)}: p95 {last.p95:.2f} ms")
    return shown(cases, {key: middle(loads) for key, loads in times.items()})


def said(case: Case) -> str:
    """Say a case in words."""
    rows = "1 row" if case.rows == 1 else f"{case.rows} rows"
    return f"{case.service}, {rows}{', explained' if case.explains else ''}"


def shown(cases: Sequence[Case], times: dict[tuple[str, int], Load]) -> str:
    """Return the table, with the ratio of each p95 to that of the bare handler."""
    bare = {
        (case.rows, case.explains): times["latency", place].p95
        for place, case in enumerate(cases)
        if case.service == BARE
    }
    lines: list[list[str]] = []
    for place, case in enumerate(cases):
        one = times["latency", place]
        ratio = one.p95 / bare[case.rows, case.explains]
        numbers = [f"{value:.2f}" for value in (one.p50, one.p95, one.p99)]
        rate = f"{times['rate', place].rate:.0f}"
        lines.append([said(case), *numbers, f"{ratio:.2f}", rate])
    head = ["", "p50 (ms)", "p95 (ms)", "p99 (ms)", "p95 times bare", "requests a second"]
    words = (
        f"\nA request is sent when the one before is answered: over {CONNECTIONS['latency']} "
        f"connection for the times, over {CONNECTIONS['rate']} for requests a second. All services "
        "use one thread for sums. Only `governance serve` checks each row, logs it before it "
        f"answers, and verified the model. Client: {'wrk' if shutil.which('wrk') else 'Python'}.\n"
    )
    return table(head, lines) + words


def rows_of(project: BakedProject) -> list[dict[str, Any]]:
    """Return the features of rows of the table as JSON values."""
    trained = json.loads(project.read("reports/evidence/train.json"))["body"]
    frame = pd.read_parquet(project.path / "data" / "raw.parquet")
    named = [*trained["numeric"], *trained["categorical"]]
    return json.loads(frame[named].sample(2000, random_state=1).to_json(orient="records"))


def cases_of(addresses: dict[str, str], given: list[dict[str, Any]]) -> Generator[Case]:
    """Return all cases; MLflow's server has no explanations."""
    for rows in ROWS:
        parts = [given[n * rows % 1900 :][:rows] for n in range(BODIES)]
        plain = tuple(json.dumps(part).encode() for part in parts)
        framed = tuple(json.dumps({"dataframe_records": part}).encode() for part in parts)
        for explains in (False, True):
            bare = "explain" if explains else "predict"
            yield Case(BARE, rows, explains, f"{addresses[BARE]}/{bare}", plain)
            asked = "?explain=true" if explains else ""
            yield Case(SERVE, rows, explains, f"{addresses[SERVE]}/predict{asked}", plain)
            if not explains:
                yield Case(MLFLOW, rows, False, f"{addresses[MLFLOW]}/invocations", framed)


def commands(project: BakedProject) -> dict[str, tuple[list[str], str]]:
    """Return the command of each service, without its port, and a path that answers when ready."""
    model = next(registry.artifacts(project, 1).rglob("MLmodel")).parent
    evidence = project.path / "reports" / "evidence" / "train.json"
    bare = ["python", str(HERE / "bare_service.py"), str(model / "model.skops"), str(evidence)]
    mlflow = ["mlflow", "models", "serve", "--model-uri", str(model), "--env-manager", "local"]
    return {
        BARE: (bare, "/openapi.json"),
        SERVE: (["governance", "serve", "--port"], "/health/ready"),
        MLFLOW: ([*mlflow, "--port"], "/health"),
    }


def unlimited(project: BakedProject) -> None:
    """Let one client ask the service as often as it likes, on the protected branch."""
    name = "conf/config.yaml"
    text = project.read(name)
    key = "  authentication: loopback\n"
    assert key in text
    project.write(name, text.replace(key, f"{key}  requests_per_minute: {UNLIMITED}\n"))
    registry.save(project, "No limit of requests")


@contextmanager
def started(command: list[str], project: BakedProject, path: str) -> Generator[str]:
    """Start a service on a free port; provide its address when it answers, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    assert project.environment
    scripts = project.environment / ("Scripts" if os.name == "nt" else "bin")
    env = baked.clean_environment(OMP_NUM_THREADS="1", **project.variables)
    env["PATH"] = os.pathsep.join([str(scripts), env["PATH"]])
    program = shutil.which(command[0], path=env["PATH"])
    assert program is not None
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [program, *command[1:], str(port)],
            cwd=project.path,
            env=env,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        with ended(process):
            if not answers(port, path, process):
                output.seek(0)
                told = output.read().decode(errors="replace")[-3000:]
                raise SystemExit(f"error: {command[0]} does not answer at {path}:\n{told}")
            yield f"http://127.0.0.1:{port}"


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Generator[None]:
    """End a process and its children afterwards."""
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(port: int, path: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until a path answers 200; return False if it does not in time."""
    end = time.monotonic() + READY
    while time.monotonic() < end and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == http.client.OK:
                return True
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    return False


def answers_of(case: Case) -> list[int]:
    """Return the predictions for the first request of a case; stop if there are none."""
    address, _, path = case.url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(address, timeout=60)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", f"/{path}", case.bodies[0], headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status != http.client.OK:
        raise SystemExit(f"error: {said(case)}: {answer.status} {content[:500]!r}")
    found = json.loads(content)
    if isinstance(found, list):
        return found
    given: list[Any] = found["predictions"]
    if case.service != SERVE:
        return given
    if case.explains and not all(one["explanation"] for one in given):
        raise SystemExit(f"error: {said(case)}: a prediction is not explained")
    return [one["prediction"] for one in given]
