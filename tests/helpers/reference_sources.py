"""What the engine's source spells out: names of metrics, and what each ledger event holds.

Nothing is run. The tests hold the tables of the reference pages against it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine_source import ENGINE, modules, parsed


def written(gate: str) -> set[str]:
    """Return the metrics whose names a stage's source, or that of a measure it uses, spells out."""
    sources = [f"pipeline/stages/{gate}.py"]
    sources += ["measures/proxies.py"] * (gate == "fairness")
    sources += ["measures/performance.py"] * (gate == "evaluate")
    found: set[str] = set()
    for source in sources:
        tree = ast.parse((ENGINE / source).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            found |= {name for key in _keys(node) if (name := _text(key))}
    return found


def _keys(node: ast.AST) -> Iterator[ast.expr | None]:
    """Yield keys of metrics: of a dict with a `Metric`, given to `record`, or set one by one."""
    if isinstance(node, ast.Dict) and any(map(_metric, node.values)):
        yield from node.keys
    if isinstance(node, ast.DictComp) and _metric(node.value):
        yield node.key
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "record":
        yield from (key for one in node.args if isinstance(one, ast.Dict) for key in one.keys)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        yield node.slice if getattr(node.value, "id", "") in ("metrics", "found") else None
    if isinstance(node, ast.AnnAssign | ast.Assign) and isinstance(node.value, ast.Dict):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        yield from node.value.keys if getattr(target, "id", "") == "values" else ()


def _metric(node: ast.AST) -> bool:
    if isinstance(node, ast.IfExp):
        return _metric(node.body) or _metric(node.orelse)
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Metric"


def _text(key: ast.expr | None) -> str:
    """Return a key's text, each placeholder as `{}`; nothing for a name or an empty pattern."""
    if isinstance(key, ast.Constant):
        return str(key.value)
    if isinstance(key, ast.JoinedStr):
        parts = (str(one.value) if isinstance(one, ast.Constant) else "{}" for one in key.values)
        return "".join(parts)
    return ""


# --- ledger events --------------------------------------------------------------------------------

WRITERS = ("record", "_record", "told", "Ask")
"""Calls that name an action among their first arguments."""
ARGUMENTS = {"after", "happened"}  # of `record`: they are in no event


def events(actions: tuple[str, ...]) -> dict[str, tuple[set[str], set[str]]]:
    """Return action → the fields that are given to it, and the keys of its details."""
    found = {action: (set[str](), set[str]()) for action in actions}
    for path in modules().values():
        tree = parsed(path)
        for scope in ast.walk(tree):
            if not isinstance(scope, ast.FunctionDef):
                continue
            for call in _calls(scope):
                for action in found.keys() & _texts(call.args[:4]):
                    fields, details = _given(call, scope)
                    found[action][0].update(fields)
                    found[action][1].update(details)
    return found


def _calls(scope: ast.FunctionDef) -> Iterator[ast.Call]:
    for node in ast.walk(scope):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in WRITERS:
            yield node


def _texts(nodes: list[ast.expr]) -> set[str]:
    """Return the texts among arguments, those of `a if … else b` included."""
    either = [
        side for one in nodes if isinstance(one, ast.IfExp) for side in (one.body, one.orelse)
    ]
    return {str(one.value) for one in [*nodes, *either] if isinstance(one, ast.Constant)}


def _given(call: ast.Call, scope: ast.FunctionDef) -> tuple[set[str], set[str]]:
    """Return the fields and the keys of the details in one call."""
    named = {one.arg: one.value for one in call.keywords if one.arg}
    if getattr(call.func, "id", "") == "Ask":  # what is asked of a workflow becomes the details
        return set(), set().union(*(_details(one, scope) for one in call.args))
    if getattr(call.func, "id", "") == "told":
        return set(), set(named)
    details = _details(named["details"], scope) if "details" in named else set()
    return set(named) - ARGUMENTS, details


def _details(node: ast.expr, scope: ast.FunctionDef) -> set[str]:
    """Return the keys that an expression spells out: of a dict, a union, or a variable of these."""
    if isinstance(node, ast.Dict):
        return _texts([key for key in node.keys if key is not None])
    if isinstance(node, ast.BinOp):
        return _details(node.left, scope) | _details(node.right, scope)
    if isinstance(node, ast.IfExp):
        return _details(node.body, scope) | _details(node.orelse, scope)
    if isinstance(node, ast.Name):
        made = [
            one.value
            for one in ast.walk(scope)
            if isinstance(one, ast.Assign | ast.AnnAssign | ast.AugAssign)
            and node.id in {getattr(target, "id", "") for target in _targets(one)}
            and one.value is not None
            and not (isinstance(one.value, ast.Name) and one.value.id == node.id)
        ]
        return set().union(*(_details(one, scope) for one in made))
    return set()


def _targets(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]
