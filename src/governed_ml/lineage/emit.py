"""Write OpenLineage events to a file of the project, then send them to the configured endpoint.

The file holds every event, one per line. Events that the endpoint did not receive are sent with the
next call.
"""

from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

from pydantic import TypeAdapter, ValidationError

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.files import digest_of, write_json, write_text
from governed_ml.core.problem import Problem, first_line
from governed_ml.lineage.git_origin import origin
from governed_ml.lineage.pipeline_records import honest, read
from governed_ml.policy.decision import PATH
from governed_ml.registry.versions import model_name

FILE = Path("reports/lineage/events.jsonl")
SENT = Path("reports/lineage/sent.json")  # endpoint → count and digest of the lines it received
SETTINGS = (Path("openlineage.yml"), Path("~/.openlineage/openlineage.yml"))
NAMES = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE__TRANSPORT")
SET_TRANSPORT = (
    "set the environment variable OPENLINEAGE_URL, or `type` under `transport` in openlineage.yml"
)
PATIENCE = 1.8  # seconds to send all events


@dataclass(frozen=True)
class Emitted:
    """The result of sending. `lost` events stay in the file and are sent the next time."""

    told: int
    new: int
    sent: int = 0
    lost: int = 0
    endpoint: str = ""
    why: str = ""
    seconds: float = 0.0  # duration of sending


def emit(base: Path) -> Emitted:
    """Write the events of the project in the current folder; send all that were not sent yet."""
    from filelock import FileLock, Timeout

    from governed_ml.lineage.events import events

    pipeline = read(base, model_name(base))
    if pipeline.decision is None:
        raise Problem(
            f"{PATH.as_posix()} is missing, so the pipeline has not finished: run `uv run dvc "
            "repro`"
        )
    if not pipeline.steps:
        raise Problem("the records do not prove that any stage ran: run `uv run dvc repro`")
    if pipeline.lost:
        text = f"dvc.lock does not prove that {', '.join(pipeline.lost)} ran"
        raise Problem(f"{text}: run `uv run dvc repro`", 1)
    pipeline = honest(base, pipeline)
    moment = datetime.fromtimestamp((base / PATH).stat().st_mtime, UTC)
    told = [spelled(one) for one in events(pipeline, origin(base, pipeline), moment)]
    (base / FILE).parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(base / FILE.with_suffix(".lock"), timeout=30):
            lines, new = keep(base, told)
            return send(base, lines, len(told), new)
    except Timeout as error:
        raise Problem("another `lineage emit` is running here: wait until it ends") from error


def spelled(event: dict[str, Any]) -> str:
    """Return an event as one line of canonical JSON."""
    return json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def keep(base: Path, told: list[str]) -> tuple[list[str], int]:
    """Append new events to the file atomically; return all lines and the number of new ones."""
    path = base / FILE
    before = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(before, 1):
        if not (line.startswith("{") and line.endswith("}")):
            raise Problem(f"{FILE.as_posix()}: line {number} is not an event: remove this line", 1)
    known = set(before)
    new = [line for line in told if line not in known]
    if new:
        write_text(path, "".join(f"{line}\n" for line in [*before, *new]))
    return [*before, *new], len(new)


def send(base: Path, lines: list[str], told: int, new: int) -> Emitted:
    """Send the lines that the endpoint lacks, in order, and record how many it received."""
    transport = configured()
    if transport is None:
        return Emitted(told, new)
    endpoint = re.sub(
        r"//[^/@]*@", "//", f"{transport.kind} {getattr(transport, 'url', '')}"
    ).strip()
    counts = _sent(base / SENT)
    known = counts.get(endpoint)
    had = known.lines if known else 0
    start = had if known and known.digest == digest_of(lines[:had]) else 0  # else a new file
    begin = monotonic()
    done, why = _send(transport, lines[start:])
    seconds = round(monotonic() - begin, 3)
    counts[endpoint] = Sent(lines=start + done, digest=digest_of(lines[: start + done]))
    write_json(base / SENT, {name: one.model_dump() for name, one in counts.items()})
    return Emitted(told, new, done, len(lines) - start - done, endpoint, why, seconds)


class Sent(Closed):
    """The number and the digest of the lines that an endpoint received."""

    lines: int
    digest: str


def _sent(path: Path) -> dict[str, Sent]:
    """Return endpoint → what it received."""
    if not path.is_file():
        return {}
    try:
        return TypeAdapter(dict[str, Sent]).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        fix = "delete it, and the next `lineage emit` sends everything again"
        raise Problem(f"{SENT.as_posix()} is not readable: {fix}") from error


def configured() -> Any:
    """Return the transport from OpenLineage's variables or `openlineage.yml`, or None."""
    from openlineage.client import OpenLineageClient

    logging.getLogger("openlineage").setLevel(logging.CRITICAL)  # failures are reported in one line
    try:
        client = OpenLineageClient()
    except Exception as error:
        raise Problem(
            f"OpenLineage cannot use its settings ({first_line(error)}): {SET_TRANSPORT}"
        ) from error
    meant = any(name.startswith(NAMES) for name in os.environ)
    meant = meant or any(path.expanduser().is_file() for path in SETTINGS)
    if client.transport.kind not in ("console", "noop"):
        return client.transport
    asked = (client.config.transport or {}).get("type")
    if meant and client.transport.kind == "console" and not asked:
        raise Problem(f"OpenLineage's settings do not say where to send events: {SET_TRANSPORT}")
    return None


def _send(transport: Any, lines: list[str]) -> tuple[int, str]:
    """Send for at most `PATIENCE` seconds; return the number sent, and why not all were."""
    done: list[str] = []
    why: list[str] = []

    def work() -> None:
        try:
            for line in lines:
                transport.emit(json.loads(line))
                done.append(line)
            if not transport.close(PATIENCE):
                done.clear()
                why.append("it did not confirm them")
        except Exception as error:  # noqa: BLE001 - any error means that it was not sent
            why.append(first_line(error, 160))

    worker = Thread(target=work, daemon=True)  # a daemon, so that it cannot keep the process alive
    worker.start()
    worker.join(PATIENCE)
    count = len(done)
    return count, "" if count == len(lines) else next(iter(why), f"no answer in {PATIENCE} s")
