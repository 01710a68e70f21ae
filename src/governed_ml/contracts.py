"""The functions that the engine calls in `src/<package>/`, as types for editors and type checkers.

For a type checker to compare them, write `_fit: contracts.Fit = fit` under `if TYPE_CHECKING:`.

Each function runs in a child process that computes no measurement. It can read its arguments, the
package and installed libraries. Only a source may read other files or use the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.pipeline import Pipeline


class TableSource(Protocol):
    """Type of `sources.<function>`; set `source: {kind: team, function: …, options: {…}}`."""

    def __call__(self, **options: Any) -> pd.DataFrame | pa.Table:
        """Return the whole table. Every call must return the same table."""
        ...


class Preprocessing(Protocol):
    """Type of `features.preprocessing`."""

    def __call__(self, numeric: list[str], categorical: list[str]) -> TransformerMixin:
        """Return an unfitted transformer for the columns with these names."""
        ...


class Columns(Protocol):
    """Type of `features.columns` (optional).

    It becomes part of the model and runs at prediction.
    """

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return `table` with columns added or replaced. Each row may depend on that row alone.

        New columns hold numbers or text. Keep every column of `table`, every row, and the order of
        rows.
        """
        ...


class Fit(Protocol):
    """Type of `training.fit`."""

    def __call__(
        self, pipeline: Pipeline, features: pd.DataFrame, target: pd.Series
    ) -> BaseEstimator:
        """Return a fitted estimator that takes `features`.

        `target` holds classes 0 and 1, or numbers in a regression. `pipeline` is unfitted: the
        added columns (if any), the preprocessing, and the estimator of `conf/model`. If you return
        a search, its `best_estimator_` is kept. Anything you log to MLflow is stored in the
        engine's run.
        """
        ...
