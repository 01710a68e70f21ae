"""Bounds of metrics that are measured by cross-validation, which need to be wider.

The predictions of different folds are made by models that share most of their training rows, and
the released model is yet another one. Bounds that treat the predictions as those of one fixed model
are therefore too narrow (Bates, Hastie & Tibshirani 2023, JASA, "Cross-validation: what does it
estimate and how well does it do it?"). `VARIANCE` is from the simulation in
`tests/power/cross_validation.py`; docs/bounds.md has its results.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from governed_ml.core.evidence import Metric

VARIANCE = 1.5
"""Factor of the variance. With 1, a rule passes wrongly in up to 7 % of tables; with it, in 3 %."""
ANY = ("champion_difference",)
POSITIVE = (
    "mean_prediction_difference",
    "mean_signed_error_difference",
    "mean_absolute_error_difference",
)
"""Metrics that have no largest value. All others, except those in `ANY`, are from 0 to 1."""


def widened(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Return the metrics; bounds are moved away from the value by the root of `VARIANCE`.

    Metrics without bounds stay as they are.
    """
    return {name: _widened(name.rpartition(".")[2], one) for name, one in metrics.items()}


def _widened(name: str, metric: Metric) -> Metric:
    if metric.value is None or metric.lower is None or metric.upper is None:
        return metric
    low, high = (
        metric.value + math.sqrt(VARIANCE) * (bound - metric.value)
        for bound in (metric.lower, metric.upper)
    )
    low = low if name in ANY else max(low, 0.0)
    high = high if name in (*ANY, *POSITIVE) else min(high, 1.0)
    return metric.model_copy(update={"lower": low, "upper": high})
