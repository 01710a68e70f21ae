"""`governance`: the same commands for people, hooks and workflows."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .checks.cli import check
from .data_cli import contract, page, predict, schemas
from .drill.cli import drill
from .governance import actions, commands, github_cli, release_cli, workflow_cli
from .governance.doctor import doctor
from .governance.ledger_cli import ledger
from .governance.lineage_cli import lineage
from .governance.template_cli import template
from .monitoring.cli import monitor
from .monitoring.retrain_cli import retrain
from .problem import Problem, first_line

app = typer.Typer(
    help="Judge, and say why. Exit codes: 0 allowed, 1 denied, 2 could not judge.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(contract, name="contract", no_args_is_help=True)
app.add_typer(ledger, name="ledger", no_args_is_help=True)
app.add_typer(lineage, name="lineage", no_args_is_help=True)
app.add_typer(retrain, name="retrain", no_args_is_help=True)
app.add_typer(template, name="template", no_args_is_help=True)
app.command()(check)
app.command()(drill)
app.command()(doctor)
app.command()(monitor)
app.command()(page)
app.command()(predict)
app.command()(schemas)
commands.add(app)
github_cli.add(app)
release_cli.add(app)
workflow_cli.add(app)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
def gate(
    names: Annotated[
        list[str] | None, typer.Argument(help="Only these gates; then nothing is written.")
    ] = None,
    as_json: Json = False,
    every: Annotated[bool, typer.Option("--all", help="Show the rules that passed, too.")] = False,
    rehashed: Annotated[
        bool,
        typer.Option("--rehashed", help="The data are not here: `rehash` hashed them in this run."),
    ] = False,
) -> None:
    """Judge the evidence that is there, outside DVC: exit 0 allow, 1 deny, 2 could not judge."""
    from datetime import UTC, datetime

    from .files import root
    from .governance import gate as gates
    from .governance import verdicts

    try:
        base, known = root(), None
        if rehashed:
            from .governance.rehash import read

            known = read(base).elsewhere(base)
        decision = gates.gate(base, datetime.now(UTC).date(), names, known)
    except Exception as error:  # whatever stopped the judge: no earlier allow is left standing
        if not names:
            gates.refuse(first_line(error))
        raise
    verdicts.tell(base, decision, names)
    if as_json:
        print(decision.model_dump_json(indent=2))
    else:
        from .governance.decision import show

        with actions.text():
            show(decision, every=every)
        if names:
            print(f"only {', '.join(names)} judged: no decision was written")
    raise typer.Exit(0 if decision.verdict == "allow" else 1)


def main() -> None:
    """Run a command; every error is one line and an exit code."""
    from .quiet import quiet

    quiet()
    try:
        app()
    except Problem as problem:
        print(f"governance: {problem}", file=sys.stderr)
        actions.annotate("error", str(problem), title="governance")
        sys.exit(problem.exit_code)
    except Exception as error:  # noqa: BLE001 - a person gets one line, never a traceback
        print(f"governance: {type(error).__name__}: {first_line(error)}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
