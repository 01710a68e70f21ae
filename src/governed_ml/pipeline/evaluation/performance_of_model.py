"""Performance and calibration on the test rows, and the curves for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.config.params import Params
from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import Bin
from governed_ml.core.files import write_text
from governed_ml.measures import clusters, performance
from governed_ml.pipeline.data.persons import persons_of

if TYPE_CHECKING:
    import pandas as pd

PLOTS = Path("reports/plots")


def measure(test: pd.DataFrame, params: Params) -> tuple[dict[str, Metric], list[Bin]]:
    """Return the metrics and the calibration table, and write the curves."""
    target, score = test[tables.TARGET].to_numpy("float64"), test["score"].to_numpy("float64")
    calibration = performance.reliability(target, score)
    if params.data.task == "classification":
        prediction = test["prediction"].to_numpy("float64")
        effect = clusters.mean_effect(persons_of(test), target - score)
        sure = params.policy.confidence
        metrics = performance.classification(target, score, prediction, sure, effect)
        metrics |= performance.against_majority(target, prediction)
        _csv(
            "roc.csv",
            "false_positive_rate,true_positive_rate",
            performance.roc_curve(target, score),
        )
    else:
        metrics = performance.regression(target, score)
        _csv("error_curve.csv", "error,share_within", performance.error_curve(target, score))
    _csv(
        "calibration.csv",
        "predicted,observed",
        [(round(b.predicted or 0, 6), round(b.observed or 0, 6)) for b in calibration],
    )
    return metrics, calibration


def _csv(name: str, header: str, points: list[tuple[float, float]]) -> None:
    write_text(PLOTS / name, "\n".join([header, *(f"{x},{y}" for x, y in points)]) + "\n")


def confusion(test: pd.DataFrame, task: str) -> dict[str, int]:
    """Return the counts of the confusion matrix; empty for a regression."""
    if task == "regression":
        return {}
    target, prediction = test[tables.TARGET] == 1, test["prediction"] == 1
    cells = {
        "true_positive": target & prediction,
        "false_positive": ~target & prediction,
        "false_negative": target & ~prediction,
        "true_negative": ~target & ~prediction,
    }
    return {name: int(cell.sum()) for name, cell in cells.items()}
