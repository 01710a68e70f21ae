"""Performance of a champion of three or more classes in one window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from governed_ml.core.evidence import Metric
from governed_ml.core.problem import Problem
from governed_ml.measures.clusters import mean_effect
from governed_ml.measures.multiclass import auc_bounds, performance
from governed_ml.measures.multiclass.performance import ClassAnswers

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from governed_ml.monitoring.window_rows import WindowRows

HEAD = "roc_auc"


def measured(
    rows: WindowRows,
    known: npt.NDArray[np.bool_],
    names: Sequence[str],
    confidence: float,
    person: npt.NDArray[np.int64] | None,
) -> dict[str, Metric]:
    """Return the metrics of the rows with labels, with bounds for those that rules judge.

    `known` has the shape (rows,), `person` that of the rows with labels.
    """
    probabilities = rows.probabilities
    if probabilities is None:  # `complete` always gives them
        raise Problem("the window has no probability of each class: monitor it again")
    found = ClassAnswers(
        rows.target.to_numpy("float64")[known].astype("int64"),
        rows.prediction.to_numpy("float64")[known].astype("int64"),
        probabilities.to_numpy("float64")[known],
        list(names),
    )
    effects = [
        mean_effect(person, truth - score) for truth, score in map(found.one, range(len(names)))
    ]
    metrics = performance.classification(found, confidence, effects)
    if metrics[HEAD].value is not None:
        low, high = auc_bounds.mean_roc_auc(found, confidence, person)
        metrics[HEAD] = metrics[HEAD].model_copy(update={"lower": low, "upper": high})
    return metrics
