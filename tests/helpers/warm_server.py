"""The server of `warm.py`: imports everything once, and forks for every command."""

from __future__ import annotations

import atexit
import contextlib
import gc
import hashlib
import importlib
import os
import pkgutil
import random
import runpy
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

sys.path.append(str(Path(__file__).parent))  # started with `-P`, without the folder of the program

import composing

sys.path.pop()

IMPORTED = (  # what the engine's functions and DVC import when they need it
    *("dvc.cli", "dvc.repo", "dvc.stage.run", "dvc.fs", "dvc.output"),
    *("dvc.commands.repro", "dvc.commands.status", "dvc.commands.data_sync"),
    *("mlflow", "mlflow.tracking", "mlflow.models", "mlflow.data", "mlflow.sklearn"),
    *(
        f"mlflow.store.{one}"
        for one in (
            "tracking.sqlalchemy_store",
            "model_registry.sqlalchemy_store",
            "artifact.local_artifact_repo",
        )
    ),
    *("pandas", "pyarrow.parquet", "numpy.random", "scipy.stats", "scipy.optimize", "duckdb"),
    *(
        f"sklearn.{one}"
        for one in ("calibration", "compose", "ensemble", "inspection", "linear_model", "metrics")
    ),
    *("skops.io", "shap", "fairlearn.metrics", "great_expectations", "evidently", "jinja2"),
    *("matplotlib.backends.backend_agg", "matplotlib.figure", "filelock", "hydra", "cel", "yaml"),
    *("model_signing.signing", "model_signing.verifying", "openlineage.client", "githubkit"),
    *("omegaconf", "ruamel.yaml", "rich.table", "rich.console", "typer"),
)
COLD = "GOVERNED_ML_TESTS_COLD"
STRICT = "GOVERNED_ML_STRICT"  # without shared memory: joblib sees that when it is imported
ALONE = "GOVERNED_ML_ALONE"  # the same for a single process
LOG = "GOVERNED_ML_TESTS_WARM_LOG"  # a file that gets each command with its CPU seconds
TEAM = "team"  # the purpose of a server that starts processes of the team's code and no command
NEVER = ("__main__",)
MODULES = ("governed_ml", "dvc", "governed_ml.pipeline.tracking")  # what a command starts by `-m`
ISOLATED = tuple(f"governed_ml.pipeline.isolated.{one}_process" for one in ("fit", "score"))
READABLE = "utf-8:backslashreplace"  # how a command's output is written that the engine reads
PYTHON = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}  # how those start, and therefore this server
CLIENT = """\
#!{python} -IS
import os, socket, sys
words = sys.argv[1:] if {name!r} == "client" else [{name!r}, *sys.argv[1:]]
link = socket.socket(socket.AF_UNIX)
link.connect({address!r})
variables = (f"{{name}}={{value}}" for name, value in os.environ.items())
text = "\\0".join([os.getcwd(), str(len(words)), *words, *variables])
data = text.encode("utf-8", "surrogateescape")
socket.send_fds(link, [len(data).to_bytes(8, "big")], [0, 1, 2])
link.sendall(data)
answer = link.recv(4)
if len(answer) != 4:
    os.write(2, b"warm_server.py: this command ended without an exit code (was it killed?)\\n")
code = int.from_bytes(answer, "big", signed=True) if len(answer) == 4 else 70
if code < 0:
    import signal
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


def warm_up() -> None:
    """Import the engine and what it uses."""
    import governed_ml
    from governed_ml.core.process_settings import quiet

    quiet()
    names = [one.name for one in pkgutil.walk_packages(governed_ml.__path__, "governed_ml.")]
    for name in (*IMPORTED, *(one for one in names if not one.endswith(NEVER))):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def remember_bytecode() -> None:
    """Compile once what the engine compiles for each command that measures: the answers stay.

    A command reads source and bytecode as ever. Where these are others, it compiles them.
    """
    from governed_ml.core.code import engine
    from governed_ml.core.installation import bytecode
    from governed_ml.core.installation.distributions import computing

    compiled_from, known = bytecode._compiled_from, {}

    def remembered(raw: bytes, text: bytes, source: str) -> bool:
        key = (source, hashlib.sha256(raw).digest(), hashlib.sha256(text).digest())
        if key not in known:
            known[key] = compiled_from(raw, text, source)
        return known[key]

    bytecode._compiled_from = remembered
    sources = {path for one in computing() for path, _ in one.record() if path.endswith(".py")}
    sources |= {str(path) for path in engine.files() if path.suffix == ".py"}
    list(bytecode.forged(sources))


def remember_imports() -> None:
    """Find out once what each stage imports of the engine."""
    from governed_ml.core.code import stage_code

    for stage in stage_code.runnable():
        stage_code.modules(stage)


def serve(home: Path, purpose: str = "") -> None:
    """Answer until the standard input is closed."""
    address = home / "socket"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(address))
    listening.listen(16)
    for name in ("client", "governance", "dvc"):
        script = home / name
        text = CLIENT.format(python=Path(sys.executable).resolve(), name=name, address=str(address))
        script.write_text(text, encoding="utf-8")
        script.chmod(0o755)
    warm_up()
    if purpose != TEAM:
        remember_bytecode()
        remember_imports()
        (home / "composed").mkdir()
        composing.remember(home / "composed")
    gc.collect()
    gc.freeze()  # a fork's collector leaves alone what is shared
    os.write(1, b"ready\n")
    while True:
        ready, _, _ = select.select([listening, 0], [], [])
        if 0 in ready and not os.read(0, 1):
            shutil.rmtree(home, ignore_errors=True)
            os._exit(0)  # nothing is to be tidied up, and that takes seconds
        if listening in ready:
            link, _ = listening.accept()
            if os.fork() == 0:
                if os.fork() == 0:  # its parent is gone at once: nobody has to wait for it
                    listening.close()
                    handle(link, home)
                os._exit(0)
            link.close()
            os.wait()


def handle(link: socket.socket, home: Path) -> NoReturn:
    """Run one command in a fork, and say how it ended; kill it if nobody waits any more."""
    head, files, _, _ = socket.recv_fds(link, 8, 3)
    size, data = int.from_bytes(head, "big"), bytearray()
    while len(data) < size:
        data += link.recv(size - len(data))
    folder, count, *rest = data.decode("utf-8", "surrogateescape").split("\0")
    words, variables = rest[: int(count)], rest[int(count) :]
    child = os.fork()
    if child == 0:
        link.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        command(folder, words, dict(one.split("=", 1) for one in variables), home)
    for file in files:
        os.close(file)
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([ended, link], [], [])
    if ended not in ready:
        os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    if log := os.environ.get(LOG):
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{used.ru_utime + used.ru_stime:8.2f} s  {' '.join(words)}\n")
    with contextlib.suppress(OSError):
        link.sendall(struct.pack(">i", os.waitstatus_to_exitcode(status)))
    os._exit(0)


def command(folder: str, words: list[str], variables: dict[str, str], home: Path) -> NoReturn:
    """Be the process of a command from here on."""
    os.chdir(folder)
    own = str(home)
    paths = [one for one in variables.get("PATH", "").split(os.pathsep) if one != own]
    variables["PATH"] = os.pathsep.join(paths)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    tempfile.tempdir = None  # it is looked up once
    random.seed()
    if (found := sys.modules.get("numpy.random")) is not None:
        found.seed()
    subprocess.Popen = starting(home)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        plain = "strict" if variables.get("PYTHONIOENCODING") != READABLE else "backslashreplace"
        errors = {"stdin": "surrogateescape", "stdout": plain}.get(name, "backslashreplace")
        stream = open(number, mode, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        if name == "stderr":
            stream.reconfigure(line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    code = 70
    try:
        code = run(words)
    except SystemExit as ended:
        code = exit_code(ended.code)
    except BaseException as error:  # noqa: BLE001 - as Python does
        traceback.print_exception(error)
        code = 130 if isinstance(error, KeyboardInterrupt) else 1
    with contextlib.suppress(BaseException):
        threading._shutdown()
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
    os._exit(code)


def run(words: list[str]) -> int:
    """Run a console script, or a module as with `-m`."""
    name, *arguments = words
    if name == "-m":
        sys.argv = arguments
        if arguments[0] in ISOLATED:  # imported, and now it is the program
            sys.modules.pop(arguments[0], None)
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        return 0
    sys.argv = [str(Path(sys.prefix, "bin", name)), *arguments]
    if name == "dvc":
        from dvc.cli import main
    else:
        from governed_ml.__main__ import main
    return exit_code(main())


def exit_code(code: Any) -> int:
    """The exit code that Python makes of what `sys.exit` was given."""
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    print(code, file=sys.stderr)
    return 1


def python(variables: Any) -> dict[str, str]:
    """The variables that Python reads when it starts, but for the encoding that a fork has, too."""
    found = {name: variables[name] for name in variables if name.startswith("PYTHON")}
    if found.get("PYTHONIOENCODING") == READABLE:
        del found["PYTHONIOENCODING"]
    return found


def isolated(args: Any, env: Any) -> bool:
    """Whether this starts a process of the team's code in the way in which the server started."""
    by_module = [sys.executable, "-P", "-m"]
    return (
        isinstance(args, list)
        and args[:3] == by_module
        and args[3] in ISOLATED
        and python(env) == PYTHON
        and not os.environ.get(COLD)
        and not os.environ.get(STRICT)
        and not (env or {}).get(ALONE)
    )


def starting(home: Path) -> type[subprocess.Popen]:
    """A `Popen` that lets what a command starts be a fork, too."""
    usual, by_module = python(os.environ), [sys.executable, "-P", "-m"]

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, args: Any, *rest: Any, **options: Any) -> None:
            env = options.get("env")
            if isolated(args, env):
                args = [str(home / "client"), "-m", *args[3:]]
            elif env is not None and python(env) != usual:
                pass  # Python is to start in another way
            elif options.get("shell") or (isinstance(args, list) and args[-2:-1] == ["-c"]):
                env = dict(os.environ if env is None else env)
                env["PATH"] = os.pathsep.join([str(home), env.get("PATH", "")])
                options["env"] = env
            elif isinstance(args, list) and args[:3] == by_module and args[3] in MODULES:
                args = [str(home / "client"), "-m", *args[3:]]
            super().__init__(args, *rest, **options)

    return Popen


if __name__ == "__main__":
    serve(Path(sys.argv[1]), *sys.argv[2:])
