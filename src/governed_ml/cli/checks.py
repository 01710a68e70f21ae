"""`governance check`: what pre-commit and CI run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from governed_ml.checks.run import CHECKS, look


def check(
    name: Annotated[str, typer.Argument(help=f"Of {', '.join(CHECKS)}; several with commas.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Only these files; by default all that git tracks.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Look for what must not be committed: exit 0 nothing, 1 something, 2 could not look."""
    raise typer.Exit(look(name, files or [], as_json=as_json))
