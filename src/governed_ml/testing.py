"""Helpers for a project's own tests: the team's modules, and a small table like the split's."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from governed_ml.core import evidence
from governed_ml.core.code import team
from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.config.data import Data
from governed_ml.core.evidence_bodies import SplitBody
from governed_ml.core.files import root

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

UNKNOWN = (["number_1", "number_2"], ["text"])
"""The numeric and categorical columns of a project whose pipeline has not run yet."""


@dataclass(frozen=True)
class SmallTable:
    """Features and target as passed to `training.fit`; a tenth of the values are missing.

    `numeric` and `categorical` are the names of the columns of `features`.
    """

    features: pd.DataFrame
    target: pd.Series
    numeric: list[str]
    categorical: list[str]

    def pipeline(self) -> Pipeline:
        """Return an unfitted pipeline: the team's preprocessing and a linear model."""
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import Pipeline

        features = load(team.FEATURES).preprocessing(self.numeric, self.categorical)
        model = LogisticRegression() if _data().task == "classification" else Ridge()
        return Pipeline([("features", features), ("estimator", model)])


def load(module: str) -> ModuleType:
    """Import a module of the team's package: `features`, `training`, `sources` or another."""
    return team.load(module, root())


def small_table(rows: int = 200, seed: int = 1) -> SmallTable:
    """Return random rows with the columns of the last run. The same seed gives the same rows.

    `rows` is their number. The target is 0 or 1 for a classification, the position of one of
    several classes, or a number for a regression.
    """
    import numpy as np
    import pandas as pd

    numeric, categorical = _columns()
    rng = np.random.default_rng(seed)
    columns: dict[str, pd.Series] = {
        name: pd.Series(rng.normal(size=rows)).mask(rng.random(rows) < 0.1) for name in numeric
    }
    for name in categorical:
        texts = pd.Series(rng.choice(["a", "b", "c"], rows), dtype="str")
        columns[name] = texts.mask(rng.random(rows) < 0.1)
    values = rng.normal(size=rows)
    data = _data()
    classes = len(data.class_names) or 2
    edges = np.quantile(values, np.arange(1, classes) / classes) if data.multiclass else [0.0]
    target = np.searchsorted(edges, values) if data.task == "classification" else values
    return SmallTable(pd.DataFrame(columns), pd.Series(target), numeric, categorical)


def _columns() -> tuple[list[str], list[str]]:
    """Return the numeric and categorical features that the evidence of the split records."""
    found = evidence.usable(evidence.collect(root())).get("split")
    if found is None:
        return UNKNOWN
    body: SplitBody = found.body
    return list(body.numeric), list(body.categorical)


def _data() -> Data:
    return compose(root() / CONF).data
