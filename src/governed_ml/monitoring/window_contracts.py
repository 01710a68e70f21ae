"""Judge a window's rows by the data contract and by the prediction contract of its version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.config.data import Data
from governed_ml.core.evidence import Metric
from governed_ml.core.work_folder import work_folder
from governed_ml.pipeline.contract.prediction_rows import answered, expectations
from governed_ml.pipeline.contract.suite_file import Given, given
from governed_ml.pipeline.contract.validation import CELLS, at_once, columns_of, judged

if TYPE_CHECKING:
    import pandas as pd

    from governed_ml.monitoring.window_rows import WindowRows


def contract(frame: pd.DataFrame, data: Data, features: list[str], unfit: dict[str, int]) -> Metric:
    """Count the broken expectations of the data contract that apply to a batch.

    Expectations about the whole table are about training data, and do not apply. `unfit` is column
    → number of values of a wrong type; each such column counts as broken, too.
    """
    mine = [
        one
        for one in given(data)
        if (names := columns_of(one))
        and set(names) <= set(frame.columns)
        and one["type"] != "expect_column_to_exist"
        and (set(names) <= set(features) or "unique_value_count" not in one["type"])
    ]
    said = broken(frame, mine)
    said += [f"{name}: {n} values are not of its type, or infinite" for name, n in unfit.items()]
    return Metric(value=float(len(said)), note="; ".join(said)[:1000])


def broken(frame: pd.DataFrame, expectations: list[Given]) -> list[str]:
    """Return, in words, the expectations that do not hold on a batch."""
    if frame.size <= CELLS:
        found = at_once(frame, expectations) if expectations else []
    else:
        with work_folder() as folder:
            tables.write(frame, folder / "batch.parquet")
            found = judged(folder / "batch.parquet", expectations)
    return [
        f"{one.column or 'several columns'}: {one.observed or 'broken'}, {one.limits}"
        for one in found
        if not one.success
    ]


def predictions(rows: WindowRows, data: Data) -> Metric:
    """Count the broken expectations of the prediction contract that apply to a batch."""
    frame = answered(data, rows.features, rows.score, rows.prediction)
    said = broken(frame, [one for one in expectations(data) if columns_of(one)])
    return Metric(value=float(len(said)), n=len(frame), note="; ".join(said)[:1000])
