"""Compare the released model with the models of the folds, because only the latter are measured.

A training that depends on the number of rows could fit good models for the folds and another one
for the release. So the released model must answer like the models of the folds, as far as these
agree with each other.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from governed_ml.core.evidence import Metric
from governed_ml.core.problem import Problem
from governed_ml.measures.bounds.quantiles import robust_spread
from governed_ml.pipeline import models
from governed_ml.pipeline.folds.fold_models import FoldModels
from governed_ml.pipeline.model_outputs import answers, outputs, require_classes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Answered = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

ASKED = 5000  # most rows for which the models are asked
TIMES, SLACK = 2.0, 0.02
"""The released model may differ `TIMES` as much as the models of the folds, plus `SLACK`."""


def difference(released: Any, folds: FoldModels, rows: pd.DataFrame, task: str) -> Metric:
    """Return how much the released model differs from the models of the folds, on average.

    `rows` are features, shape (rows, features). Of two classifiers, it is the larger of the share
    of rows with another answer and of the mean difference of a probability; of two regressions,
    the mean difference of the predictions, in robust standard deviations of them. Raise `Problem`
    if the models of the folds differ much less among themselves.
    """
    if task == "classification":
        require_classes(released, len(folds.classes_))
    some = rows.iloc[:: max(1, len(rows) // ASKED)]
    asked = outputs(released, some, task)
    models.require_rowwise(released, some, asked, lambda part: outputs(released, part, task))
    mine = asked, answers(released, some, task)
    each = [(outputs(one, some, task), answers(one, some, task)) for one in folds.each.values()]
    apart = _mean([_distance(mine, one, task) for one in each])
    among = _mean([_distance(*pair, task) for pair in combinations(each, 2)])
    note = f"the models of the folds differ from each other by {among:.4g}"
    if apart > TIMES * among + SLACK:
        raise Problem(
            f"the released model differs from the models of the folds by {apart:.4g}, and {note}: "
            "only the latter are measured, so look for what depends on the number of rows, in src/ "
            "and conf/model"
        )
    return Metric(value=apart, n=len(some), note=note)


def _distance(left: Answered, right: Answered, task: str) -> float:
    import numpy as np

    away = float(np.abs(left[0] - right[0]).mean(axis=0).max())
    if task == "classification":
        return max(away, float((left[1] != right[1]).mean()))
    return away / (robust_spread(np.concatenate([left[1], right[1]])) or 1.0)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
