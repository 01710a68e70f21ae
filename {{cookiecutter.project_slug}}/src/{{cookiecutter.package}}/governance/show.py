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
    chosen = decision.by_weight()
    if not every:
        chosen = [rule for rule in chosen if rule.verdict != "pass"] or closest(chosen)
    console.print(_table(chosen))
    colour = "green" if decision.verdict == "allow" else "red"
    more = "" if every else " · `governance gate --all` lists every rule"
    console.print(f"[bold {colour}]{decision.verdict}[/] · {decision.tally()}{more}")
    console.print("open " + " ".join(FILES), style="dim", soft_wrap=True)


def closest(rules: list[RuleResult], most: int = 5) -> list[RuleResult]:
    """Return the rules whose value, or bound, comes nearest to its limit, relative to the limit."""

    def distance(rule: RuleResult) -> float:
        ends = rule.interval or (() if rule.value is None else (rule.value,))
        if not ends or not rule.limit:
            return float("inf")
        return min(abs(end - rule.limit) for end in ends) / abs(rule.limit)

    return sorted((rule for rule in rules if distance(rule) < float("inf")), key=distance)[:most]


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
