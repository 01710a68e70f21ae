"""Compare the model with the champion, if there is one, on the same test rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core import model_file, tables
from governed_ml.core.config.params import Params
from governed_ml.core.evidence import Metric
from governed_ml.core.problem import Problem
from governed_ml.measures import champions
from governed_ml.measures.multiclass import performance as multiclass
from governed_ml.pipeline import models
from governed_ml.pipeline.data.persons import persons_of
from governed_ml.pipeline.evaluation.performance_of_model import answered
from governed_ml.pipeline.folds import assignment, champion_anew
from governed_ml.pipeline.model_outputs import classes_of, outputs

if TYPE_CHECKING:
    import pandas as pd

CHAMPION = model_file.CHAMPION


def against_champion(
    test: pd.DataFrame, frame: pd.DataFrame, features: list[str], params: Params
) -> tuple[str | None, Metric]:
    """Compare with `models/champion/model.skops` on the same rows, if that file exists."""
    if not CHAMPION.is_file():
        return None, Metric(value=None, note="there is no champion yet")
    with models.opened(CHAMPION) as champion:
        wanted = list(getattr(champion, "feature_names_in_", features))
        if set(wanted) - set(features):
            return model_file.digest(CHAMPION), Metric(
                value=None, note="the champion needs features that the table no longer has"
            )
        classes, own = classes_of(champion), len(params.data.class_names)
        if max(classes, own) > 2 and classes != own:
            return model_file.digest(CHAMPION), Metric(
                value=None, note="the champion predicts other classes"
            )
        score = None if assignment.used() else outputs(champion, frame[wanted], params.data.task)
    if score is None:
        try:
            score = champion_anew.scores(CHAMPION, frame, wanted, params.data.task)
        except Problem as problem:
            return model_file.digest(CHAMPION), Metric(value=None, note=str(problem))
    if own:
        mine = answered(test, params.data)
        theirs = mine._replace(probabilities=score)
        difference = multiclass.champion_difference(
            theirs, mine, params.policy.confidence, persons_of(frame)
        )
    else:
        difference = champions.champion_difference(
            test[tables.TARGET].to_numpy("float64"),
            score,
            test["score"].to_numpy("float64"),
            params.policy.confidence,
            persons_of(frame),
        )
    if assignment.used():
        difference = difference.model_copy(update={"note": difference.note + champion_anew.NOTE})
    return model_file.digest(CHAMPION), difference
