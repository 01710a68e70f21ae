"""Every metric in plain words: what it is, and its range. The reference and the page use them."""

from __future__ import annotations

import re
from typing import NamedTuple

from governed_ml.policy.words import of_classes, of_groups

SHARE, COUNT, OPEN = "0 to 1", "whole number", "0 or more"
CHANCE = "0 to 1; chance is 0.5"
LEAK = "0.5 to 1; regression: 0 to 1"


class MetricWords(NamedTuple):
    """One metric, or those that share a pattern: `{…}` stands for a name of the project.

    `phrase` goes on after "this is …": it starts with an article and has no full stop.
    """

    name: str
    phrase: str
    range: str
    note: str = ""

    @property
    def meaning(self) -> str:
        """Return the phrase and the note as sentences."""
        text = f"{self.phrase[:1].upper()}{self.phrase[1:]}."
        return f"{text} {self.note}".strip()


BOUNDS = "With bounds."
REGRESSION = "Regression only."
EXPECTED = "the number of expectations about predictions"
CONTRACT = "Only with `data.prediction_contract`."
LATENCY = "time of a prediction of one row, in milliseconds"
TIME = "With one thread; under `volatile`, because it differs in every run."
OF_NUMBERS = "Numeric columns only."
INDEX, AGAINST = "population stability index", "of the test rows against the training rows"
APART = "distance of the test rows from the training rows"
SAME_BINS = "Over the same bins as the index."
LARGEST_GAP = f"The largest difference of the distribution functions. {OF_NUMBERS} {BOUNDS}"
IN_ROBUST = f"In robust standard deviations of the training rows. {OF_NUMBERS}"


def _rows(*rows: tuple[str, str, str] | tuple[str, str, str, str]) -> list[MetricWords]:
    return [MetricWords(*row) for row in rows]


