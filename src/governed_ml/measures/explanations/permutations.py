"""SHAP's permutation method for single rows, safe with several threads at a time.

The numbers are those of `shap.explainers.Permutation`. That draws from NumPy's one generator of the
process, so what it says about a row would depend on other requests. Here each row has its own
generator, and a row is explained alike whenever it comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from governed_ml.measures.explanations.by_asking import evaluations

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]


def contributions(
    ask: Callable[[pd.DataFrame], Floats], row: pd.DataFrame, background: pd.DataFrame, seed: int
) -> tuple[Floats, Any]:
    """Return the contributions of a row's features, and the mean output over the background.

    `ask` returns a model's outputs, of shape (rows,) or (rows, classes). The contributions have the
    shape (features,) or (features, classes).
    """
    import numpy as np

    chance = np.random.RandomState(seed)
    order = np.flatnonzero([not _constant(row[name], background[name]) for name in row])
    if not len(order):
        base: Any = np.asarray(ask(background), dtype="float64").mean(axis=0)
        return np.zeros((row.shape[1], *np.shape(base))), base
    orders = evaluations(row.shape[1]) // (2 * len(order) + 1)
    total: Any = 0.0
    base = 0.0
    for _ in range(orders):
        chance.shuffle(order)
        outputs = _outputs(ask, row, background, order)
        base = outputs[0]
        steps = np.diff(outputs, axis=0)  # each feature is put in, then taken out in this order
        found = np.zeros((row.shape[1], *steps.shape[1:]))
        found[order] = steps[: len(order)] - steps[len(order) :]
        total = total + found
    return total / (2 * orders), base


def _constant(value: pd.Series, others: pd.Series) -> bool:
    """Return whether a feature has the same value, not a missing one, in all background rows."""
    import numpy as np

    if others.dtype == "float64":
        return bool(np.isclose(value.to_numpy(), others.to_numpy()).all())
    return bool((others == value.iloc[0]).all())


def _outputs(
    ask: Callable[[pd.DataFrame], Floats],
    row: pd.DataFrame,
    background: pd.DataFrame,
    order: npt.NDArray[np.intp],
) -> Floats:
    """Return the mean outputs over the background, after each of the row's features is put in.

    Then they are taken out in the same order. The model is asked once for all.
    """
    import numpy as np
    import pandas as pd

    taken = np.zeros((2 * len(order) + 1, row.shape[1]), dtype=bool)
    for place, feature in enumerate(order):
        taken[place + 1 : place + 1 + len(order), feature] = True
    each = len(background)
    columns: dict[str, Any] = {}
    for place, name in enumerate(row):
        here = np.repeat(taken[:, place], each)
        others = background[name].to_numpy()
        mixed = np.where(here, row[name].to_numpy()[0], np.tile(others, len(taken)))
        columns[str(name)] = pd.Series(mixed, dtype=background[name].dtype)
    found = np.asarray(ask(pd.DataFrame(columns)), dtype="float64")
    return found.reshape(len(taken), each, *found.shape[1:]).mean(axis=1)
