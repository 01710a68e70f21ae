"""How a terminal shows a decision: the verdict, what to do next, and the rules that mattered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.bodies import ingested
from governed_ml.core.evidence import load
from governed_ml.core.files import PAGE, root
from governed_ml.core.problem import Problem
from governed_ml.core.terminal import screen
from governed_ml.policy.decision import LETS_THROUGH, Decision, RuleResult, alike, closest
from governed_ml.policy.fixes.causes import Cause, causes
from governed_ml.policy.fixes.known import Known, known_here
from governed_ml.policy.fixes.steps import fix_of, next_steps, same_decision

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

MOST_ROWS = 12
"""How many rows are shown, so that verdict and steps stay on the screen."""
FILES = (
    PAGE.as_posix(),
    "reports/decision.json",
    "reports/model_card.md",
    "reports/contract.html",
    "reports/drift.html",
    "reports/explanation.svg",
)
COLOURS = {
    "fail": "red",
    "insufficient": "red",
    "waived": "yellow",
    "warn": "yellow",
    "pass": "green",
}


def show(decision: Decision, *, every: bool = False, then: str = "") -> None:
    """Print the verdict, what to do next (`then` if allowed), and the rules that mattered.

    Rules that deny are grouped by cause. With `every`, all rules are in one table.
    """
    from rich.markup import escape

    console = screen()
    denied = decision.verdict != "allow"
    colour = "red" if denied else "green"
    risk = "" if decision.risk is None else f" · risk {decision.risk:g} of 100"
    console.print(f"[bold {colour}]{decision.verdict}[/] · {decision.tally()}{risk}")
    known = known_here(decision, root()) if denied else Known()
    if same := same_decision(decision):
        console.print(f"[bold red]{escape(same)}[/]", soft_wrap=True, highlight=False)
    for line in about(root()):
        console.print(escape(line), soft_wrap=True, highlight=False)
    steps = next_steps(decision, known) if denied else [then]
    for step in filter(None, steps):
        console.print(f"next: {escape(step)}", soft_wrap=True, highlight=False)
    if every:
        console.print(_table([[rule] for rule in decision.by_weight()], known))
    elif denied:
        _by_cause(console, decision, known)
    else:
        console.print(_table(mattering(decision)[:MOST_ROWS], known))
    if not every:
        more = "" if denied else _more(len(mattering(decision)) - MOST_ROWS)
        console.print(f"{more}every rule: `uv run governance gate --all`", style="dim")
    there = [name for name in FILES if (root() / name).is_file()]
    console.print("open " + " ".join(there), style="dim", soft_wrap=True)


def about(base: Path) -> list[str]:
    """Return what a reader must know of the table: what is predicted, and which rows are left out.

    Most tables need no such line.
    """
    try:
        body = load("ingest", base).body
    except Problem:  # the decision says so
        return []
    return [f"{what}: {words}" for what, words in ingested.about(body).items()]


def mattering(decision: Decision) -> list[list[RuleResult]]:
    """Return the rules that let through with a warning, or else the nearest to their limit."""
    rules = decision.by_weight()
    weak = [rule for rule in rules if rule.verdict in LETS_THROUGH and rule.verdict != "pass"]
    return alike(weak or closest(rules))


def total(found: list[Cause]) -> str:
    """Return how many rules deny the model, and how many of them are shown."""
    every, left = sum(one.total for one in found), sum(one.left for one in found)
    words = f"{every:,} rule denies" if every == 1 else f"{every:,} rules deny"
    return f"{words} the model" + (f"; {every - left:,} shown" if left else "")


def _by_cause(console: Console, decision: Decision, known: Known) -> None:
    """Print the rules that deny under the heading of their cause, then how many others warn."""
    found = causes(decision, MOST_ROWS)
    console.print(total(found), style="bold", highlight=False)
    for place, cause in enumerate(found):
        console.print(cause.heading, style="bold", highlight=False)
        console.print(_table(cause.rows, known, header=place == 0))
    others = {
        verdict: sum(rule.verdict == verdict for rule in decision.rules)
        for verdict in ("waived", "warn")
    }
    if told := " and ".join(f"{n:,} {verdict}" for verdict, n in others.items() if n):
        console.print(f"not shown: {told}", style="dim")


def _more(left: int) -> str:
    return f"{left:,} more rows, and " if left > 0 else ""


def _table(rows: list[list[RuleResult]], known: Known, *, header: bool = True) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=header)
    table.add_column("verdict", min_width=12)
    table.add_column("rule", overflow="fold")
    table.add_column("limit", justify="right")
    table.add_column("reason", overflow="fold")
    for row in rows:
        rule, others = row[0], len(row) - 1
        limit = "" if rule.limit is None or others else f"{rule.limit:g}"
        fix = fix_of(rule, known) if rule.verdict not in LETS_THROUGH else ""
        table.add_row(
            f"[{COLOURS[rule.verdict]}]{rule.verdict}[/]",
            escape(rule.id) + (f" and {others} more" if others else ""),
            limit,
            escape(f"{rule.reason}\n{fix}" if fix else rule.reason),
        )
    return table
