"""Compute a model's scores and predictions, and measure how long a prediction takes."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.evidence import Metric, Timing
from governed_ml.pipeline import models

if TYPE_CHECKING:
    import pandas as pd

AT_ONCE = 250_000  # most rows given to the model at once
WARM_UP, LEAST, MOST = 3, 20, 200  # predictions of one row before timing; timed ones
SECONDS = 0.1  # no further prediction is timed after so long


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


def latency(
    model: Any, rows: pd.DataFrame, task: str
) -> tuple[dict[Timing, Metric], dict[str, str | int]]:
    """Return how long predictions of one row take, and on which machine.

    Score and prediction of single rows are asked for, one after the other, in this process. The
    numeric libraries use one thread until this ends (those of a model in a child process, until
    that ends). Reading a request and sending an answer are not part of it.
    """
    import joblib
    from threadpoolctl import threadpool_limits

    machine: dict[str, str | int] = {
        "cpus": joblib.cpu_count(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    where = f"{machine['platform']}, {machine['cpus']} CPUs, Python {machine['python']}"
    if not len(rows):
        none = Metric(value=None, n=0, note="there are no rows to predict")
        return {"latency_p50_ms": none, "latency_p95_ms": none}, machine
    with threadpool_limits(limits=1):
        models.use_one_thread(model)
        found = _timed(model, rows, task)
    note = f"of {len(found)} predictions of one row, with one thread, on {where}"
    return {
        "latency_p50_ms": Metric(value=_quantile(found, 0.50), n=len(found), note=note),
        "latency_p95_ms": Metric(value=_quantile(found, 0.95), n=len(found), note=note),
    }, machine


def _timed(model: Any, rows: pd.DataFrame, task: str) -> list[float]:
    """Return the milliseconds of each timed prediction, of rows spread over the table."""
    step = max(1, len(rows) // MOST)
    single = [rows.iloc[place : place + 1] for place in range(0, len(rows), step)]
    for row in single[:WARM_UP]:
        predicted(model, row, task)
    found: list[float] = []
    end = time.perf_counter() + SECONDS
    for number in range(MOST):
        start = time.perf_counter()
        if start > end and number >= LEAST:
            break
        predicted(model, single[number % len(single)], task)
        found.append(1000 * (time.perf_counter() - start))
    return found


def _quantile(values: list[float], share: float) -> float:
    import numpy as np

    return round(float(np.quantile(values, share)), 3)
