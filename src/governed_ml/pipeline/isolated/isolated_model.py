"""A proxy for a model that carries code: the same methods, executed in a child process.

Answers are checked: one row for each row sent, finite numbers, valid labels and probabilities.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from governed_ml.core.config.classes import MOST
from governed_ml.core.problem import Problem
from governed_ml.pipeline.isolated import score_process
from governed_ml.pipeline.isolated.channel import LARGEST
from governed_ml.pipeline.isolated.child_process import ALONE
from governed_ml.pipeline.isolated.process import HEADER, Process, plain

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

SLACK = 1e-6  # tolerance for probabilities and their sum
CODE = "the model's own code"
ANSWER = 256  # most bytes of an answer per row


def _listed(classes: list[int]) -> str:
    """Return classes in words: `0 and 1`, or `0 to 4`."""
    return "0 and 1" if len(classes) == 2 else f"0 to {classes[-1]}"


class IsolatedModel:
    """A model in a child process, with the methods that the model itself has.

    These are `predict` and `transform`, and possibly `predict_proba` and `decision_function`.
    """

    def __init__(self, content: bytes, *, alone: bool = False) -> None:
        """Start the process and load the model's bytes in it; raise `Problem` if that fails.

        If `alone`, the process shares no memory with any other.
        """
        self._turn = threading.Lock()  # one thread at a time exchanges messages
        self._seconds: float | None = None
        job = {"whose": CODE, "variables": {ALONE: "1"} if alone else {}}
        self._process = Process(score_process, CODE, job, content)
        found, _ = self._process.answer()
        self.isolation = self._process.isolation
        self._methods = {str(name) for name in found.get("methods") or []}
        self.kind = plain(found.get("type"))[:80]
        classes, names = found.get("classes"), found.get("features")
        if classes is not None:
            wanted = list(range(max(2, len(classes))))
            if sorted(classes) != wanted or len(wanted) > MOST:
                raise Problem(
                    f"{CODE}: the model's classes are {classes}, not {_listed(wanted)}: set "
                    f"classes_ to {wanted}"
                )
            self.classes_ = wanted
            self._columns = [classes.index(one) for one in wanted]
        if names is not None:
            self.feature_names_in_ = [plain(name) for name in names]

    def __getattr__(self, name: str) -> Any:
        """Return a method only if the model has it, because callers use `hasattr`."""
        ask = {"predict_proba": self._probabilities, "decision_function": self._decisions}.get(name)
        if ask is None or name not in self.__dict__.get("_methods", ()):
            raise AttributeError(name)
        return ask

    def predict(self, rows: pd.DataFrame) -> npt.NDArray[Any]:
        """Return a label (0, 1, …) or a number for each row, shape (rows,)."""
        return self._labels(self._asked("predict", rows, 1))

    def answers(self, rows: pd.DataFrame) -> tuple[npt.NDArray[Any], Floats | None]:
        """Return what `predict` and `predict_proba` return, in one message and with one encoding.

        The latter is None for a model without `predict_proba`.
        """
        if "predict_proba" not in self._methods or not hasattr(self, "classes_"):
            return self.predict(rows), None
        methods = ("predict", "predict_proba")
        labels, probabilities = self._exchanged(methods, rows, (1, 2))
        return self._labels(labels), self._probabilities_of(probabilities)

    def transform(self, rows: pd.DataFrame) -> Floats:
        """Return encoded rows, shape (rows, columns)."""
        return self._asked("transform", rows, 2)

    def use_one_thread(self) -> None:
        """Make the numeric libraries in the process use one thread from now on."""
        self._process.ask({"methods": [score_process.ONE_THREAD]}, largest=HEADER)

    @property
    def ended(self) -> bool:
        """Whether the process has ended, so that the model must be loaded again."""
        return self._process.ended

    def answer_within(self, seconds: float) -> None:
        """From now on, end the process if one of its answers takes longer."""
        self._seconds = seconds

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def _labels(self, found: Floats) -> npt.NDArray[Any]:
        import numpy as np

        if not hasattr(self, "classes_"):
            return found
        if not np.isin(found, self.classes_).all():
            raise Problem(
                f"{CODE}: predict returns labels other than {_listed(self.classes_)}: return these "
                "only"
            )
        return found.astype("int64")

    def _probabilities(self, rows: pd.DataFrame) -> Floats:
        return self._probabilities_of(self._asked("predict_proba", rows, 2))

    def _probabilities_of(self, found: Floats) -> Floats:
        inside = (found >= -SLACK).all() and (found <= 1 + SLACK).all()
        classes = len(self.classes_)
        if found.shape[1] != classes or not inside or (abs(found.sum(axis=1) - 1) > SLACK).any():
            raise Problem(
                f"{CODE}: predict_proba does not return probabilities of "
                f"{'two' if classes == 2 else classes} classes: return one column for each class"
            )
        return found[:, self._columns]

    def _decisions(self, rows: pd.DataFrame) -> Floats:
        return self._asked("decision_function", rows, 1 if len(self.classes_) == 2 else 2)

    def _asked(self, method: str, rows: pd.DataFrame, dimensions: int) -> Floats:
        return self._exchanged((method,), rows, (dimensions,))[0]

    def _exchanged(
        self, methods: tuple[str, ...], rows: pd.DataFrame, dimensions: tuple[int, ...]
    ) -> list[Floats]:
        """Return the model's answer by each method; the rows are sent once."""
        import pyarrow as pa

        table = pa.Table.from_pandas(rows, preserve_index=False)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        each = max(ANSWER, 16 * len(self.__dict__.get("classes_", ())))
        most = LARGEST if "transform" in methods else HEADER + each * len(rows)
        asked = sink.getvalue().to_pybytes()
        with self._turn, self._limited():
            _, parts = self._process.ask({"methods": methods}, asked, largest=most)
        parts += [b""] * (len(methods) - len(parts))
        asked_for = zip(methods, parts, dimensions, strict=False)
        return [_read(method, part, len(rows), size) for method, part, size in asked_for]

    @contextmanager
    def _limited(self) -> Generator[None]:
        if self._seconds is None:
            yield
            return
        timer = threading.Timer(self._seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _read(method: str, part: bytes, rows: int, dimensions: int) -> Floats:
    """Return an answer of finite numbers for so many rows; raise `Problem` for any other."""
    import numpy as np

    try:
        found = np.load(io.BytesIO(part), allow_pickle=False).astype("float64")
    except (ValueError, TypeError, IndexError, OSError, EOFError) as error:
        raise Problem(
            f"{CODE}: {method} does not return numbers: return one number for each row"
        ) from error
    if dimensions == 1 and found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != dimensions or len(found) != rows:
        given = " x ".join(map(str, found.shape)) or "one"
        raise Problem(
            f"{CODE}: {method} gives {given} answers for {rows:,} rows: let it return one for each "
            "row"
        )
    if not np.isfinite(found).all():
        raise Problem(f"{CODE}: {method} returns NaN or infinite values: return finite numbers")
    return found
