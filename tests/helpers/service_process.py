"""A service in a process of its own, which a test may kill: `python service_process.py …`.

It serves a project's model without a registry, on a port and with logs in a folder that are given.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def main(project: str, folder: str, port: str) -> None:
    """Serve until the process ends."""
    from baked import BakedProject
    from http_service import LOOPBACK, Ledger, model_of, service_of, version_of

    from governed_ml.serving.app.process import listening, run
    from governed_ml.serving.app.start import app_of
    from governed_ml.serving.http.admission import Admission

    ledger = Ledger({1: model_of(BakedProject(Path(project)))})
    ledger.life.versions[1] = version_of()
    service = service_of(Path(folder), ledger, LOOPBACK.model_copy(update={"rotate_seconds": 2}))
    run(app_of(service, Admission(service.settings)), listening("127.0.0.1", int(port)))


@contextmanager
def killable(project: Path, folder: Path, port: int) -> Generator[subprocess.Popen[bytes]]:
    """Start the process; it is killed at the end if it still runs."""
    paths = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    paths += [str(Path(__file__).parent), str(Path(__file__).parents[2] / "src")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(project), str(folder), str(port)]
    process = subprocess.Popen(command, env=env)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
        process.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
