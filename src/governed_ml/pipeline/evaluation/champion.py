"""Compare the model with the champion, if there is one, on the same test rows."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from governed_ml.core import model_file, tables
from governed_ml.core.config.params import Params
from governed_ml.core.evidence import Metric
from governed_ml.core.problem import Problem
from governed_ml.measures import champions
from governed_ml.measures.groups import listed
from governed_ml.measures.multiclass import performance as multiclass
from governed_ml.pipeline import models
from governed_ml.pipeline.data.persons import persons_of
from governed_ml.pipeline.evaluation.performance_of_model import answered
from governed_ml.pipeline.folds import assignment, champion_anew
from governed_ml.pipeline.model_outputs import outputs

if TYPE_CHECKING:
    import pandas as pd

CHAMPION = model_file.CHAMPION
LONGEST = 24  # most characters of a class in a reason


def against_champion(
    test: pd.DataFrame, frame: pd.DataFrame, features: list[str], params: Params
) -> tuple[str | None, Metric]:
    """Compare with `models/champion/model.skops` on the same rows, if that file exists."""
    if not CHAMPION.is_file():
        return None, Metric(value=None, note="there is no champion yet")
    known, own = model_file.class_names(CHAMPION), params.data.class_names
    if known != own:
        return model_file.digest(CHAMPION), Metric(value=None, note=other_classes(known, own))
    with models.opened(CHAMPION) as champion:
        wanted = list(getattr(champion, "feature_names_in_", features))
        if set(wanted) - set(features):
            return model_file.digest(CHAMPION), Metric(
                value=None, note="the champion needs features that the table no longer has"
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


def other_classes(champion: list[str], own: list[str]) -> str:
    """Return why models with these lists of classes are not compared: they mean other positions."""
    pairs = zip(champion, own, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return (
        f"the champion's classes are {_shown(champion)}, the model's are {_shown(own)}, and differ "
        f"from number {same + 1} on: only the same classes in the same order are compared"
    )


def _shown(classes: list[str]) -> str:
    short = [one if len(one) <= LONGEST else one[: LONGEST - 1] + "…" for one in classes]
    return listed([repr(one) for one in short]) or "not listed"
