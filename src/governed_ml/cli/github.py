"""`governance github`: the repository's settings; `governance preflight`: what a run requires."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from governed_ml.cli.help import group
from governed_ml.core.problem import FOUND, Problem, counted
from governed_ml.core.terminal import print_json

if TYPE_CHECKING:
    from governed_ml.github.apply import SettingsReport

github = group("Compare GitHub's settings with what they must be.", alone=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@github.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """Compare GitHub's settings with what they must be.

    Without a command this is `plan`.
    """
    if context.invoked_subcommand is None:
        plan()


@github.command()
def plan(as_json: Json = False) -> None:
    """Show what `apply` would change.

    Exit codes: 0 nothing, 1 something, 2 a setting could not be read.

    \b
    Examples:
      uv run governance github plan
    """
    _compare(as_json, every=False)


@github.command()
def verify(as_json: Json = False) -> None:
    """Check every setting.

    Exit codes: 0 as required, 1 something differs, 2 a setting could not be read.

    \b
    Examples:
      uv run governance github verify --json
    """
    _compare(as_json, every=True)


@github.command()
def apply(as_json: Json = False) -> None:
    """Set what differs.

    It needs an administrator's token. A second run changes nothing.

    \b
    Examples:
      uv run governance github apply
    """
    from governed_ml.core.files import root
    from governed_ml.core.terminal import say
    from governed_ml.github.apply import planned

    with planned(root()) as found:
        report = found.apply(say)
    _tell(report, as_json, every=False)
    if not as_json:
        print(
            f"{counted(len(report.changed), 'setting')} changed"
            if report.changed
            else "nothing changed"
        )
    raise typer.Exit(report.exit_code)


def _compare(as_json: bool, *, every: bool) -> None:
    from governed_ml.core.files import root
    from governed_ml.github.apply import planned

    with planned(root()) as found:
        report = found.compare()
    _tell(report, as_json, every=every)
    raise typer.Exit(report.exit_code)


def _tell(report: SettingsReport, as_json: bool, *, every: bool) -> None:
    if as_json:
        print_json(report.model_dump_json(indent=2))
        return
    for one in report.settings:
        for line in one.lines or (["as wanted"] if every else []):
            print(f"{one.name}: {'unknown: ' if one.state == 'unknown' else ''}{line}")
    for note in report.notes:
        print(f"note: {note}")
    count = dict.fromkeys(("as wanted", "differs", "unknown"), 0)
    for one in report.settings:
        count[one.state] += 1
    line = " · ".join(f"{number} {state}" for state, number in count.items() if number)
    print(line + (": run `uv run governance github apply`" if report.exit_code == FOUND else ""))


def preflight(
    pull: Annotated[
        int | None, typer.Option(help="The number of the promotion's pull request.")
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Check what a rollback needs.")
    ] = False,
    monitor: Annotated[
        bool, typer.Option("--monitor", help="Check what monitoring needs.")
    ] = False,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Check what a retraining needs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the GitHub settings that a promotion needs.

    Exit codes: 0 all hold, 1 one does not, 2 GitHub did not answer.

    \b
    Examples:
      uv run governance preflight --pull 12
      uv run governance preflight --monitor
    """
    import json

    from governed_ml.core.files import root
    from governed_ml.github.preflight import ALONE
    from governed_ml.github.preflight import preflight as checked
    from governed_ml.github.workflow_run import workflow_output

    purpose = "rollback" if rollback else "monitor" if monitor else "retrain" if retrain else None
    if sum((rollback, monitor, retrain, pull is not None)) > 1:
        raise Problem("give one of --pull, --rollback, --monitor and --retrain")
    found = checked(root(), pull, purpose or "promotion")
    workflow_output.output("roles", json.dumps(found.roles))
    workflow_output.output("path", found.path)
    rows = [(one.name, one.state, one.line) for one in found.checks]
    ways = {"environments": "environments", "pull-request": f"pull request {pull}"}
    said = f"people approve by {ways.get(found.path)}; roles: {', '.join(found.roles)}"
    said = ALONE[purpose] if purpose else said
    table = workflow_output.table(("check", "state", "what to do"), rows)
    workflow_output.summary(f"### Preflight\n\n{workflow_output.plain(said)}\n\n{table}")
    if as_json:
        print_json(found.model_dump_json(indent=2))
    else:
        for name, state, line in rows:
            print(f"{state:<7}  {name}{f': {line}' if line else ''}")
        for note in found.notes:
            print(f"note     {note}")
        print(said)
    raise typer.Exit(found.exit_code)


def add(app: typer.Typer) -> None:
    """Add these commands to an application."""
    app.add_typer(github, name="github")
    app.command()(preflight)
