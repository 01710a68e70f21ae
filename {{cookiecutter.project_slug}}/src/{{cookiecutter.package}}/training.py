"""How the model is fitted. The engine saves, logs and measures it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline


def fit(pipeline: Pipeline, features: pd.DataFrame, target: pd.Series) -> BaseEstimator:
    """Fit `pipeline` (features.py, then the estimator of conf/model) on the training rows.

    You may search for parameters here, or wrap or replace the estimator. Return the fitted
    estimator; your own classes may be part of it. `mlflow.log_metric` and the like log to the run
    of this training.
    """
    return pipeline.fit(features, target)
