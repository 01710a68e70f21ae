"""The data contract's expectations that every single row must satisfy, as fast checks.

The contract was judged in training on the ingested table; here it is judged on the same typed
values. An expectation about many rows, or with exceptions (`mostly`), is left to `monitor`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from governed_ml.pipeline.contract.suite_file import Given
from governed_ml.pipeline.contract.validation import columns_of
from governed_ml.serving.rows.row_conditions import (
    NotPerRow,
    RowCondition,
    TypedRow,
    kind_of,
    row_condition,
)
from governed_ml.serving.rows.value_checks import ValueCheck, value_check, words_of

PAIR = "expect_column_pair_values_"


@dataclass(frozen=True)
class RowCheck:
    """A check that needs several columns of a row; a fault is one of `column`."""

    column: str
    needs: frozenset[str]
    holds: Callable[[TypedRow], bool]
    words: str


@dataclass(frozen=True)
class ContractChecks:
    """What a contract says about single values (by column) and rows, and the names of all else."""

    values: dict[str, list[ValueCheck]] = field(default_factory=dict)
    rows: list[RowCheck] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def faults(self, name: str, typed: list[Any]) -> Iterator[tuple[int, str]]:
        """Yield the places of a column's values that the contract does not allow, and why."""
        for check in self.values.get(name, []):
            for place, value in enumerate(typed):
                if not _allows(check, value):
                    yield place, check.words

    @cached_property
    def together(self) -> frozenset[str]:
        """Return the columns that checks of rows need."""
        return frozenset[str]().union(*(check.needs for check in self.rows))

    def faults_of_rows(self, rows: list[dict[str, Any]]) -> Iterator[tuple[int, str, str]]:
        """Yield row, column and reason where rows are not allowed; rows without a column are."""
        for check in self.rows:
            for number, row in enumerate(rows):
                if check.needs <= row.keys() and not check.holds(row):
                    yield number, check.column, check.words

    def required(self, name: str) -> bool:
        """Return whether each value of a column must be there."""
        return any(not check.missing for check in self.values.get(name, []))


def contract_checks(expectations: Sequence[Given], types: dict[str, str]) -> ContractChecks:
    """Return the checks of a contract about the columns of a request, given column → type."""
    found = ContractChecks()
    for one in expectations:
        names = columns_of(one)
        try:
            _add(found, one, names, types)
        except NotPerRow:
            about = f" ({', '.join(names)})" if names else ""
            found.left.append(f"{one['type']}{about}")
    return found


def _add(found: ContractChecks, one: Given, names: list[str], types: dict[str, str]) -> None:
    """Add the check of an expectation, or raise `NotPerRow`."""
    kwargs: Given = one["kwargs"]
    if not names or not set(names) <= types.keys() or kwargs.get("mostly") not in (None, 1, 1.0):
        raise NotPerRow
    given, when = kwargs.get("row_condition"), None
    if given:
        when = row_condition(given, kwargs.get("condition_parser"), types)
    if one["type"].startswith(PAIR):
        found.rows.append(_pair(one, names, types, when))
        return
    check = value_check(one, types[names[0]])
    if when is not None:
        found.rows.append(_conditional(names[0], check, when))
    elif check.holds is not None or not check.missing:
        found.values.setdefault(names[0], []).append(check)


def _allows(check: ValueCheck, value: Any) -> bool:
    if value is None:
        return check.missing
    return check.holds is None or check.holds(value)


def _conditional(name: str, check: ValueCheck, when: RowCondition) -> RowCheck:
    return RowCheck(
        name,
        when.columns | {name},
        lambda row: not when.holds(row) or _allows(check, row[name]),
        check.words,
    )


def _pair(
    one: Given, names: list[str], types: dict[str, str], when: RowCondition | None
) -> RowCheck:
    """Return a comparison of two columns of the same kind."""
    kwargs: Given = one["kwargs"]
    greater = operator.ge if kwargs.get("or_equal") else operator.gt
    compare = {"a_to_be_greater_than_b": greater, "to_be_equal": operator.eq}.get(
        one["type"].removeprefix(PAIR)
    )
    ignored = kwargs.get("ignore_row_if", "both_values_are_missing")
    kinds = {kind_of(types[name]) for name in names}
    if compare is None or len(kinds) != 1 or len(names) != 2:
        raise NotPerRow
    most = {"both_values_are_missing": 2, "either_value_is_missing": 1, "neither": 3}.get(ignored)
    if most is None:
        raise NotPerRow
    a, b = names

    def holds(row: TypedRow) -> bool:
        if when is not None and not when.holds(row):
            return True
        missing = (row[a] is None) + (row[b] is None)
        return missing >= most if missing else compare(row[a], row[b])

    needs = frozenset(names) | (when.columns if when else frozenset())
    return RowCheck(a, needs, holds, words_of(one))
