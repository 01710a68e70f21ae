"""`governance retrain`: run the pipeline on new data, open its pull request, record the outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from governed_ml.cli.help import group
from governed_ml.cli.registry import Json, door, tell
from governed_ml.core.problem import Problem
from governed_ml.core.terminal import say
from governed_ml.github.workflow_run import workflow_output

retrain = group("Train a challenger on new data; it promotes nothing.")


@retrain.command()
def run(
    output: Annotated[Path, typer.Option(help="A folder for the patch and the comparison.")],
    as_json: Json = False,
) -> None:
    """Run the pipeline on the source's current data.

    It compares the challenger with the champion and pushes data and model to DVC's remote.

    \b
    Examples:
      uv run governance retrain run --output ../retraining
    """
    from governed_ml.monitoring.retraining.retrain import retrain as retrained

    output = output.absolute()
    base, registry = door()
    try:
        found = retrained(base, registry, output, say)
    except Problem as problem:
        workflow_output.output("why", str(problem))
        raise
    workflow_output.output("verdict", found.verdict)
    workflow_output.output("data", found.data["challenger"])
    workflow_output.summary(found.body())
    values: dict[str, Any] = found.model_dump(mode="json")
    tell(as_json, f"{found.title} ({found.tally}): {output}", **values)


@retrain.command()
def propose(
    folder: Annotated[Path, typer.Argument(help="The folder that `run` wrote.")],
    as_json: Json = False,
) -> None:
    """Open the pull request of a retraining.

    It needs RETRAIN_TOKEN.

    \b
    Examples:
      uv run governance retrain propose ../retraining
    """
    from governed_ml.core.files import root
    from governed_ml.monitoring.retraining.propose import propose as proposed

    try:
        found, pull = proposed(root(), folder.absolute(), say)
    except Problem as problem:
        workflow_output.output("why", str(problem))
        raise
    workflow_output.output("pull", str(pull.number))
    workflow_output.output("url", pull.html_url)
    line = f"pull request {pull.number}: {found.title}: {pull.html_url}"
    tell(as_json, line, pull=pull.number, url=pull.html_url, verdict=found.verdict)


@retrain.command()
def note(
    reason: Annotated[str, typer.Option(help="Why the model was retrained.")] = "",
    as_json: Json = False,
) -> None:
    """Record the outcome of a retraining.

    It reads the variable NEEDS and writes to the ledger and to the issue of the monitoring.

    \b
    Examples:
      uv run governance retrain note --reason "Monitoring asked for it."
    """
    from governed_ml.monitoring.retraining.propose import jobs, noted

    given = jobs()
    base, registry = door()
    line = noted(base, registry, given, reason)
    workflow_output.summary(workflow_output.plain(line))
    tell(as_json, line, said=line)
