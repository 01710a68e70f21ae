"""`governance lineage`: show, verify and reproduce how a model was made, and emit events."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from governed_ml.cli.help import group
from governed_ml.cli.registry import Json, tell
from governed_ml.core.files import as_json as text
from governed_ml.core.files import root, write_text
from governed_ml.core.files import shown as name
from governed_ml.core.problem import FOUND, NO_ANSWER, Problem, counted
from governed_ml.core.terminal import say

lineage = group("Show, verify and reproduce where a model comes from.")
Model = Annotated[
    str | None,
    typer.Argument(help="A version, an alias or a digest; by default this commit's model."),
]


def here() -> Path:
    """Change to the project's root, and return it."""
    base = root()
    os.chdir(base)
    return base


@lineage.command()
def emit(as_json: Json = False) -> None:
    """Write the pipeline as OpenLineage events.

    They go to reports/lineage/, and to OPENLINEAGE_URL if that is set.

    \b
    Examples:
      uv run governance lineage emit
    """
    from governed_ml.lineage.emit import FILE
    from governed_ml.lineage.emit import emit as emitted

    done = emitted(here())
    where = f", {done.sent} sent to {done.endpoint}" if done.endpoint else ""
    line = f"{counted(done.told, 'event')}, {done.new} new in {FILE.as_posix()}{where}"
    tell(as_json, line, **asdict(done))
    if done.lost:
        raise Problem(
            f"{done.endpoint} did not get {done.lost} events ({done.why}); they are in "
            f"{FILE.as_posix()}, and the next `uv run governance lineage emit` sends them",
            FOUND,
        )


@lineage.command()
def show(
    model: Model = None,
    as_json: Json = False,
    as_mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print the lineage as a Mermaid graph.")
    ] = False,
    svg: Annotated[Path | None, typer.Option(help="Draw the lineage into this file.")] = None,
) -> None:
    """Show how a model was made, and who approved it.

    Data, code, parameters, environment, policy, evidence, approvals and promotions.

    \b
    Examples:
      uv run governance lineage show champion --svg champion.svg
      uv run governance lineage show 3 --json
    """
    from governed_ml.lineage import graph as graphs
    from governed_ml.lineage.show import show as shown
    from governed_ml.lineage.show import tell as told

    target = svg.absolute() if svg else None
    found = told(here(), model)
    first = found[0]
    if target is not None:
        title = f"{first.pipeline.project}: {first.account['model']['digest']}"
        write_text(target, graphs.svg(graphs.graph(first.pipeline, first.version), title))
    if as_json:
        print(text([one.account for one in found]), end="")
    elif as_mermaid:
        print(graphs.mermaid(graphs.graph(first.pipeline, first.version)), end="")
    elif target is not None:
        print(f"drew {name(target)}")
    else:
        for one in found:
            shown(one)


@lineage.command()
def verify(model: Model = None, as_json: Json = False) -> None:
    """Verify every link from source to alias by its digest.

    Exit codes: 0 all hold, 1 one is broken, 2 one could not be checked.

    \b
    Examples:
      uv run governance lineage verify champion
    """
    from governed_ml.core.terminal import plain, screen
    from governed_ml.lineage.verify import verify as verified

    colours = {"ok": "green", "end": "yellow", "broken": "red", "unknown": "red"}
    found: list[dict[str, str]] = []
    console = screen()
    for link in verified(here(), model):
        found.append(link._asdict())
        if not as_json:
            state = f"[{colours[link.state]}]{link.state:<8}[/]"
            console.print(f"{state}{link.name:<12}{plain(link.said)}", soft_wrap=True)
    if as_json:
        print(text(found), end="")
    states = {one["state"] for one in found}
    raise typer.Exit(FOUND if "broken" in states else NO_ANSWER if "unknown" in states else 0)


@lineage.command()
def reproduce(
    version: Annotated[
        str | None, typer.Argument(help="A version, an alias or a model's digest.")
    ] = None,
    day: Annotated[
        str | None,
        typer.Option("--date", help="Choose the champion at the end of this day, in UTC."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a version's pipeline again in a worktree.

    Exit codes: 0 the same result, 1 something differs, 2 could not run.

    \b
    Examples:
      uv run governance lineage reproduce 3
      uv run governance lineage reproduce --date 2026-12-31
    """
    from governed_ml.lineage.reproduce import named, parsed
    from governed_ml.lineage.reproduce import reproduce as reproduced

    base = here()
    done = reproduced(base, named(base, version, parsed(day)), say)
    states = {one.state for one in done.rows}
    if as_json:
        rows = [one._asdict() | {"state": one.state} for one in done.rows]
        print(text(asdict(done) | {"rows": rows}), end="")
    else:
        print(f"version {done.version}, commit {done.commit}")
        for one in done.rows:
            more = f" (recorded {one.recorded}, now {one.found})"
            print(f"{one.state:<10} {one.what}{more if one.state == 'different' else ''}")
        for note in done.notes:
            print(f"note: {note}")
    raise typer.Exit(FOUND if "different" in states else 0)
