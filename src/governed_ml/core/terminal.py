"""Output for people: a console of fixed width, escaped text, progress, and results."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import threading

    from rich.console import Console

LOG_WIDTH = 160  # columns in a log file, wide enough that names are not broken
ESCAPED = "governed-ml-escaped"
ANEW = "\r\x1b[2K"  # a terminal goes back to the line's beginning, and deletes the line
REDRAWN, MOMENT = 0.25, 1.0  # seconds between two drawings; before the first
LONG, AGAIN = 10.0, 60.0  # seconds after which a step is told in a log; until it is told again
BAR = 20  # characters


def prepare_streams() -> None:
    r"""Make standard output and error safe, so that neither can change a command's result.

    A character that the encoding lacks is written as `\uXXXX`, which is also valid in JSON. Output
    to a pipe without a reader is dropped. A stream that the caller closed is opened on the null
    device; otherwise the next opened file would get its descriptor.
    """
    codecs.register_error(ESCAPED, _escaped)
    for descriptor in (0, 1, 2):
        _occupy(descriptor)
    sys.stdout, sys.stderr = _prepared(sys.stdout, 1), _prepared(sys.stderr, 2)


def _occupy(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        nothing = os.open(os.devnull, os.O_RDWR)
        if nothing != descriptor:
            os.dup2(nothing, descriptor)
            os.close(nothing)
        else:
            os.set_inheritable(descriptor, True)


def _prepared(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:
        return open(descriptor, "w", encoding="utf-8", errors=ESCAPED, closefd=False)
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # a test captures the stream
    stream.reconfigure(errors=ESCAPED)
    raw = getattr(stream.buffer, "raw", stream.buffer)
    if type(stream) is not io.TextIOWrapper or type(raw) is not io.FileIO or stream.isatty():
        return stream
    pipe = _Pipe(raw.fileno(), "wb", closefd=False)
    unbuffered = raw is stream.buffer
    return io.TextIOWrapper(
        pipe if unbuffered else io.BufferedWriter(pipe),
        encoding=stream.encoding,
        errors=ESCAPED,
        line_buffering=stream.line_buffering,
        write_through=unbuffered,
    )


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    text = "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    return text, error.end


class _Pipe(io.FileIO):
    """A stream that ignores errors after its reader has left."""

    def write(self, content: Any, /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            gone = isinstance(error, ConnectionError)  # includes a broken pipe
            if not gone and not (os.name == "nt" and error.errno == errno.EINVAL):
                raise
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self.fileno())
        os.close(nothing)
        return super().write(content)


def screen() -> Console:
    """Return the console that people read: a terminal, or a wide log file."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = LOG_WIDTH
    return console


def plain(text: str) -> str:
    """Make foreign text safe for a terminal: no markup and no control characters."""
    from rich.markup import escape

    return escape("".join(one if one.isprintable() else "�" for one in text))


def say(line: str) -> None:
    """Print progress to standard error, apart from the result."""
    print(f"{line} …", file=sys.stderr, flush=True)


class Progress:
    """Shows on standard error what a long command does, from a thread of its own.

    A terminal gets one line that is written anew, with a bar if the length is known. Any other
    output gets a line for a step that takes long. Nothing is shown of a command that ends soon.
    """

    def __init__(self) -> None:
        """Show nothing yet."""
        self.title, self.words, self.done, self.total = "", "", 0, 0
        self.began = self.since = self.told = 0.0
        self.paused = self.drawn = False

    def step(self, words: str, total: int = 0) -> None:
        """Say what is done from now on, and how many parts it has, if that is known."""
        self.words, self.done, self.total = words, 0, total
        self.since, self.told = time.monotonic(), 0.0

    def advance(self) -> None:
        """Say that one more part is done."""
        self.done += 1

    @contextmanager
    def shown(self, title: str) -> Generator[None]:
        """Show the steps until the block ends."""
        import threading

        self.title, self.began = title, time.monotonic()
        self.step("")
        end = threading.Event()
        is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        thread = threading.Thread(target=self._watch, args=(end, is_terminal), daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()
            self._clear()

    @contextmanager
    def pause(self) -> Generator[None]:
        """Show nothing until the block ends, because a person is asked."""
        self.paused = True
        self._clear()
        try:
            yield
        finally:
            self.paused = False

    def line(self, now: float) -> str:
        """Return what is shown at a time."""
        parts = [f"{self.title}: {self.words}" if self.words else self.title]
        if self.total:
            filled = round(BAR * min(1.0, self.done / self.total))
            parts.append(f"[{'#' * filled}{'.' * (BAR - filled)}] {self.done:,} of {self.total:,}")
        return f"{' '.join(parts)} ({now - self.since:.0f} s)"

    def _watch(self, end: threading.Event, is_terminal: bool) -> None:
        with suppress(OSError, ValueError):  # without a reader, the command goes on
            while not end.wait(REDRAWN):
                now = time.monotonic()
                if self.paused or now - self.began < MOMENT:
                    continue
                if is_terminal:
                    width = shutil.get_terminal_size().columns - 1
                    self.drawn = True
                    print(f"{ANEW}{self.line(now)[:width]}", end="", file=sys.stderr, flush=True)
                elif now - self.since >= (self.told + AGAIN if self.told else LONG):
                    self.told = now - self.since
                    say(self.line(now))

    def _clear(self) -> None:
        if self.drawn:
            self.drawn = False
            with suppress(OSError, ValueError):
                print(ANEW, end="", file=sys.stderr, flush=True)


PROGRESS = Progress()
"""The progress of this process."""


def tell(as_json: bool, line: str, **values: Any) -> None:
    """Print a result for people or for programs."""
    if as_json:
        print_json(json.dumps(values, sort_keys=True, ensure_ascii=False))
    else:
        print(line)


def print_json(text: str) -> None:
    """Print JSON, and escape the characters that the output's encoding cannot represent.

    In Japanese code page 932, for example, `¢` and `￠` become the same bytes.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if codecs.lookup(encoding).name != "utf-8":
        text = "".join(
            one if one.isascii() or _is_kept(one, encoding) else json.dumps(one)[1:-1]
            for one in text
        )
    print(text)


def _is_kept(one: str, encoding: str) -> bool:
    try:
        return one.encode(encoding).decode(encoding) == one
    except UnicodeError:
        return False
