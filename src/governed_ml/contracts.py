"""What the engine calls in `src/<package>/`, as types for editors and type checkers.

For a type checker to compare them, write `_fit: contracts.Fit = fit` under `if TYPE_CHECKING:`.

Each function runs in a process of its own that measures nothing. It sees its arguments, the package
and installed libraries; only a source may read other files or the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.pipeline import Pipeline


class TableSource(Protocol):
    """`sources.<function>`, named by `source: {kind: team, function: …, options: {…}}`."""

    def __call__(self, **options: Any) -> pd.DataFrame | pa.Table:
        """Return the whole table; the same one for everybody who asks."""
        ...


class Preprocessing(Protocol):
    """`features.preprocessing`."""

    def __call__(self, numeric: list[str], categorical: list[str]) -> TransformerMixin:
        """Return an unfitted transformer for the columns of these names."""
        ...


class Columns(Protocol):
    """`features.columns` (optional): part of the model, so applied wherever the model is."""

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the features with columns added or replaced, each from its own row alone.

        Numbers and texts; every column of `table` stays, and so do the rows and their order.
        """
        ...


class Fit(Protocol):
    """`training.fit`."""

    def __call__(
        self, pipeline: Pipeline, features: pd.DataFrame, target: pd.Series
    ) -> BaseEstimator:
        """Return a fitted estimator that takes `features`; for classes 0 and 1, or numbers.

        `pipeline` is unfitted: the columns (if any), the preprocessing, the estimator of
        `conf/model`. Of a search, `best_estimator_` is kept. What is logged to MLflow lands in the
        engine's run.
        """
        ...
