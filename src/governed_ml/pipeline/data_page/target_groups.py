"""The target by group: the share of the favourable value, or the mean, for each group."""

from __future__ import annotations

from dataclasses import dataclass

from governed_ml.core import tables
from governed_ml.core.config.closed_model import as_code
from governed_ml.core.config.data import MISSING, Sensitive
from governed_ml.core.tables import literal
from governed_ml.pipeline.data_page.shown_table import NUMBERS, ShownTable

GROUPS = 50  # most groups of one attribute that are shown


@dataclass(frozen=True)
class AttributeFacts:
    """A sensitive attribute: each group with its rows and its share or mean.

    `few` groups are too small to be shown, and `more` are left out because there are many.
    """

    name: str
    groups: tuple[tuple[str, int, float], ...]
    few: int
    more: int
    why_not: str = ""


def by_group(table: ShownTable) -> list[AttributeFacts]:
    """Return the target by group for each sensitive attribute; rows without a target are out."""
    return [_attribute(table, name, how) for name, how in table.data.sensitive.items()]


def target_sql(table: ShownTable) -> str:
    """Return SQL for the target: 1 for the favourable value, else 0; or the number."""
    data = table.data
    if data.task == "regression":
        return f"CAST({table.cell(data.target)} AS DOUBLE)"
    text = table.text(data.target)
    text = f"lower({text})" if isinstance(data.positive, bool) else text
    return f"CAST({text} = {literal(as_code(data.positive))} AS BIGINT)"


def why_not(table: ShownTable, name: str, how: Sensitive) -> str:
    """Return why the target cannot be counted by group, or an empty text."""
    if table.data.task == "regression" and table.types[table.data.target] not in NUMBERS:
        return f"the target {table.data.target} does not hold numbers"
    if how.bins and table.types[name] not in NUMBERS:
        return f"{name} has bins but does not hold numbers"
    return ""


def _attribute(table: ShownTable, name: str, how: Sensitive) -> AttributeFacts:
    if why := why_not(table, name, how):
        return AttributeFacts(name, (), 0, 0, why)
    columns = f"{_group_sql(table, name, how)} AS g, {target_sql(table)} AS y, {table.person_sql}"
    rows = f"SELECT {columns} AS p FROM {table.sql}"
    found = tables.rows(
        f"SELECT g, count(*) AS n, avg(y), {table.enough} FROM ({rows}) "
        "WHERE y IS NOT NULL GROUP BY g ORDER BY n DESC, g"
    )
    shown = [(str(g), int(n), float(mean)) for g, n, mean, enough in found if enough]
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
