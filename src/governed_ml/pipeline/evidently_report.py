"""Evidently's drift report as HTML, as a second opinion for people. No rule uses it.

Its numbers differ between processes in the last digit, and it drops nulls, so no metric uses them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.files import write_text
from governed_ml.core.problem import Problem, first_line
from governed_ml.measures.binning import Binned, number
from governed_ml.measures.drift import population_stability_index
from governed_ml.measures.multiclass.class_names import named
from governed_ml.pipeline.folds import assignment
from governed_ml.pipeline.folds.fold_tables import inside, outside

if TYPE_CHECKING:
    import pandas as pd

ROWS = 10_000  # rows of each side; more rows would look the same
DRAWN = 100  # most features in the report; Evidently draws a picture of each
METHODS = {
    "num_method": "wasserstein",
    "num_threshold": 0.1,
    "cat_method": "jensenshannon",
    "cat_threshold": 0.1,
}


def sample(
    numeric: list[str], categorical: list[str], seed: int, classes: Sequence[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return at most `ROWS` train and test rows (features, `prediction`), by a seeded hash.

    `prediction` is the score or, of several `classes`, given by position, the predicted one.
    """
    answer = named("prediction", classes) if classes else "score"
    finite = [
        f"CASE WHEN isfinite({number(name)}) THEN {number(name)} END AS {_as(name)}"
        for name in numeric
    ]
    text = [f"CAST({tables.quoted(name)} AS VARCHAR) AS {_as(name)}" for name in categorical]
    row, chosen = tables.quoted(tables.ROW), ", ".join([*finite, *text, tables.quoted(tables.ROW)])
    train, test = (
        tables.query(
            f"SELECT f.* EXCLUDE ({row}), p.answer AS prediction FROM (SELECT {chosen} FROM "
            f"{relation}) f JOIN (SELECT {row}, {answer} AS answer FROM "
            f"{tables.table(tables.PREDICTIONS)} WHERE part = '{part}') p ON f.{row} = p.{row} "
            f"ORDER BY hash(f.{row}, {seed}), f.{row} LIMIT {ROWS}"
        )
        for relation, part in _sides()
    )
    return train, test


def most_drifted(found: dict[str, Binned], names: list[str]) -> set[str]:
    """Return the `DRAWN` features with the largest PSI, ties by name; all if there are no more.

    `found` has the names of the evidence of drift.
    """
    if len(names) <= DRAWN:
        return {*names}
    index: dict[str, float] = {}
    for name in names:
        one = found[tables.in_drift(name)]
        measured = sum(one.reference) and sum(one.current)
        index[name] = population_stability_index(one.reference, one.current) if measured else 0.0
    return {*sorted(names, key=lambda name: (-index[name], name))[:DRAWN]}


def _sides() -> list[tuple[str, str]]:
    """Return reference and current rows as SQL, with the part of the predictions that they are in.

    With cross-validation, these are the rows outside and inside of the first fold.
    """
    if assignment.used():
        every, first = tables.table(tables.TEST), assignment.numbers()[0]
        return [(outside(every, first), "test"), (inside(every, first), "test")]
    return [(tables.table(tables.TRAIN), "train"), (tables.table(tables.TEST), "test")]


def _as(name: str) -> str:
    """Return the name of a feature in the report, as SQL."""
    return tables.quoted(tables.in_drift(name))


def draw(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    numeric: list[str],
    categorical: list[str],
    path: Path,
) -> dict[str, Any]:
    """Write the report; return the number of columns that Evidently considers drifted.

    `prediction` is one of the `numeric` or `categorical` columns. Columns that are entirely null
    on one side cannot be drawn. They are left out and named.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    empty = [
        name for name in reference if reference[name].isna().all() or current[name].isna().all()
    ]
    numbers = [name for name in numeric if name not in empty]
    texts = [name for name in categorical if name not in empty]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            html, count = _drawn(
                reference.drop(columns=empty), current.drop(columns=empty), numbers, texts
            )
    except Exception as error:
        raise Problem(
            f"Evidently cannot draw {path.as_posix()}: {type(error).__name__}: {first_line(error)}"
        ) from error
    write_text(path, html)
    return {
        "evidently_drifted_columns": count,
        "evidently_left_out": ", ".join(map(str, empty)) or None,
        "evidently_rows": min(len(reference), len(current)),
    }


def _drawn(
    reference: pd.DataFrame, current: pd.DataFrame, numeric: list[str], categorical: list[str]
) -> tuple[str, int]:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    columns = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
    old, new = (
        Dataset.from_pandas(frame, data_definition=columns) for frame in (reference, current)
    )
    report = Report([DataDriftPreset(**METHODS)], include_tests=True).run(
        current_data=new, reference_data=old
    )
    tests = report.dict()["tests"]
    failed = [
        test
        for test in tests
        if test["status"] != "SUCCESS" and "column" in test["metric_config"]["params"]
    ]
    return report.get_html_str(as_iframe=False), len(failed)
