"""The target by group: the share of the favourable value or of each class, or the mean."""

from __future__ import annotations

from dataclasses import dataclass

from governed_ml.core import tables
from governed_ml.core.config.closed_model import as_code
from governed_ml.core.config.data import MISSING, Sensitive
from governed_ml.core.tables import literal
from governed_ml.pipeline.data_page.shown_table import NUMBERS, ShownTable

GROUPS = 50  # most groups of one attribute that are shown
CLASSES = 12  # most classes that are shown, the most frequent first


@dataclass(frozen=True)
class Averaged:
    """What is averaged over the rows of a group: its name for people, and SQL for its value."""

    words: str
    sql: str


@dataclass(frozen=True)
class AttributeFacts:
    """A sensitive attribute: each group with its rows and the averages of its target.

    `few` groups are too small to be shown, and `more` are left out because there are many.
    """

    name: str
    groups: tuple[tuple[str, int, tuple[float, ...]], ...]
    few: int
    more: int
    why_not: str = ""


def by_group(table: ShownTable) -> list[AttributeFacts]:
    """Return the target by group for each sensitive attribute; rows without a target are out."""
    what = averaged(table)
    return [_attribute(table, name, how, what) for name, how in table.data.sensitive.items()]


def averaged(table: ShownTable) -> list[Averaged]:
    """Return what is averaged: the target, or whether it is the favourable value or a class."""
    data = table.data
    if data.task == "regression":
        return [Averaged(f"mean of {data.target}", f"CAST({table.cell(data.target)} AS DOUBLE)")]
    text = table.text(data.target)
    if not data.multiclass:
        text = f"lower({text})" if isinstance(data.positive, bool) else text
        shown = [as_code(data.positive)]
    else:
        shown = classes(table)
        if len(data.class_names) - len(shown) == 1:
            shown = shown[:-1]  # else the shares of all others would tell that of the hidden class
        shown = shown[:CLASSES]
    return [
        Averaged(f"share of {name}", f"CAST({text} = {literal(name)} AS BIGINT)") for name in shown
    ]


def classes(table: ShownTable) -> list[str]:
    """Return the classes that enough rows have, the most frequent first."""
    found = tables.rows(
        f"SELECT v FROM (SELECT {table.text(table.data.target)} AS v, {table.person_sql} AS p "
        f"FROM {table.sql}) GROUP BY v HAVING {table.enough} ORDER BY count(*) DESC, v"
    )
    known = set(table.data.class_names)
    return [str(value) for (value,) in found if value in known]


def why_not(table: ShownTable, name: str, how: Sensitive) -> str:
    """Return why the target cannot be counted by group, or an empty text."""
    if table.data.task == "regression" and table.types[table.data.target] not in NUMBERS:
        return f"the target {table.data.target} does not hold numbers"
    if how.bins and table.types[name] not in NUMBERS:
        return f"{name} has bins but does not hold numbers"
    return ""


def _attribute(
    table: ShownTable, name: str, how: Sensitive, what: list[Averaged]
) -> AttributeFacts:
    if why := why_not(table, name, how) or ("" if what else "no class has enough rows"):
        return AttributeFacts(name, (), 0, 0, why)
    values = ", ".join(f"{one.sql} AS y{place}" for place, one in enumerate(what))
    columns = f"{_group_sql(table, name, how)} AS g, {table.person_sql} AS p, {values}"
    means = ", ".join(f"avg(y{place})" for place in range(len(what)))
    target = table.cell(table.data.target)
    found = tables.rows(
        f"SELECT g, count(*) AS n, {table.enough}, {means} FROM (SELECT {columns} FROM "
        f"{table.sql} WHERE {target} IS NOT NULL) GROUP BY g ORDER BY n DESC, g"
    )
    shown = [(str(g), int(n), tuple(map(float, each))) for g, n, enough, *each in found if enough]
    few, more = len(found) - len(shown), max(0, len(shown) - GROUPS)
    return AttributeFacts(name, tuple(shown[:GROUPS]), few, more)


def _group_sql(table: ShownTable, name: str, how: Sensitive) -> str:
    """Return SQL for the group of a row, as `split` names it."""
    column, text = table.cell(name), table.text(name)
    if how.bins:
        pairs = zip(how.edges, how.bin_names, strict=False)
        cases = " ".join(f"WHEN {column} < {edge!r} THEN {literal(one)}" for edge, one in pairs)
        text = f"CASE {cases} WHEN {column} IS NOT NULL THEN {literal(how.bin_names[-1])} END"
    text = f"coalesce({text}, {literal(MISSING)})"
    labels = how.labels or {}
    merged = " ".join(f"WHEN {literal(code)} THEN {literal(g)}" for code, g in labels.items())
    return f"CASE {text} {merged} ELSE {text} END" if merged else text
