"""How a model is fitted. The engine saves it, logs it and measures it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline


def fit(pipeline: Pipeline, features: pd.DataFrame, target: pd.Series) -> Pipeline:
    """Fit `pipeline` (features.py, then the estimator of conf/model) on the training rows.

    Search parameters, wrap or replace the estimator here; return what is fitted.
    """
    return pipeline.fit(features, target)
