"""Words for metrics of fairness between the groups of one attribute or intersection."""

from __future__ import annotations

from governed_ml.policy.words.of_classes import SEVERAL

SHARE, OPEN = "0 to 1", "0 or more"
BOUNDS = "With bounds."
CLASSIFICATION = {
    "demographic_parity": ("the share of positive predictions", ""),
    "equalized_odds": (
        "the true positive rate or the false positive rate",
        "The metric is that of the worse rate. ",
    ),
    "equal_opportunity": ("the true positive rate", ""),
    "predictive_parity": ("the precision", ""),
}
"""Fairness measure → the rate that is compared between groups, and a note."""
REGRESSION = {
    "mean_prediction_difference": "the mean prediction",
    "mean_signed_error_difference": "the mean error",
    "mean_absolute_error_difference": "the mean absolute error",
}
WORST = (
    "With three or more classes, it is measured for each class against all others, and the worst "
    "value counts."
)
IN_SPREADS = f"In robust standard deviations of the target. Regression only. {BOUNDS}"
Words = tuple[str, str, str, str]


def rows() -> list[Words]:
    """Return name, phrase, range and note of each metric; those of one class come first."""
    found: list[Words] = []
    for prefix, whose, more in (
        ("{attribute}.class.{class}", " of one class against all others", SEVERAL),
        ("{attribute}", "", WORST),
    ):
        for measure, (rate, note) in CLASSIFICATION.items():
            of, said = f"{rate}{whose} between two groups", f"{note}{BOUNDS} {more}"
            found += [
                (f"{prefix}.{measure}_difference", f"the largest difference in {of}", SHARE, said),
                (f"{prefix}.{measure}_ratio", f"the smallest ratio of {of}", SHARE, said),
            ]
    for name, error in REGRESSION.items():
        what = f"the largest difference in {error} between two groups"
        found.append((f"{{attribute}}.{name}", what, OPEN, IN_SPREADS))
    ratio = "the smallest ratio of the mean absolute error between two groups"
    said = f"Regression only. {BOUNDS}"
    return [*found, ("{attribute}.mean_absolute_error_ratio", ratio, SHARE, said)]
