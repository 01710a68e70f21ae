"""`governance check`, which hooks and CI run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from governed_ml.checks.run import CHECKS, look


def check(
    name: Annotated[str, typer.Argument(help=f"One or more, with commas: {', '.join(CHECKS)}.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Check only these files; by default all that git tracks."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Check files for content that must not be committed.

    Exit codes: 0 found nothing, 1 found something, 2 a check could not run.

    \b
    Examples:
      uv run governance check scaffold,engine
      uv run governance check pii README.md src/my_model/features.py
    """
    raise typer.Exit(look(name, files or [], as_json=as_json))
