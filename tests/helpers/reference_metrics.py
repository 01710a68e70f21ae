"""The metrics of a window of monitoring, and how a metric's name is compared with its pattern."""

from __future__ import annotations

import re

from governed_ml.policy.metric_words import COUNT, OPEN, SHARE, MetricWords

WINDOW = [
    MetricWords(
        "schema.new_columns",
        "the number of columns in the batch that the model does not know",
        COUNT,
    ),
    MetricWords(
        "contract.failed_expectations", "the number of expectations that do not hold", COUNT
    ),
    MetricWords(
        "contract.failed_prediction_expectations",
        "the number of expectations about predictions that do not hold",
        COUNT,
        "Only with `data.prediction_contract`.",
    ),
    MetricWords(
        "explain.served_share",
        "the share of the rows that `governance serve` answered whose prediction was explained",
        SHARE,
        "With bounds.",
    ),
    MetricWords(
        "drift.{column}.psi_quantile10_beyond_chance",
        "the population stability index, minus what chance may explain",
        OPEN,
    ),
    MetricWords(
        "drift.{column}.ks_statistic",
        "the Kolmogorov-Smirnov distance from the training rows",
        SHARE,
        "Of numbers only. With bounds.",
    ),
    MetricWords(
        "drift.{column}.wasserstein_normed",
        "the Wasserstein distance from the training rows, in their standard deviations",
        OPEN,
        "Of numbers only.",
    ),
    MetricWords(
        "performance.{metric}",
        "a metric of `evaluate`, on the rows that have labels",
        "as in `evaluate`",
    ),
    MetricWords(
        "fairness.{attribute}.{metric}",
        "a metric of `fairness`, without small groups",
        "as in `fairness`",
    ),
]
"""What `governance monitor` measures of a window."""


def pattern(name: str) -> str:
    """Return a metric's name with every placeholder as `{}`."""
    return re.sub(r"\{[^{}]*\}", "{}", name)
