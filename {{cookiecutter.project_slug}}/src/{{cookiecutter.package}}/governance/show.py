"""The last screen: the verdict, the rules that mattered, the files to open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .decision import Decision, RuleResult

if TYPE_CHECKING:
    from rich.table import Table

FILES = (
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


def show(decision: Decision, *, every: bool = False) -> None:
    """Print a table of the rules that mattered (or of every rule), then the verdict."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    chosen = (
        decision.by_weight()
        if every
        else [rule for rule in decision.by_weight() if rule.verdict != "pass"]
    )
    if chosen:
        console.print(_table(chosen))
    passed = sum(rule.verdict == "pass" for rule in decision.rules)
    hidden = "" if every else f" · {passed} passed (`governance gate --all` lists them)"
    colour = "green" if decision.verdict == "allow" else "red"
    console.print(
        f"[bold {colour}]{decision.verdict}[/] · {len(decision.rules)} rules · {decision.tally()}{hidden}",
        markup=True,
    )
    console.print("open: " + ", ".join(FILES), style="dim")


def _table(rules: list[RuleResult]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("verdict")
    table.add_column("rule", overflow="fold")
    table.add_column("limit", justify="right")
    table.add_column("reason", overflow="fold")
    for rule in rules:
        limit = "" if rule.limit is None else f"{rule.limit:g}"
        table.add_row(
            f"[{COLOURS[rule.verdict]}]{rule.verdict}[/]",
            escape(rule.id),
            limit,
            escape(rule.reason),
        )
    return table
