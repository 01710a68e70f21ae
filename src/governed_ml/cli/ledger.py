"""`governance ledger`: what happened, whether that can be believed, and a copy to take away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governed_ml.core.terminal import plain

if TYPE_CHECKING:
    from governed_ml.ledger.chain import Entry

ledger = typer.Typer(help="The ledger: who did what, on which data, under which policy.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@ledger.command()
def show(
    version: Annotated[
        int | None, typer.Option(help="All about this version of the model, in full.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what happened, oldest first."""
    from governed_ml.core.files import as_json as text
    from governed_ml.core.files import root
    from governed_ml.core.problem import Problem
    from governed_ml.ledger.storage import read

    base = root()
    chosen = [one for one in read(base) if version in (None, one.event.version)]
    if version is not None and not chosen:
        raise Problem(f"the ledger has no event of version {version}: see `ledger show`", 1)
    if as_json:
        print(text(_records(base, chosen)), end="")
    elif not chosen:
        print("the ledger is empty: `uv run governance register` writes its first event")
    elif version is None:
        _table(chosen)
    else:
        _in_full(_records(base, chosen))


@ledger.command()
def verify(as_json: Json = False) -> None:
    """Check chain, anchors and signatures: exit 0 whole, 1 something is wrong, 2 unknown."""
    from governed_ml.core.files import root
    from governed_ml.registry.audit import inspect

    found = inspect(root())
    if as_json:
        print(found.model_dump_json(indent=2))
        raise typer.Exit(found.exit_code)
    from governed_ml.core.terminal import screen

    console = screen()
    verdict = {0: "[bold green]whole[/]", 1: "[bold red]not whole[/]", 2: "[bold red]unknown[/]"}
    span = f" · {found.genesis[:12]} to {found.head[:12]}" if found.genesis and found.head else ""
    anchored = f" · anchored up to event {found.anchored_to}" if found.anchored_to else ""
    console.print(f"{verdict[found.exit_code]} · {found.events} events{span}{anchored}")
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
    output: Annotated[Path | None, typer.Option(help="Write to this file, whole or not.")] = None,
) -> None:
    """Print one line of JSON per event: the event, its commit, whose signature it has."""
    import json

    from governed_ml.core.files import root, shown, write_text
    from governed_ml.ledger.storage import read

    base = root()
    records = _records(base, read(base))
    text = "".join(json.dumps(one, sort_keys=True, ensure_ascii=False) + "\n" for one in records)
    if output is None:
        print(text, end="")
    else:
        write_text(output, text)
        print(f"wrote {len(records)} events to {shown(output)}")


def _records(base: Path, entries: list[Entry]) -> list[dict[str, Any]]:
    from governed_ml.ledger.signatures import signatures
    from governed_ml.registry.audit import signers_of

    found = signatures(base, [one.commit for one in entries], signers_of(base)[0])
    return [
        {
            "commit": one.commit,
            "signature": str(found[one.commit]),
            "event": one.event.model_dump(mode="json"),
        }
        for one in entries
    ]


def _table(entries: list[Entry]) -> None:
    from rich.table import Table

    from governed_ml.core.terminal import screen

    table = Table(box=None, pad_edge=False)
    for name in ("#", "time (UTC)", "actor", "action", "version", "approved by", "data", "policy"):
        table.add_column(name, justify="right" if name in ("#", "version") else "left")
    table.add_column("reason", overflow="fold")
    for event in (one.event for one in entries):
        approved = [_who(one) for one in event.approvals]
        cells = [
            str(event.sequence),
            event.time.removesuffix("Z").replace("T", " "),
            event.actor,
            event.action,
            "" if event.version is None else str(event.version),
            ", ".join(approved),
            *(_short(event.subject.get(name, "")) for name in ("data", "policy")),
            event.reason,
        ]
        table.add_row(*map(plain, cells))
    screen().print(table)


def _in_full(records: list[dict[str, Any]]) -> None:
    """Print every field that is set; of an approval its parts in one line."""
    from governed_ml.core.terminal import screen

    console = screen()
    for record in records:
        event = record["event"]
        title = f"{event['sequence']} · {event['action']} · {event['time']} · {event['actor']}"
        console.print(f"[bold]{plain(title)}[/]", soft_wrap=True)
        rows = {"version": event["version"], "reason": event["reason"]}
        rows |= {f"{name} digest": digest for name, digest in sorted(event["subject"].items())}
        rows |= {f"approval {n}": _parts(one) for n, one in enumerate(event["approvals"], 1)}
        rows |= {"decision": _parts(event["decision"] or {})}
        rows |= {"details": _parts(event["details"]), "commit": record["commit"]}
        rows |= {"signature": record["signature"]}
        for name, value in rows.items():
            if value:
                console.print(f"  {plain(name):<16} {plain(str(value))}", soft_wrap=True)


def _parts(values: dict[str, Any]) -> str:
    return " · ".join(f"{name} {value}" for name, value in values.items() if value is not None)


def _who(approval: dict[str, Any]) -> str:
    return str(approval.get("approver") or "?")


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
