"""Measures that compare training with test rows, fold by fold.

With cross-validation, the tables of training and of test rows hold the same rows. Comparing these
tables would find nothing, or everything. So the test rows of each fold are compared with the rows
on which the model of that fold was trained.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from governed_ml.core import tables
from governed_ml.core.config.data import Data
from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import TrainBody
from governed_ml.measures import leaks
from governed_ml.measures.multiclass import leaks as class_leaks
from governed_ml.pipeline.folds import assignment, fold_tables

Sides = tuple[Path, Path]


@contextmanager
def sides() -> Generator[list[Sides]]:
    """Provide the files with training and test rows: one pair, or one for each fold."""
    if not assignment.used():
        yield [(tables.TRAIN, tables.TEST)]
        return
    with fold_tables.written() as folds:
        yield [(fold.train, fold.test) for fold in folds]


def overlapping_rows(columns: list[str]) -> int:
    """Return how many test rows equal, in all `columns`, a row on which their model was trained."""
    with sides() as each:
        return sum(leaks.overlapping_rows(*pair, columns) for pair in each)


def leaks_of(data: Data, train: TrainBody) -> tuple[dict[str, float | None], Metric]:
    """Return how well each feature alone, and a few together, predict the target.

    With folds, these are means over the folds.
    """
    numeric, categorical, classes = train.numeric, train.categorical, data.class_names
    with sides() as each:
        if classes:
            count = len(classes)
            alone = [class_leaks.target_leaks(*two, numeric, categorical, count) for two in each]
            summed = [class_leaks.together(*two, numeric, classes) for two in each]
        else:
            alone = [leaks.target_leaks(*two, numeric, categorical, data.task) for two in each]
            summed = [leaks.together(*two, numeric, data.task) for two in each]
    return {name: _mean([one[name] for one in alone]) for name in alone[0]}, _averaged(summed)


def _averaged(found: list[Metric]) -> Metric:
    """Return the mean of a metric over the folds; the note is that of the largest."""
    if len(found) == 1:
        return found[0]
    known = [one for one in found if one.value is not None]
    if not known:
        return found[0]
    worst = max(known, key=lambda one: one.value or 0.0)
    rows = sum(one.n or 0 for one in known)
    note = f"{worst.note} (mean over {len(known)} folds)"
    return Metric(value=_mean([one.value for one in known]), n=rows, note=note)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
