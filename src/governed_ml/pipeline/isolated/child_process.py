"""Code inside a child process: set up pipes and sandbox, answer messages, report failures.

The parent trusts nothing from here and checks every answer.
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
LONGEST_TRACE = 20_000  # most characters of a traceback; its end is kept
ALONE = "GOVERNED_ML_ALONE"
"""Variable of a process that shares no memory with others, because it must not get their rows."""
LARGEST_FILE = 16 << 30  # most bytes that this process may write into one file


class Inside:
    """The two pipes to the parent, on descriptors that the team's output does not use."""

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
        self.named = str(self.job.get("package", {}).get("name", ""))  # the team's package

    def shut_in(self, *, reads_all: bool = False, network: bool = False) -> None:
        """Restrict files and network, then verify that hidden files cannot be read."""
        scratch = Path(self.job["scratch"])
        alone = self.job["strict"] or reads_all or bool(os.environ.get(ALONE))
        shared = [] if alone else [Path(sandbox.SHARED_MEMORY)]
        if alone:
            os.environ["JOBLIB_MULTIPROCESSING"] = (
                "0"  # else joblib warns that it has no semaphores
            )
        readable = None if reads_all else [*sandbox.libraries(), scratch]
        isolation = sandbox.restrict(readable, [scratch, *shared], network=network)
        if self.job["strict"] and not network:
            sandbox.require_filter(isolation)
        self.answer({"isolation": isolation})  # before any code of the team runs
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
        """Return the team's package as sent by the parent."""
        given = self.job["package"]
        files = {name: base64.b64decode(source) for name, source in given["files"].items()}
        return team.TeamPackage(given["name"], files)

    def receive(self) -> dict[str, Any]:
        """Wait for another message; end this process if the parent has ended."""
        message = receive(self._in)
        if message is None:
            os._exit(0)
        return message[0]

    def answer(self, head: dict[str, Any], *parts: bytes | memoryview) -> None:
        """Flush the output and send an answer, after which the parent may end this process."""
        sys.stdout.flush()
        sys.stderr.flush()
        send(self._out, head, *parts)

    def serve(self, reply: Callable[[dict[str, Any], list[bytes]], Reply]) -> None:
        """Answer every further message until there are no more."""
        while (message := receive(self._in)) is not None:
            head, parts = reply(*message)
            self.answer(head, *parts)


def run(main: Callable[[Inside], None]) -> None:
    """Call `main`, report any exception to the parent in one line, and exit at once."""
    inside = Inside()
    try:
        main(inside)
    except BaseException as error:  # noqa: BLE001 - the team's code may raise anything
        inside.answer(failure(error, inside))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # do not wait for threads and exit handlers of the team


def failure(error: BaseException, inside: Inside) -> dict[str, Any]:
    """Return an answer that reports an exception to the parent."""
    if isinstance(error, Problem):
        return {"problem": str(error)}
    trace = "".join(traceback.format_exception(error))
    said = told(error, inside.named, str(inside.job.get("whose", "")))
    return {"problem": said, "trace": trace[-LONGEST_TRACE:]}


def told(error: BaseException, package: str, whose: str) -> str:
    """Return an exception in one line: `KeyError: 'incom' in src/credit/training.py, line 12`.

    `whose` is named instead if the exception was raised outside the team's package.
    """
    start = f"src/{package}/"
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if one.filename.startswith(start)]
    where = f"{own[-1].filename}, line {own[-1].lineno}" if own else whose
    said = first_line(error)
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(start):
        where, said = f"{error.filename}, line {error.lineno}", error.msg
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", [])[:1])
    return f"{type(error).__name__}: {said} in {where}{notes}"


def _taken(descriptor: int, mode: str) -> IO[bytes]:
    """Move a standard stream to another descriptor that child processes do not inherit."""
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
    """Make `n_jobs` use threads, because joblib's processes need `/proc`, which is not readable."""
    import joblib

    joblib.parallel_config(backend="threading")  # without `with`, it applies permanently


def _use_cores(count: int) -> None:
    """Make scikit-learn use as many threads as outside the sandbox, because results depend on it.

    In the sandbox, joblib cannot count physical cores, and without shared memory it assumes one.
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
