"""The prediction contract: expectations about a row's features and the model's answer for it.

It is a Great Expectations suite like the data contract, and optional. A project names its file as
`prediction_contract` in `conf/data/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.config.classes import names_of
from governed_ml.core.config.data import Data
from governed_ml.core.evidence_bodies import Expectation
from governed_ml.core.problem import Problem
from governed_ml.core.work_folder import work_folder
from governed_ml.pipeline.contract.suite_file import Given, suite
from governed_ml.pipeline.contract.validation import judged

if TYPE_CHECKING:
    import pandas as pd

PREDICTION, SCORE = "prediction", "score"


def expectations(data: Data) -> list[Given]:
    """Return the suite's expectations; none if the project has no prediction contract.

    Raise `Problem` if the file is missing, malformed or empty.
    """
    if data.prediction_contract is None:
        return []
    path, remove = Path(data.prediction_contract), "remove prediction_contract from conf/data/"
    missing = f"the prediction contract {path.as_posix()} is missing: write it, or {remove}"
    return suite(path, missing, remove)


def answered(data: Data, features: pd.DataFrame, score: Any, prediction: Any) -> pd.DataFrame:
    """Return the rows that the suite is about: features, `score` and `prediction`.

    With three or more classes, `prediction` is a position, and becomes the name of the class.
    A feature that is called `score` or `prediction` is `input.score` or `input.prediction`.
    """
    own = {name: tables.in_log(name) for name in (PREDICTION, SCORE)}
    found = features.rename(columns=own)
    found[SCORE], found[PREDICTION] = score, prediction
    if data.multiclass:
        found[PREDICTION] = names_of(prediction, data.class_names)
    return found


def outcomes(
    data: Data, features: pd.DataFrame, score: Any, prediction: Any
) -> list[Expectation] | None:
    """Judge the prediction contract on these rows; None if the project has none."""
    wanted = expectations(data)
    if not wanted:
        return None
    with work_folder() as folder:
        rows = folder / "answered.parquet"
        tables.write(answered(data, features, score, prediction), rows)
        try:
            return judged(rows, wanted)
        except Problem as problem:
            where = data.prediction_contract
            raise Problem(f"prediction contract {where}: {problem}", problem.exit_code) from problem
