"""The models that measure under cross-validation, one for each fold; they are never released.

`FoldModels` has the methods of a model. It asks, for each row, the model that was trained without
the row's fold.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import model_file
from governed_ml.core.problem import Problem
from governed_ml.core.tables import FOLD
from governed_ml.pipeline import models
from governed_ml.pipeline.folds import assignment

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

INDEX = model_file.FOLDS / "folds.json"  # the digest of each fold's model
METHODS = ("predict_proba", "decision_function")


def path_of(number: int) -> Path:
    """Return the file of a fold's model."""
    return model_file.FOLDS / f"fold-{number}.skops"


class FoldModels:
    """The models of all folds as one; rows must have the column `FOLD` besides the features."""

    def __init__(self, each: dict[int, Any]) -> None:
        """Wrap the models, by the number of their fold."""
        self.each = each
        self._methods = [name for name in METHODS if all(hasattr(m, name) for m in each.values())]

    def __getattr__(self, name: str) -> Any:
        """Return a method, or an attribute such as `classes_` on which all models agree."""
        each = self.__dict__.get("each", {})
        if name in self.__dict__.get("_methods", ()):
            return lambda rows: self._asked(name, rows)
        found = [getattr(model, name) for model in each.values() if not name.startswith("__")]
        if name in METHODS or not found or any(list(one) != list(found[0]) for one in found):
            raise AttributeError(name)
        return found[0]

    def predict(self, rows: pd.DataFrame) -> npt.NDArray[Any]:
        """Return a prediction for each row, shape (rows,)."""
        return self._asked("predict", rows)

    def _asked(self, method: str, rows: pd.DataFrame) -> npt.NDArray[Any]:
        import numpy as np

        fold, features = rows[FOLD].to_numpy(), rows.drop(columns=FOLD)
        strange = sorted({int(one) for one in np.unique(fold)} - self.each.keys())
        if strange:
            raise Problem(
                f"there is no model of fold {strange[0]}: run `uv run dvc repro --force train`"
            )
        places = {number: np.flatnonzero(fold == number) for number in self.each}
        found = {
            number: np.asarray(getattr(self.each[number], method)(features.iloc[mine]))
            for number, mine in places.items()
            if len(mine)
        }
        if not found:
            first = next(iter(self.each.values()))
            return np.asarray(getattr(first, method)(features))
        some = next(iter(found.values()))
        answer = np.empty((len(rows), *some.shape[1:]), dtype=some.dtype)
        for number, part in found.items():
            answer[places[number]] = part
        return answer


@contextmanager
def opened(digests: list[str]) -> Generator[FoldModels]:
    """Provide the models of all folds; raise `Problem` if one is not the one that was trained.

    Models that carry code run in processes that cannot exchange anything.
    """
    with ExitStack() as stack:
        each: dict[int, Any] = {}
        for number, digest in enumerate(digests, start=1):
            path = path_of(number)
            each[number] = stack.enter_context(models.opened(path, alone=True))
            if model_file.digest(path) != digest:
                raise Problem(
                    f"{path.as_posix()} is not the model that was trained: run `uv run dvc repro "
                    "--force train`"
                )
        yield FoldModels(each)


@contextmanager
def measured(released: Any, digests: list[str] | None) -> Generator[Any]:
    """Provide what predicts the test rows: the released model or, with folds, their models."""
    if bool(digests) != assignment.used():
        raise Problem(
            "split and train do not agree on whether there are folds: run `uv run dvc repro "
            "--force split`"
        )
    if not digests:
        yield released
        return
    with opened(digests) as model:
        yield model


def with_folds(parts: dict[str, pd.DataFrame], features: list[str]) -> list[str]:
    """Add the column `FOLD` to the test rows; return the columns that `FoldModels` needs."""
    parts["test"] = parts["test"].assign(**{FOLD: assignment.of_rows(parts["test"])})
    return [*features, FOLD]


def require_rowwise(
    model: Any,
    features: pd.DataFrame,
    scores: npt.NDArray[np.float64],
    ask: Callable[[Any, pd.DataFrame], npt.NDArray[np.float64]],
) -> None:
    """Call `models.require_rowwise` for a model, or for the model of each fold with its rows."""
    if not isinstance(model, FoldModels):
        models.require_rowwise(model, features, scores, lambda rows: ask(model, rows))
        return
    for number, one in model.each.items():
        mine = (features[FOLD] == number).to_numpy()
        rows = features[mine].drop(columns=FOLD)
        models.require_rowwise(one, rows, scores[mine], lambda part, one=one: ask(one, part))
