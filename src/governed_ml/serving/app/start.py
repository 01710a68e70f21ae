"""Assemble the service, and keep it up to date while it runs."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core.config.production.serve import Serve
from governed_ml.core.files import shown
from governed_ml.core.problem import FOUND, Problem, cause
from governed_ml.pipeline.prediction_log.places import PREDICTIONS, SENSITIVE, TRUTH, make
from governed_ml.pipeline.prediction_log.store import Store
from governed_ml.registry import canary as canaries
from governed_ml.registry.versions import Registry
from governed_ml.serving.app import api_page
from governed_ml.serving.app.background import Repeated
from governed_ml.serving.app.pool import Pool
from governed_ml.serving.app.process import listening, run, settings_of
from governed_ml.serving.app.routes import ServiceRoutes, application
from governed_ml.serving.app.service import Service
from governed_ml.serving.app.stores import Stores
from governed_ml.serving.app.upkeep import Upkeep
from governed_ml.serving.canary.log_rows import DATA
from governed_ml.serving.canary.outcome import CanaryOutcome
from governed_ml.serving.canary.split import SplitArm
from governed_ml.serving.canary.step import judge_once
from governed_ml.serving.canary.watch import CanaryWatch
from governed_ml.serving.http.admission import Admission
from governed_ml.serving.http.auth import Authenticator
from governed_ml.serving.http.guard import protect
from governed_ml.serving.metrics.recorder import MetricsRecorder
from governed_ml.serving.model import ledger_view, served_model
from governed_ml.serving.model.keeper import Keeper

if TYPE_CHECKING:
    from fastapi import FastAPI


def start(
    base: Path,
    registry: Registry,
    *,
    host: str | None = None,
    port: int | None = None,
    shadow: int | None = None,
    canary: int | None = None,
    share: int | None = None,
    arm: SplitArm | None = None,
    logs: Sequence[Path] = (),
) -> None:
    """Serve the champion until the process is ended.

    `canary` becomes the ledger's canary first, unless it is already; then every service of this
    ledger lets it answer its share. With `arm`, this service answers everybody as that arm, because
    something before it divides the subjects. `logs` are the data folders of the other services,
    by which the canary is judged, too. Raise `Problem` if the settings do not allow it, the version
    may not be a canary, or the address cannot be had.
    """
    settings = settings_of(base, host=host, port=port)
    admission = Admission(settings)
    where = listening(settings.host, settings.port)
    running = ledger_view.read(base, registry).life.canary if canary is not None else None
    if canary is not None and (running is None or running.version != canary):
        canaries.start(base, registry, canary, share)
    service = assembled(base, registry, settings, shadow=shadow, arm=arm)
    address = where.getsockname()
    print(f"serving {registry.name} on http://{_shown(address[0])}:{address[1]}", flush=True)
    watch = CanaryWatch(partial(judge_once, base, registry, [DATA, *logs], go_on=False))
    run(app_of(service, admission, watch.look), where)


def checked(base: Path, registry: Registry) -> str:
    """Verify and load the champion once; return a line about it, or raise `Problem`."""
    Authenticator(settings_of(base))
    for place in (PREDICTIONS, SENSITIVE, TRUTH):
        require_writable(base / place)
    view = ledger_view.read(base, registry)
    if view.trouble is not None:
        raise Problem(view.trouble)
    if view.life.champion is None:
        raise Problem("the ledger has no champion: promote a version first", FOUND)
    model = served_model.load(base, registry, view.life.champion, view)
    model.close()
    return f"version {model.number} ({model.digest[:19]}) is verified and can be served"


def require_writable(folder: Path) -> None:
    """Raise `Problem` unless files can be made in a folder of the log."""
    try:
        dated = make(folder, datetime.now(UTC).strftime("%Y-%m-%d"))
        with tempfile.TemporaryFile(dir=dated) as file:
            file.write(b"x")
    except OSError as error:
        raise Problem(
            f"cannot write the log {shown(folder)}: {cause(error)}; fix its permissions"
        ) from error


def assembled(
    base: Path,
    registry: Registry,
    settings: Serve,
    *,
    shadow: int | None = None,
    arm: SplitArm | None = None,
) -> Service:
    """Return the service, which has read no ledger and loaded no model yet."""
    keeper = Keeper(
        partial(ledger_view.read, base, registry),
        partial(served_model.load, base, registry),
        settings.offline_seconds,
        shadow=shadow,
    )
    often = {"rotate_bytes": settings.rotate_bytes, "rotate_seconds": settings.rotate_seconds}
    more: dict[str, Any] = often | {"sync": settings.log_sync}
    stores = Stores(*(Store(base / one, **more) for one in (PREDICTIONS, SENSITIVE, TRUTH)))
    return Service(keeper, stores, settings, MetricsRecorder(), arm)


def app_of(
    service: Service, admission: Admission, judge: Callable[[], CanaryOutcome | None] | None = None
) -> FastAPI:
    """Return the application of a service, which is kept up to date while the application runs.

    `judge` judges the canary, and may do no more than revert it.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        upkeep = Repeated(
            Upkeep(service, judge).once, service.settings.refresh_seconds, "keeping up to date"
        )
        service.hurry = upkeep.soon
        try:
            yield
        finally:
            upkeep.stop()
            service.stop()

    app = application(ServiceRoutes(service, admission, Pool()), lifespan)
    if service.settings.authentication == "loopback":
        api_page.add(app, "The service's API")
    recorder = service.recorder

    def observe(scope: Any, status: int | None, seconds: float, kind: str | None) -> None:
        if status is not None:
            recorder.request(scope["path"], scope["method"], status, seconds)
        if kind is not None:
            recorder.refused(kind)

    protect(app, service.settings.body_bytes, observe=observe)
    return app


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
