"""Validate a Parquet table of any size against a Great Expectations suite.

Great Expectations judges every value, with pandas, but never the whole table at once. A text or
time column with few distinct values is judged once per value; all others in parts of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.evidence_bodies import Expectation
from governed_ml.core.problem import Problem
from governed_ml.core.tables import quoted
from governed_ml.pipeline.contract.outcomes import added_up, outcome, read, results
from governed_ml.pipeline.contract.suite_file import Given

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

FEW = 10_000  # most distinct values for a text or time column to be judged by value
CELLS = 4_000_000  # most cells (rows × columns) given to Great Expectations at once
BY_VALUE = tuple(  # expectations that depend on the value only
    f"expect_column_{what}"
    for what in (
        "values_to_not_be_null", "values_to_be_null", "values_to_be_between", "values_to_be_in_set",
        "values_to_not_be_in_set", "values_to_match_regex", "values_to_not_match_regex",
        "values_to_match_regex_list", "values_to_not_match_regex_list",
        "values_to_match_strftime_format", "values_to_be_dateutil_parseable",
        "values_to_be_json_parseable", "values_to_match_json_schema", "values_to_be_of_type",
        "values_to_be_in_type_list", "value_lengths_to_be_between", "value_lengths_to_equal",
    )
)  # fmt: skip
BY_ROW = (  # expectations that depend on the row only
    *BY_VALUE,
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_pair_values_to_be_equal",
    "expect_column_pair_values_to_be_in_set",
    "expect_select_column_values_to_be_unique_within_record",
    "expect_multicolumn_sum_to_equal",
)
BY_EQUALS = ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique")


@dataclass(frozen=True)
class ExpectationRows:
    """Rows for Great Expectations, and the positions of the expectations about them.

    If `counts` is set, each column holds its distinct values, padded with nulls, and `counts` their
    frequencies.
    """

    frame: pd.DataFrame
    positions: list[int]
    counts: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)


def judged(table: Path, expectations: list[Given]) -> list[Expectation]:
    """Return one outcome per expectation, in order; raise `Problem` if one cannot be judged."""
    kinds = tables.columns(table)
    outcomes: dict[int, Expectation] = {}
    groups: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    few = _few(table, kinds)
    for position, one in enumerate(expectations):
        lost = [name for name in columns_of(one) if name not in kinds]
        if lost:
            outcomes[position] = outcome(one, False, f"there is no column {lost[0]}")
        else:
            groups.setdefault(_way(one, kinds, few), []).append(position)
    found: dict[int, list[Any]] = {}
    for rows in _rows(table, kinds, groups):
        wanted = {position: expectations[position] for position in rows.positions}
        for position, result in results(rows.frame, wanted, rows.counts).items():
            found.setdefault(position, []).append(result)
    outcomes |= {p: read(expectations[p], added_up(expectations[p], r)) for p, r in found.items()}
    if len(outcomes) != len(expectations):
        missing = next(one for p, one in enumerate(expectations) if p not in outcomes)
        raise Problem(
            f"expectation {missing['type']} ({missing['kwargs']}) of the data contract cannot "
            "be judged: correct it"
        )
    return [outcomes[position] for position in range(len(expectations))]


def at_once(frame: pd.DataFrame, expectations: list[Given]) -> list[Expectation]:
    """Return one outcome per expectation about columns of a small frame."""
    found = results(frame, dict(enumerate(expectations)), {})
    return [read(one, found[p]) for p, one in enumerate(expectations)]


def columns_of(one: Given) -> list[str]:
    """Return the columns that an expectation is about."""
    found = [one["kwargs"].get(key) for key in ("column", "column_A", "column_B", "column_list")]
    return [
        name for value in found for name in (value if isinstance(value, list) else [value]) if name
    ]


def _few(table: Path, kinds: dict[str, str]) -> list[str]:
    """Return the text and time columns with about `FEW` distinct values or fewer."""
    names = [name for name, kind in kinds.items() if kind in ("VARCHAR", "TIMESTAMP")]
    counts = ", ".join(f"approx_count_distinct({quoted(name)})" for name in names)
    found = tables.rows(f"SELECT {counts} FROM {tables.table(table)}")[0] if names else ()
    return [name for name, count in zip(names, found, strict=True) if count <= FEW]


def _way(one: Given, kinds: dict[str, str], few: list[str]) -> tuple[str, tuple[str, ...]]:
    """Return how an expectation is judged, and the columns needed for it."""
    kind, kwargs, names = one["type"], one["kwargs"], tuple(columns_of(one))
    if kind.startswith("expect_table_row_count"):
        return "count", ()
    if kind.startswith("expect_table") or kind == "expect_column_to_exist":
        return "names", ()
    if "row_condition" in kwargs or not names:
        text = str(kwargs.get("row_condition", ""))
        mentioned = tuple(name for name in kinds if name in text or name in names)
        return "whole", mentioned if text else tuple(kinds)
    if kind in BY_VALUE and names[0] in few:
        return "values", names
    if kind in BY_VALUE and kinds[names[0]] in ("BIGINT", "DOUBLE"):
        return "numbers", names
    return "parts" if kind in BY_ROW else "equals" if kind in BY_EQUALS else "whole", names


Groups = dict[tuple[str, tuple[str, ...]], list[int]]


def _rows(table: Path, kinds: dict[str, str], groups: Groups) -> Iterator[ExpectationRows]:
    """Yield the rows for each group of expectations, one after the other."""
    import pandas as pd

    total = int(tables.rows(f"SELECT count(*) FROM {tables.table(table)}")[0][0])
    values: dict[str, list[int]] = {}
    numbers: dict[str, list[int]] = {}
    for (way, names), positions in groups.items():
        if way == "values":
            values[names[0]] = positions
        elif way == "numbers":
            numbers[names[0]] = positions
        elif way == "count":
            yield ExpectationRows(pd.DataFrame(index=range(total)), positions)
        elif way == "names":
            empty = tables.query(f"SELECT * FROM {tables.table(table)} LIMIT 0")
            yield ExpectationRows(empty, positions)
        else:
            frame = tables.read(table, list(names))
            for part in _parts(table, frame, names, way):
                yield ExpectationRows(part, positions)
    if values:
        yield _distinct(table, kinds, values)
    together = max(1, CELLS // max(1, total))
    left = iter(numbers)
    while some := tuple(islice(left, together)):
        frame = tables.read(table, list(some))
        positions = [position for name in some for position in numbers[name]]
        for part in _parts(table, frame, some, "parts"):
            yield ExpectationRows(part, positions)


def _parts(
    table: Path, frame: pd.DataFrame, names: tuple[str, ...], way: str
) -> Iterator[pd.DataFrame]:
    """Divide a frame into parts of about `CELLS` cells; `equals` keeps equal rows together."""
    count = math.ceil(frame.size / CELLS)
    if way == "whole" or count < 2:
        yield frame
    elif way == "parts":
        step = math.ceil(len(frame) / count)
        for start in range(0, len(frame), step):
            yield frame.iloc[start : start + step]
    else:
        keys = ", ".join(map(quoted, names))
        sql = f"SELECT CAST(hash({keys}) % {count} AS USMALLINT) AS k FROM {tables.table(table)}"
        part = tables.query(sql)["k"].to_numpy()
        for k in range(count):
            yield frame[part == k]


def _distinct(
    table: Path, kinds: dict[str, str], positions: dict[str, list[int]]
) -> ExpectationRows:
    """Return the distinct values of some columns side by side, with their frequencies."""
    import pandas as pd

    columns: dict[str, pd.Series] = {}
    counts: dict[str, npt.NDArray[np.int64]] = {}
    for name in positions:
        column = quoted(name)
        found = tables.query(
            f"SELECT {column} AS value, count(*) AS n FROM {tables.table(table)} GROUP BY ALL"
        )
        kind = "str" if kinds[name] == "VARCHAR" else found["value"].dtype
        columns[name] = found["value"].astype(kind)
        counts[name] = found["n"].to_numpy()
    return ExpectationRows(
        pd.DataFrame(columns), [p for some in positions.values() for p in some], counts
    )
