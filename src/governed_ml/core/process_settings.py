"""Settings of a process, applied before it imports heavy libraries."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module


def quiet() -> None:
    """Switch off telemetry of all dependencies, for this process and its children, and tune speed.

    Imports create many objects that are never freed. A garbage collector that scans them again and
    again takes a third of the import time. OpenMP threads spin briefly before they sleep. If they
    spin for long, training beside a busy process takes four times as long. If they do not spin at
    all, training many small trees on an idle machine takes ten times as long, because each barrier
    wakes a thread.
    """
    gc.set_threshold(500_000, 50, 50)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # libgomp heeds it before OMP_WAIT_POLICY
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="1", DVC_NO_ANALYTICS="1")
    os.environ.setdefault("MPLBACKEND", "Agg")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def without_plugins() -> None:
    """Disable the plugins of Pydantic and Hydra, so that no installed package can affect verdicts.

    Pydantic looks for plugins when the first model is made, Hydra at every composition.
    """
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    sys.modules["hydra_plugins"] = None  # pyright: ignore[reportArgumentType] - it is not found


@contextmanager
def importing(*names: str) -> Generator[None]:
    """Import modules in a second thread while the caller runs DuckDB, which releases the GIL.

    If two threads import modules that need each other, one thread may see a half-initialised
    module. So pandas must be imported before, and until this ends the caller must not import
    anything else that these modules need.
    """
    import_module("pandas")

    def load() -> None:
        with warnings.catch_warnings(), suppress(Exception):  # the caller's own import reports it
            warnings.simplefilter("ignore")
            for name in names:
                import_module(name)

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def readable(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return environment variables that make a child process of Python write UTF-8."""
    return {**variables, "PYTHONIOENCODING": "utf-8:backslashreplace"}


@contextmanager
def ended_in_order() -> Generator[None]:
    """Make SIGTERM end this process as Ctrl-C does, so that temporary files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second signal must not interrupt the removal
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
