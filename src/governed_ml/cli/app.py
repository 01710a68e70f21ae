"""The application `governance`, for people, hooks and workflows."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from governed_ml.cli import engine, github, registry, release, workflow
from governed_ml.cli.alerts import alerts
from governed_ml.cli.checks import check
from governed_ml.cli.drill import drill
from governed_ml.cli.help import Topics
from governed_ml.cli.ledger import ledger
from governed_ml.cli.lineage import lineage
from governed_ml.cli.pipeline import contract, init_data, page, predict, schemas, stage
from governed_ml.cli.production.canary import canary
from governed_ml.cli.production.hook import hook
from governed_ml.cli.production.monitor import monitor
from governed_ml.cli.production.retrain import retrain
from governed_ml.cli.production.serve import serve
from governed_ml.core import crash_report
from governed_ml.core.problem import FOUND, NO_ANSWER, Problem, first_line
from governed_ml.core.terminal import print_json
from governed_ml.doctor.examine import doctor
from governed_ml.github.workflow_run import workflow_output

app = typer.Typer(
    cls=Topics,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(canary, name="canary")
app.add_typer(contract, name="contract")
app.add_typer(ledger, name="ledger")
app.add_typer(lineage, name="lineage")
app.add_typer(retrain, name="retrain")
app.command()(alerts)
app.command()(check)
app.command()(drill)
app.command()(init_data)
app.command()(doctor)
app.command()(hook)
app.command()(monitor)
app.command()(page)
app.command()(predict)
app.command()(schemas)
app.command()(serve)
app.command()(stage)
registry.add(app)
engine.add(app)
github.add(app)
release.add(app)
workflow.add(app)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.callback()
def governance(
    traceback: Annotated[  # already removed from the command line by `crash_report.take_option`
        bool, typer.Option("--traceback", help="Also print the traceback of an error.")
    ] = False,
) -> None:
    """Judge a model by its evidence, and release it if the policy allows it.

    Exit codes: 0 yes, 1 no (denied, refused, found something), 2 could not answer.
    """
    del traceback


@app.command()
def gate(
    names: Annotated[
        list[str] | None, typer.Argument(help="Judge only these gates; then nothing is written.")
    ] = None,
    as_json: Json = False,
    every: Annotated[bool, typer.Option("--all", help="Also show the rules that passed.")] = False,
    rehashed: Annotated[
        bool,
        typer.Option(
            "--rehashed", help="Use the digests of `rehash`, because this job has no data."
        ),
    ] = False,
) -> None:
    """Judge the evidence outside DVC.

    It does not trust dvc.lock: it composes conf/ and hashes code, data and model again.

    Exit codes: 0 allow, 1 deny, 2 could not judge.

    \b
    Examples:
      uv run governance gate                 # every gate
      uv run governance gate fairness --all  # one gate, with its passing rules
    """
    from datetime import UTC, datetime

    from governed_ml.core.files import root
    from governed_ml.core.installation import trusted
    from governed_ml.github.workflow_run import verdicts
    from governed_ml.policy import gate as gates

    try:
        trusted.require("judging")
        trusted.note_folder()
        base, known = root(), None
        if rehashed:
            from governed_ml.policy.rehash import read

            known = read(base).elsewhere(base)
        decision = gates.gate(base, datetime.now(UTC).date(), names, known)
    except Exception as error:  # after any error, an earlier allow must not remain
        if not names:
            gates.refuse(first_line(error))
        raise
    verdicts.tell(base, decision, names)
    if as_json:
        print_json(decision.model_dump_json(indent=2))
    else:
        from governed_ml.policy.decision_screen import show

        with workflow_output.text():
            show(decision, every=every)
        if names:
            print(f"only {', '.join(names)} judged, so no decision was written")
        elif gates.stays(base, known):
            print("this clone has no data, so reports/decision.json stays as committed: run `uv "
                  "run dvc pull` and judge again")  # fmt: skip
    raise typer.Exit(0 if decision.verdict == "allow" else FOUND)


def main() -> None:
    """Run a command; every error is printed as one line, with an exit code."""
    from governed_ml.core.process_settings import quiet

    quiet()
    try:
        app()
    except Problem as problem:
        crash_report.show(problem)
        print(f"governance: {problem}", file=sys.stderr)
        workflow_output.annotate("error", str(problem), title="governance")
        sys.exit(problem.exit_code)
    except Exception as error:  # noqa: BLE001 - a person gets one line, never a traceback
        if crash_report.is_interrupt(error):
            print("governance: interrupted", file=sys.stderr)
            sys.exit(NO_ANSWER)
        crash_report.show(error)
        words = [word for word in sys.argv[1:3] if word.isidentifier()]
        said = crash_report.one_line(error) + crash_report.logged(error, " ".join(words))
        print(f"governance: {said}", file=sys.stderr)
        sys.exit(NO_ANSWER)


if __name__ == "__main__":
    main()
