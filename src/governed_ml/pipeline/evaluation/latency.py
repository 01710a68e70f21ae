"""Measure how long a prediction takes."""

from __future__ import annotations

import platform
import time
from typing import TYPE_CHECKING, Any

from governed_ml.core.evidence import Metric, Timing
from governed_ml.pipeline import models
from governed_ml.pipeline.model_outputs import predicted

if TYPE_CHECKING:
    import pandas as pd

WARM_UP, LEAST, MOST = 3, 20, 200  # predictions of one row before timing; timed ones
SECONDS = 0.1  # no further prediction is timed after so long


def speed(model: Any, rows: pd.DataFrame, task: str) -> dict[str, Any]:
    """Return how many milliseconds a prediction of one and of 1000 rows takes."""
    return {
        f"milliseconds_{count}_rows": _milliseconds(model, rows.head(count), task)
        for count in (1, 1000)
    }


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
