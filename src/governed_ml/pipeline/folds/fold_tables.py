"""The training and test rows of each fold, as files and as SQL relations."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from governed_ml.core import tables
from governed_ml.pipeline.folds import assignment


class FoldFiles(NamedTuple):
    """One fold: its number, and the files with its training rows and its test rows."""

    number: int
    train: Path
    test: Path


@contextmanager
def written() -> Generator[list[FoldFiles]]:
    """Provide the rows of every fold in temporary files, with the columns of the split's tables."""
    with tempfile.TemporaryDirectory() as folder:
        yield [_write(number, Path(folder)) for number in assignment.numbers()]


def _write(number: int, folder: Path) -> FoldFiles:
    files = FoldFiles(number, folder / f"train-{number}.parquet", folder / f"test-{number}.parquet")
    frame = tables.read(tables.TEST)
    mine = assignment.of_rows(frame) == number
    tables.write(frame[~mine], files.train)
    tables.write(frame[mine], files.test)
    return files


def inside(relation: str, number: int) -> str:
    """Return SQL for the rows of a relation, which has row numbers, that a fold tests."""
    return _chosen(relation, number, "=")


def outside(relation: str, number: int) -> str:
    """Return SQL for the other rows of a relation, on which the fold's model was trained."""
    return _chosen(relation, number, "<>")


def _chosen(relation: str, number: int, compared: str) -> str:
    row, fold = tables.quoted(tables.ROW), tables.quoted(tables.FOLD)
    mine = f"SELECT {row} FROM {tables.table(tables.FOLDS)} WHERE {fold} {compared} {number}"
    return f"(SELECT * FROM {relation} WHERE {row} IN ({mine}))"
