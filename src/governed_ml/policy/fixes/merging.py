"""Which groups of a sensitive attribute to merge, and what to write for it (pure)."""

from __future__ import annotations

import json
import re

from governed_ml.core.config.classes import ARROW
from governed_ml.core.config.data import MISSING, Sensitive
from governed_ml.core.evidence_bodies import Group
from governed_ml.policy.fixes.known import Known
from governed_ml.policy.fixes.shortage import Shortage

OUTCOMES = {
    "positive test rows": ("true_positive", "false_negative"),
    "negative test rows": ("true_negative", "false_positive"),
    "selected test rows": ("true_positive", "false_positive"),
}
"""Unit of a shortage → the outcomes whose rows it counts; any other unit counts all rows."""
OF_CLASS = re.compile(
    r"rows (?P<role>of|predicted) (?P<others>other classes than )?"
    r"(?P<name>'.*'|\".*\")(?: in the test rows)?"
)
"""A unit that counts rows of one of several classes, or rows that are predicted so."""
PLAIN = re.compile(r"[A-Za-z][\w .-]*[\w]|[A-Za-z]")
WORDS_OF_YAML = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
NAME_OF_SQL = re.compile(r"[A-Za-z_]\w*")
MOST = 8  # groups that are named


def merging(attribute: str, short: Shortage, known: Known) -> str:
    """Say which groups to merge so that `short` is none, and where to write it; else return ""."""
    column, groups, alone = _column(attribute, short.group, known)
    if not groups:
        return ""
    leave = _left_out(column, known) if alone and short.group == MISSING else ""
    if leave and len(groups) < 4:  # one group would swallow the rows without a value
        return leave
    wanted = short.needed if alone else 0
    group = short.group if alone else _part(attribute, short.group, column)
    merged = chosen(groups, group, wanted, short.unit)
    if not merged:
        return ""
    name = "other" if "other" not in {one.name for one in groups} - set(merged) else "merged"
    how = known.data.sensitive.get(column) if known.data else None
    codes = [code for one in merged for code in _codes(one, name, how)]
    lines = ", ".join(f"`{quoted(code)}: {quoted(name)}`" for code in codes[:MOST])
    more = f" and {len(codes) - MOST} more" if len(codes) > MOST else ""
    where = f"under `sensitive: {quoted(column)}: labels:` in {known.table}"
    return f"Or merge groups: {where}, write {lines}{more}. {leave}".strip()


def _left_out(column: str, known: Known) -> str:
    """Say how to leave out the rows without a value, unless `rows` has a condition already."""
    if known.data is None or known.data.rows:
        return ""
    name = column if NAME_OF_SQL.fullmatch(column) else '"' + column.replace('"', '""') + '"'
    condition = f"{name} IS NOT NULL"
    text = condition if name == column else f"'{condition}'"
    return f"Or leave out the rows without a value: in {known.table}, write `rows: {text}`."


def chosen(groups: list[Group], small: str, wanted: int, unit: str) -> list[str]:
    """Return the smallest groups, with `small`, that have `wanted` rows together, else nothing.

    At least two groups are merged, and at least one other group is left to compare with.
    """
    ranked = sorted(groups, key=lambda one: (one.name != small, size(one, unit), one.name))
    for many in range(2, len(ranked)):
        if sum(size(one, unit) for one in ranked[:many]) >= wanted:
            return [one.name for one in ranked[:many]]
    return []


def size(group: Group, unit: str) -> int:
    """Return how many rows of a group count for a rate."""
    if of_class := OF_CLASS.fullmatch(unit):
        place, name = int(of_class["role"] == "predicted"), of_class["name"]
        mine = sum(n for key, n in group.counts.items() if repr(key.split(ARROW)[place]) == name)
        return group.n - mine if of_class["others"] else mine
    outcomes = OUTCOMES.get(unit) if group.counts else None
    return sum(group.counts.get(name, 0) for name in outcomes) if outcomes else group.n


def quoted(text: str) -> str:
    """Return a text as YAML reads it as this text."""
    plain = PLAIN.fullmatch(text) and text.casefold() not in WORDS_OF_YAML
    return text if plain or re.fullmatch(r"[1-9]\d*", text) else json.dumps(text)


def _codes(group: str, name: str, how: Sensitive | None) -> list[str]:
    """Return the values of the table that make up a group, unless they are named so already."""
    if group == name:
        return []
    labels = (how.labels if how else None) or {}
    return [code for code, label in labels.items() if label == group] or [group]


def _column(attribute: str, group: str, known: Known) -> tuple[str, list[Group], bool]:
    """Return the column to merge groups of, its groups, and whether it is the whole attribute.

    Of an intersection, this is the column in which the part of `group` has the fewest rows.
    """
    found = known.evidence.get("fairness")
    each = {one.name: one for one in found.body.attributes} if found else {}
    if attribute not in each:
        return "", [], True
    columns = each[attribute].columns
    if len(columns) == 1:
        return columns[0], each[attribute].groups, True
    parts = group.split("*")
    if len(parts) != len(columns) or not set(columns) <= set(each):
        return "", [], False

    def rows(column: str, part: str) -> int:
        return next((one.n for one in each[column].groups if one.name == part), 0)

    column, _ = min(zip(columns, parts, strict=True), key=lambda one: rows(*one))
    return column, each[column].groups, False


def _part(attribute: str, group: str, column: str) -> str:
    """Return the part of an intersection's group that belongs to a column."""
    return dict(zip(attribute.split("*"), group.split("*"), strict=False)).get(column, group)
