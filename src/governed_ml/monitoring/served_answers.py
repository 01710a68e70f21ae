"""The model's answers for the rows of a window: as they were served, or predicted again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.config.data import Data
from governed_ml.monitoring.label_values import often, places
from governed_ml.pipeline.model_outputs import SLACK

if TYPE_CHECKING:
    import pandas as pd

    from governed_ml.pipeline.model_outputs import Answers

FROM_0_TO_1 = "a number from 0 to 1"
GIVE = (
    "give the values that were served, or leave out model_digest so that the model predicts again"
)


@dataclass(frozen=True)
class ServedAnswers:
    """Aligned scores and predictions, shape (rows,).

    With three or more classes, predictions are positions of classes, and `probabilities` has the
    shape (rows, classes). `strange` are the served predictions that are no class.
    """

    score: pd.Series
    prediction: pd.Series
    probabilities: pd.DataFrame | None = None
    strange: pd.Series | None = None


def answers(found: Answers, index: pd.Index) -> ServedAnswers:
    """Return what a model answered just now."""
    import pandas as pd

    score, prediction = (pd.Series(one, index=index) for one in (found.score, found.prediction))
    if found.probabilities is None:
        return ServedAnswers(score, prediction)
    return ServedAnswers(score, prediction, pd.DataFrame(found.probabilities, index=index))


def served(frame: pd.DataFrame, data: Data) -> ServedAnswers:
    """Return what was served; what is no number, or no class of the version, is null."""
    if not data.multiclass:
        plain = frame.reindex(columns=["score", "prediction"]).astype("float64")
        return ServedAnswers(plain["score"], plain["prediction"])
    names = tables.class_scores(data.class_names)
    numbers = frame.reindex(columns=["score", *names]).astype("float64")
    given = frame.reindex(columns=["prediction"])["prediction"]
    prediction, strange = places(given, data)
    probabilities = numbers[names].set_axis(range(len(names)), axis=1)
    return ServedAnswers(numbers["score"], prediction, probabilities, given[strange])


def unfit(found: ServedAnswers, data: Data) -> str | None:
    """Return why the scores or predictions are invalid, or None."""
    good = {"score": found.score.notna(), "prediction": found.prediction.notna()}
    words = dict.fromkeys(good, "a number")
    if data.task == "classification":
        words = {"score": FROM_0_TO_1, "prediction": "0 or 1"}
        good["score"] = _is_probability(found.score)
    if data.task == "classification" and found.probabilities is None:
        good["prediction"] = found.prediction.isin([0, 1])
    if found.probabilities is not None:
        strange = "" if found.strange is None else often(found.strange)
        words["prediction"] = f"one of the model's {len(data.class_names)} classes"
        words["prediction"] += f" (there are {strange})" if strange else ""
        for place, name in enumerate(tables.class_scores(data.class_names)):
            good[name] = _is_probability(found.probabilities[place])
            words[name] = FROM_0_TO_1
        whole = abs(found.probabilities.sum(axis=1) - 1) <= SLACK
        if all(fine.all() for fine in good.values()) and (bad := int((~whole).sum())):
            return (
                f"{bad:,} of {len(whole):,} rows have probabilities that do not add up to 1: {GIVE}"
            )
    for name, fine in good.items():
        if bad := int((~fine).sum()):
            return f"{bad:,} of {len(fine):,} rows have no {name!r} that is {words[name]}: {GIVE}"
    return None


def _is_probability(values: pd.Series) -> pd.Series:
    return values.between(-1e-9, 1 + 1e-9)
