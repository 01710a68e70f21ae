"""The process of the service: assemble it, keep it up to date, and end it in order."""

from __future__ import annotations

import gc
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from governed_ml.core.config.production.serve import Serve
from governed_ml.core.problem import Problem, first_line
from governed_ml.ledger.rules_in_force import today

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

CONNECTIONS = 1000  # at most; more get 503
KEEP_ALIVE, GRACE = 30, 20  # seconds: an idle connection; requests that run when the service ends


def settings_of(base: Path, **given: Any) -> Serve:
    """Return the settings on the protected branch, with what the command line gives instead."""
    here = today(base).params.serve
    values = here.model_dump() | {key: one for key, one in given.items() if one is not None}
    try:
        return Serve.model_validate(values)
    except ValidationError as error:
        raise Problem(first_line(error, 300)) from error


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise `Problem` if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there, it would let two services have one port
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(2048)
    except OSError as error:
        found.close()
        raise Problem(
            f"cannot listen on {host}:{port} ({error.strerror}): choose another port with --port"
        ) from error
    return found


def configured(app: Starlette) -> uvicorn.Config:
    """Return how an application is run."""
    import uvicorn

    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http="h11",  # httptools takes headers of any size
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )


def run(app: Starlette, where: socket.socket) -> None:
    """Serve an application until SIGTERM or Ctrl-C."""
    import uvicorn

    gc.collect()
    gc.freeze()  # what is loaded now stays; no collection needs to look at it again
    with where:
        uvicorn.Server(configured(app)).run(sockets=[where])
