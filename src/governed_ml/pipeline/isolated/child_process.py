"""Run inside a process of the team's code: take the pipes, restrict it, answer, report failures.

Nothing here is trusted by the parent: whatever this process says is checked there.
"""

from __future__ import annotations

import base64
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from governed_ml.core.code import sandbox, team
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.process_settings import quiet
from governed_ml.pipeline.isolated.channel import receive, send

Reply = tuple[dict[str, Any], list[bytes]]
LONGEST_TRACE = 20_000  # characters of a traceback, from its end
LARGEST_FILE = 16 << 30  # bytes that this process may write into one file


class Inside:
    """The two pipes to the parent, under descriptors that the team's prints do not reach."""

    def __init__(self) -> None:
        quiet()
        sandbox.end_with_parent()
        self._in, self._out = _taken(0, "rb"), _taken(1, "wb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        first = receive(self._in)
        if first is None:
            os._exit(0)
        self.job, self.parts = first
        self.named = str(self.job.get("package", {}).get("name", ""))  # of the team's package

    def shut_in(self, *, reads_all: bool = False, network: bool = False) -> None:
        """Limit files and network, then see whether what is to be hidden is hidden."""
        scratch = Path(self.job["scratch"])
        shared = [] if self.job["strict"] or reads_all else [Path(sandbox.SHARED_MEMORY)]
        readable = None if reads_all else [*sandbox.libraries(), scratch]
        isolation = sandbox.restrict(readable, [scratch, *shared], network=network)
        if self.job["strict"] and not network:
            sandbox.require_filter(isolation)
        self.answer({"isolation": isolation})  # before any of the team's code has run
        _limit_files()
        if not reads_all:
            _use_threads()
        if "cores" in self.job:
            _use_cores(int(self.job["cores"]))
        for name in self.job.get("hidden", []) if sandbox.hides_files(isolation) else []:
            if _readable(Path(name)):
                raise Problem(
                    f"{name} is in a folder that every Python process reads: move the project out "
                    "of the folders of Python and of the system"
                )

    def package(self) -> team.TeamPackage:
        """Return the team's package as the parent sent it."""
        given = self.job["package"]
        files = {name: base64.b64decode(source) for name, source in given["files"].items()}
        return team.TeamPackage(given["name"], files)

    def receive(self) -> dict[str, Any]:
        """Wait for a further message; the parent that ends without one ends this process, too."""
        message = receive(self._in)
        if message is None:
            os._exit(0)
        return message[0]

    def answer(self, head: dict[str, Any], *parts: bytes | memoryview) -> None:
        """Send an answer, after what was printed: the parent may end this process with it."""
        sys.stdout.flush()
        sys.stderr.flush()
        send(self._out, head, *parts)

    def serve(self, reply: Callable[[dict[str, Any], list[bytes]], Reply]) -> None:
        """Answer every further message until there are no more."""
        while (message := receive(self._in)) is not None:
            head, parts = reply(*message)
            self.answer(head, *parts)


def run(main: Callable[[Inside], None]) -> None:
    """Be the process: call `main`, send one line about what it raised, leave at once."""
    inside = Inside()
    try:
        main(inside)
    except Problem as problem:
        inside.answer({"problem": str(problem)})
    except BaseException as error:  # noqa: BLE001 - the team's code may raise anything
        trace = "".join(traceback.format_exception(error))
        said = told(error, inside.named, str(inside.job.get("whose", "")))
        inside.answer({"problem": said, "trace": trace[-LONGEST_TRACE:]})
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # no thread, no exit handler of the team's is waited for


def told(error: BaseException, package: str, whose: str) -> str:
    """Return what was raised as one line: `KeyError: 'incom' in src/credit/training.py, line 12`.

    `whose` is named where no line of the team's package was running.
    """
    start = f"src/{package}/"
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if one.filename.startswith(start)]
    where = f"{own[-1].filename}, line {own[-1].lineno}" if own else whose
    said = first_line(error)
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(start):
        where, said = f"{error.filename}, line {error.lineno}", error.msg
    return f"{type(error).__name__}: {said} in {where}"


def _taken(descriptor: int, mode: str) -> IO[bytes]:
    """Move a standard stream to a descriptor of its own that no child of this process inherits."""
    moved = os.dup(descriptor)
    os.set_inheritable(moved, False)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(moved, os.O_BINARY)
    return os.fdopen(moved, mode)


def _readable(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError:
        return False
    return True


def _use_threads() -> None:
    """Have `n_jobs` mean threads: joblib's processes look into `/proc`, which is closed to them."""
    import joblib

    joblib.parallel_config(backend="threading")  # without `with`: from here on


def _use_cores(count: int) -> None:
    """Let scikit-learn use as many threads as it would outside: sums depend on their number.

    In here joblib cannot count the physical cores, and without shared memory it counts one.
    """
    import joblib

    def cpu_count(only_physical_cores: bool = False) -> int:
        return count

    for module in (joblib, joblib.parallel):
        setattr(module, "cpu_count", cpu_count)  # noqa: B010 - modules have no such attribute to set


def _limit_files() -> None:
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        unlimited = most == resource.RLIM_INFINITY
        limit = LARGEST_FILE if unlimited else min(most, LARGEST_FILE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
