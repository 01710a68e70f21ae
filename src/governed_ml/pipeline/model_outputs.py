"""Compute a model's scores and predictions, and measure how long a prediction takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.pipeline import models

if TYPE_CHECKING:
    import pandas as pd

AT_ONCE = 250_000  # most rows given to the model at once


def predict_parts(
    model: Any, parts: dict[str, pd.DataFrame], features: list[str], task: str
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return predictions for both parts, and milliseconds per call for one and for 1000 rows."""
    import pandas as pd

    frames = []
    for part, frame in parts.items():
        score, prediction = predicted(model, frame[features], task)
        frames.append(
            pd.DataFrame(
                {
                    tables.ROW: frame[tables.ROW],
                    "part": part,
                    tables.TARGET: frame[tables.TARGET],
                    "score": score,
                    "prediction": prediction,
                }
            )
        )
    models.require_rowwise(
        model,
        parts["test"][features],
        frames[-1]["score"].to_numpy(),
        lambda rows: scores(model, rows, task),
    )
    latency = {
        f"milliseconds_{rows}_rows": _milliseconds(model, parts["test"][features].head(rows), task)
        for rows in (1, 1000)
    }
    return pd.concat(frames, ignore_index=True), latency


def predicted(model: Any, features: pd.DataFrame, task: str) -> tuple[Any, Any]:
    """Return scores and predictions, each of shape (rows,), computed `AT_ONCE` rows at a time."""
    return _in_parts(lambda rows: _predicted(model, rows, task), features)


def scores(model: Any, features: pd.DataFrame, task: str) -> Any:
    """Return only the scores, shape (rows,)."""
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
    model, rows = _last_step(model, rows)
    return _score(model, rows, task), _prediction(model, rows, task)


def _last_step(model: Any, rows: pd.DataFrame) -> tuple[Any, Any]:
    """Return a pipeline's estimator and its encoded rows, so that rows are encoded only once."""
    from sklearn.pipeline import Pipeline

    if type(model) is not Pipeline or len(model.steps) < 2:
        return model, rows
    return model[-1], model[:-1].transform(rows)


def _score(model: Any, rows: Any, task: str) -> Any:
    if task == "regression" or not hasattr(model, "predict_proba"):
        return _prediction(model, rows, task).astype("float64")
    return model.predict_proba(rows)[:, 1].astype("float64")


def _prediction(model: Any, rows: Any, task: str) -> Any:
    return model.predict(rows).astype("float64" if task == "regression" else "int64")


def _milliseconds(model: Any, rows: pd.DataFrame, task: str) -> float:
    times: list[float] = []
    for _ in range(5):
        start = time.perf_counter()
        predicted(model, rows, task)
        times.append(time.perf_counter() - start)
    return round(sorted(times)[2] * 1000, 3)
