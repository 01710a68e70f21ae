"""A real Prometheus and Alertmanager on this machine, and a webhook that keeps what it gets."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from governed_ml.core.config.params import Params
from governed_ml.serving.metrics import written_files
from governed_ml.serving.metrics.alerts import rule_files

PROGRAMS = ("prometheus", "prometheus-alertmanager")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]
needs_prometheus = pytest.mark.skipif(
    bool(MISSING), reason=f"{' and '.join(MISSING)} not on PATH: install Debian's packages"
)
EVERY, MINUTE = 2, 4
"""Seconds between two scrapes, and those that a minute of the rules is."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Webhook:
    """What Alertmanager sent, newest last."""

    port: int
    received: list[dict[str, Any]] = field(default_factory=list)

    def names(self, status: str) -> set[str]:
        """The names of the alerts that came with a status: firing or resolved."""
        return {
            one["labels"]["alertname"]
            for message in list(self.received)
            for one in message["alerts"]
            if one["status"] == status
        }


@contextmanager
def webhook() -> Generator[Webhook]:
    """A receiver of alerts."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.received.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            del format, arguments

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    found = Webhook(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    port: int
    folder: Path
    hook: Webhook

    def get(self, path: str, **parameters: Any) -> Any:
        """Ask its API; return the data."""
        query = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}"
        with urllib.request.urlopen(url, timeout=30) as found:
            return json.loads(found.read())["data"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series that a query finds now."""
        return self.get("query", query=expr)["result"]

    def over_time(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series that a query finds, with their values over time."""
        return self.get("query_range", query=expr, start=start, end=end, step=step)["result"]

    def firing(self) -> set[str]:
        """The names of the alerts that are pending or fire."""
        return {one["labels"]["alertname"] for one in self.get("alerts")["alerts"]}

    def rules(self) -> list[dict[str, Any]]:
        """The rules, with their health and when they were last judged."""
        return [one for group in self.get("rules")["groups"] for one in group["rules"]]


@contextmanager
def watching(params: Params, job: str, service: int, folder: Path) -> Generator[Prometheus]:
    """Scrape a service by the files of `governance alerts`, until the end.

    In their rules, a minute is a few seconds; nothing else is changed.
    """
    ports = {name: free_port() for name in ("prometheus", "alertmanager")}
    with ExitStack() as stack:
        hook = stack.enter_context(webhook())
        where = written_files.Addresses(
            f"127.0.0.1:{service}",
            f"127.0.0.1:{ports['alertmanager']}",
            f"http://127.0.0.1:{hook.port}/",
        )
        written_files.write(params, job, where, folder)
        _hasten(folder)
        listen = "--web.listen-address=127.0.0.1:"
        stack.enter_context(
            _program(
                folder,
                "prometheus-alertmanager",
                f"--config.file={written_files.ALERTMANAGER}",
                f"--storage.path={folder / 'alertmanager'}",
                "--cluster.listen-address=",
                f"{listen}{ports['alertmanager']}",
            )
        )
        stack.enter_context(
            _program(
                folder,
                "prometheus",
                f"--config.file={written_files.PROMETHEUS}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"{listen}{ports['prometheus']}",
            )
        )
        for port in ports.values():
            until(lambda port=port: _is_ready(port), "Prometheus and Alertmanager are ready")
        yield Prometheus(ports["prometheus"], folder, hook)


def _hasten(folder: Path) -> None:
    """Scrape and judge often, and tell receivers at once."""
    rules = folder / rule_files.RULES
    text = rules.read_text(encoding="utf-8")
    for pattern in (r"(?m)(?<=^    for: )(\d+)m$", r"(?<=\[)(\d+)m(?=\])"):
        text = re.sub(pattern, lambda found: f"{int(found[1]) * MINUTE}s", text)
    rules.write_text(text, encoding="utf-8")
    often = f"{EVERY}s"
    _change(
        folder / written_files.PROMETHEUS,
        "global",
        {"scrape_interval": often, "scrape_timeout": often, "evaluation_interval": often},
    )
    soon = {"group_wait": "0s", "group_interval": "1s"}
    _change(folder / written_files.ALERTMANAGER, "route", soon)


def _change(path: Path, section: str, changes: dict[str, Any]) -> None:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values[section] |= changes
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


@contextmanager
def _program(folder: Path, *command: str) -> Generator[subprocess.Popen[bytes]]:
    with (folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5) as found:
            return found.status == 200
    except OSError:
        return False


def until(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait until something holds; fail, and say what did not, if it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so within {seconds} seconds: {what}"
        time.sleep(0.1)
