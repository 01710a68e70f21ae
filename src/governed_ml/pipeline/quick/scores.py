"""The answers of a loaded model for few rows, as a service needs them: the same, only sooner.

For one row, a model spends most of its time on what it would do once for any number of rows, and a
classifier is asked twice for the same sums. `QuickScores` avoids both where it has proved, with
rows like those of the training table, that not one bit of the answers changes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from governed_ml.pipeline.isolated.isolated_model import IsolatedModel
from governed_ml.pipeline.model_outputs import Answers, answered, answered_at_once
from governed_ml.pipeline.quick.encoding import UNKNOWN, QuickEncoding, quick_encoding
from governed_ml.pipeline.quick.estimators import AnsweredOnce, LabelsOnce, both_of

if TYPE_CHECKING:
    import pandas as pd

FEW = 5_000
"""With more rows, the model is asked as everywhere else: then it takes no longer."""
SECONDS = 30
"""After so long, a child process that does not answer is ended."""
PROVED_TOGETHER, PROVED_ALONE = 200, 10
"""How many rows are compared at once, and how many of them each by itself."""


_LIMITED = threading.local()


def use_one_thread() -> None:
    """Make the numeric libraries use one thread when the calling thread uses them.

    With more, one row takes five times as long on a busy machine. OpenMP has a limit for each
    thread that calls it, so this is done in each.
    """
    if getattr(_LIMITED, "done", False):
        return
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
    _LIMITED.done = True


class QuickScores:
    """A loaded model, asked for few rows at a time, by several threads.

    `encodes` and `asks_once` say which of the two short ways is taken. A model in a child process
    is asked in one message for all that it answers, by one thread at a time. In any other, numeric
    libraries use one thread.
    """

    def __init__(self, model: Any, task: str, rows: pd.DataFrame) -> None:
        """Find the short ways, and prove each with `rows`, typed as those of the training table."""
        self._model, self._task = model, task
        self._encoding: QuickEncoding | None = None
        self._both: Any = None
        if isinstance(model, IsolatedModel):
            model.use_one_thread()
            model.answer_within(SECONDS)
        else:
            use_one_thread()
            self._find(rows)

    @property
    def encodes(self) -> bool:
        """Whether rows are encoded without the model's own transformer."""
        return self._encoding is not None

    @property
    def asks_once(self) -> bool:
        """Whether a classifier is asked once for probabilities and predictions."""
        return self._both is not None or isinstance(self._model, IsolatedModel)

    @property
    def ended(self) -> bool:
        """Whether the model's child process, if it has one, has ended: load the model again."""
        return isinstance(self._model, IsolatedModel) and self._model.ended

    def answered(self, rows: pd.DataFrame) -> Answers:
        """Return what `model_outputs.answered` returns for these rows.

        Raise `ProcessEnded` if the model's child process has ended: the model must be loaded again.
        """
        if isinstance(self._model, IsolatedModel):
            return answered_at_once(_told(self._model, rows), rows, self._task)
        use_one_thread()
        if not len(rows) or len(rows) > FEW:
            return answered(self._model, rows, self._task)
        return self._quickly(rows)

    def encoded(self, rows: pd.DataFrame) -> Any:
        """Return the encoded rows of a pipeline, shape (rows, encoded features)."""
        found = self._encoding.encoded(rows) if self._encoding else None
        return self._model[:-1].transform(rows) if found is None else found

    def _quickly(self, rows: pd.DataFrame) -> Answers:
        """Return the answers by the short ways that were found so far."""
        if not _is_pipeline(self._model) or not (self._encoding or self._both):
            return answered(self._model, rows, self._task)
        matrix, estimator = self.encoded(rows), self._model[-1]
        asked = self._both(matrix) if self._both else estimator
        return answered_at_once(asked, matrix, self._task)

    def _find(self, rows: pd.DataFrame) -> None:
        if not _is_pipeline(self._model) or not len(rows):
            return
        hostile = _hostile(rows)
        if _or_none(lambda: answered(self._model, hostile, self._task)) is not None:
            rows = hostile
        if len(self._model.steps) == 2:
            self._encoding = _or_none(lambda: quick_encoding(self._model[0]))
            if self._encoding and not self._encodes_alike(rows):
                self._encoding = None
        if self._task == "classification" and hasattr(self._model, "predict_proba"):
            self._both = both_of(self._model[-1])
        if not self._answers_alike(rows):
            self._encoding = self._both = None

    def _encodes_alike(self, rows: pd.DataFrame) -> bool:
        return all(
            _same(self._model[0].transform(some), self.encoded(some)) for some in _portions(rows)
        )

    def _answers_alike(self, rows: pd.DataFrame) -> bool:
        """Return whether the short ways give the same answers, bit by bit."""
        for some in _portions(rows):
            right = answered(self._model, some, self._task)
            found = _or_none(lambda some=some: self._quickly(some))
            names = ("score", "prediction", "probabilities")
            if found is None or not all(
                _same(getattr(right, name), getattr(found, name)) for name in names
            ):
                return False
        return True


def _told(model: IsolatedModel, rows: pd.DataFrame) -> LabelsOnce:
    labels, probabilities = model.answers(rows)
    classes = getattr(model, "classes_", ())
    if probabilities is None:
        return LabelsOnce(classes, labels)
    return AnsweredOnce(classes, labels, probabilities)


def _is_pipeline(model: Any) -> bool:
    from sklearn.pipeline import Pipeline

    return type(model) is Pipeline and len(model.steps) > 1


def _hostile(rows: pd.DataFrame) -> pd.DataFrame:
    """Return these rows, and some with values that are missing, unknown or very large."""
    import numpy as np
    import pandas as pd

    rows = rows.head(PROVED_TOGETHER)
    numeric = [name for name in rows if rows[name].dtype == np.float64]
    texts = [name for name in rows if name not in numeric]
    first = rows.head(1)
    strange = [
        first.assign(**dict.fromkeys(numeric, value), **dict.fromkeys(texts, text))
        for value in (np.nan, 0.0, -0.0, 1e30, -1e30)
        for text in (None, UNKNOWN)
    ]
    lacking = [first.assign(**{name: np.nan if name in numeric else None}) for name in rows]
    made = pd.concat([*strange, *lacking[:PROVED_TOGETHER], rows], ignore_index=True)
    return made.astype(rows.dtypes.to_dict())


def _portions(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return all rows together, and some of them alone."""
    step = max(1, len(rows) // PROVED_ALONE)
    return [rows, *(rows.iloc[place : place + 1] for place in range(0, len(rows), step))]


def _same(one: Any, other: Any) -> bool:
    """Return whether two arrays have the same type, shape and bytes."""
    if one is None or other is None:
        return one is other
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def _or_none(find: Any) -> Any:
    """Return a result, or None if a short way does not suit a model at all."""
    try:
        return find()
    except Exception:  # noqa: BLE001 - the model's own way then gives the answers
        return None
