"""Labels, sensitive attributes and persons, taken anew from the raw table by row number.

The tables between `split` and `fairness` can be written by anybody who runs the pipeline. What
people are judged by must be what the raw table says of the same row.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem, counted
from governed_ml.pipeline.data import persons
from governed_ml.pipeline.data.columns import groups_of, target_of

if TYPE_CHECKING:
    import pandas as pd

FIX = "run `uv run dvc repro --force split`"


def require_recounted(data: Data) -> None:
    """Refuse predictions and sensitive tables that do not say what `data/raw.parquet` says."""
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
    for part, path in (("train", tables.SENSITIVE_TRAIN), ("test", tables.SENSITIVE_TEST)):
        found = tables.read(path, [tables.ROW, *names])
        mine = predictions.loc[predictions["part"] == part, tables.ROW]
        if not np.array_equal(np.sort(found[tables.ROW].to_numpy()), np.sort(mine.to_numpy())):
            raise Problem(
                f"{path.as_posix()} does not hold the {part} rows of "
                f"{tables.PREDICTIONS.as_posix()}: {FIX}",
                1,
            )
        _require_same(path, found, said[names], data)


def _require_persons(raw: pd.DataFrame, data: Data) -> None:
    """Refuse persons that the raw table does not have, and none where it has some."""
    name, path = persons.column_of(raw, data), tables.PERSONS
    if name is None and not path.is_file():
        return
    if name is None or not path.is_file() or not tables.read(path).equals(persons.coded(raw[name])):
        raise Problem(
            f"{path.as_posix()} must assign rows to persons as {tables.RAW.as_posix()} does: {FIX}",
            1,
        )


def _require_same(path: Path, found: pd.DataFrame, said: pd.DataFrame, data: Data) -> None:
    """Compare columns with the raw table's, row by row."""
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
