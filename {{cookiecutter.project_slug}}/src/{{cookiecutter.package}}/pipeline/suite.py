"""Judge a Great Expectations suite, kept as JSON, over a Parquet table, column by column."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import tables
from ..bodies import Expectation
from ..config import Data
from ..files import read_json
from ..problem import Problem, first_line
from .outcomes import outcome, read

if TYPE_CHECKING:
    import pandas as pd

Given = dict[str, Any]
"""One expectation as in the suite's JSON: `type` and `kwargs`."""


def given(data: Data) -> list[Given]:
    """Return the suite's expectations; a missing, malformed or empty suite is a problem."""
    path = Path(data.contract)
    if not path.is_file():
        raise Problem(
            f"the data contract {path.as_posix()} is missing: draft one with "
            "`uv run governance contract draft`, read it, commit it"
        )
    suite = read_json(path)
    found = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(found, list) or not all(isinstance(e, dict) and "type" in e for e in found):
        raise Problem(
            f"{path.as_posix()} is no suite: it needs a list of expectations, each with a type"
        )
    if not found:
        raise Problem(
            f"{path.as_posix()} has no expectation: an empty contract promises nothing", 1
        )
    return [{"type": str(e["type"]), "kwargs": dict(e.get("kwargs", {}))} for e in found]


def built_in(data: Data, columns: list[str]) -> list[Given]:
    """Return what holds for every table: rows, a complete target, and no column without a value."""
    return [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
        *_each("expect_column_to_exist", [data.target, *data.sensitive]),
        *_each("expect_column_values_to_not_be_null", [data.target]),
        *_each("expect_column_unique_value_count_to_be_between", [data.target], min_value=2),
        *_each(
            "expect_column_values_to_not_be_null",
            [c for c in columns if c != data.target],
            mostly=1e-9,
        ),
    ]


def _each(kind: str, names: list[str], **limits: float) -> list[Given]:
    return [{"type": kind, "kwargs": {"column": name, **limits}} for name in names]


def judged(table: Path, expectations: list[Given]) -> list[Expectation]:
    """Return one outcome for each expectation, in order, or raise: none is dropped in silence."""
    present = list(tables.columns(table))
    outcomes: dict[int, Expectation] = {}
    groups: dict[tuple[str, ...], list[int]] = {}
    for position, one in enumerate(expectations):
        lost = [name for name in _columns(one) if name not in present]
        if lost:
            outcomes[position] = outcome(one, False, f"there is no column {lost[0]}")
        else:
            groups.setdefault(_needs(one, present), []).append(position)
    for names, positions in groups.items():
        outcomes |= _validate(_frame(table, names), {p: expectations[p] for p in positions})
    if len(outcomes) != len(expectations):
        missing = next(one for p, one in enumerate(expectations) if p not in outcomes)
        raise Problem(
            f"the contract's {missing['type']} ({missing['kwargs']}) was not judged: correct it"
        )
    return [outcomes[position] for position in range(len(expectations))]


def _columns(one: Given) -> list[str]:
    found = [one["kwargs"].get(key) for key in ("column", "column_A", "column_B", "column_list")]
    return [
        name for value in found for name in (value if isinstance(value, list) else [value]) if name
    ]


def _needs(one: Given, present: list[str]) -> tuple[str, ...]:
    if one["type"].startswith("expect_table_row_count"):
        return (present[0],)
    if one["type"].startswith("expect_table") or one["type"] == "expect_column_to_exist":
        return ()  # names only: all columns, no rows
    alone = () if "row_condition" in one["kwargs"] else tuple(_columns(one))
    return alone or tuple(present)


def _frame(table: Path, names: tuple[str, ...]) -> pd.DataFrame:
    if names:
        return tables.read(table, list(names))
    return tables.query(f"SELECT * FROM {tables.table(table)} LIMIT 0")


def _validate(frame: pd.DataFrame, expectations: dict[int, Given]) -> dict[int, Expectation]:
    import logging

    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # it does not heed DO_NOT_TRACK
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.exceptions.exceptions import GreatExpectationsError

    logging.getLogger("great_expectations").setLevel(
        logging.CRITICAL
    )  # it logs what is returned, too
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("table").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    marked: list[Any] = [
        {"type": one["type"], "kwargs": _timed(one["kwargs"], frame), "meta": {"position": p}}
        for p, one in expectations.items()
    ]
    try:
        suite = gx.ExpectationSuite(name="contract", expectations=marked)
        results: Any = batch.validate(suite, result_format="BASIC").results
    except (GreatExpectationsError, TypeError, ValueError) as error:
        raise Problem(f"the contract cannot be judged: {first_line(error)}") from error
    return {
        (p := int(result.expectation_config.meta["position"])): read(expectations[p], result)
        for result in results
    }


def _timed(kwargs: Given, frame: pd.DataFrame) -> Given:
    """Return limits with times for texts where the column holds times: JSON has none."""
    import pandas as pd

    column = kwargs.get("column")
    if column not in frame.columns or frame[column].dtype.kind != "M":
        return kwargs
    texts = [key for key in ("min_value", "max_value") if isinstance(kwargs.get(key), str)]
    return kwargs | {key: pd.Timestamp(kwargs[key]) for key in texts}
