"""`governance lineage`: where a model is from, told, shown, hashed again, made again."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..files import as_json as text
from ..files import root, write_text
from ..files import shown as name
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


@lineage.command()
def show(
    model: Model = None,
    as_json: Json = False,
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid graph.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Draw the graph into this file.")] = None,
) -> None:
    """Say which data, code, parameters, environment and policy made a model, who approved, when."""
    from . import lineage_graph as graphs
    from .lineage_show import show as shown
    from .lineage_show import tell as told

    target = svg.absolute() if svg else None
    found = told(here(), model)
    first = found[0]
    if target is not None:
        title = f"{first.line.project}: {first.account['model']['digest']}"
        write_text(target, graphs.svg(graphs.graph(first.line, first.version), title))
    if as_json:
        print(text([one.account for one in found]), end="")
    elif as_mermaid:
        print(graphs.mermaid(graphs.graph(first.line, first.version)), end="")
    elif target is not None:
        print(f"drew {name(target)}")
    else:
        for one in found:
            shown(one)
