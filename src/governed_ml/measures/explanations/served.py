"""Explain the answers of a loaded model, row by row, while it is served.

All that a model needs is prepared once (`RowExplainer`); after that, a row of the template's model
takes milliseconds. The contributions are of the features before encoding, and are checked to add up
to the output: those that do not are never given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governed_ml.measures.explanations import permutations
from governed_ml.measures.explanations.by_asking import BACKGROUND, most_rows
from governed_ml.measures.explanations.exact import ExactContributions, encoded_names
from governed_ml.measures.explanations.outputs import (
    TOLERANCE,
    adds_up,
    library_of,
    raw_output,
    tolerance_of,
)
from governed_ml.measures.explanations.wrapped_estimators import unwrapped
from governed_ml.measures.features.encoded_columns import moved, owners, summed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

MOST = 1000
"""Rows that one request gets explained: a hundred trees take about 0.2 ms for each."""


@dataclass(frozen=True)
class Contributions:
    """The explanation of one row: `base` and all of `by_feature` add up to `output`.

    With several classes, each of these numbers is a list with one for each class.
    """

    base: Any
    output: Any
    by_feature: dict[str, Any]


@dataclass(frozen=True)
class ExplainedRows:
    """Explanations of several rows, by the method `method`, of the output named `name`.

    `base`, `output` and `gap` (output minus base and contributions) have the shape (rows,) or, of
    several classes, (rows, classes); `values` have a second axis for the features. `covered` says
    for each row whether the contributions add up.
    """

    method: str
    name: str
    features: list[str]
    base: Floats
    output: Floats
    values: Floats
    gap: Floats
    covered: npt.NDArray[np.bool_]

    def of(self, row: int) -> Contributions | None:
        """Return the explanation of a row by its position; None if it does not add up."""
        if not self.covered[row]:
            return None
        each = dict(zip(self.features, self.values[row].tolist(), strict=True))
        return Contributions(self.base[row].tolist(), self.output[row].tolist(), each)


class RowExplainer:
    """What explains the rows of one loaded model; several threads may use it."""

    def __init__(
        self,
        model: Any,
        background: pd.DataFrame,
        categorical: list[str],
        task: str,
        seed: int,
        encode: Callable[[pd.DataFrame], Floats] | None = None,
    ) -> None:
        """Prepare for a model, as `importance.explain` explains it.

        `background` are rows of the features in their types (`background.reference_rows`): linear
        models are compared with their mean, and other models without an exact method are asked
        about rows in which a feature has their values. `encode` does what the pipeline's own
        transformer does. This imports SHAP for models of trees, which takes seconds.
        """
        self._model, self._task, self._seed = model, task, seed
        self._background = background.iloc[:BACKGROUND]
        self.features = [str(name) for name in background]
        self.categorical = list(categorical)
        self._exact: ExactContributions | None = None
        inner, self._before = unwrapped(model)
        names = encoded_names(inner)
        if names is not None:
            self._prepare(inner, names, background, encode)

    def _prepare(self, inner: Any, names: list[str], background: pd.DataFrame, encode: Any) -> None:
        """Keep the exact method, if there is one, and each encoded column is of one feature."""
        import numpy as np

        encoding, self._estimator = inner.named_steps["features"], inner.named_steps["estimator"]
        self._encode = encode or encoding.transform
        self._owned = owners(names, self.features, lambda name: moved(inner, background, name))
        matrix = np.asarray(self._encode(background), dtype="float64")
        found = ExactContributions(self._estimator, matrix)
        if None not in self._owned and found.values(matrix[:2]) is not None:
            self._exact = found

    @property
    def method(self) -> str:
        """The method, as evidence names it."""
        return "shap" if self._exact else "shap_permutation"

    @property
    def most_rows(self) -> int:
        """How many rows one call should explain at most."""
        return MOST if self._exact else min(MOST, most_rows(len(self.features)))

    def explain(self, rows: pd.DataFrame) -> ExplainedRows:
        """Explain the model's output for rows with the features in their types."""
        rows = rows[self.features]
        return self._exactly(self._exact, rows) if self._exact else self._by_asking(rows)

    def _exactly(self, exact: ExactContributions, rows: pd.DataFrame) -> ExplainedRows:
        import numpy as np

        matrix = np.asarray(self._encode(rows), dtype="float64")
        estimator = self._estimator
        output, name = raw_output(estimator, matrix, self._task, library_of(estimator))
        found = exact.values(matrix)
        if found is None:
            raise ValueError("SHAP explained other rows of this model, and refuses these")
        encoded, base = found
        each = summed(encoded, self._owned, self.features)
        empty = np.zeros(output.shape)
        values = np.stack([each[name] + empty for name in self.features], axis=1)
        return self._checked(
            name + self._before, base + empty, output, values, tolerance_of(estimator)
        )

    def _by_asking(self, rows: pd.DataFrame) -> ExplainedRows:
        import numpy as np

        output, name = raw_output(self._model, rows, self._task)

        def ask(some: pd.DataFrame) -> Floats:
            return np.asarray(raw_output(self._model, some, self._task)[0], dtype="float64")

        each = [
            permutations.contributions(ask, rows.iloc[n : n + 1], self._background, self._seed)
            for n in range(len(rows))
        ]
        values, base = (np.stack(part) for part in zip(*each, strict=True))
        return self._checked(name, base, output, values, TOLERANCE)

    def _checked(
        self, name: str, base: Floats, output: Any, values: Floats, tolerance: float
    ) -> ExplainedRows:
        import numpy as np

        output = np.asarray(output, dtype="float64")
        gap = output - base - values.sum(axis=1)
        covered = adds_up(gap, output, tolerance) & np.isfinite(gap).reshape(len(gap), -1).all(
            axis=1
        )
        return ExplainedRows(self.method, name, self.features, base, output, values, gap, covered)
