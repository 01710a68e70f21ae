"""Ask at the terminal, let DVC track the table, and print the draft."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from governed_ml.core.terminal import PROGRESS, say
from governed_ml.init_data.run import DataDraft


def asked(words: str, default: str | None) -> str:
    """Ask a person at the terminal one question."""
    import typer

    with PROGRESS.pause():
        return str(typer.prompt(words, default=default))


def said(line: str) -> None:
    """Say what is done next, as a line and as the step of the progress."""
    with PROGRESS.pause():
        say(line)
    PROGRESS.step(line)


def track(base: Path, proposal: DataDraft) -> None:
    """Let DVC track the files in `data/source`, so that their digests are part of the commit."""
    from governed_ml.core.config.source_files import parts_of
    from governed_ml.core.problem import Problem

    path = proposal.draft.keys["source"].get("path", "")
    if not path.startswith("data/source/") or not (base / ".dvc").is_dir():
        return
    files = [path]
    if (base / path).is_dir():
        files = [f"{path}/{one.name}" for one in parts_of(base / path)]
    command = [sys.executable, "-m", "dvc", "add", "--quiet", *files]
    done = subprocess.run(command, cwd=base, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"`dvc add {path}` failed: {done.stderr.strip().splitlines()[-1]}")
    proposal.files += [f"{one}.dvc" for one in files]


def show(proposal: DataDraft, *, as_json: bool, dry: bool) -> None:
    """Print what was drafted, for people or as JSON."""
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
            "split_reason": proposal.split_reason,
            "model": proposal.model,
            "policy": proposal.tier,
            "files": proposal.files,
            "kept": proposal.kept,
            "page": proposal.page,
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
    if proposal.split_reason:
        console.print(f"split: {proposal.split}, because {proposal.split_reason}")
    console.print(f"split: {proposal.split}, model: {proposal.model}, policy: {proposal.tier}")
    for line in proposal.warnings:
        console.print(f"[yellow]warning[/yellow] {plain(line)}", soft_wrap=True)
    for name in proposal.kept:
        console.print(f"kept {plain(name)}, because somebody edited it", soft_wrap=True)
    if dry:
        console.print("nothing is written (--dry-run)")
        return
    console.print(f"wrote {plain(', '.join(proposal.files))}", soft_wrap=True)
    console.print(f"drew {proposal.page}, what the table looks like", soft_wrap=True)
    console.print(
        "next: look at the page, read the contract, then run `uv run dvc repro`", soft_wrap=True
    )
