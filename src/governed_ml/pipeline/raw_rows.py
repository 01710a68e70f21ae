"""Compare labels, sensitive attributes and persons with the raw table, by row number.

Anybody who runs the pipeline can change the tables between `split` and `fairness`. Fairness must be
measured with the values that the raw table has for the same row.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem, counted
from governed_ml.pipeline.data import persons
from governed_ml.pipeline.data.columns import groups_of, target_of
from governed_ml.pipeline.folds import assignment

if TYPE_CHECKING:
    import pandas as pd

FIX = "run `uv run dvc repro --force split`"


def require_recounted(data: Data) -> None:
    """Raise `Problem` if predictions or sensitive tables contradict `data/raw.parquet`."""
    import numpy as np
    import pandas as pd

    names = list(data.sensitive)
    keys = persons.candidates(list(tables.columns(tables.RAW)), data)
    raw = tables.read(tables.RAW, list(dict.fromkeys([data.target, *names, *keys])))
    _require_persons(raw[keys], data)
    said = pd.concat([target_of(raw, data), groups_of(raw, data)], axis=1)
    predictions = tables.read(tables.PREDICTIONS, [tables.ROW, "part", tables.TARGET])
    if not np.array_equal(np.sort(predictions[tables.ROW].to_numpy()), np.arange(len(raw))):
        raise Problem(
            f"{tables.PREDICTIONS.as_posix()} must hold each of the {len(raw):,} rows of "
            f"{tables.RAW.as_posix()} once, and does not: {FIX}",
            1,
        )
    _require_same(tables.PREDICTIONS, predictions, said[[tables.TARGET]], data)
    folds = assignment.used()  # then every row is a test row, and a training row
    if folds:
        assignment.of_rows(predictions)
    for part, path in (("train", tables.SENSITIVE_TRAIN), ("test", tables.SENSITIVE_TEST)):
        found = tables.read(path, [tables.ROW, *names])
        mine = predictions.loc[predictions["part"] == ("test" if folds else part), tables.ROW]
        if not np.array_equal(np.sort(found[tables.ROW].to_numpy()), np.sort(mine.to_numpy())):
            raise Problem(
                f"{path.as_posix()} does not hold the {part} rows of "
                f"{tables.PREDICTIONS.as_posix()}: {FIX}",
                1,
            )
        _require_same(path, found, said[names], data)


def _require_persons(raw: pd.DataFrame, data: Data) -> None:
    """Raise `Problem` if the table of persons contradicts the raw table or is missing."""
    name, path = persons.column_of(raw, data), tables.PERSONS
    if name is None and not path.is_file():
        return
    if name is None or not path.is_file() or not tables.read(path).equals(persons.coded(raw[name])):
        raise Problem(
            f"{path.as_posix()} must assign rows to persons as {tables.RAW.as_posix()} does: {FIX}",
            1,
        )


def _require_same(path: Path, found: pd.DataFrame, said: pd.DataFrame, data: Data) -> None:
    """Compare columns with those of the raw table, row by row."""
    wanted = said.iloc[found[tables.ROW].to_numpy()]
    for name in said.columns:
        differs = int((found[name].to_numpy() != wanted[name].to_numpy()).sum())
        if differs:
            column = data.target if name == tables.TARGET else name
            raise Problem(
                f"{path.as_posix()}: {column} differs from {tables.RAW.as_posix()} in "
                f"{counted(differs, 'row')}: {FIX}",
                1,
            )
