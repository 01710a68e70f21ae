"""Every metric that stages and windows write: its name, what it is, and its range."""

from __future__ import annotations

import re
from typing import NamedTuple

from governed_ml.measures import fairness, fairness_regression
from governed_ml.pipeline import mitigation

SHARE, COUNT, OPEN = "0 to 1", "whole number", "0 or more"
LEAK = "0.5 to 1; regression: 0 to 1"


class Described(NamedTuple):
    """One metric, or those that share a pattern: `{…}` stands for a name of the project."""

    name: str
    meaning: str
    range: str


CLASSIFIER = [
    ("roc_auc", "area under the ROC curve.", "0 to 1; chance is 0.5"),
    ("average_precision", "area under the precision-recall curve.", SHARE),
    ("accuracy", "share of right predictions.", SHARE),
    ("balanced_accuracy", "mean of the recall of both classes.", SHARE),
    ("f1", "harmonic mean of precision and recall.", SHARE),
    ("precision", "share of the positive predictions that are right.", SHARE),
    ("recall", "share of the positives that are found.", SHARE),
    ("brier_score", "mean squared error of the predicted probability.", SHARE),
    ("log_loss", "mean negative log-likelihood, in nats.", OPEN),
    (
        "expected_calibration_error",
        "mean distance of prediction and observation, over ten bins of equal size. With bounds.",
        SHARE,
    ),
]
REGRESSOR = [
    ("mean_absolute_error", "mean absolute error, in the unit of the target.", OPEN),
    ("root_mean_squared_error", "root of the mean squared error, in that unit.", OPEN),
    ("normalized_mean_absolute_error", "the same, in standard deviations of the target.", OPEN),
    ("r2", "explained share of the target's variance.", "at most 1"),
]
RATES = {
    "selection_rate": "the share of positive predictions",
    "true_positive_rate": "the true positive rate",
    "false_positive_rate": "the false positive rate",
    "precision": "the precision",
}
GAPS = {
    "mean_prediction_difference": "Largest difference of the mean prediction between two groups",
    "mean_signed_error_difference": "Largest difference of the mean error between two groups",
    "mean_absolute_error_difference": "Largest difference of the mean absolute error",
}
IN_SPREADS = ", in robust standard deviations of the target. With bounds."


def of_groups() -> list[Described]:
    """Return the fairness metrics of one attribute or intersection."""
    found: list[Described] = []
    for measure, parts in fairness.MEASURES.items():
        rate = " or ".join(RATES[part] for part in parts)
        worst = "; the worse of the two counts" if len(parts) > 1 else ""
        said = f"of {rate} between two groups{worst}. With bounds."
        found += [
            Described(f"{{attribute}}.{measure}_difference", f"Largest difference {said}", SHARE),
            Described(f"{{attribute}}.{measure}_ratio", f"Smallest ratio {said}", SHARE),
        ]
    found += [
        Described(f"{{attribute}}.{name}", f"Regression: {GAPS[name].lower()}{IN_SPREADS}", OPEN)
        for name in fairness_regression.GAPS
    ]
    said = "Regression: smallest ratio of the mean absolute error between two groups. With bounds."
    return [*found, Described(f"{{attribute}}.{fairness_regression.RATIO}", said, SHARE)]


def _rows(*rows: tuple[str, str, str]) -> list[Described]:
    return [Described(*row) for row in rows]


METRICS: dict[str, list[Described]] = {
    "ingest": _rows(
        ("rows", "Rows of the table.", COUNT),
        ("columns", "Columns of the table.", COUNT),
    ),
    "validate": _rows(
        ("rows", "Rows of the table.", COUNT),
        ("columns", "Columns of the table.", COUNT),
        ("expectations", "Expectations of the data contract, built-in ones included.", COUNT),
        ("failed_expectations", "Those that do not hold; the note names them.", COUNT),
    ),
    "split": _rows(
        ("rows_train", "Training rows.", COUNT),
        ("rows_test", "Test rows.", COUNT),
        ("overlapping_rows", "Test rows that also occur in the training rows.", COUNT),
        ("overlap_share", "The same as a share of the test rows.", SHARE),
        ("persons", "Persons in the test rows, if a column says whose a row is.", COUNT),
    ),
    "train": _rows(
        *(
            (f"unmitigated_{name}", f"`{name}` of the same estimator without mitigation.", SHARE)
            for name in mitigation.COST
        )
    ),
    "evaluate": _rows(
        *((name, f"Classification: {said}", of) for name, said, of in CLASSIFIER),
        *((name, f"Regression: {said}", of) for name, said, of in REGRESSOR),
        ("champions", "1 if there is a champion to compare with, else 0.", "0 or 1"),
        (
            "champion_difference",
            (
                "Mean squared error of the champion minus that of the model, in variances of the "
                "target. Positive: the model is better. With bounds."
            ),
            "any",
        ),
        ("leak.{feature}", "ROC AUC (regression: R²) of the feature alone.", LEAK),
        ("max_leak", "Largest of these; the note names the feature.", LEAK),
        ("leak_together", "ROC AUC (R²) of a sum of at most three numeric features.", LEAK),
        ("leak_model", "ROC AUC (R²) of the model; the note names the features.", "at most 1"),
        ("flip_share", "Share of answers that small noise changes. With bounds.", SHARE),
        ("perturbed_features", "Numeric features to which the noise is added.", COUNT),
    ),
    "drift": _rows(
        ("rows_reference", "Training rows.", COUNT),
        ("rows_current", "Test rows.", COUNT),
        ("{column}.psi_quantile10", "Population stability index over fixed bins.", OPEN),
        ("{column}.jensen_shannon", "Jensen-Shannon distance over the same bins, base 2.", SHARE),
        ("max_psi_quantile10", "The largest index; the note names the column.", OPEN),
    ),
    "fairness": [
        Described("attributes", "Sensitive attributes that the configuration names.", COUNT),
        *of_groups(),
        Described(
            "{attribute}.proxy_auc",
            "ROC AUC with which the features tell a group from the others; the highest of all.",
            "0 to 1; chance is 0.5",
        ),
    ],
    "explain": _rows(
        ("coverage", "Share of the rows whose contributions add up to the output.", SHARE),
    ),
}
"""Gate → what its evidence has under `metrics`. A rule names one as `GATE.NAME`."""

WINDOW = [
    Described("schema.new_columns", "Columns of the batch that the model does not know.", COUNT),
    Described("contract.failed_expectations", "Expectations that do not hold.", COUNT),
    Described(
        "drift.{column}.psi_quantile10_beyond_chance",
        "Population stability index, minus what chance may explain.",
        OPEN,
    ),
    Described("performance.{metric}", "A metric of `evaluate`, on the labelled rows.", "as there"),
    Described(
        "fairness.{attribute}.{metric}", "A metric of `fairness`, without small groups.", "as there"
    ),
]
"""What `governance monitor` measures of a window."""


def pattern(name: str) -> str:
    """Return a metric's name with every placeholder as `{}`."""
    return re.sub(r"\{[^{}]*\}", "{}", name)
