"""Check the condition under `rows` in `conf/data`: comparisons of columns with constants.

DuckDB parses the condition to a tree, and each node must be known here. So a condition can call no
function, read no other table, and depend on nothing but the row.
"""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from governed_ml.core.problem import Problem, first_line

if TYPE_CHECKING:
    import duckdb

LONGEST = 2_000  # characters of a condition
COMPARISONS = {
    "COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_LESSTHAN", "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO", "COMPARE_GREATERTHANOREQUALTO", "COMPARE_BETWEEN", "COMPARE_IN",
    "CONJUNCTION_AND", "CONJUNCTION_OR", "OPERATOR_NOT", "OPERATOR_IS_NULL",
    "OPERATOR_IS_NOT_NULL",
}  # fmt: skip
HINT = (
    "compare columns with numbers, 'texts' or DATE '2026-01-31', and join comparisons with AND, "
    "OR, NOT, IN, BETWEEN and IS NULL"
)


def checked(db: duckdb.DuckDBPyConnection, condition: str, columns: list[str]) -> str:
    """Return the condition as SQL; raise `Problem` if it is anything but comparisons of columns."""
    tree = _parsed(db, condition)
    used = list(_columns(tree, condition))
    if not used:
        raise _refused(condition, "names no column")
    known = {name.casefold(): name for name in columns}
    for name in used:
        if name.casefold() not in known:
            near = difflib.get_close_matches(name, columns, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; a text needs 'single quotes'"
            raise _refused(condition, f"names {name!r}, which the table does not have{hint}")
    return f"({condition}\n)"


def _parsed(db: duckdb.DuckDBPyConnection, condition: str) -> dict[str, Any]:
    """Return the condition's tree; the statement around it must be what it was made as."""
    if not condition.strip():
        raise _refused(condition, "is empty")
    if len(condition) > LONGEST:
        raise _refused(condition, f"has more than {LONGEST:,} characters")
    whole = f"SELECT 1 FROM t WHERE ({condition}\n)"
    text = db.execute("SELECT json_serialize_sql(?)", [whole]).fetchall()[0][0]
    found = json.loads(text)
    if found.get("error"):
        why = first_line(ValueError(found.get("error_message", "")), 80)
        raise _refused(condition, f"cannot be read ({why})")
    nodes = [one["node"] for one in found["statements"]]
    if len(nodes) != 1 or nodes[0]["type"] != "SELECT_NODE" or not _is_plain(nodes[0]):
        raise _refused(condition, "is no condition")
    return nodes[0]["where_clause"]


def _is_plain(node: dict[str, Any]) -> bool:
    """Return whether a statement has a condition on one table, and nothing else."""
    others = ("modifiers", "group_expressions", "group_sets", "having", "sample", "qualify")
    tables = node["from_table"]["type"] == "BASE_TABLE" and not node["cte_map"]["map"]
    return tables and len(node["select_list"]) == 1 and not any(node[name] for name in others)


def _columns(node: dict[str, Any], condition: str) -> list[str]:
    """Return the columns that a tree names; raise `Problem` if a node is not allowed."""
    kind = node["type"]
    if kind == "VALUE_CONSTANT":
        return []
    if kind == "COLUMN_REF" and len(node["column_names"]) == 1:
        return [str(node["column_names"][0])]
    if kind == "OPERATOR_CAST" and node["child"]["type"] == "VALUE_CONSTANT":
        return []  # such as DATE '2026-01-31'
    if kind not in COMPARISONS:
        what = node.get("function_name") or kind.lower().replace("_", " ")
        raise _refused(condition, f"uses `{what}`, which is not allowed")
    parts = [node[name] for name in ("left", "right", "input", "lower", "upper") if name in node]
    return [
        name for one in (*parts, *node.get("children", [])) for name in _columns(one, condition)
    ]


def _refused(condition: str, why: str) -> Problem:
    return Problem(
        f"data.rows: the condition {first_line(ValueError(condition), 80)!r} {why}: {HINT}"
    )
