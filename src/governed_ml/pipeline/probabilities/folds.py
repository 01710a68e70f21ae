"""Divide the training rows into folds, as the split divides rows into training and test rows.

Rows of a person lie in one fold. With a split by time, each fold is predicted from earlier rows;
as in that split, a person can have rows in both.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.bodies.trained import Folds
from governed_ml.core.evidence_bodies import SplitBody
from governed_ml.core.problem import Problem, counted

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Fold = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]

FOLDS = 5
FIX = "bring more rows, or remove calibration and set threshold to a number in conf/model"


def kind(split: SplitBody) -> str:
    """Return how the rows are divided: by `time`, by `group` (a person's rows), or at `random`."""
    if split.kind == "time":
        return "time"
    return "group" if split.person is not None else "random"


def needs(split: SplitBody) -> list[Path]:
    """Return the tables that folds are made from, besides the training rows."""
    return {"time": [tables.TIMES], "group": [tables.PERSONS]}.get(kind(split), [])


def divided(split: SplitBody, frame: pd.DataFrame, seed: int) -> list[Fold]:
    """Return the positions of training and validation rows of each fold, in `frame`.

    Raise `Problem` if a fold lacks a class, or if there are too few rows, persons or times.
    """
    import numpy as np

    target = frame[tables.TARGET].to_numpy()
    least = min(np.unique(target, return_counts=True)[1])
    if least < FOLDS:
        raise Problem(
            f"conf/model: cross-validation in {FOLDS} folds needs {FOLDS} training rows of each "
            f"class, and one class has {counted(int(least), 'row')}: {FIX}"
        )
    how = kind(split)
    if how == "time":
        found = _in_time(_known(tables.TIMES, frame, tables.TIME))
    elif how == "group":
        found = _by_person(target, _known(tables.PERSONS, frame, tables.PERSON), seed)
    else:
        from sklearn.model_selection import StratifiedKFold

        chooser = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        found = list(chooser.split(target, target))
    classes = set(target)
    for number, fold in enumerate(found, 1):
        for part, rows in zip(("training", "validation"), fold, strict=True):
            if set(target[rows]) != classes:
                raise Problem(
                    f"conf/model: the {part} rows of fold {number} of {len(found)} in "
                    f"cross-validation (by {how}) lack a class of the target: {FIX}"
                )
    return found


def _known(path: Path, frame: pd.DataFrame, column: str) -> npt.NDArray[np.int64]:
    """Return a column for each training row, as numbers that depend on the training rows only."""
    import pandas as pd

    if not path.is_file():
        raise Problem(f"{path.as_posix()} is missing: run `uv run dvc repro --force split`")
    values = tables.read(path).set_index(tables.ROW)[column].loc[frame[tables.ROW]]
    return pd.factorize(values, sort=column == tables.TIME)[0]


def _by_person(target: npt.NDArray[Any], persons: npt.NDArray[np.int64], seed: int) -> list[Fold]:
    from sklearn.model_selection import StratifiedGroupKFold

    if persons.max() + 1 < FOLDS:
        raise Problem(
            f"conf/model: cross-validation in {FOLDS} folds needs {FOLDS} persons in the training "
            f"rows, and there are {persons.max() + 1}: {FIX}"
        )
    chooser = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    return list(chooser.split(target, target, persons))


def _in_time(times: npt.NDArray[np.int64]) -> list[Fold]:
    """Return folds of whole points in time; the earliest part is only trained on."""
    import numpy as np
    from sklearn.model_selection import TimeSeriesSplit

    points = int(times.max()) + 1
    if points <= FOLDS:
        raise Problem(
            f"conf/model: cross-validation in {FOLDS} folds needs {FOLDS + 1} different times in "
            f"the training rows, and there are {points}: {FIX}"
        )
    cuts = TimeSeriesSplit(FOLDS).split(np.arange(points))
    return [
        (np.flatnonzero(times <= early[-1]), np.flatnonzero(np.isin(times, late)))
        for early, late in cuts
    ]


def described(split: SplitBody, found: list[Fold]) -> Folds:
    """Return what evidence says about folds."""
    rows = sum(len(late) for _, late in found)
    return Folds(kind=kind(split), number=len(found), rows=rows)


def packed(found: list[Fold]) -> bytes:
    """Return folds as bytes; `unpacked` reads them."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, *(rows for fold in found for rows in fold))
    return buffer.getvalue()


def unpacked(content: bytes) -> list[Fold]:
    """Return the folds in bytes of `packed`."""
    import numpy as np

    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        rows = [archive[f"arr_{place}"] for place in range(len(archive.files))]
    return list(zip(rows[::2], rows[1::2], strict=True))
