"""A long command shows what it does: a line on a terminal, few lines in a log, nothing if short."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Callable

import duckdb
import pytest

from governed_ml.core import crash_report, terminal


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is shown early, so that the tests are short."""
    for name, seconds in {"REDRAWN": 0.01, "MOMENT": 0.0, "LONG": 0.03, "AGAIN": 60.0}.items():
        monkeypatch.setattr(terminal, name, seconds)


def worked(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, work: Callable[[terminal.Progress], None]
) -> str:
    """Return what a command shows that works for a moment."""
    monkeypatch.setattr("sys.stderr", stream)
    progress = terminal.Progress()
    with progress.shown("ingest"):
        work(progress)
        time.sleep(0.15)
    return stream.getvalue()


def half(progress: terminal.Progress) -> None:
    """Do two of four parts."""
    progress.step("deciding columns", 4)
    progress.advance()
    progress.advance()


@pytest.mark.usefixtures("quick")
def test_a_terminal_gets_one_line_that_is_removed_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = worked(monkeypatch, Terminal(), half)
    assert "ingest: deciding columns [##########..........] 2 of 4 (0 s)" in said
    assert "\n" not in said
    assert said.endswith(terminal.ANEW)


@pytest.mark.usefixtures("quick")
def test_a_log_gets_one_plain_line_for_a_long_step(monkeypatch: pytest.MonkeyPatch) -> None:
    said = worked(monkeypatch, io.StringIO(), half)
    [line] = said.splitlines()
    assert line.startswith("ingest: deciding columns [##########..........] 2 of 4")
    assert "\x1b" not in said


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_a_short_command_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO
) -> None:
    assert worked(monkeypatch, stream, half) == ""


@pytest.mark.usefixtures("quick")
def test_nothing_is_shown_while_a_person_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asking(progress: terminal.Progress) -> None:
        with progress.pause():
            stream.truncate(stream.seek(0))
            time.sleep(0.1)
            assert stream.getvalue() == ""

    stream = Terminal()
    assert "ingest (0 s)" in worked(monkeypatch, stream, asking)


@pytest.mark.usefixtures("quick")
def test_a_stream_without_a_reader_does_not_end_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Gone(Terminal):
        def write(self, text: str, /) -> int:
            raise BrokenPipeError

    finished: list[bool] = []
    monkeypatch.setattr("sys.stderr", Gone())
    with terminal.Progress().shown("ingest"):
        time.sleep(0.05)
        finished.append(True)
    assert finished


@pytest.mark.parametrize(
    ("error", "is_interrupt"),
    [
        (KeyboardInterrupt(), True),
        (RuntimeError("Query interrupted"), True),
        (RuntimeError("Query failed"), False),
        (ValueError("Query interrupted"), False),
    ],
)
def test_control_c_during_a_query_is_an_interrupt(error: BaseException, is_interrupt: bool) -> None:
    assert crash_report.is_interrupt(error) == is_interrupt


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT to send")
def test_duckdb_still_says_that_a_query_was_interrupted_in_these_words() -> None:
    # Given a query that takes long, when the process gets SIGINT
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    long = "SELECT count(*) FROM range(10000000) a, range(1000) b WHERE hash(a.range + b.range) = 7"
    with pytest.raises((RuntimeError, KeyboardInterrupt)) as raised:
        duckdb.connect().execute(long).fetchall()
    # Then the engine knows it
    assert crash_report.is_interrupt(raised.value)
