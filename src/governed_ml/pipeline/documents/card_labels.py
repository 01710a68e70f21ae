"""What metrics are called in a document, and what each means in a few words."""

from __future__ import annotations

from typing import NamedTuple


class CardLabel(NamedTuple):
    """A metric's name for people and its meaning; `share`: it reads as a percentage."""

    name: str
    meaning: str
    share: bool = False

    @property
    def heading(self) -> str:
        """Return the name as it begins a cell."""
        return self.name[:1].upper() + self.name[1:]


PERFORMANCE = {
    "roc_auc": CardLabel(
        "ROC AUC", "how well the score ranks positives above negatives; 0.5 is chance, 1 is perfect"
    ),
    "average_precision": CardLabel(
        "average precision",
        "area under the precision-recall curve; chance gives the share of positives, 1 is perfect",
    ),
    "accuracy": CardLabel("accuracy", "share of test rows that are predicted right", True),
    "majority_accuracy": CardLabel(
        "accuracy of the majority",
        "share that is right if the most frequent answer is always given",
        True,
    ),
    "errors_avoided": CardLabel(
        "avoided errors",
        "share of the errors of always giving the most frequent answer; below 0 the model makes "
        "more errors",
        True,
    ),
    "balanced_accuracy": CardLabel(
        "balanced accuracy",
        "mean of the recall of all classes; chance gives 1 / number of classes",
        True,
    ),
    "precision": CardLabel("precision", "share of the positive predictions that are right", True),
    "recall": CardLabel("recall", "share of the positives that the model finds", True),
    "f1": CardLabel("F1 score", "harmonic mean of precision and recall; 1 is perfect"),
    "brier_score": CardLabel(
        "Brier score", "mean squared error of the predicted probability; 0 is perfect"
    ),
    "log_loss": CardLabel("log loss", "mean negative log-likelihood, in nats; 0 is perfect"),
    "expected_calibration_error": CardLabel(
        "expected calibration error",
        "mean distance between predicted and observed share, in ten bins of equal size; "
        "0 is perfect",
    ),
    "mean_absolute_error": CardLabel(
        "mean absolute error", "mean size of an error, in the unit of the target"
    ),
    "root_mean_squared_error": CardLabel(
        "root mean squared error", "in the unit of the target; large errors weigh more"
    ),
    "normalized_mean_absolute_error": CardLabel(
        "normalized mean absolute error",
        "mean absolute error in standard deviations of the target; 0 is perfect",
    ),
    "r2": CardLabel(
        "R²", "explained share of the target's variance; 0 is as good as the mean, 1 is perfect"
    ),
}
"""How good the model is, in the order of the card."""

TRUST = {
    "champion_difference": CardLabel(
        "gain over the champion",
        "champion's minus the model's mean squared error, in variances of the target; above 0 the "
        "model is better",
    ),
    "max_leak": CardLabel(
        "strongest feature",
        "ROC AUC (regression: R²) of one feature alone; near 1 it may be a leak of the target",
    ),
    "leak_together": CardLabel(
        "strongest three features",
        "ROC AUC (regression: R²) of a sum of at most three numeric features",
    ),
    "leak_model": CardLabel("whole model", "ROC AUC (regression: R²) of the model"),
    "flip_share": CardLabel(
        "changed answers", "share of test rows whose answer changes with small noise", True
    ),
    "prediction_expectations": CardLabel(
        "expectations about predictions", "number of requirements on the answer for a row"
    ),
    "failed_prediction_expectations": CardLabel(
        "failed expectations about predictions", "number of those that do not hold; 0 is right"
    ),
    "released_difference": CardLabel(
        "difference of the released model",
        "mean difference between its answers and those of the models of the folds",
    ),
    "perturbed_features": CardLabel(
        "features with noise", "number of numeric features to which that noise is added"
    ),
}
"""What says whether to trust the performance: comparison, leaks of the target, noise."""

GAPS = {
    "demographic_parity": CardLabel("demographic parity", "selection rate", True),
    "equalized_odds": CardLabel(
        "equalized odds", "true or false positive rate, whichever is worse", True
    ),
    "equal_opportunity": CardLabel("equal opportunity", "true positive rate", True),
    "predictive_parity": CardLabel("predictive parity", "precision", True),
    "mean_prediction": CardLabel("mean prediction", "mean prediction"),
    "mean_signed_error": CardLabel("mean error", "mean of prediction minus target"),
    "mean_absolute_error": CardLabel("mean absolute error", "mean absolute error"),
}
"""Fairness measure → what it is called, and what it compares between groups."""

RATES = {
    "selection_rate": CardLabel("selection rate", "share of positive predictions", True),
    "true_positive_rate": CardLabel(
        "true positive rate", "share of the positives that are found", True
    ),
    "false_positive_rate": CardLabel(
        "false positive rate", "share of the negatives that are taken for positives", True
    ),
    "precision": PERFORMANCE["precision"],
    "mean_target": CardLabel("mean target", "in the unit of the target"),
    "mean_prediction": CardLabel("mean prediction", "in the unit of the target"),
    "mean_signed_error": CardLabel("mean error", "prediction minus target"),
    "mean_absolute_error": CardLabel("mean absolute error", "in the unit of the target"),
}
"""What a card shows of each group."""


def of(name: str, known: dict[str, CardLabel]) -> CardLabel:
    """Return the words for a metric; for one without, its name with blanks.

    A rate of one class is called `RATE.CLASS`.
    """
    rate, dot, one = name.partition(".")
    if dot and rate in known:
        return CardLabel(f"{known[rate].name} of {one}", known[rate].meaning, known[rate].share)
    return known.get(name) or CardLabel(name.replace("_", " "), "")
