"""The data contract says what Great Expectations says of the whole table, however it is cut up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governed_ml.pipeline.contract import outcomes, validation

os.environ["GX_ANALYTICS_ENABLED"] = "false"

WORDS = ["yes", "no", "", "a@b.org", "ümlaut", "2024-02-30", "2024-02-29", '{"a": 1}', "7"]
MOSTLY = (0.0, 1e-9, 1 / 3, 0.5, 2 / 3, 0.9, 0.95, 1 - 1e-9, 1.0)


def column(kind: str, **limits: Any) -> dict[str, Any]:
    """An expectation about one column, or about the table."""
    return {"type": f"expect_column_{kind}", "kwargs": limits}


def about(name: str, mostly: float) -> list[dict[str, Any]]:
    """What can be expected of any column, and of texts and times (others raise: just as well)."""
    own = {"column": name, "mostly": mostly}
    return [
        column("values_to_not_be_null", **own),
        column("values_to_be_null", **own),
        column("values_to_be_unique", **own),
        column("values_to_be_in_set", value_set=["yes", "no", 1, 2.5], **own),
        column("values_to_not_be_in_set", value_set=["yes", 1], **own),
        column("values_to_match_regex", regex="^[a-z@.]+$", **own),
        column("values_to_not_match_regex", regex=r"[^@\s]+@[^@\s]+\.[a-z]+", **own),
        column("values_to_match_regex_list", regex_list=["^y", r"\d"], match_on="any", **own),
        column("values_to_not_match_regex_list", regex_list=["^y", r"\d"], **own),
        column("value_lengths_to_be_between", min_value=2, max_value=5, **own),
        column("value_lengths_to_equal", value=2, **own),
        column("values_to_match_strftime_format", strftime_format="%Y-%m-%d", **own),
        column("values_to_be_dateutil_parseable", **own),
        column("values_to_be_json_parseable", **own),
        column("values_to_be_between", min_value=-1, max_value=2.5, strict_max=True, **own),
        column("values_to_be_between", min_value="2024-01-02", **own),
        column("values_to_be_of_type", column=name, type_="str"),
        column("values_to_be_in_type_list", column=name, type_list=["int64", "datetime64[us]"]),
        column("unique_value_count_to_be_between", column=name, min_value=2, max_value=5),
        column("proportion_of_unique_values_to_be_between", column=name, min_value=0.5),
        column("max_to_be_between", column=name, max_value=2),
        column("mean_to_be_between", column=name, min_value=0),
        column("median_to_be_between", column=name, min_value=0),
        column("most_common_value_to_be_in_set", column=name, value_set=["yes", 1]),
        column("distinct_values_to_be_in_set", column=name, value_set=[*WORDS, 1, 2]),
        column("distinct_values_to_contain_set", column=name, value_set=["yes"]),
        column("values_to_be_increasing", column=name),
        column("values_to_be_between", min_value=0, row_condition="whole > 0",
               condition_parser="pandas", **own),
    ]  # fmt: skip


def about_all(names: list[str], mostly: float) -> list[dict[str, Any]]:
    """What can be expected of the table and of several columns together."""
    pair = {"column_A": "whole", "column_B": "real"}
    alike = {"column_A": "word", "column_B": "text"}
    several = {"column_list": ["word", "whole", "real"], "mostly": mostly}
    return [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 5}},
        {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 7}},
        {"type": "expect_table_column_count_to_equal", "kwargs": {"value": len(names)}},
        {"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": names[1:]}},
        {"type": "expect_table_columns_to_match_ordered_list", "kwargs": {"column_list": names}},
        column("to_exist", column="word"),
        column("pair_values_a_to_be_greater_than_b", or_equal=True, mostly=mostly, **pair),
        column("pair_values_a_to_be_greater_than_b",
               ignore_row_if="either_value_is_missing", **pair),
        column("pair_values_to_be_equal", mostly=mostly, **alike),
        column("pair_values_to_be_in_set", value_pairs_set=[["yes", "no"], ["no", ""]], **alike),
        {"type": "expect_compound_columns_to_be_unique", "kwargs": several},
        {"type": "expect_compound_columns_to_be_unique",
         "kwargs": several | {"ignore_row_if": "any_value_is_missing"}},
        {"type": "expect_select_column_values_to_be_unique_within_record", "kwargs": several},
        {"type": "expect_multicolumn_sum_to_equal",
         "kwargs": {"column_list": ["whole", "real"], "sum_total": 2}},
    ]  # fmt: skip


def on_the_whole(frame: pd.DataFrame, expectations: list[dict[str, Any]]) -> list[Any]:
    """What Great Expectations says of the whole frame, by its public interface, as evidence."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("p").add_dataframe_asset("a")
    batch = asset.add_batch_definition_whole_dataframe("b").get_batch({"dataframe": frame})
    marked = [
        {"type": e["type"], "kwargs": outcomes._timed(e["kwargs"], frame), "meta": {"place": place}}
        for place, e in enumerate(expectations)
    ]
    suite = gx.ExpectationSuite(name="s", expectations=marked)
    found = batch.validate(suite, result_format="BASIC").results
    assert len(found) == len(expectations)
    found.sort(key=lambda result: result.expectation_config.meta["place"])
    return [outcomes.read(e, result) for e, result in zip(expectations, found, strict=True)]


