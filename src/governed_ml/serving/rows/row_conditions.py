"""The `row_condition` of an expectation as a question about one row.

Great Expectations gives a condition to `DataFrame.query`, which takes far longer than a request may
take. Comparisons with values and columns, `in`, and their combinations are judged here, with the
answers of pandas for missing values. Any other condition is not judged in a row.
"""

from __future__ import annotations

import ast
import io
import operator
import re
import tokenize
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

TypedRow = Mapping[str, Any]
Holds = Callable[[TypedRow], bool]
Comparison = Callable[[Any, Any], bool]
COMPARISONS: dict[type[ast.cmpop] | str, Comparison] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MIRRORED: dict[Comparison, Comparison] = {
    operator.lt: operator.gt,
    operator.le: operator.ge,
    operator.gt: operator.lt,
    operator.ge: operator.le,
}
KINDS = {"VARCHAR": "text", "TIMESTAMP": "date"}
"""DuckDB type → how a column's values compare; others are numbers."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as the contract's times
_QUOTED = re.compile("`([^`]+)`")


class NotPerRow(Exception):
    """An expectation or condition that cannot be judged in one row."""


@dataclass(frozen=True)
class RowCondition:
    """The columns of a condition, and whether it holds for a row of typed values."""

    columns: frozenset[str]
    holds: Holds


def row_condition(given: Any, parser: Any, types: dict[str, str]) -> RowCondition:
    """Return a condition about columns with these types; raise `NotPerRow` if it cannot be."""
    found = _Conditions(types)
    if isinstance(given, dict):
        holds = found.of_object(given)
    elif isinstance(given, str) and parser == "pandas":
        holds = found.of_text(given)
    else:
        raise NotPerRow
    return RowCondition(frozenset(found.seen), holds)


def kind_of(source_type: str) -> str:
    """Return how values of a type compare: as numbers, texts or dates."""
    return KINDS.get(source_type, "number")


def constant(value: Any, kind: str) -> Any:
    """Return a value of a contract as a column of this kind has it; dates are microseconds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "number" and is_number:
        return value
    if kind == "text" and isinstance(value, str):
        return value
    if kind == "date" and isinstance(value, str):
        return microseconds(value)
    raise NotPerRow


def microseconds(text: str) -> int:
    """Return the microseconds since 1970 of a time without an offset."""
    import pandas as pd

    try:
        found = pd.Timestamp(text)
        if found is pd.NaT or found.tzinfo is not None:
            raise NotPerRow
        since = found.to_pydatetime(warn=False) - _EPOCH
    except (ValueError, OverflowError) as error:
        raise NotPerRow from error
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


class _Conditions:
    """Makes the parts of one condition."""

    def __init__(self, types: dict[str, str]) -> None:
        self.types, self.seen = types, set[str]()
        self.names: dict[str, str] = {}

    def of_text(self, text: str) -> Holds:
        """Return a condition in the language of `DataFrame.query`."""
        for number, name in enumerate(dict.fromkeys(_QUOTED.findall(text))):
            self.names[f"column_{number}_quoted"] = name
            text = text.replace(f"`{name}`", f" column_{number}_quoted ")
        try:
            tree = ast.parse(_with_words(text.strip()), mode="eval")
        except (SyntaxError, ValueError, tokenize.TokenError) as error:
            raise NotPerRow from error
        return self._tree(tree.body)

    def of_object(self, given: Any) -> Holds:
        """Return a condition in Great Expectations' own form."""
        if not isinstance(given, dict):
            raise NotPerRow
        kind, parts = given.get("type"), given.get("conditions")
        if kind in ("and", "or") and isinstance(parts, list):
            each = [self.of_object(one) for one in parts]
            return self._all(each) if kind == "and" else self._any(each)
        if kind == "pass_through":
            return self.of_text(str(given.get("pass_through_filter")))
        name = self._column(dict(given.get("column") or {}).get("name"))
        if kind == "nullity":
            missing = bool(given.get("is_null"))
            return lambda row: (row[name] is None) is missing
        how, value = given.get("operator"), given.get("parameter")
        if kind == "comparison" and how in ("IN", "NOT_IN"):
            return self._among(name, value, inside=how == "IN")
        if kind == "comparison" and how in COMPARISONS:
            return self._with(name, COMPARISONS[how], value)
        raise NotPerRow

    def _tree(self, tree: ast.expr) -> Holds:
        match tree:
            case ast.BoolOp(op=ast.And(), values=parts):
                return self._all([self._tree(one) for one in parts])
            case ast.BoolOp(op=ast.Or(), values=parts):
                return self._any([self._tree(one) for one in parts])
            case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=part):
                holds = self._tree(part)
                return lambda row: not holds(row)
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [left, *others]
                pairs = zip(sides, ops, others, strict=False)
                return self._all([self._compared(*pair) for pair in pairs])
            case _:
                raise NotPerRow

    def _compared(self, left: ast.expr, how: ast.cmpop, right: ast.expr) -> Holds:
        if isinstance(how, ast.In | ast.NotIn) and isinstance(left, ast.Name):
            inside = isinstance(how, ast.In)
            return self._among(self._column(left.id), _value(right), inside=inside)
        if type(how) not in COMPARISONS:
            raise NotPerRow
        compare = COMPARISONS[type(how)]
        if isinstance(left, ast.Name) and isinstance(right, ast.Name):
            return self._two(self._column(left.id), compare, self._column(right.id))
        if isinstance(left, ast.Name):
            return self._with(self._column(left.id), compare, _value(right))
        if isinstance(right, ast.Name):
            return self._with(self._column(right.id), MIRRORED.get(compare, compare), _value(left))
        raise NotPerRow

    def _column(self, name: Any) -> str:
        name = self.names.get(name, name)
        if name not in self.types:
            raise NotPerRow
        self.seen.add(name)
        return name

    def _with(self, name: str, compare: Comparison, value: Any) -> Holds:
        """Return a comparison with a value. A missing value is only unequal to it."""
        kind = kind_of(self.types[name])
        wanted = constant(value, kind)
        if kind == "date" and compare in (operator.eq, operator.ne):
            raise NotPerRow  # pandas finds no date equal to a text
        missing = compare is operator.ne
        return lambda row: missing if row[name] is None else compare(row[name], wanted)

    def _two(self, one: str, compare: Comparison, other: str) -> Holds:
        if kind_of(self.types[one]) != kind_of(self.types[other]):
            raise NotPerRow
        missing = compare is operator.ne
        return lambda row: (
            missing if row[one] is None or row[other] is None else compare(row[one], row[other])
        )

    def _among(self, name: str, values: Any, *, inside: bool) -> Holds:
        kind = kind_of(self.types[name])
        if kind == "date" or not isinstance(values, list):
            raise NotPerRow
        wanted = {constant(value, kind) for value in values}
        return lambda row: (row[name] in wanted) is inside

    @staticmethod
    def _all(each: list[Holds]) -> Holds:
        return each[0] if len(each) == 1 else lambda row: all(holds(row) for holds in each)

    @staticmethod
    def _any(each: list[Holds]) -> Holds:
        return lambda row: any(holds(row) for holds in each)


def _value(tree: ast.expr) -> Any:
    """Return a literal of a condition."""
    try:
        found = ast.literal_eval(tree)
    except ValueError as error:
        raise NotPerRow from error
    return list(found) if isinstance(found, tuple) else found


def _with_words(text: str) -> str:
    """Return a condition with `and` and `or` for `&` and `|`, as pandas reads it."""
    words = {"&": "and", "|": "or"}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return " ".join(words.get(one.string, one.string) for one in tokens).strip()
