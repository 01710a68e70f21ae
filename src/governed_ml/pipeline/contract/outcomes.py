"""Run Great Expectations, and keep each result as words and counts, without values of rows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from governed_ml.core.evidence_bodies import Expectation
from governed_ml.core.problem import Problem, first_line
from governed_ml.pipeline.contract.suite_file import Given

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Counts = dict[str, npt.NDArray[np.int64]]

SHOWN = 120  # most characters shown of a value set or a list of columns
ROLES = (
    *("column", "column_A", "column_B", "column_list", "exact_match"),
    *("row_condition", "condition_parser", "ignore_row_if"),
)
PHRASES = {  # keyword of Great Expectations → words that follow "must be"
    "value_set": "one of",
    "column_set": "the columns",
    "type_": "of type",
    "type_list": "of type",
    "regex": "matched by",
}
COUNTED = {  # expectation about a count → what is counted
    "expect_table_row_count_to_be_between": "rows",
    "expect_table_column_count_to_be_between": "columns",
    "expect_column_unique_value_count_to_be_between": "different values",
}
PLAIN = {
    "expect_column_to_exist": "must be there",
    "expect_column_values_to_be_unique": "must be unique",
}


def results(frame: pd.DataFrame, wanted: dict[int, Given], counts: Counts) -> dict[int, Any]:
    """Return position → Great Expectations' result for the expectation there.

    With `counts`, the rows of `frame` are distinct values, and `counts` are their frequencies. The
    validator is called directly, because `Batch.validate` first hashes all rows twice to make a
    name.
    """
    from great_expectations import ExpectationSuite
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.execution_engine.pandas_execution_engine import (
        PandasExecutionEngine,
    )
    from great_expectations.validator.validator import Validator

    form = {"result_format": "COMPLETE" if counts else "BASIC"}
    try:
        marked: list[Any] = [
            {"type": one["type"], "kwargs": _timed(one["kwargs"], frame), "meta": {"position": p}}
            for p, one in wanted.items()
        ]
        suite = ExpectationSuite(name="contract", expectations=marked)
        engine = PandasExecutionEngine(batch_data_dict={"rows": frame})
        validator = Validator(execution_engine=engine, data_context=_quiet())
        judged: Any = validator.graph_validate(
            suite.expectation_configurations, runtime_configuration=form
        )
    except (GreatExpectationsError, TypeError, ValueError) as error:
        raise Problem(
            f"the data contract cannot be judged: {first_line(error)}; correct it in "
            "governance/expectations/"
        ) from error
    found = {int(result.expectation_config.meta["position"]): result for result in judged}
    if not counts:
        return found
    names = {p: wanted[p]["kwargs"]["column"] for p in found}
    return {p: weighed(found[p], counts[n], frame[n].isna().to_numpy()) for p, n in names.items()}


@cache
def _quiet() -> Any:
    """Return a Great Expectations context without telemetry, progress bars and logging."""
    import logging

    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # it ignores DO_NOT_TRACK
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    # it also logs errors that it returns
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return context


def _timed(kwargs: Given, frame: pd.DataFrame) -> Given:
    """Return limits as times if the column holds times; JSON stores times as text."""
    import pandas as pd

    column = kwargs.get("column")
    if column not in frame.columns or frame[column].dtype.kind != "M":
        return kwargs
    texts = [key for key in ("min_value", "max_value") if isinstance(kwargs.get(key), str)]
    return kwargs | {key: pd.Timestamp(kwargs[key]) for key in texts}


@dataclass(frozen=True)
class Counted:
    """A result with the same attributes as Great Expectations' own."""

    success: bool
    result: dict[str, Any]


def weighed(result: Any, counts: npt.NDArray[np.int64], is_null: npt.NDArray[np.bool_]) -> Any:
    """Turn a result about distinct values into one about rows.

    `counts` is the number of rows of each value. `is_null` belongs to the frame's rows, which may
    be more (padding).
    """
    details: dict[str, Any] = dict(result.result or {})
    if "unexpected_count" not in details:
        return result
    places: list[int] = details.get("unexpected_index_list") or []
    if len(places) != details["unexpected_count"]:
        raise Problem(
            "Great Expectations did not list all unexpected values: report this as a bug of the "
            "engine (governed-ml)"
        )
    found: dict[str, Any] = {
        "element_count": int(counts.sum()),
        "unexpected_count": int(counts[[p for p in places if p < len(counts)]].sum()),
    }
    if "missing_count" in details:
        found["missing_count"] = int(counts[is_null[: len(counts)]].sum())
    return Counted(False, found)


