"""A service that answers in this process, with the default project's model and no registry."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from baked import BakedProject

from governed_ml.core import config, evidence
from governed_ml.core.config.production.serve import Serve
from governed_ml.core.files import read_json
from governed_ml.ledger.lifecycle import Lifecycle, Version
from governed_ml.pipeline.predict_version import ServedVersion
from governed_ml.pipeline.prediction_log.places import PREDICTIONS, SENSITIVE, TRUTH
from governed_ml.pipeline.prediction_log.store import Store
from governed_ml.serving.app.process import configured, listening
from governed_ml.serving.app.service import Service
from governed_ml.serving.app.start import app_of
from governed_ml.serving.app.stores import Stores
from governed_ml.serving.http.admission import Admission
from governed_ml.serving.metrics.recorder import MetricsRecorder
from governed_ml.serving.model.keeper import Keeper
from governed_ml.serving.model.served_model import ServedModel

LOOPBACK = Serve(authentication="loopback", port=0, refresh_seconds=1)


def version_of(number: int = 1, state: Any = "champion", model: str = "sha256:1") -> Version:
    """A version with one event, as the ledger has it."""
    event = SimpleNamespace(
        subject={"model": model, "commit": "c" * 40},
        action="promoted",
        version=number,
        time="2026-12-01T00:00:00Z",
        moment=pd.Timestamp("2026-12-01", tz="UTC").to_pydatetime(),
        decision={"verdict": "allow"},
        approvals=[],
        details={},
    )
    entry: Any = SimpleNamespace(event=event, commit="e" * 40)
    return Version(number, state, [entry])


def model_of(project: BakedProject, version: Version | None = None) -> ServedModel:
    """Load a project's model as the service does, without a registry."""
    version = version or version_of()
    params = config.parse(config.read_raw(project.path / "params.yaml"))
    contract = {"contract": (project.path / params.data.contract).as_posix()}
    origin = ServedVersion(
        version=version.number,
        state=version.state,
        digest=version.subject["model"],
        model=project.path / "models" / "model.skops",
        evidence=evidence.collect(project.path),
        data=params.data.model_copy(update=contract),
    )
    card = read_json(project.path / "reports" / "model_card.json")
    return ServedModel("governed-model", version, origin, card)


@dataclass
class Ledger:
    """A ledger that a test changes, and the models of its versions."""

    models: dict[int, ServedModel]
    life: Lifecycle = field(default_factory=Lifecycle)
    policy: Any = None

    def view(self) -> Any:
        policy = self.policy or SimpleNamespace(explain=None, monitoring=None, canary=None)
        now = SimpleNamespace(approvers="people", policy=policy)
        return SimpleNamespace(life=self.life, aliases={}, now=now, trouble=None, head="h")

    def load(self, version: Version, _: Any) -> ServedModel:
        return self.models[version.number]


def service_of(folder: Path, ledger: Ledger, settings: Serve = LOOPBACK, **more: Any) -> Service:
    """Make a service that keeps its logs in a folder."""
    keeper = Keeper(ledger.view, ledger.load, settings.offline_seconds, **more)
    stores = Stores(*(Store(folder / one) for one in (PREDICTIONS, SENSITIVE, TRUTH)))
    return Service(keeper, stores, settings, MetricsRecorder())


@contextmanager
def running(service: Service) -> Generator[int]:
    """Run a service on a free port until the end; provide the port."""
    import uvicorn

    settings = service.settings
    where = listening(settings.host, 0)
    app = app_of(service, Admission(settings))
    server = uvicorn.Server(configured(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [where]}, daemon=True)
    thread.start()
    port = where.getsockname()[1]
    try:
        wait_until_ready(port)
        yield port
    finally:
        server.should_exit = True
        thread.join(30)
        where.close()


def wait_until_ready(port: int, seconds: float = 60) -> None:
    """Wait until the service has loaded its model."""
    end = time.monotonic() + seconds
    while ask(port, "GET", "/health/ready").status != 200:
        assert time.monotonic() < end, "the service is not ready"
        time.sleep(0.05)


@dataclass(frozen=True)
class HttpAnswer:
    """An answer: status, headers and content."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The content as JSON."""
        return json.loads(self.content)


def ask(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> HttpAnswer:
    """Send one request over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers or {})
        found = connection.getresponse()
        return HttpAnswer(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
    finally:
        connection.close()


def post(port: int, path: str, value: Any, **headers: str) -> HttpAnswer:
    """Send JSON."""
    named = {name.replace("_", "-"): one for name, one in headers.items()}
    body = json.dumps(value).encode()
    return ask(port, "POST", path, body, {"content-type": "application/json"} | named)


def rows_of(project: BakedProject, count: int = 3) -> list[dict[str, Any]]:
    """Rows of the default project's table as a client sends them, without the target."""
    frame = pd.read_parquet(project.path / "data" / "raw.parquet").head(count)
    frame = frame.drop(columns="repaid")
    found: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso"))
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
