"""The command that drafts the configuration for a table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from governed_ml.init_data.run import Proposal


def init_data(
    source: Annotated[
        str, typer.Argument(help="A file, a folder with one file, a URL, or a database's URL.")
    ],
    target: Annotated[str | None, typer.Option(help="The column that the model predicts.")] = None,
    positive: Annotated[str | None, typer.Option(help="The favourable value.")] = None,
    task: Annotated[str | None, typer.Option(help="classification or regression.")] = None,
    sensitive: Annotated[
        list[str] | None, typer.Option(help="A sensitive attribute; may be repeated.")
    ] = None,
    no_sensitive_reason: Annotated[
        str | None, typer.Option(help="Why there is no sensitive attribute.")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="minimal, limited or high.")] = None,
    query: Annotated[str | None, typer.Option(help="The SELECT for a database.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A key of conf/data, as 'key: value'.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing; refuse what is unknown.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; ask nothing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
) -> None:
    """Draft the configuration and the data contract for a table.

    It reads the table, proposes what each column is, and says why. It asks only what the table
    cannot say, and refuses to guess where a wrong guess would go unnoticed.

    \b
    Examples:
      uv run governance init-data loans.csv --target repaid
      uv run governance init-data adult.csv --target income --positive ">50K" --yes
    """
    from governed_ml.core.files import root
    from governed_ml.core.terminal import say
    from governed_ml.init_data.run import propose, settings
    from governed_ml.init_data.wishes import Wishes

    given = Wishes(
        target=target,
        positive=positive,
        task=task,
        sensitive=tuple(sensitive or ()),
        no_sensitive_reason=no_sensitive_reason,
        tier=tier,
        settings=settings(set_ or []),
    )
    base = root()
    asks = not (yes or as_json) and sys.stdin.isatty()
    proposal = propose(base, source, query, given, _ask if asks else None, say, dry=dry_run)
    if not dry_run:
        _track(base, proposal)
    _print(proposal, as_json=as_json, dry=dry_run)


def _ask(words: str, default: str | None) -> str:
    return str(typer.prompt(words, default=default))


def _track(base: Path, proposal: Proposal) -> None:
    """Let DVC track a file in `data/source`, so that its digest is part of the commit."""
    from governed_ml.core.problem import Problem

    path = proposal.draft.keys["source"].get("path", "")
    if not path.startswith("data/source/") or not (base / ".dvc").is_dir():
        return
    command = [sys.executable, "-m", "dvc", "add", "--quiet", path]
    done = subprocess.run(command, cwd=base, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"`dvc add {path}` failed: {done.stderr.strip().splitlines()[-1]}")
    proposal.files.append(f"{path}.dvc")


def _print(proposal: Proposal, *, as_json: bool, dry: bool) -> None:
    import json

    from governed_ml.core.terminal import plain, print_json, screen

    why = proposal.draft.why
    if as_json:
        found = {
            "name": proposal.name,
            "rows": proposal.rows,
            "columns": {
                name: {"role": role, "why": why.get(name, [])}
                for name, role in proposal.columns.items()
            },
            "data": proposal.draft.keys,
            "split": proposal.split,
            "model": proposal.model,
            "policy": proposal.tier,
            "files": proposal.files,
            "kept": proposal.kept,
            "warnings": proposal.warnings,
        }
        print_json(json.dumps(found, ensure_ascii=False, default=str))
        return
    from rich.table import Table

    table = Table(
        title=f"{proposal.name}: {proposal.rows:,} rows x {len(proposal.columns)} columns"
    )
    for head in ("column", "role", "why"):
        table.add_column(head, overflow="fold")
    plain_features = 0
    for name, role in proposal.columns.items():
        if role == "feature" and name not in why:
            plain_features += 1
            continue
        table.add_row(plain(name), role, plain("; ".join(why.get(name, []))))
    console = screen()
    console.print(table)
    if plain_features:
        console.print(f"{plain_features} more features")
    console.print(f"split: {proposal.split}, model: {proposal.model}, policy: {proposal.tier}")
    for line in proposal.warnings:
        console.print(f"[yellow]warning[/yellow] {plain(line)}", soft_wrap=True)
    for name in proposal.kept:
        console.print(f"kept {plain(name)}, because somebody edited it", soft_wrap=True)
    if dry:
        console.print("nothing is written (--dry-run)")
        return
    console.print(f"wrote {plain(', '.join(proposal.files))}", soft_wrap=True)
    console.print("next: read the contract, then run `uv run dvc repro`", soft_wrap=True)
