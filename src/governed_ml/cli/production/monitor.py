"""`governance monitor`: measure the champion in production, and start the required actions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governed_ml.core.problem import NO_ANSWER, Problem, counted, first_line
from governed_ml.core.terminal import print_json

if TYPE_CHECKING:
    from governed_ml.monitoring.actions.dispatch import Done
    from governed_ml.monitoring.monitor import WindowOutcome

COLOURS = {"healthy": "green", "warn": "yellow", "retrain": "red", "rollback": "bold red"}


def monitor(
    batch: Annotated[
        Path | None,
        typer.Argument(help="CSV, Parquet, JSON, or a folder of these; by default monitor.source."),
    ] = None,
    dispatch: Annotated[
        bool, typer.Option("--dispatch", help="Start the workflows that the policy asks for.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure a window of production.

    Exit codes: 0 healthy, 1 the policy asks for something, 2 not measured. With --dispatch, as in a
    workflow, 0 means that it was measured and that everything due was started.

    \b
    Examples:
      uv run governance monitor                # what monitor.source names
      uv run governance monitor january.csv    # a file or a folder
    """
    from governed_ml.core.installation import trusted

    trusted.require("computing", exit_code=NO_ANSWER)  # before a library is imported

    from governed_ml.cli.registry import door
    from governed_ml.monitoring.feeds import feed_of
    from governed_ml.monitoring.monitor import monitor as monitored

    batch, registry = batch.absolute() if batch else None, None
    try:
        base, registry = door()
        done = monitored(base, registry, feed_of(batch) if batch else None, act=not dispatch)
    except Problem as problem:
        if dispatch:
            raise _unmeasured(registry, problem) from problem
        raise Problem(str(problem)) from problem  # of any kind: nothing was measured
    told = _dispatched(base, registry, done) if dispatch else None
    _draw(base)
    if as_json:
        values = done.values() | (told.values() if told else {})
        print_json(json.dumps(values, sort_keys=True, ensure_ascii=False))
    else:
        _show(done)
        for line in told.lines if told else []:
            print(line)
    if told is not None:  # findings go to GitHub: fail only if something was not measured or done
        if told.failed:
            raise Problem("; ".join(told.failed))
        raise typer.Exit(NO_ANSWER if done.said.level == "not_measured" else 0)
    if done.failure is not None:
        raise done.failure
    raise typer.Exit(done.exit_code)


def _dispatched(base: Path, registry: Any, done: WindowOutcome) -> Done:
    """Start on GitHub what is due, and report it together with earlier failures."""
    from governed_ml.github.workflow_run import workflow_output
    from governed_ml.monitoring.actions.dispatch import dispatch

    told = dispatch(base, registry, done.values(), [str(done.failure)] if done.failure else [])
    workflow_output.output("due", done.due)
    workflow_output.summary(told.text)
    return told


def _unmeasured(registry: Any, problem: Problem) -> Problem:
    """Report in the issue why no window was measured; return the problem with further failures."""
    from governed_ml.core.files import root
    from governed_ml.github.workflow_run import workflow_output
    from governed_ml.monitoring.actions.dispatch import unmeasured

    told = unmeasured(root(), registry, problem)
    workflow_output.summary(told.text)
    return Problem("; ".join([str(problem), *told.failed]))


def _draw(base: Path) -> None:
    """Draw the page again; if that fails, the recorded window is still valid."""
    from governed_ml.page.draw import draw

    try:
        draw(base)
    except Exception as error:  # noqa: BLE001 - an error of the page must not hide the level
        said = first_line(error, 160)
        print(
            f"monitor: the page was not drawn ({said}); draw it with `uv run governance page`",
            file=sys.stderr,
        )


def _show(done: WindowOutcome) -> None:
    """Print the rules that mattered, the level and the consequences."""
    from rich.markup import escape
    from rich.table import Table

    from governed_ml.core.terminal import screen
    from governed_ml.monitoring.judge_window import WORSE

    said, console = done.said, screen()
    table = Table(box=None, pad_edge=False)
    for name in ("level", "rule", "value", "because"):
        table.add_column(name, overflow="fold", justify="right" if name == "value" else "left")
    for rule in done.window.rules:
        if rule.verdict in WORSE[1:]:
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
    line += f" · {counted(said.rows, 'row')}, {said.labelled:,} labelled"
    line += "" if done.new else " · recorded earlier"
    console.print(line, soft_wrap=True)
    if done.due != "none":
        row = f", {done.in_a_row} in a row at the last level" if done.in_a_row else ""
        row += "" if done.new else " (by the last window)"
        console.print(f"the policy asks for `{done.due}`{row}", soft_wrap=True)
    if done.rolled_back_to is not None:
        console.print(f"version {done.rolled_back_to} is champion again", soft_wrap=True)
