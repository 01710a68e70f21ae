"""What became of an expectation, in words and counts: never a value out of a row."""

from __future__ import annotations

from typing import Any

from ..bodies import Expectation

SHOWN = 120  # characters of a value set or a list of columns
ROLES = ("column", "column_A", "column_B", "column_list", "exact_match")
PHRASES = {  # a keyword of Great Expectations → how people say it after "must be"
    "value_set": "one of",
    "column_set": "the columns",
    "type_": "of type",
    "type_list": "of type",
    "regex": "matched by",
}
COUNTED = {  # an expectation about a number of things → the things
    "expect_table_row_count_to_be_between": "rows",
    "expect_table_column_count_to_be_between": "columns",
    "expect_column_unique_value_count_to_be_between": "different values",
}
PLAIN = {
    "expect_column_to_exist": "must be there",
    "expect_column_values_to_be_unique": "must be unique",
}


def read(one: dict[str, Any], result: Any) -> Expectation:
    """Keep shares, counts, numbers and names of columns out of a Great Expectations result."""
    details: dict[str, Any] = dict(result.result or {})
    count: Any = details.get("unexpected_count")
    share: Any = details.get("unexpected_percent")
    if share is not None and share != share:  # no value to judge
        share = None
    return outcome(one, bool(result.success), _seen(one["type"], details, share), count, share)


def outcome(
    one: dict[str, Any], success: bool, observed: str, count: Any = None, share: Any = None
) -> Expectation:
    """Return the outcome of an expectation as evidence keeps it."""
    return Expectation(
        type=one["type"],
        column=one["kwargs"].get("column"),
        limits=allowed(one),
        success=success,
        observed=observed,
        unexpected_count=None if count is None else int(count),
        unexpected_percent=None if share is None else float(share),
    )


def allowed(one: dict[str, Any]) -> str:
    """Say what an expectation allows, as in "at most 1 % allowed" or "must be 0 to 1"."""
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
    """Return a percentage with three significant digits, so that a small one is never zero."""
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
