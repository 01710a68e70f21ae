"""Expectations about one value of one column, as fast checks and as JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from governed_ml.pipeline.contract.outcomes import allowed
from governed_ml.pipeline.contract.suite_file import Given
from governed_ml.serving.rows.patterns import matcher, portable
from governed_ml.serving.rows.row_conditions import NotPerRow, constant, kind_of

Check = Callable[[Any], bool]
WHOLE_TYPES = re.compile("u?int(8|16|32|64)?", re.IGNORECASE)
FIRST, LAST = "first", "last"  # day: what a schema of dates is made of
DAY, EPOCH = 86_400_000_000, date(1970, 1, 1).toordinal()
COLUMN, LENGTHS = "expect_column_values_to_", "expect_column_value_lengths_to_"


@dataclass(frozen=True)
class ValueCheck:
    """A check of one value, which is there; `missing` says whether it may be missing.

    `schema` says the same as JSON Schema, as far as that can; for dates, it is the range of days.
    """

    holds: Check | None = None
    words: str = ""
    missing: bool = True
    schema: dict[str, Any] = field(default_factory=dict)


def value_check(one: Given, source_type: str) -> ValueCheck:
    """Return the check of an expectation; raise `NotPerRow` if it is not about one value."""
    make = CHECKS.get(one["type"])
    if make is None:
        raise NotPerRow
    found = make(one["kwargs"], source_type)
    return ValueCheck(found.holds, words_of(one), found.missing, found.schema)


def words_of(one: Given) -> str:
    """Return what an expectation allows, for people."""
    said = allowed(one)
    if one["type"] == COLUMN + "not_be_null":
        said = "must have a value" + "".join(said.partition(", where ")[1:])
    elif one["type"].startswith(LENGTHS):
        said = f"length {said}"
    return f"{said} (data contract)"


def _not_null(kwargs: Given, source_type: str) -> ValueCheck:
    return ValueCheck(missing=False)


def _null(kwargs: Given, source_type: str) -> ValueCheck:
    return ValueCheck(lambda _: False, schema={"enum": [None]})


def _in_set(kwargs: Given, source_type: str) -> ValueCheck:
    values = _set(kwargs, source_type)
    if values is None:
        return ValueCheck()
    return ValueCheck(lambda value: value in values, schema={"enum": sorted(values)})


def _not_in_set(kwargs: Given, source_type: str) -> ValueCheck:
    values = _set(kwargs, source_type)
    if values is None:
        return ValueCheck()
    schema = {"not": {"enum": sorted(values)}}
    return ValueCheck(lambda value: value not in values, schema=schema)


def _set(kwargs: Given, source_type: str) -> frozenset[Any] | None:
    """Return the values of a set that a column of this type can have; None if all are allowed."""
    given, kind = kwargs.get("value_set"), kind_of(source_type)
    if given is None:
        return None
    if kind == "date" or not isinstance(given, list) or any(isinstance(v, bool) for v in given):
        raise NotPerRow
    wanted = str if kind == "text" else (int, float)
    return frozenset(value for value in given if isinstance(value, wanted))


def _between(kwargs: Given, source_type: str) -> ValueCheck:
    kind = kind_of(source_type)
    if kind == "text":
        raise NotPerRow
    low, high = (
        None if kwargs.get(name) is None else constant(kwargs[name], kind)
        for name in ("min_value", "max_value")
    )
    if kind == "number" and source_type != "BIGINT":
        low, high = (None if end is None else float(end) for end in (low, high))
    schema = _ends(kwargs, "minimum", "maximum") if kind == "number" else _days(kwargs, low, high)
    return ValueCheck(_within(kwargs, low, high), schema=schema)


def _within(kwargs: Given, low: Any, high: Any) -> Check:
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        raise NotPerRow
    above, below = bool(kwargs.get("strict_min")), bool(kwargs.get("strict_max"))

    def holds(value: Any) -> bool:
        if low is not None and (value <= low if above else value < low):
            return False
        return high is None or (value < high if below else value <= high)

    return holds


def _days(kwargs: Given, low: Any, high: Any) -> dict[str, Any]:
    """Return the first and the last day of which the beginning is allowed."""
    found: dict[str, Any] = {}
    if low is not None:
        found[FIRST] = _day(-(-(low + bool(kwargs.get("strict_min"))) // DAY))
    if high is not None:
        found[LAST] = _day((high - bool(kwargs.get("strict_max"))) // DAY)
    return found


def _day(number: int) -> str:
    """Return a day, given its number since 1970; the last or first if it is beyond these."""
    least, most = date.min.toordinal(), date.max.toordinal()
    return date.fromordinal(min(max(number + EPOCH, least), most)).isoformat()


def _ends(kwargs: Given, low: str, high: str) -> dict[str, Any]:
    """Return the limits as JSON Schema."""
    found: dict[str, Any] = {}
    for end, name in (("min", low), ("max", high)):
        if (value := kwargs.get(f"{end}_value")) is not None:
            strict = bool(kwargs.get(f"strict_{end}"))
            found[f"exclusive{name.capitalize()}" if strict else name] = value
    return found


def _lengths(kwargs: Given, source_type: str) -> ValueCheck:
    ends = [kwargs.get(name) for name in ("min_value", "max_value")]
    if source_type != "VARCHAR" or not all(
        end is None or type(end) in (int, float) for end in ends
    ):
        raise NotPerRow
    within = _within(kwargs, *ends)
    strict = kwargs.get("strict_min") or kwargs.get("strict_max")
    whole = all(end is None or end == int(end) for end in ends)
    schema = _ends(kwargs, "minLength", "maxLength") if whole and not strict else {}
    return ValueCheck(lambda value: within(len(value)), schema=schema)


def _length(kwargs: Given, source_type: str) -> ValueCheck:
    value = kwargs.get("value")
    if source_type != "VARCHAR" or type(value) not in (int, float):
        raise NotPerRow
    schema = {"minLength": value, "maxLength": value} if isinstance(value, int) else {}
    return ValueCheck(lambda text: len(text) == value, schema=schema)


def _regex(kwargs: Given, source_type: str) -> ValueCheck:
    [matches] = _matchers([kwargs.get("regex")], source_type)
    pattern = portable(kwargs["regex"])
    return ValueCheck(matches, schema={} if pattern is None else {"pattern": pattern})


def _not_regex(kwargs: Given, source_type: str) -> ValueCheck:
    [matches] = _matchers([kwargs.get("regex")], source_type)
    pattern = portable(kwargs["regex"])
    schema = {} if pattern is None else {"not": {"pattern": pattern}}
    return ValueCheck(lambda text: not matches(text), schema=schema)


def _regexes(kwargs: Given, source_type: str) -> ValueCheck:
    each = _matchers(kwargs.get("regex_list"), source_type)
    how = {"any": any, "all": all, None: any}.get(kwargs.get("match_on"))
    if how is None:
        raise NotPerRow
    return ValueCheck(lambda text: how(matches(text) for matches in each))


def _not_regexes(kwargs: Given, source_type: str) -> ValueCheck:
    each = _matchers(kwargs.get("regex_list"), source_type)
    return ValueCheck(lambda text: not any(matches(text) for matches in each))


def _type(kwargs: Given, source_type: str) -> ValueCheck:
    """Require whole numbers if a type of integers is required; the reader sees to other types."""
    types: Any = kwargs.get("type_list") or [kwargs.get("type_")]
    if not isinstance(types, list):
        raise NotPerRow
    whole = all(WHOLE_TYPES.fullmatch(str(one)) for one in types)
    if kind_of(source_type) != "number" or not whole:
        return ValueCheck()
    return ValueCheck(lambda value: value == int(value), schema={"type": "integer"})


def _matchers(regexes: Any, source_type: str) -> list[Check]:
    if source_type != "VARCHAR" or not isinstance(regexes, list) or not regexes:
        raise NotPerRow
    return [_matcher(regex) for regex in regexes]


def _matcher(regex: Any) -> Check:
    found = matcher(regex) if isinstance(regex, str) else None
    if found is None:
        raise NotPerRow
    return found


CHECKS: dict[str, Callable[[Given, str], ValueCheck]] = {
    COLUMN + "not_be_null": _not_null,
    COLUMN + "be_null": _null,
    COLUMN + "be_in_set": _in_set,
    COLUMN + "not_be_in_set": _not_in_set,
    COLUMN + "be_between": _between,
    COLUMN + "match_regex": _regex,
    COLUMN + "not_match_regex": _not_regex,
    COLUMN + "match_regex_list": _regexes,
    COLUMN + "not_match_regex_list": _not_regexes,
    COLUMN + "be_of_type": _type,
    COLUMN + "be_in_type_list": _type,
    LENGTHS + "be_between": _lengths,
    LENGTHS + "equal": _length,
}
