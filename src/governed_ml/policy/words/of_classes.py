"""Words for metrics of a model that predicts one of several classes."""

from __future__ import annotations

SHARE, CHANCE = "0 to 1", "0 to 1; chance is 0.5"
SEVERAL = "Only with `classes` in `conf/data`."
MEAN = "With three or more classes, it is the mean over the classes, each against all others."
HALF = "With three or more classes, it is half the sum of these errors over the classes."
WORST = "With three or more classes, it is the error of the class with the largest error."
ONE = "of one class against all others"
PERFORMANCE = tuple(
    (f"class.{{class}}.{name}", phrase, values, SEVERAL)
    for name, phrase, values in (
        ("roc_auc", f"the area under the ROC curve {ONE}", CHANCE),
        ("average_precision", f"the area under the precision-recall curve {ONE}", SHARE),
        ("f1", f"the harmonic mean of precision and recall {ONE}", SHARE),
        ("precision", "the share of the predictions of one class that are right", SHARE),
        ("recall", "the share of the rows of one class that the model finds", SHARE),
        ("expected_calibration_error", f"the calibration error {ONE}", SHARE),
    )
)
"""Metrics of `evaluate` about one class: name, phrase, range and note."""
