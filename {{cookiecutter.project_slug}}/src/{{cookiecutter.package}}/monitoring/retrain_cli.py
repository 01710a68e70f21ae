"""`governance retrain`: the line on new data, its pull request, its record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..governance import actions
from ..governance.commands import Json, door, say, tell
from ..problem import Problem

retrain = typer.Typer(help="A challenger from new data; it promotes nothing.")


@retrain.command()
def run(
    output: Annotated[Path, typer.Option(help="A folder for the patch and the comparison.")],
    as_json: Json = False,
) -> None:
    """Run the line on what its source has now, compare with the champion, push to DVC's remote."""
    from .retrain import retrain as retrained

    output = output.absolute()
    base, registry = door()
    try:
        found = retrained(base, registry, output, say)
    except Problem as problem:
        actions.output("why", str(problem))
        raise
    actions.output("verdict", found.verdict)
    actions.output("data", found.data["challenger"])
    actions.summary(found.body())
    values: dict[str, Any] = found.model_dump(mode="json")
    tell(as_json, f"{found.title} ({found.tally}): {output}", **values)


@retrain.command()
def propose(
    folder: Annotated[Path, typer.Argument(help="What `run` wrote.")], as_json: Json = False
) -> None:
    """Push a retraining to its branch and open its pull request, with RETRAIN_TOKEN."""
    from ..files import root
    from .retrain_propose import propose as proposed

    try:
        found, pull = proposed(root(), folder.absolute(), say)
    except Problem as problem:
        actions.output("why", str(problem))
        raise
    actions.output("pull", str(pull.number))
    actions.output("url", pull.html_url)
    line = f"pull request {pull.number}: {found.title}: {pull.html_url}"
    tell(as_json, line, pull=pull.number, url=pull.html_url, verdict=found.verdict)


@retrain.command()
def note(
    reason: Annotated[str, typer.Option(help="Why there was a retraining.")] = "",
    as_json: Json = False,
) -> None:
    """Record what came of a retraining, from the variable NEEDS; tell it in monitoring's issue."""
    from .retrain_propose import jobs, noted

    given = jobs()
    base, registry = door()
    line = noted(base, registry, given, reason)
    actions.summary(actions.plain(line))
    tell(as_json, line, said=line)
