"""`governance drill`: plant faults in a copy, and report what caught each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from governed_ml.core.terminal import print_json

if TYPE_CHECKING:
    from governed_ml.drill.fault import Fault, Tally

COLOURS = {"caught": "green", "got through": "bold red", "not planted": "red"}
SHOWN = 200  # most characters shown of a reason
OTHER = "not applicable"


def drill(
    names: Annotated[
        list[str] | None, typer.Argument(help="Run only these faults; by default all.")
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List the faults without planting any.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Plant known faults in a copy and see what catches them.

    The repository, its registry and its ledger stay as they are.

    Exit codes: 0 all caught, 1 one was not caught, 2 one could not be planted.

    \b
    Examples:
      uv run governance drill --list
      uv run governance drill leak forged-lock
    """
    from governed_ml.core.files import root
    from governed_ml.drill.run import chosen, run

    faults = chosen(names or [])
    if listed:
        _list(faults, as_json)
        return
    tally = run(root(), faults)
    if as_json:
        values = [one.model_dump(mode="json") for one in tally.outcomes]
        print_json(
            json.dumps({"faults": values, "notes": tally.notes}, indent=2, ensure_ascii=False)
        )
    else:
        _show(tally)
    raise typer.Exit(tally.exit_code)


def _list(faults: list[Fault], as_json: bool) -> None:
    if as_json:
        rows = [
            {"fault": one.name, "about": one.about, "traps": one.traps, "by": one.by}
            for one in faults
        ]
        print(json.dumps(rows, indent=2))
        return
    for one in faults:
        print(f"{one.name:<18} {one.about}: `{one.by}`")


def _show(tally: Tally) -> None:
    """Print the table of outcomes, the notes and the totals."""
    from rich.markup import escape
    from rich.table import Table

    from governed_ml.core.terminal import screen

    table = Table(box=None, pad_edge=False)
    for name in ("fault", "", "caught by", "because", "s"):
        table.add_column(name, overflow="fold", justify="right" if name == "s" else "left")
    for one in tally.outcomes:
        colour = COLOURS.get(one.state, "yellow")
        reason = one.reason if len(one.reason) <= SHOWN else f"{one.reason[: SHOWN - 1]}…"
        cells = (one.fault, f"[{colour}]{one.state}[/]", escape(one.by), escape(reason))
        table.add_row(*cells, f"{one.seconds:.0f}")
    console = screen()
    console.print(table)
    for note in tally.notes:
        console.print(f"[yellow]note[/] {escape(note)}", soft_wrap=True)
    states = [one.state for one in tally.outcomes]
    sums = [f"{states.count(one)} {one}" for one in (*COLOURS, OTHER) if one in states]
    console.print(" · ".join(sums))
    console.print(
        "the drill changed nothing in the repository, its registry or its ledger", style="dim"
    )
