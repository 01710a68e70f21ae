"""`governance ledger`: show the events, verify them, export them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governed_ml.cli.help import group
from governed_ml.core.problem import FOUND, counted
from governed_ml.core.terminal import plain, print_json
from governed_ml.ledger import display

if TYPE_CHECKING:
    from governed_ml.ledger.events import Entry

ledger = group("Show, verify and export the ledger.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@ledger.command()
def show(
    version: Annotated[
        int | None, typer.Option(help="Show everything about this version of the model, in full.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the events, oldest first.

    \b
    Examples:
      uv run governance ledger show
      uv run governance ledger show --version 3
    """
    from governed_ml.core.files import as_json as text
    from governed_ml.core.files import root
    from governed_ml.core.problem import Problem
    from governed_ml.ledger.storage import read

    base = root()
    chosen = [one for one in read(base) if version in (None, one.event.version)]
    if version is not None and not chosen:
        raise Problem(
            f"the ledger has no event of version {version}; `uv run governance ledger show` "
            "lists all events",
            FOUND,
        )
    if as_json:
        print(text(_records(base, chosen)), end="")
    elif not chosen:
        print("the ledger is empty: `uv run governance register` writes its first event")
    elif version is None:
        void = _void(base, chosen)
        lines = [void[one.commit] for one in chosen if one.commit in void]
        display.table([one.event for one in chosen], lines)
    else:
        display.in_full(_records(base, chosen))


@ledger.command()
def verify(as_json: Json = False) -> None:
    """Verify the chain, its anchors and its signatures.

    Exit codes: 0 intact, 1 something is wrong, 2 could not be verified.

    \b
    Examples:
      uv run governance ledger verify
    """
    from governed_ml.core.files import root
    from governed_ml.registry.audit import inspect

    found = inspect(root())
    if as_json:
        print_json(found.model_dump_json(indent=2))
        raise typer.Exit(found.exit_code)
    from governed_ml.core.terminal import screen

    console = screen()
    verdict = {0: "[bold green]whole[/]", 1: "[bold red]not whole[/]", 2: "[bold red]unknown[/]"}
    span = f" · {found.genesis[:12]} to {found.head[:12]}" if found.genesis and found.head else ""
    anchored = f" · anchored up to event {found.anchored_to}" if found.anchored_to else ""
    console.print(f"{verdict[found.exit_code]} · {counted(found.events, 'event')}{span}{anchored}")
    for title, lines in (
        ("[red]wrong[/]", found.problems),
        ("[red]not checked[/]", found.unchecked),
        ("note", found.notes),
    ):
        for line in lines:
            console.print(f"{title}: {plain(line)}", soft_wrap=True)
    raise typer.Exit(found.exit_code)


@ledger.command()
def export(
    output: Annotated[
        Path | None,
        typer.Option(help="Write to this file; if that fails, an earlier file stays as it is."),
    ] = None,
) -> None:
    """Print the events as JSON, one per line.

    Each line has the event, its commit and who signed it.

    \b
    Examples:
      uv run governance ledger export --output ledger.jsonl
    """
    import json

    from governed_ml.core.files import root, shown, write_text
    from governed_ml.ledger.storage import read

    base = root()
    records = _records(base, read(base))
    lines = [json.dumps(one, sort_keys=True, ensure_ascii=False) for one in records]
    if output is None:
        for line in lines:
            print_json(line)
    else:
        write_text(output, "".join(f"{line}\n" for line in lines))
        print(f"wrote {counted(len(records), 'event')} to {shown(output)}")


def _records(base: Path, entries: list[Entry]) -> list[dict[str, Any]]:
    from governed_ml.ledger.signatures import signatures
    from governed_ml.registry.audit import signers_of

    found = signatures(base, [one.commit for one in entries], signers_of(base)[0])
    void = _void(base, entries)
    return [
        {
            "commit": one.commit,
            "signature": str(found[one.commit]),
            "void": void.get(one.commit, ""),
            "event": one.event.model_dump(mode="json"),
        }
        for one in entries
    ]


def _void(base: Path, entries: list[Entry]) -> dict[str, str]:
    """Return commit → the line that describes its void event."""
    import sys

    from governed_ml.core.problem import Problem
    from governed_ml.registry.counted_events import follow_here

    try:
        return {one.entry.commit: str(one) for one in follow_here(base, entries).void}
    except Problem as problem:
        print(f"note: cannot tell which events are void: {problem}", file=sys.stderr)
        return {}