def columns_of(rows: int) -> st.SearchStrategy[dict[str, list[Any]]]:
    """Columns of the types that `ingest` writes, few- and many-valued, with and without nulls."""
    times = st.integers(0, 3).map(lambda day: pd.Timestamp("2024-01-01") + pd.Timedelta(days=day))
    cells = {
        "word": st.sampled_from(["yes", "no"]),
        "gaps": st.none() | st.sampled_from(WORDS),
        "text": st.sampled_from(WORDS) | st.text("ab1\u0000é@.", max_size=4),
        "void": st.none(),
        "day": st.none() | times,
        "whole": st.integers(-2, 3),
        "holes": st.none() | st.integers(0, 2),
        "real": st.none() | st.floats(-3, 3) | st.sampled_from([0.0, -0.0, 2.5]),
    }
    return st.fixed_dictionaries(
        {name: st.lists(cell, min_size=rows, max_size=rows) for name, cell in cells.items()}
    )


TYPES = {"day": "TIMESTAMP", "whole": "BIGINT", "holes": "BIGINT", "real": "DOUBLE"}


def write(columns: dict[str, list[Any]], path: Path) -> None:
    """Write columns as `ingest` does: DuckDB's Parquet, of its four types."""
    import duckdb

    frame = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})
    cast = ", ".join(f"CAST({name} AS {TYPES.get(name, 'VARCHAR')}) AS {name}" for name in columns)
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute(f"COPY (SELECT {cast} FROM frame) TO '{path}' (FORMAT parquet)")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("few", "cells"),
    [
        pytest.param(0, 9, marks=pytest.mark.nightly),
        pytest.param(10_000, 9, marks=pytest.mark.nightly),
        (10_000, 4_000_000),
    ],
)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), rows=st.integers(0, 13), mostly=st.sampled_from(MOSTLY))
def test_it_says_what_great_expectations_says_of_the_whole_table(
    few: int,
    cells: int,
    data: st.DataObject,
    rows: int,
    mostly: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given any table, and all that is commonly expected of a column, a pair, a table
    columns = data.draw(columns_of(rows))
    path = tmp_path / "raw.parquet"
    write(columns, path)
    name = data.draw(st.sampled_from(list(columns)))
    expectations = about(name, mostly) + about_all(list(columns), mostly)
    # When the contract judges it value by value and in small parts, or (by default) in large ones
    monkeypatch.setattr(validation, "FEW", few)
    monkeypatch.setattr(validation, "CELLS", cells)
    found = validation.judged(path, expectations)
    # Then verdict, count and share are those of Great Expectations on all rows at once
    assert found == on_the_whole(pd.read_parquet(path), expectations)
