"""Load a model and predict with it, whether or not it carries code.

A model of library classes is loaded into this process. A model that carries code is loaded in a
child process, with the code from the model file, never from the working tree.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import model_file
from governed_ml.core.problem import Problem, cause
from governed_ml.pipeline.isolated.isolated_model import IsolatedModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

COMPARED = 200  # rows predicted a second time, in another order


@contextmanager
def opened(path: Path = model_file.PATH, *, alone: bool = False) -> Generator[Any]:
    """Provide a model with its methods; its child process, if any, ends afterwards.

    If `alone`, that process shares no memory with any other.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise Problem(f"{path} is missing: run `uv run dvc repro`") from error
    except OSError as error:
        raise Problem(f"{path} cannot be read: {cause(error)}") from error
    with opened_bytes(content, str(path), alone=alone) as model:
        yield model


@contextmanager
def opened_bytes(content: bytes, what: str = "the model", *, alone: bool = False) -> Generator[Any]:
    """Provide the model in the bytes of a file."""
    if model_file.is_plain(content, what):
        yield model_file.load(content, what)
        return
    model = IsolatedModel(content, alone=alone)
    try:
        yield model
    finally:
        model.close()


def notes(model: Any) -> dict[str, str]:
    """Return notes, for the evidence, on the process that a model ran in.

    They are empty for a model that has library classes only.
    """
    return {"isolation": model.isolation} if isinstance(model, IsolatedModel) else {}


def use_one_thread(model: Any) -> None:
    """Make the numeric libraries of a model's child process, if it has one, use one thread."""
    if isinstance(model, IsolatedModel):
        model.use_one_thread()


def require_rowwise(
    model: Any,
    features: pd.DataFrame,
    outputs: npt.NDArray[np.float64],
    ask: Callable[[pd.DataFrame], npt.NDArray[np.float64]],
) -> None:
    """Raise `Problem` if a model's prediction for a row depends on the other rows.

    `outputs`, shape (rows,) or (rows, classes), are its results for all rows at once; `ask` repeats
    some of them.
    """
    import numpy as np

    if not isinstance(model, IsolatedModel):
        return
    places = np.arange(0, len(features), max(1, len(features) // COMPARED))[::-1]
    for some in (places, places[:1]):
        if not np.allclose(ask(features.iloc[some]), outputs[some], rtol=1e-6, atol=1e-9):
            raise Problem(
                "the model's answer for a row changes with the other rows of the request: use "
                "only the row's own values and what fit learned, in columns and in the classes "
                "of src/"
            )