def added_up(one: Given, results: list[Any]) -> Any:
    """Combine the results about parts of the rows into that about all rows."""
    uncounted = [r for r in results if "unexpected_count" not in (r.result or {})]
    if uncounted or (len(results) == 1 and not isinstance(results[0], Counted)):
        return min(uncounted or results, key=lambda result: bool(result.success))
    rows, unexpected, missing = (
        sum(result.result.get(key) or 0 for result in results)
        for key in ("element_count", "unexpected_count", "missing_count")
    )
    judged = rows - missing
    mostly = float(one["kwargs"].get("mostly", 1.0))
    share = unexpected / judged * 100 if judged else None
    success = not judged or (judged - unexpected) / judged >= mostly
    return Counted(success, {"unexpected_count": unexpected, "unexpected_percent": share})


def read(one: Given, result: Any) -> Expectation:
    """Return a Great Expectations result as evidence: shares, counts, numbers and column names."""
    details: dict[str, Any] = dict(result.result or {})
    count: Any = details.get("unexpected_count")
    share: Any = details.get("unexpected_percent")
    if share is not None and share != share:  # NaN: there is no value
        share = None
    return outcome(one, bool(result.success), _seen(one["type"], details, share), count, share)


def outcome(
    one: Given, success: bool, observed: str, count: Any = None, share: Any = None
) -> Expectation:
    """Return the outcome of an expectation in the form of evidence."""
    return Expectation(
        type=one["type"],
        column=one["kwargs"].get("column"),
        limits=allowed(one),
        success=success,
        observed=observed,
        unexpected_count=None if count is None else int(count),
        unexpected_percent=None if share is None else float(share),
    )


def said(one: Expectation) -> str:
    """Return one outcome in words: the column, the observed value, and the allowed ones."""
    return f"{one.column or 'table'}: {one.observed or 'broken'}, {one.limits} ({one.type})"


def allowed(one: Given) -> str:
    """Return what an expectation allows, such as "at most 1 % allowed" or "must be 0 to 1".

    What is said of two columns names both, and a condition on rows comes last.
    """
    kwargs: Given = one["kwargs"]
    words = _of_columns(one["type"], kwargs) or _of_column(one)
    condition = kwargs.get("row_condition")
    return f"{words}, where {_short(condition)}" if condition else words


def _of_columns(kind: str, kwargs: Given) -> str:
    """Return what must hold between two columns, or nothing for other expectations."""
    both = [str(kwargs.get(name, "")) for name in ("column_A", "column_B")]
    greater = "be at least" if kwargs.get("or_equal") else "be greater than"
    verbs = {"a_to_be_greater_than_b": greater, "to_be_equal": "equal"}
    verb = verbs.get(kind.removeprefix("expect_column_pair_values_"))
    if verb is None:
        return ""
    mostly = float(kwargs.get("mostly", 1.0))
    most = f" in at least {percent(100 * mostly)} of the rows" if mostly < 1 else ""
    return f"{both[0]} must {verb} {both[1]}{most}"


def _of_column(one: Given) -> str:
    limits: dict[str, Any] = {k: v for k, v in one["kwargs"].items() if k not in ROLES}
    mostly = float(limits.pop("mostly", 1.0))
    if one["type"] == "expect_column_values_to_not_be_null":
        few = mostly > 1e-6
        return f"at most {percent(100 - 100 * mostly)} allowed" if few else "some value is needed"
    low, high = limits.pop("min_value", None), limits.pop("max_value", None)
    if low is None or high is None:
        words = [f"at least {low}"] if low is not None else []
        words += [f"at most {high}"] if high is not None else []
    else:
        words = [f"{low} to {high}"]
    words += [f"{PHRASES.get(key, key)} {_short(value)}" for key, value in sorted(limits.items())]
    words += [f"in at least {percent(100 * mostly)} of the rows"] if mostly < 1 else []
    must = "must not be" if "_not_" in one["type"] else "must be"
    return f"{must} {', '.join(words)}" if words else PLAIN.get(one["type"], "must hold")


def percent(value: float) -> str:
    """Return a percentage with three significant digits, so that small ones are not shown as 0."""
    return f"{value:.3g} %"


def _seen(kind: str, details: dict[str, Any], share: float | None) -> str:
    value: Any = details.get("observed_value")
    mismatched: dict[str, list[str]] = dict(details.get("details") or {}).get("mismatched") or {}
    if mismatched:
        return "; ".join(f"{what} {_short(names)}" for what, names in mismatched.items() if names)
    if share is not None:
        rest = "null" if kind == "expect_column_values_to_not_be_null" else "otherwise"
        return f"{percent(share)} {rest} ({int(details['unexpected_count']):,} rows)"
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int | float):
        number = f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
        return f"{COUNTED[kind]}: {number}" if kind in COUNTED else number
    if kind.endswith(("_of_type", "_in_type_list")):
        return f"type {value}"
    return "" if details or kind == "expect_column_to_exist" else WRONG_TYPE


WRONG_TYPE = "cannot be judged (has the column another type?)"


def _short(value: Any) -> str:
    items: list[Any] = value if isinstance(value, list) else [value]
    text = ", ".join(map(str, items))
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
