"""The store of records: append from any thread, and turn full segments into Parquet."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType

from governed_ml.core.files import shown
from governed_ml.core.problem import Problem, cause
from governed_ml.pipeline.prediction_log import closed_files
from governed_ml.pipeline.prediction_log.record_lines import Record, Unwritable, encoded
from governed_ml.pipeline.prediction_log.segment import Segment

SIZE, SECONDS = 64_000_000, 3600  # as in the settings of the service


class Store:
    """One writer of a folder of the log. Others, also in other processes, may write beside it.

    If `append` returns, the records survive the death of this process; with `sync`, also that of
    the machine. `vanished` counts the segments that somebody took away while they were written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        rotate_bytes: int = SIZE,
        rotate_seconds: float = SECONDS,
        sync: bool = False,
    ) -> None:
        self.folder = folder.absolute()
        self.vanished = 0
        self._most, self._longest, self._sync = rotate_bytes, rotate_seconds, sync
        self._open: Segment | None = None
        self._full: list[Segment] = []
        self._adopted = self._closed = False
        self._appending, self._closing = Lock(), Lock()

    def append(self, records: Sequence[Record]) -> None:
        """Write all records, or none and raise `Unwritable`. The next call tries again."""
        content = encoded(records)
        if not content:
            return
        names = set[str]().union(*records)
        with self._appending:
            if self._closed:
                raise Unwritable(f"the log {shown(self.folder)} is closed: nothing is written")
            try:
                self._segment(names).write(content, names, sync=self._sync)
            except OSError as error:
                raise Unwritable(
                    f"cannot write the log {shown(self.folder)}: {cause(error)}; free disk space "
                    "or fix the permissions"
                ) from error

    def rotate_if_due(self) -> None:
        """Turn full and old segments into Parquet; the first call also does those of dead writers.

        This takes a second or so: call it in the background. Raise `Problem` if it failed; no
        record is lost then, and the next call tries again.
        """
        with self._appending:
            if self._open is not None and self._is_due(self._open):
                self._seal()
        self._convert()

    def close(self) -> None:
        """Turn everything into Parquet if possible. Nothing can be appended afterwards.

        Readers find what could not be turned, and the next process tries again.
        """
        with self._appending:
            self._closed = True
            self._seal()
        try:
            with contextlib.suppress(Problem):
                self._convert()
        finally:
            with self._appending:
                rest, self._full = self._full, []
            for one in rest:
                one.release()

    def __enter__(self) -> Store:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store."""
        self.close()

    @property
    def bytes(self) -> int:
        """Return how many bytes are not yet in Parquet files."""
        return sum(one.size for one in self._waiting())

    @property
    def lag_seconds(self) -> float:
        """Return for how long the oldest record has waited to become Parquet; 0 if none waits."""
        return max(
            (time.monotonic() - one.started for one in self._waiting() if one.size), default=0
        )

    def _waiting(self) -> list[Segment]:
        with self._appending:
            return [*self._full, *([self._open] if self._open else [])]

    def _segment(self, names: set[str]) -> Segment:
        """Return the segment for the next records, a new one where the old one is of no use."""
        one = self._open
        if one is not None and (self._is_due(one) or one.broken or not one.takes(names)):
            self._seal()
        elif one is not None and not one.is_there():
            self._forget(one)
            self._open = None
        if self._open is None:
            self._open = Segment(self.folder)
        return self._open

    def _is_due(self, one: Segment) -> bool:
        old = time.monotonic() - one.started >= self._longest
        return one.size > 0 and (one.size >= self._most or old)

    def _seal(self) -> None:
        if self._open is not None:
            self._full.append(self._open)
            self._open = None

    def _forget(self, one: Segment) -> None:
        self.vanished += one.is_mine
        one.release()

    def _convert(self) -> None:
        """Close the segments that are full; they keep their lock until then."""
        problems: list[Problem] = []
        with self._closing:
            for one in list(self._full):
                try:
                    self._close(one)
                except Problem as problem:
                    problems.append(problem)
            if not self._adopted:
                failed = closed_files.adopt(self.folder)
                self._adopted = not failed
                problems += failed
        if problems:
            raise problems[0]

    def _close(self, one: Segment) -> None:
        one.cut()
        if one.is_there():
            closed_files.close(one.path)
            one.release()
            closed_files.remove(one.path)
        else:
            self._forget(one)
        with self._appending:
            self._full.remove(one)