CLASSIFICATION = "Classification only."
MACRO = f"{CLASSIFICATION} {of_classes.MEAN}"
BRIER = f"{CLASSIFICATION} {of_classes.HALF}"
METRICS: dict[str, list[MetricWords]] = {
    "ingest": _rows(
        ("rows", "the number of rows in the table", COUNT),
        ("columns", "the number of columns in the table", COUNT),
        (
            "rows_left_out",
            "the number of rows of the source that are not in the table",
            COUNT,
            "Only where `rows` or `drop_unlabelled` in `conf/data` leaves rows out.",
        ),
    ),
    "validate": _rows(
        ("rows", "the number of rows in the table", COUNT),
        ("columns", "the number of columns in the table", COUNT),
        ("expectations", "the number of expectations in the data contract", COUNT),
        (
            "failed_expectations",
            "the number of expectations in the data contract that do not hold",
            COUNT,
            "The note names them.",
        ),
    ),
    "split": _rows(
        ("rows_train", "the number of training rows", COUNT),
        ("rows_test", "the number of test rows", COUNT),
        ("overlapping_rows", "the number of test rows that are also training rows", COUNT),
        ("overlap_share", "the share of test rows that are also training rows", SHARE),
        (
            "persons",
            "the number of persons in the test rows",
            COUNT,
            "Only where a column says whose row it is.",
        ),
    ),
    "train": _rows(
        (
            "unmitigated_{metric}",
            "the same metric of the same estimator without mitigation, on the test rows",
            SHARE,
        )
    ),
    "evaluate": _rows(
        *of_classes.PERFORMANCE,
        ("roc_auc", "the area under the ROC curve", CHANCE, MACRO),
        ("average_precision", "the area under the precision-recall curve", SHARE, MACRO),
        ("accuracy", "the share of predictions that are right", SHARE, CLASSIFICATION),
        (
            "majority_accuracy",
            "the accuracy of always giving the most frequent answer",
            "0 to 1; of two classes, 0.5 or more",
            CLASSIFICATION,
        ),
        (
            "errors_avoided",
            "the share of the errors of always giving the most frequent answer that are avoided",
            "at most 1",
            f"{CLASSIFICATION} Not measured if the model gives the same answer for every row.",
        ),
        ("balanced_accuracy", "the mean of the recall of all classes", SHARE, CLASSIFICATION),
        ("f1", "the harmonic mean of precision and recall", SHARE, MACRO),
        ("precision", "the share of positive predictions that are right", SHARE, MACRO),
        ("recall", "the share of positive rows that the model finds", SHARE, MACRO),
        (
            "brier_score",
            "the mean squared error of the probability",
            SHARE,
            BRIER,
        ),
        ("log_loss", "the mean negative log-likelihood, in nats", OPEN, CLASSIFICATION),
        (
            "expected_calibration_error",
            (
                "the mean distance between the predicted and the observed rate, over ten bins of "
                "equal size"
            ),
            SHARE,
            f"{CLASSIFICATION} {BOUNDS} {of_classes.WORST}",
        ),
        (
            "mean_absolute_error",
            "the mean absolute error, in the unit of the target",
            OPEN,
            REGRESSION,
        ),
        (
            "root_mean_squared_error",
            "the root of the mean squared error, in the unit of the target",
            OPEN,
            REGRESSION,
        ),
        (
            "normalized_mean_absolute_error",
            "the mean absolute error, in standard deviations of the target",
            OPEN,
            REGRESSION,
        ),
        ("r2", "the explained share of the target's variance", "at most 1", REGRESSION),
        ("champions", "the number of champions to compare with", "0 or 1"),
        (
            "champion_difference",
            (
                "the mean squared error of the champion minus that of the model, in variances of "
                "the target"
            ),
            "any",
            f"Positive: the model is better. {BOUNDS}",
        ),
        (
            "leak.{feature}",
            "the ROC AUC (regression: R²) of the feature alone",
            LEAK,
            of_classes.MEAN,
        ),
        (
            "max_leak",
            "the largest ROC AUC (regression: R²) of a feature alone",
            LEAK,
            "The note names the feature.",
        ),
        (
            "leak_together",
            "the ROC AUC (regression: R²) of a sum of at most three numeric features",
            LEAK,
        ),
        (
            "leak_model",
            "the ROC AUC (regression: R²) of the model",
            "at most 1",
            (
                "The note names the features. A model that is almost never wrong has probably "
                "seen the answer."
            ),
        ),
        ("prediction_expectations", EXPECTED, COUNT, CONTRACT),
        ("failed_prediction_expectations", f"{EXPECTED} that do not hold", COUNT, CONTRACT),
        ("latency_p50_ms", f"the median {LATENCY}", OPEN, TIME),
        ("latency_p95_ms", f"the 95th percentile of the {LATENCY}", OPEN, TIME),
        ("flip_share", "the share of predictions that change under small noise", SHARE, BOUNDS),
        (
            "released_difference",
            (
                "the mean difference between the answers of the released model and of the models "
                "of the folds"
            ),
            OPEN,
            "Only with `split: cross_validated`. If it is large, `evaluate` stops.",
        ),
        ("perturbed_features", "the number of numeric features to which noise is added", COUNT),
    ),
    "drift": _rows(
        ("rows_reference", "the number of training rows", COUNT),
        ("rows_current", "the number of test rows", COUNT),
        ("{column}.psi_quantile10", f"the {INDEX} {AGAINST}", OPEN, "Over fixed bins."),
        ("{column}.jensen_shannon", f"the Jensen-Shannon {APART}, base 2", SHARE, SAME_BINS),
        ("{column}.ks_statistic", f"the Kolmogorov-Smirnov {APART}", SHARE, LARGEST_GAP),
        ("{column}.wasserstein_normed", f"the Wasserstein {APART}", OPEN, IN_ROBUST),
        (
            "max_psi_quantile10",
            f"the largest {INDEX}",
            OPEN,
            "The note names the column.",
        ),
    ),
    "fairness": [
        *_rows(("attributes", "the number of sensitive attributes in the configuration", COUNT)),
        *_rows(*of_groups.rows()),
        *_rows(
            (
                "{attribute}.proxy_auc",
                "the ROC AUC with which the features tell a group from all others",
                CHANCE,
                "The group that is told apart best counts.",
            )
        ),
    ],
    "explain": _rows(
        ("coverage", "the share of predictions whose explanation adds up to the prediction", SHARE)
    ),
}
"""Gate → what its evidence has under `metrics`. A rule names one as `GATE.NAME`."""


def words_of(metric: str) -> MetricWords | None:
    """Return the words for a metric named as in a rule (`GATE.NAME`), or None if it has none."""
    gate, _, name = metric.partition(".")
    for found in METRICS.get(gate, []):
        parts = re.split(r"\{[^{}]*\}", found.name)
        if re.fullmatch(".+".join(map(re.escape, parts)), name, re.DOTALL):
            return found
    return None
