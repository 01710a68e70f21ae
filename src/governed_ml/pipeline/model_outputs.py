"""Compute a model's scores and predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.problem import Problem
from governed_ml.pipeline.folds.fold_models import FoldModels, require_rowwise
from governed_ml.pipeline.quick.last_step import last_step

if TYPE_CHECKING:
    import pandas as pd

SLACK = 1e-3  # most that the probabilities of a row may differ from 1 in sum
AT_ONCE = 250_000  # most rows given to the model at once


def predict_parts(
    model: Any, parts: dict[str, pd.DataFrame], features: list[str], task: str
) -> pd.DataFrame:
    """Return the predictions of each part; the models of folds predict test rows only."""
    import pandas as pd

    frames: dict[str, pd.DataFrame] = {}
    seen: Any = None
    for part, frame in parts.items():
        if part != "test" and isinstance(model, FoldModels):
            continue
        found = answered(model, frame[features], task)
        seen = found.score if found.probabilities is None else found.probabilities
        frames[part] = pd.DataFrame(
            {
                tables.ROW: frame[tables.ROW],
                "part": part,
                tables.TARGET: frame[tables.TARGET],
                "score": found.score,
                "prediction": found.prediction,
                **found.by_class(),
            }
        )
    require_rowwise(
        model, parts["test"][features], seen, lambda one, rows: outputs(one, rows, task)
    )
    return pd.concat(frames.values(), ignore_index=True)


@dataclass(frozen=True)
class Answers:
    """A model's answers for some rows, computed `AT_ONCE` rows at a time.

    `score` and `prediction` have the shape (rows,). With three or more classes, `prediction` is the
    position of a class, `score` is its probability, and `probabilities` has the shape (rows,
    classes). Otherwise `probabilities` is None.
    """

    score: Any
    prediction: Any
    probabilities: Any = None

    def by_class(self) -> dict[str, Any]:
        """Return column → probability of one class; empty unless there are three or more."""
        found = self.probabilities
        if found is None:
            return {}
        return {f"{tables.SCORE_OF}{place}": found[:, place] for place in range(found.shape[1])}


def classes_of(model: Any) -> int:
    """Return how many classes a classifier has; 0 for a regression."""
    return len(getattr(model, "classes_", ()))


def require_classes(model: Any, count: int) -> None:
    """Raise `Problem` if a classifier's classes are not the positions 0 to `count` - 1."""
    found = [int(one) for one in getattr(model, "classes_", ())]
    if sorted(found) != list(range(count)):
        raise Problem(
            f"the model distinguishes {len(found)} classes, but the target has {count}: run `uv "
            "run dvc repro --force train`"
        )


def answered(model: Any, features: pd.DataFrame, task: str) -> Answers:
    """Return scores, predictions and, of three or more classes, each one's probability."""
    if not _several(model, task):
        return Answers(*_in_parts(lambda rows: _predicted(model, rows, task), features))
    probabilities, prediction = _in_parts(lambda rows: _of_classes(model, rows), features)
    return Answers(_picked(probabilities, prediction), prediction, probabilities)


def answered_at_once(model: Any, rows: Any, task: str) -> Answers:
    """Return the same for at most `AT_ONCE` rows, or for encoded rows and a model without encoding.

    The latter have the shape (rows, encoded features).
    """
    if not _several(model, task):
        return Answers(*_predicted(model, rows, task))
    probabilities, prediction = _of_classes(model, rows)
    return Answers(_picked(probabilities, prediction), prediction, probabilities)


def predicted(model: Any, features: pd.DataFrame, task: str) -> tuple[Any, Any]:
    """Return scores and predictions, each of shape (rows,)."""
    found = answered(model, features, task)
    return found.score, found.prediction


def outputs(model: Any, features: pd.DataFrame, task: str) -> Any:
    """Return the scores, shape (rows,); of three or more classes, their probabilities.

    These have the shape (rows, classes).
    """
    if _several(model, task):
        return _in_parts(lambda rows: _of_classes(model, rows)[:1], features)[0]
    return _in_parts(lambda rows: (_score(model, rows, task),), features)[0]


def answers(model: Any, features: pd.DataFrame, task: str) -> Any:
    """Return only the predictions, shape (rows,)."""
    return _in_parts(lambda rows: (_prediction(model, rows, task),), features)[0]


def _in_parts(ask: Callable[[pd.DataFrame], tuple[Any, ...]], features: pd.DataFrame) -> Any:
    import numpy as np

    starts = range(0, max(1, len(features)), AT_ONCE)
    parts = [ask(features.iloc[start : start + AT_ONCE]) for start in starts]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _predicted(model: Any, rows: pd.DataFrame, task: str) -> tuple[Any, Any]:
    if task == "regression":
        prediction = _prediction(model, rows, task)
        return prediction, prediction
    model, rows = last_step(model, rows)
    return _score(model, rows, task), _prediction(model, rows, task)


def _several(model: Any, task: str) -> bool:
    return task == "classification" and classes_of(model) > 2


def _of_classes(model: Any, rows: Any) -> tuple[Any, Any]:
    """Return probabilities (or 1 for the predicted class), (rows, classes), and predictions."""
    import numpy as np

    model, rows = last_step(model, rows)
    count, prediction = classes_of(model), _prediction(model, rows, "classification")
    if not np.isin(prediction, range(count)).all():
        raise Problem(
            f"the model predicts other values than its {count} classes: choose another model in "
            "conf/config.yaml"
        )
    if not hasattr(model, "predict_proba"):
        return np.eye(count)[prediction], prediction
    found = np.asarray(model.predict_proba(rows), dtype="float64")
    fits = found.shape == (len(prediction), count) and (abs(found - 0.5) < 0.5 + SLACK).all()
    if not fits or (abs(found.sum(axis=1) - 1) > SLACK).any():
        raise Problem(
            f"the model's probabilities of its {count} classes are not from 0 to 1, or do not add "
            "up to 1: choose another model in conf/config.yaml"
        )
    return found, prediction


def _picked(probabilities: Any, prediction: Any) -> Any:
    """Return the probability of the predicted class of each row, shape (rows,)."""
    import numpy as np

    return np.take_along_axis(probabilities, prediction[:, None], axis=1)[:, 0]


def _score(model: Any, rows: Any, task: str) -> Any:
    if task == "regression" or not hasattr(model, "predict_proba"):
        return _prediction(model, rows, task).astype("float64")
    return model.predict_proba(rows)[:, 1].astype("float64")


def _prediction(model: Any, rows: Any, task: str) -> Any:
    found = model.predict(rows).astype("float64" if task == "regression" else "int64")
    return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found  # as CatBoost's
