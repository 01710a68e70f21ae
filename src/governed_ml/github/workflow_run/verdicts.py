"""Show a decision on GitHub: a table in the step's summary, and an annotation for each rule."""

from __future__ import annotations

from pathlib import Path

from governed_ml.github.workflow_run import workflow_output
from governed_ml.policy.decision import LETS_THROUGH, Decision, alike

NOT_RECOMPUTED = (
    "**not recomputed**: only committed evidence was judged, and nothing was measured in this "
    "run. No model can be promoted on it."
)


def tell(base: Path, decision: Decision, names: list[str] | None = None) -> None:
    """Write the summary and annotations. Does nothing outside of a workflow."""
    if not workflow_output.here():
        return
    workflow_output.summary(markdown(decision, names))
    lines = rule_lines(base)
    recomputed = decision.volatile.get("recomputed") != "false"
    if not recomputed:
        workflow_output.annotate(
            "warning", "not recomputed: only committed evidence was judged", title="gate"
        )
    told = {"error": 0, "warning": 0}
    for row in alike([rule for rule in decision.by_weight() if rule.verdict != "pass"]):
        rule, others = row[0], len(row) - 1
        level = "warning" if rule.verdict in LETS_THROUGH else "error"
        told[level] += 1
        if told[level] > workflow_output.MOST:
            continue
        file, line = lines.get(rule.id.partition("[")[0], lines.get("", ("", None)))
        title = f"{rule.verdict}: {rule.id}" + (f" and {others} more" if others else "")
        workflow_output.annotate(level, rule.reason, file=file, line=line, title=title)


def markdown(decision: Decision, names: list[str] | None = None) -> str:
    """Return Markdown: a heading, the rules that do not simply pass, and the others folded."""
    mark = "✅" if decision.verdict == "allow" else "❌"
    about = ", ".join(names) if names else "all gates"
    text = f"## {mark} {workflow_output.plain(about)}: {decision.verdict}\n\n{decision.tally()}\n\n"
    if decision.volatile.get("recomputed") == "false":
        text += f"{NOT_RECOMPUTED}\n\n"
    rules = decision.by_weight()
    bad = [rule for rule in rules if rule.verdict != "pass"]
    header = ("verdict", "rule", "value", "limit", "reason")
    if bad:
        text += workflow_output.table(
            header,
            [
                (
                    workflow_output.LABELS[row[0].verdict],
                    row[0].id + (f" and {len(row) - 1} more" if len(row) > 1 else ""),
                    _number(row[0].value),
                    "" if len(row) > 1 else _number(row[0].limit),
                    row[0].reason,
                )
                for row in alike(bad)
            ],
        )
    good = [rule for rule in rules if rule.verdict == "pass"]
    if good:
        rows = [
            (workflow_output.LABELS["pass"], r.id, _number(r.value), _number(r.limit), r.reason)
            for r in good
        ]
        head = f"<details><summary>{len(good)} pass</summary>\n\n"
        text += f"\n{head}{workflow_output.table(header, rows)}\n</details>\n"
    return text


def rule_lines(base: Path) -> dict[str, tuple[str, int]]:
    """Return rule → file and line in the current policy; "" → the first line of the tier's file.

    Return nothing if `conf/` does not compose.
    """

    from governed_ml.core.config import policy_files
    from governed_ml.core.config.composition import CONF, compose
    from governed_ml.core.problem import Problem

    try:
        name = compose(base / CONF).policy.name
    except Problem:
        return {}
    found = policy_files.rule_lines(base / CONF, name)
    return {rule: (path.relative_to(base).as_posix(), line) for rule, (path, line) in found.items()}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
