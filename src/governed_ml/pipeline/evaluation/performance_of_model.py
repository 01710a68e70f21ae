"""Performance and calibration on the test rows, and the curves for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.config.classes import ARROW
from governed_ml.core.config.data import Data
from governed_ml.core.config.params import Params
from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import Bin
from governed_ml.core.files import write_text
from governed_ml.measures import clusters, performance
from governed_ml.measures.multiclass import performance as multiclass
from governed_ml.measures.multiclass.performance import ClassAnswers
from governed_ml.pipeline.data.persons import persons_of

if TYPE_CHECKING:
    import pandas as pd

PLOTS = Path("reports/plots")


def measure(test: pd.DataFrame, params: Params) -> tuple[dict[str, Metric], list[Bin], str | None]:
    """Return the metrics and the calibration table, and write the curves.

    Of several classes, the table is that of one class, which is returned last.
    """
    if params.data.multiclass:
        return _of_classes(test, params)
    target, score = test[tables.TARGET].to_numpy("float64"), test["score"].to_numpy("float64")
    calibration = performance.reliability(target, score)
    if params.data.task == "classification":
        prediction = test["prediction"].to_numpy("float64")
        effect = clusters.mean_effect(persons_of(test), target - score)
        sure = params.policy.confidence
        metrics = performance.classification(target, score, prediction, sure, effect)
        metrics |= performance.against_majority(target, prediction)
        _roc_csv(performance.roc_curve(target, score))
    else:
        metrics = performance.regression(target, score)
        _csv("error_curve.csv", "error,share_within", performance.error_curve(target, score))
    _calibration_csv(calibration)
    return metrics, calibration, None


def _of_classes(
    test: pd.DataFrame, params: Params
) -> tuple[dict[str, Metric], list[Bin], str | None]:
    """Return and write the same for a model of three or more classes."""
    found, persons = answered(test, params.data), persons_of(test)
    effects = [
        clusters.mean_effect(persons, truth - score)
        for truth, score in map(found.one, range(len(found.names)))
    ]
    metrics = multiclass.classification(found, params.policy.confidence, effects)
    metrics |= multiclass.against_majority(found)
    calibration, worst = multiclass.calibration_table(found)
    _roc_csv(multiclass.roc_curve(found))
    _calibration_csv(calibration)
    return metrics, calibration, worst


def answered(predictions: pd.DataFrame, data: Data) -> ClassAnswers:
    """Return rows of `data/predictions.parquet` as what a model of several classes answers."""
    names = data.class_names
    columns = [f"{tables.SCORE_OF}{place}" for place in range(len(names))]
    return ClassAnswers(
        predictions[tables.TARGET].to_numpy("int64"),
        predictions["prediction"].to_numpy("int64"),
        predictions[columns].to_numpy("float64"),
        names,
    )


def _roc_csv(points: list[tuple[float, float]]) -> None:
    _csv("roc.csv", "false_positive_rate,true_positive_rate", points)


def _calibration_csv(bins: list[Bin]) -> None:
    points = [(round(one.predicted or 0, 6), round(one.observed or 0, 6)) for one in bins]
    _csv("calibration.csv", "predicted,observed", points)


def _csv(name: str, header: str, points: list[tuple[float, float]]) -> None:
    write_text(PLOTS / name, "\n".join([header, *(f"{x},{y}" for x, y in points)]) + "\n")


def confusion(test: pd.DataFrame, data: Data) -> dict[str, int]:
    """Return the counts of the confusion matrix; empty for a regression.

    Of several classes, an outcome is called `true → predicted`.
    """
    if data.task == "regression":
        return {}
    if data.multiclass:
        pairs = test.groupby([tables.TARGET, "prediction"]).size().to_dict()
        return {
            f"{true}{ARROW}{predicted}": int(pairs.get((i, j), 0))
            for i, true in enumerate(data.class_names)
            for j, predicted in enumerate(data.class_names)
        }
    target, prediction = test[tables.TARGET] == 1, test["prediction"] == 1
    cells = {
        "true_positive": target & prediction,
        "false_positive": ~target & prediction,
        "false_negative": target & ~prediction,
        "true_negative": ~target & ~prediction,
    }
    return {name: int(cell.sum()) for name, cell in cells.items()}
