"""Fit the champion's pipeline anew on each fold, so that it is compared fairly.

The champion itself may have been trained on the rows that now test the model, and would then win
because it has seen the answers. So what is compared is how both models are made: the champion's
pipeline with its parameters is fitted on the same rows as the model of each fold.
"""

from __future__ import annotations

import io
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import model_file, tables
from governed_ml.core.problem import Problem, first_line
from governed_ml.pipeline import models
from governed_ml.pipeline.folds import assignment, fold_tables
from governed_ml.pipeline.isolated import fit_process
from governed_ml.pipeline.isolated.child_process import ALONE
from governed_ml.pipeline.isolated.process import Process
from governed_ml.pipeline.model_outputs import outputs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

WHOSE = "the champion's own code"
NOTE = (
    "; the champion's pipeline was fitted anew on the same folds, because the champion itself may "
    "have seen these rows"
)


def scores(
    path: Path, frame: pd.DataFrame, wanted: list[str], task: str
) -> npt.NDArray[np.float64]:
    """Return what the refitted pipelines answer for the test rows in `frame`, each for its fold.

    The shape is that of `outputs`. Raise `Problem` if the pipeline cannot be fitted anew.
    """
    import numpy as np

    fold, found = assignment.of_rows(frame), dict[int, Any]()
    with fold_tables.written() as folds:
        for one in folds:
            with _refitted(path, one.train, wanted) as model:
                found[one.number] = _asked(model, frame.loc[fold == one.number, wanted], task)
    some = next(iter(found.values()))
    answer = np.empty((len(frame), *some.shape[1:]))
    for number, part in found.items():
        answer[fold == number] = part
    return answer


def _asked(model: Any, rows: pd.DataFrame, task: str) -> npt.NDArray[np.float64]:
    try:
        return outputs(model, rows, task)
    except ValueError as error:
        raise Problem(
            f"the champion's pipeline, fitted anew, cannot predict: {first_line(error)}"
        ) from error


@contextmanager
def _refitted(path: Path, train: Path, wanted: list[str]) -> Generator[Any]:
    """Provide the pipeline in a model file, fitted on the rows of a table."""
    content = path.read_bytes()
    if not model_file.is_plain(content, str(path)):
        with models.opened_bytes(_in_process(content, train, wanted), alone=True) as model:
            yield model
        return
    rows = tables.read(train)
    try:
        model = fit_process.anew(model_file.load(content, str(path)))
        model.fit(rows[wanted], rows[tables.TARGET])
    except Exception as error:  # an estimator may raise anything
        raise Problem(
            f"the champion's pipeline cannot be fitted anew: {first_line(error)}"
        ) from error
    yield model


def _in_process(content: bytes, train: Path, wanted: list[str]) -> bytes:
    """Fit a pipeline that carries code in a process of its own; return the new model's bytes."""
    job = {"do": "refit", "whose": WHOSE, "wanted": wanted, "variables": {ALONE: "1"}}
    process = Process(fit_process, WHOSE, job, train.read_bytes(), content)
    try:
        parts = process.answer()[1]
    finally:
        process.close()
    if not parts:
        raise Problem(f"{WHOSE} gave no model back: look for what ends it in src/")
    package = model_file.code(io.BytesIO(content))
    return model_file.sealed(parts[0], package, _packages(content, package.name))


def _packages(content: bytes, own: str) -> list[str]:
    """Return the packages of other libraries that the champion itself holds classes of."""
    import skops.io

    names = {name.partition(".")[0] for name in skops.io.get_untrusted_types(data=content)}
    return sorted(names - {own})
