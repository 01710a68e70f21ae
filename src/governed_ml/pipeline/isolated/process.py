"""Start a process for the team's code and exchange messages with it; callers check its answers."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from governed_ml.core.code.team import TeamPackage
from governed_ml.core.problem import Problem
from governed_ml.pipeline.isolated.channel import GOES_ON, LARGEST, receive, send

PASSED_ON = (
    *("PATH", "LANG", "LC_", "TZ", "OMP_", "OPENBLAS_", "MKL_"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH", "DYLD_FALLBACK_"),
    *("SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "NUMBER_OF_PROCESSORS", "VIRTUAL_ENV"),
    *("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "MPLBACKEND"),
)
"""Prefixes of the environment variables that training and scoring get: no tokens, no addresses."""
TEMPORARY = ("TMPDIR", "TMP", "TEMP", "XDG_CACHE_HOME", "MPLCONFIGDIR")
STRICT = "GOVERNED_ML_STRICT"
"""Variable that is set if a version is measured again: processes then share no memory either."""
PRINTED = 100  # most lines of a process's output that are printed
OUTPUT = 64 << 20  # most bytes that a process may print in all
TRACE = 20_000  # most characters of a traceback
KEPT = 300  # most characters of a printed line
HEADER = 1 << 20  # most bytes of a message without a table or model
LAST_LINES = 5  # seconds to wait for output, because another process may hold the pipe open


class ProcessEnded(Problem):
    """The process has ended, so nobody can be asked any more."""


class Process:
    """A child process that runs the team's code (or a model that carries code) in a sandbox."""

    def __init__(self, module: ModuleType, whose: str, job: dict[str, Any], *parts: bytes) -> None:
        """Start a module of this package as a process, and send its first message.

        `whose`, such as `src/credit/training.py`, begins the error message if the process ends.
        """
        self.whose, self.isolation = whose, ""
        self._folder = tempfile.TemporaryDirectory(
            prefix="governed-ml-", ignore_cleanup_errors=True
        )
        self.scratch = Path(self._folder.name).resolve()
        job = job | {"scratch": str(self.scratch), "strict": bool(os.environ.get(STRICT))}
        whole = module.__name__.endswith("source_process")
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", module.__name__],
            cwd=None if whole else self.scratch,
            env=environment(self.scratch, job.get("variables", {}), whole=whole),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that its children are killed with it
        )
        self._printed = _Printed(self._child, whose)
        self._end = weakref.finalize(self, _end, self._child, self._folder)
        self._send(job, *parts)

    def ask(
        self, head: dict[str, Any], *parts: bytes, largest: int = LARGEST
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Send a message and return the answer; an exception in the process becomes a `Problem`."""
        self.tell(head, *parts)
        return self.answer(largest)

    def tell(self, head: dict[str, Any], *parts: bytes) -> None:
        """Send a message without waiting for its answer.

        If the process has already failed, it reads nothing more, and its answer gives the reason.
        """
        assert self._child.stdin is not None  # noqa: S101 - a pipe was asked for
        if self._child.stdin.closed:
            raise ProcessEnded(f"{self.whose}: the process has ended: start it again")
        with suppress(OSError):
            send(self._child.stdin, head, *parts)

    def answer(self, largest: int = LARGEST) -> tuple[dict[str, Any], list[bytes]]:
        """Wait for the next answer, none of whose parts may exceed `largest` bytes.

        The first message reports the process's isolation, before any of the team's code has run.
        Later claims about isolation are ignored.
        """
        if not self.isolation:
            self.isolation = _isolation(self._received(HEADER)[0])
        return self._received(largest)

    def _received(self, largest: int) -> tuple[dict[str, Any], list[bytes]]:
        assert self._child.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            found = receive(self._child.stdout, largest)
        except Problem as problem:
            self.close()
            raise Problem(f"{self.whose}: {problem}") from problem
        if found is None:
            raise self._ended()
        head, parts = found
        if "problem" in head:
            if not head.get(GOES_ON):
                self.close()
            problem = Problem(plain(head["problem"]))
            problem.trace = _lines(head.get("trace", ""))
            raise problem
        return head, parts

    @property
    def ended(self) -> bool:
        """Whether the process answers no more."""
        return self._child.poll() is not None

    def kill(self) -> None:
        """Kill the process while another thread waits for its answer, which then fails."""
        _kill(self._child)

    def close(self) -> None:
        """End the process, and wait for the last line of its output."""
        self._end()
        self._printed.join(LAST_LINES)

    def _send(self, head: dict[str, Any], *parts: bytes) -> None:
        assert self._child.stdin is not None  # noqa: S101 - a pipe was asked for
        try:
            send(self._child.stdin, head, *parts)
        except OSError as error:
            raise self._ended() from error

    def _ended(self) -> ProcessEnded:
        try:
            code = self._child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = "unknown"
        self.close()
        if self._printed.too_much:
            return ProcessEnded(
                f"{self.whose}: it printed more than {OUTPUT >> 20} MiB, so the engine "
                "stopped it: print less"
            )
        last = f": {self._printed.last}" if self._printed.last else ""
        return ProcessEnded(
            f"{self.whose}: the process ended before the function returned (exit code "
            f"{code}){last}; remove what ends it"
        )


def environment(scratch: Path, variables: Mapping[str, str], *, whole: bool) -> dict[str, str]:
    """Return the variables of a child process: with its own temporary folder, without Python's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if (whole or name.upper().startswith(PASSED_ON)) and not name.startswith("PYTHON")
    }
    places = dict.fromkeys(TEMPORARY, str(scratch))
    if not whole:
        places |= dict.fromkeys(("HOME", "USERPROFILE"), str(scratch))
    return kept | places | {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"} | dict(variables)


def sent(package: TeamPackage) -> dict[str, Any]:
    """Return the source of the team's package as JSON values."""
    files = {name: base64.b64encode(source).decode() for name, source in package.files.items()}
    return {"name": package.name, "files": files}


def _isolation(message: Mapping[str, Any]) -> str:
    """Return in a word or two how the process is isolated."""
    found = plain(message.get("isolation", ""))[:40]
    return found or f"by location only: {sys.platform} has no Landlock"


def plain(text: object) -> str:
    """Return foreign text as one line of limited length, without control characters."""
    line = "".join(sign if sign.isprintable() else " " for sign in str(text))
    return " ".join(line.split())[:600]


def _lines(text: object) -> str:
    """Return foreign text of several lines, without control characters."""
    lines = str(text)[:TRACE].splitlines()
    return "".join(
        "".join(sign if sign.isprintable() else " " for sign in line) + "\n" for line in lines
    )


def _end(child: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    _kill(child)
    child.wait()
    for stream in (child.stdin, child.stdout):
        try:
            if stream is not None:
                stream.close()
        except OSError:
            continue  # unsent data cannot be flushed
    folder.cleanup()


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill a process and everything in its process group."""
    if sys.platform != "win32":
        with suppress(ProcessLookupError, PermissionError):  # macOS: the group has ended
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()


class _Printed(threading.Thread):
    """Print a process's output, marked and limited; kill a process that prints without end."""

    def __init__(self, child: subprocess.Popen[bytes], whose: str) -> None:
        super().__init__(daemon=True)
        self.child, self.mark = child, whose.rpartition("/")[2]
        self.last, self.too_much = "", False
        self.start()

    def run(self) -> None:
        assert self.child.stderr is not None  # noqa: S101 - a pipe was asked for
        stream: IO[bytes] = self.child.stderr
        seen, lines = 0, 0
        while line := stream.readline(1 << 16):
            seen += len(line)
            text = plain(line.decode("utf-8", "replace"))[:KEPT]
            if text and lines < PRINTED:
                self.last = text
                print(f"{self.mark} | {text}", file=sys.stderr, flush=True)
                lines += 1
            if seen > OUTPUT:
                self.too_much = True
                _kill(self.child)
                return
