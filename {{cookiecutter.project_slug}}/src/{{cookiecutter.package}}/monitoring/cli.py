"""`governance monitor`: how the champion does in production, and what the policy asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..problem import Problem

if TYPE_CHECKING:
    from .monitor import Outcome

COLOURS = {"healthy": "green", "warn": "yellow", "retrain": "red", "rollback": "bold red"}


def monitor(
    batch: Annotated[
        Path | None,
        typer.Argument(help="CSV, Parquet, JSON, or a folder of these; else monitor.source."),
    ] = None,
    dispatch: Annotated[
        bool, typer.Option("--dispatch", help="Ask GitHub's workflows to do what is due.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure a window of the champion: exit 0 healthy, 1 something is found, 2 not measured."""
    from ..governance.commands import door
    from .monitor import monitor as monitored
    from .reading import feed_of

    if dispatch:
        raise Problem("nothing here dispatches workflows yet: run it without --dispatch")
    batch = batch.absolute() if batch else None
    base, registry = door()
    done = monitored(base, registry, feed_of(batch) if batch else None, act=not dispatch)
    if as_json:
        print(json.dumps(done.values(), sort_keys=True, ensure_ascii=False))
    else:
        _show(done)
    if done.failure is not None:
        raise done.failure
    raise typer.Exit(done.exit_code)


def _show(done: Outcome) -> None:
    """Print the rules that mattered, then the level and what follows from it."""
    from rich.markup import escape
    from rich.table import Table

    from ..governance.decision import screen

    said, console = done.said, screen()
    table = Table(box=None, pad_edge=False)
    for name in ("level", "rule", "value", "because"):
        table.add_column(name, overflow="fold", justify="right" if name == "value" else "left")
    for rule in done.window.rules:
        if rule.verdict in ("warn", "retrain", "rollback"):
            colour = COLOURS[rule.verdict]
            value = "" if rule.value is None else f"{rule.value:.4g}"
            table.add_row(
                f"[{colour}]{rule.verdict}[/]", escape(rule.id), value, escape(rule.reason)
            )
    if table.row_count:
        console.print(table)
    shown = {rule.id for rule in done.window.rules if rule.verdict in COLOURS}
    for reason in said.reasons:
        if reason.partition(":")[0] not in shown:
            console.print(f"· {escape(reason)}", soft_wrap=True)
    colour = COLOURS.get(said.level, "red")
    level = said.level.replace("_", " ")
    line = f"window {said.window} of version {done.version}: [{colour}]{level}[/]"
    line += f" · {said.rows:,} rows, {said.labelled:,} labelled"
    line += "" if done.new else " · it was recorded before"
    console.print(line, soft_wrap=True)
    if done.due != "none":
        row = f", {done.in_a_row} in a row at the last level" if done.in_a_row else ""
        console.print(f"asked for: {done.due}{row}", soft_wrap=True)
    if done.rolled_back_to is not None:
        console.print(f"version {done.rolled_back_to} is champion again", soft_wrap=True)
