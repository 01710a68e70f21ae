"""Robustness: the share of predictions that change if numeric features change slightly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.evidence import Metric
from governed_ml.measures.bounds.quantiles import normal_quantile, student_quantile, wilson
from governed_ml.measures.clusters import rate_worth
from governed_ml.measures.strongest import how_found, strongest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

ROWS = 5_000  # most test rows to which noise is added


def flip_share(
    predict: Callable[[pd.DataFrame], Floats],
    rows: pd.DataFrame,
    spread: Mapping[str, float],
    size: float,
    tolerance: float,
    confidence: float,
    seed: int,
    person: npt.NDArray[np.int64] | None = None,
) -> Metric:
    """Return the flip probability (Hendrycks & Dietterich 2019, ICLR) under normal noise.

    It is the share of rows x with |f(x + size · spread · z) − f(x)| > `tolerance`, where z ~ N(0,
    1) is drawn for each row and feature. `predict` returns f, shape (rows,): a class (`tolerance`
    is then 0) or a number (`tolerance` is then in its unit). `spread` is feature → standard
    deviation, in the feature's unit; other columns and nulls do not change. Bounds are Wilson's;
    with `person` (the person of each row) they use the effective number of rows (see `clusters`).
    """
    import numpy as np

    moved = [name for name in rows.columns if spread.get(name, 0.0) > 0]
    if not moved:
        return Metric(value=None, note="the model has no numeric feature that varies")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(rows))[:ROWS]
    rows = rows.iloc[chosen].reset_index(drop=True)
    scale = size * np.array([spread[name] for name in moved])
    noise = rng.standard_normal((len(rows), len(moved))) * scale

    def flips(part: pd.DataFrame, names: list[str]) -> npt.NDArray[np.bool_]:
        there = [moved.index(name) for name in names]
        values = part[names].to_numpy("float64", na_value=np.nan) + noise[part.index][:, there]
        shifted = part.copy()
        shifted[names] = values
        return np.abs(predict(shifted) - predict(part)) > tolerance

    changed = flips(rows, moved)
    flipped = rows[changed]
    hits, n, effect, z = len(flipped), len(rows), 1.0, normal_quantile(confidence, 1)
    if person is not None:
        worth = rate_worth(person[chosen], changed)
        if worth.persons[0] < 2:
            return Metric(value=None, note="the rows are of one person only")
        effect = float(worth.effect[0])
        z = float(student_quantile(confidence, 1, worth.persons.astype("float64") - 1)[0])
    bound = wilson(hits / effect, n / effect, z)
    note = f"{hits:,} of {n:,} rows change their answer"
    if hits:
        worst, alone = strongest(moved, lambda names: float(flips(flipped, names).sum()), 1)[0]
        note += f", {int(alone):,} of them by {worst} alone{how_found(len(moved))}"
    return Metric(
        value=hits / n, lower=float(bound.lower), upper=float(bound.upper), n=n, note=note
    )
