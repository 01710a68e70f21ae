"""Commands of a generated project, started from a process that has imported everything already.

Most of a command's time is the import of MLflow, pandas and scikit-learn, and the tests run
thousands of commands. Here a server of the project's own environment imports them once; each
command is a fork of it, with its own folder, variables, files and exit code, as in a process of its
own. The stages that such a command starts are forks, too, and so are the processes of the team's
code; `test_team_code_*.py` and `test_stand_ins.py` start those in the usual way. What depends on
how Python starts (`PYTHONPATH`, locale) and what is no fork (macOS, Windows) is started in the
usual way.

`GOVERNED_ML_TESTS_COLD=1` starts everything in the usual way; `GOVERNED_ML_TESTS_WARM_LOG=FILE`
has each command and its CPU seconds written to a file.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock
from warm_server import COLD, PYTHON, TEAM, isolated

SERVER = Path(__file__).with_name("warm_server.py")
COMMANDS = ("governance", "dvc")
START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC", "OMP_", "OPENBLAS_")  # read when Python starts
ENVIRONMENT, TEMPORARY = dict(os.environ), tempfile.gettempdir()  # before a test changes them
ALIVE = "alive"  # a pipe with a name: written by nobody, open as long as somebody needs the server

_servers: dict[Path, Path] = {}
_started: list[subprocess.Popen[bytes]] = []  # kept: nobody waits for them


def client(environment: Path, *purpose: str) -> Path | None:
    """A program that runs `governance` and `dvc` in an environment; None where that is no fork.

    Its first argument is the command; it passes on input, output, folder, variables and exit code.
    A server whose purpose is `TEAM` prepares for no command that looks at what is installed.
    """
    if sys.platform != "linux" or os.environ.get(COLD):
        return None
    if environment not in _servers:
        _servers[environment] = _shared(environment, *purpose)
    return _servers[environment]


def _shared(environment: Path, *purpose: str) -> Path:
    """Join the server that another process of this run of pytest has started, or start one."""
    run = ENVIRONMENT.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return _start(environment, *purpose)
    name = hashlib.sha256(repr((environment, purpose)).encode()).hexdigest()[:16]
    known = Path(TEMPORARY, f"warm-{run}-{name}")
    with FileLock(known.with_suffix(".lock")):
        if known.exists() and _joined(home := Path(known.read_text(encoding="utf-8"))):
            return home / "client"
        found = _start(environment, *purpose)
        known.write_text(str(found.parent), encoding="utf-8")
        for one in (known, known.with_suffix(".lock")):
            atexit.register(one.unlink, missing_ok=True)
        return found


def _joined(home: Path) -> bool:
    """Whether a server is there; it stays until every process that has joined it has ended."""
    try:
        os.open(home / ALIVE, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    return True


def suits(command: list[str], given: Mapping[str, str]) -> bool:
    """Whether a command may be a fork, given the variables that a test sets for it."""
    return command[0] in COMMANDS and not any(name.startswith(START) for name in given)


def _start(environment: Path, *purpose: str) -> Path:
    home = Path(tempfile.mkdtemp(prefix="warm-", dir=TEMPORARY))
    dropped = ("GIT_", "PYTHONDONTWRITEBYTECODE")
    env = {name: value for name, value in ENVIRONMENT.items() if not name.startswith(dropped)}
    os.mkfifo(home / ALIVE)
    reading = os.open(home / ALIVE, os.O_RDONLY | os.O_NONBLOCK)
    assert _joined(home)
    server = subprocess.Popen(
        [str(environment / "bin" / "python"), "-P", str(SERVER), str(home), *purpose],
        stdin=reading,  # at its end when all who have joined are gone, and then the server ends
        stdout=subprocess.PIPE,
        env={**env, **PYTHON, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"},
        cwd=home,
        start_new_session=True,
    )
    os.close(reading)
    _started.append(server)
    assert server.stdout
    assert server.stdout.readline() == b"ready\n", "the server of warm commands did not start"
    return home / "client"


def popen() -> type[subprocess.Popen]:
    """A `Popen` for this process, which starts the processes of the team's code as forks."""

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, args: Any, *rest: Any, **options: Any) -> None:
            team = isolated(args, options.get("env"))
            if team and (home := client(Path(sys.prefix), TEAM)):
                args = [str(home), "-m", *args[3:]]
            super().__init__(args, *rest, **options)

    return Popen
