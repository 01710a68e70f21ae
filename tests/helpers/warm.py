"""Commands of a generated project, started from a process that has imported everything already.

Most of a command's time is the import of MLflow, pandas and scikit-learn, and the tests run
thousands of commands. Here a server of the project's own environment imports them once; each
command is a fork of it, with its own folder, variables, files and exit code, as in a process of its
own. The stages that such a command starts are forks, too, and so are the processes of the team's
code; `test_team_code.py` and `test_stand_ins.py` start those in the usual way. What depends on how
Python starts (`PYTHONPATH`, locale) and what is no fork (macOS, Windows) is started in the usual
way.

`GOVERNED_ML_TESTS_COLD=1` starts everything in the usual way; `GOVERNED_ML_TESTS_WARM_LOG=FILE`
has each command and its CPU seconds written to a file.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warm_server import COLD, PYTHON, TEAM, isolated

SERVER = Path(__file__).with_name("warm_server.py")
COMMANDS = ("governance", "dvc")
START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC", "OMP_", "OPENBLAS_")  # read when Python starts
ENVIRONMENT, TEMPORARY = dict(os.environ), tempfile.gettempdir()  # before a test changes them

_servers: dict[Path, Path] = {}


def client(environment: Path, *purpose: str) -> Path | None:
    """A program that runs `governance` and `dvc` in an environment; None where that is no fork.

    Its first argument is the command; it passes on input, output, folder, variables and exit code.
    A server whose purpose is `TEAM` prepares for no command that looks at what is installed.
    """
    if sys.platform != "linux" or os.environ.get(COLD):
        return None
    if environment not in _servers:
        _servers[environment] = _start(environment, *purpose)
    return _servers[environment]


def suits(command: list[str], given: Mapping[str, str]) -> bool:
    """Whether a command may be a fork, given the variables that a test sets for it."""
    return command[0] in COMMANDS and not any(name.startswith(START) for name in given)


def _start(environment: Path, *purpose: str) -> Path:
    home = Path(tempfile.mkdtemp(prefix="warm-", dir=TEMPORARY))
    dropped = ("GIT_", "PYTHONDONTWRITEBYTECODE")
    env = {name: value for name, value in ENVIRONMENT.items() if not name.startswith(dropped)}
    server = subprocess.Popen(
        [str(environment / "bin" / "python"), "-P", str(SERVER), str(home), *purpose],
        stdin=subprocess.PIPE,  # closed when this process ends, and then the server ends
        stdout=subprocess.PIPE,
        env={**env, **PYTHON, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"},
        cwd=home,
        start_new_session=True,
    )
    assert server.stdout
    assert server.stdout.readline() == b"ready\n", "the server of warm commands did not start"
    atexit.register(server.wait, 10)
    atexit.register(lambda: server.stdin and server.stdin.close())
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
