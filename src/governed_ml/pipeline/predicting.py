"""What a model says about rows: scores and predictions, part by part, and how long one takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.pipeline import models

if TYPE_CHECKING:
    import pandas as pd

AT_ONCE = 250_000  # rows that the model gets at once


def predict_parts(
    model: Any, parts: dict[str, pd.DataFrame], features: list[str], task: str
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return predictions for both parts, and milliseconds a call for one row and for a thousand."""
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
        lambda rows: predicted(model, rows, task)[0],
    )
    latency = {
        f"milliseconds_{rows}_rows": _milliseconds(model, parts["test"][features].head(rows), task)
        for rows in (1, 1000)
    }
    return pd.concat(frames, ignore_index=True), latency


def predicted(model: Any, features: pd.DataFrame, task: str) -> tuple[Any, Any]:
    """Return score and prediction, each of shape (rows,); `AT_ONCE` rows bound the memory."""
    import numpy as np

    starts = range(0, max(1, len(features)), AT_ONCE)
    parts = [_predicted(model, features.iloc[start : start + AT_ONCE], task) for start in starts]
    scores, predictions = zip(*parts, strict=True)
    return np.concatenate(scores), np.concatenate(predictions)


def _predicted(model: Any, features: pd.DataFrame, task: str) -> tuple[Any, Any]:
    if task == "regression":
        prediction = model.predict(features).astype("float64")
        return prediction, prediction
    label = model.predict(features).astype("int64")
    if not hasattr(model, "predict_proba"):
        return label.astype("float64"), label
    return model.predict_proba(features)[:, 1].astype("float64"), label


def _milliseconds(model: Any, rows: pd.DataFrame, task: str) -> float:
    times: list[float] = []
    for _ in range(5):
        start = time.perf_counter()
        predicted(model, rows, task)
        times.append(time.perf_counter() - start)
    return round(sorted(times)[2] * 1000, 3)
