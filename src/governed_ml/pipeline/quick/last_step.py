"""Encode rows once for several questions to a pipeline."""

from __future__ import annotations

from typing import Any


def last_step(model: Any, rows: Any) -> tuple[Any, Any]:
    """Return a pipeline's estimator and its encoded rows, so that rows are encoded only once."""
    from sklearn.pipeline import Pipeline

    if type(model) is not Pipeline or len(model.steps) < 2:
        return model, rows
    return model[-1], model[:-1].transform(rows)
