"""Work beside the answers: a thread that repeats something, and one that works off a queue."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable

from governed_ml.core.problem import first_line

Work = Callable[[], object]


class Repeated:
    """Does something at once and then every so many seconds, until it is stopped."""

    def __init__(self, work: Work, seconds: float, name: str) -> None:
        """Start the thread."""
        self._work, self._seconds, self._name = work, seconds, name
        self._stopped, self._woken = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.is_set():
            _done(self._work, self._name)
            self._woken.wait(self._seconds)
            self._woken.clear()

    def soon(self) -> None:
        """Do it again at once, or as soon as it is done."""
        self._woken.set()

    def stop(self, patience: float = 10.0) -> None:
        """Let the thread end; a pass that takes longer than `patience` seconds is left alone."""
        self._stopped.set()
        self._woken.set()
        self._thread.join(patience)


class Queued:
    """Works off what is put in, in order, in one thread. What does not fit is dropped."""

    def __init__(self, most: int, name: str) -> None:
        """Start the thread."""
        self._queue: queue.Queue[Work | None] = queue.Queue(most)
        self._name = name
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, work: Work) -> bool:
        """Add work; return False if the queue is full."""
        try:
            self._queue.put_nowait(work)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            _done(work, self._name)

    def stop(self) -> None:
        """Work off what is there, and end."""
        self._queue.put(None)
        self._thread.join()


def _done(work: Work, name: str) -> None:
    """Do work; what goes wrong is told in the service's log and ends nothing else."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - the thread must go on with the next work
        print(f"serve: {name}: {type(error).__name__}: {first_line(error)}", file=sys.stderr)
