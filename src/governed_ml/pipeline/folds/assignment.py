"""Assign each row to the fold in which it is a test row, and read the assignment."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.config.params import Params
from governed_ml.core.config.split import CROSS_VALIDATED
from governed_ml.core.problem import Problem

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

KIND = f"split: {CROSS_VALIDATED}"


def require_no_time(params: Params) -> None:
    """Raise `Problem` if rows have a time, because folds mix early and late rows."""
    if params.split.kind == CROSS_VALIDATED and params.data.time is not None:
        raise Problem(
            f"data.time says that rows are ordered by {params.data.time!r}, but `{KIND}` would "
            "test early rows with a model that was trained on later ones: choose `split: time` in "
            "conf/config.yaml or, if their order does not matter, list the column in conf/data "
            "under `drop` and not under `time`"
        )


def assigned(raw: pd.DataFrame, target: pd.Series, params: Params) -> npt.NDArray[np.int64]:
    """Return the fold of each row, from 1, shape (rows,).

    Folds are stratified by the target in classification. With `data.group`, all rows of a group are
    in one fold. Raise `Problem` if a fold would lack a class, or if there are too few groups.
    """
    import numpy as np

    require_no_time(params)
    count, column = params.split.folds or 0, params.data.group
    groups = None if column is None else raw[column]
    units = len(raw) if groups is None else groups.nunique()
    if groups is not None and groups.isna().any():
        raise Problem(
            f"data.group: column {column!r} is null in {int(groups.isna().sum()):,} of "
            f"{len(raw):,} rows, so these rows belong to no fold: fix or remove them"
        )
    if units < count:
        what = "rows" if groups is None else f"values of {column!r}"
        raise Problem(
            f"{units:,} {what} cannot be divided into {count} folds: lower `folds` in "
            "conf/split/cross_validated.yaml or take more rows"
        )
    fold = np.zeros(len(raw), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a rare class; checked below
        try:
            parts = list(_splitter(params, count).split(np.zeros(len(raw)), target, groups))
        except ValueError as error:  # scikit-learn refuses a class with fewer rows than folds
            raise _too_rare(target, params, count) from error
    for number, (_, test) in enumerate(parts, start=1):
        fold[test] = number
    if params.data.task == "classification":
        _require_classes(target, fold, params, count)
    return fold


def _splitter(params: Params, count: int) -> Any:
    from sklearn import model_selection as ms

    classes = params.data.task == "classification"
    if params.data.group is None:
        made = ms.StratifiedKFold if classes else ms.KFold
    else:
        made = ms.StratifiedGroupKFold if classes else ms.GroupKFold
    return made(count, shuffle=True, random_state=params.seed)


def _require_classes(
    target: pd.Series, fold: npt.NDArray[np.int64], params: Params, count: int
) -> None:
    """Raise `Problem` if a fold, or the rows outside of it, lack a class."""
    every = target.nunique()
    for number in range(1, count + 1):
        if any(target[mine].nunique() < every for mine in (fold == number, fold != number)):
            raise _too_rare(target, params, count)


def _too_rare(target: pd.Series, params: Params, count: int) -> Problem:
    rarest = int(target.value_counts().min())
    what = (
        ""
        if params.data.group is None
        else f" that belong to enough values of {params.data.group!r}"
    )
    return Problem(
        f"each of the {count} folds needs rows of every class of {params.data.target}, and the "
        f"rarest class has {rarest:,}: lower `folds` in conf/split/cross_validated.yaml, or take "
        f"more rows of that class{what}"
    )


def used() -> bool:
    """Return whether the split in the working folder assigns rows to folds."""
    return tables.FOLDS.is_file()


def numbers() -> list[int]:
    """Return the numbers of the folds, ascending."""
    fold = tables.quoted(tables.FOLD)
    found = tables.rows(f"SELECT DISTINCT {fold} FROM {tables.table(tables.FOLDS)} ORDER BY {fold}")
    return [int(one) for (one,) in found]


def of_rows(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the fold of each row of a table that has row numbers, shape (rows,).

    Raise `Problem` if a row has no fold or several.
    """
    known = tables.read(tables.FOLDS).set_index(tables.ROW)[tables.FOLD]
    if known.index.has_duplicates or not frame[tables.ROW].isin(known.index).all():
        raise Problem(
            f"{tables.FOLDS.as_posix()} does not hold each row once: run `uv run dvc repro --force "
            "split`"
        )
    return known.loc[frame[tables.ROW]].to_numpy("int64")
