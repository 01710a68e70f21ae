"""`governance lineage`: where a model is from, told, shown, hashed again, made again."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..files import root
from ..problem import Problem
from .commands import Json, tell

lineage = typer.Typer(help="Where a model is from: data, code, parameters, policy, approvals.")
Model = Annotated[
    str | None, typer.Argument(help="A version, an alias, a digest; by default what is here.")
]


def here() -> Path:
    """Go to the project's root."""
    base = root()
    os.chdir(base)
    return base


@lineage.command()
def emit(as_json: Json = False) -> None:
    """Tell the line as OpenLineage events: to reports/lineage/, then to OPENLINEAGE_URL if set."""
    from .lineage_emit import FILE
    from .lineage_emit import emit as emitted

    done = emitted(here())
    where = f", {done.sent} sent to {done.endpoint}" if done.endpoint else ""
    line = f"{done.told} events, {done.new} new in {FILE.as_posix()}{where}"
    tell(as_json, line, **asdict(done))
    if done.lost:
        raise Problem(
            f"{done.endpoint} did not get {done.lost} events ({done.why}): they are in "
            f"{FILE.as_posix()}, `uv run governance lineage emit` sends them",
            1,
        )
