"""`governance canary`: let a version answer some subjects, and judge it by what it answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from governed_ml.cli.help import group
from governed_ml.cli.registry import door, tell
from governed_ml.core.problem import NO_ANSWER, counted
from governed_ml.core.terminal import print_json

if TYPE_CHECKING:
    from governed_ml.serving.canary.outcome import CanaryOutcome

canary = group("Try an approved version on a share of the subjects.", alone=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Logs = Annotated[
    list[Path] | None,
    typer.Option(
        "--log", help="The data folder of a service; repeat it for several. By default data."
    ),
]
COLOURS = {"pass": "green", "insufficient": "yellow", "fail": "red"}


@canary.callback(invoke_without_command=True)
def default(context: typer.Context, log: Logs = None, as_json: Json = False) -> None:
    """Try an approved version on a share of the subjects.

    Without a command this is `judge`.
    """
    if context.invoked_subcommand is None:
        judge(log, as_json)


@canary.command()
def judge(log: Logs = None, as_json: Json = False) -> None:
    """Judge the running canary, and do what follows.

    If every rule of the policy surely holds, the next step begins; after the last one, the version
    is promoted. If a rule is surely broken, the canary is reverted. Otherwise it is held.

    Exit codes: 0 advanced or promoted, 1 held or reverted, 2 could not be judged.

    \b
    Examples:
      uv run governance canary judge
      uv run governance canary judge --log /srv/a/data --log /srv/b/data
    """
    from governed_ml.core.installation import trusted

    trusted.require("computing", exit_code=NO_ANSWER)  # before a library is imported

    from governed_ml.serving.canary.log_rows import DATA
    from governed_ml.serving.canary.step import judge_once

    folders = [one.absolute() for one in log or []]
    base, registry = door()
    done = judge_once(base, registry, folders or [DATA])
    if as_json:
        print_json(json.dumps(done.values(), sort_keys=True, ensure_ascii=False))
    else:
        _show(done)
    if done.failure is not None:
        raise done.failure
    raise typer.Exit(done.exit_code)


@canary.command()
def start(
    version: Annotated[int, typer.Argument(help="An approved version.")],
    share: Annotated[
        int | None,
        typer.Option(help="The first share in percent; by default, and at most, the policy's."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let an approved version answer the first share of the subjects.

    It must be a version that could be promoted today.

    \b
    Examples:
      uv run governance canary start 3
      uv run governance canary start 3 --share 5
    """
    from governed_ml.core.installation import trusted

    trusted.require("computing", pinned=True)  # before a library is imported

    from governed_ml.registry.canary import start as started

    base, registry = door()
    event = started(base, registry, version, share).event
    first = event.details["share"]
    line = f"version {version} answers {first} % of the subjects (event {event.sequence})"
    tell(as_json, line, version=version, share=first, event=event.sequence)


@canary.command()
def stop(
    reason: Annotated[str, typer.Option(help="The reason, which the ledger keeps.")],
    as_json: Json = False,
) -> None:
    """End the canary: the champion answers everybody.

    The version stays approved.

    \b
    Examples:
      uv run governance canary stop --reason "The campaign is over."
    """
    from governed_ml.registry.canary import stop as stopped

    base, registry = door()
    event = stopped(base, registry, reason).event
    line = f"version {event.version} is no canary any more (event {event.sequence})"
    tell(as_json, line, version=event.version, event=event.sequence)


@canary.command()
def shadow(
    version: Annotated[
        int | None, typer.Argument(help="A version that runs as shadow; by default the challenger.")
    ] = None,
    log: Logs = None,
    as_json: Json = False,
) -> None:
    """Compare the answers of a shadow with those of the champion.

    Nothing is judged and nothing is recorded.

    Exit codes: 0 compared, 2 there is nothing to compare.

    \b
    Examples:
      uv run governance canary shadow 3
    """
    from governed_ml.core.installation import trusted

    trusted.require("computing", exit_code=NO_ANSWER)  # before a library is imported

    from governed_ml.serving.canary.log_rows import DATA
    from governed_ml.serving.canary.shadow import compare_shadow

    folders = [one.absolute() for one in log or []]
    base, registry = door()
    found = compare_shadow(base, registry, version, folders or [DATA])
    if as_json:
        print_json(found.model_dump_json())
        return
    print(f"version {found.version} in shadow of champion {found.champion}: "
          f"{counted(found.rows, 'row')} from {found.since} to {found.until}")  # fmt: skip
    if found.disagreement is not None and found.disagreement_bounds is not None:
        low, high = found.disagreement_bounds
        print(f"another class: {found.disagreement:.2%} [{low:.2%}, {high:.2%}]")
    moved = ", ".join(f"{name} {value:+.3g}" for name, value in found.difference.items())
    print(f"score of the shadow − champion: mean {found.mean_difference:+.3g}; {moved}")
    for arm, slow in found.milliseconds_p95.items():
        time = "not known" if slow is None else f"{slow:.3g} ms"
        print(f"{arm}: {counted(found.failed[arm], 'row')} without an answer, p95 {time}")


def _show(done: CanaryOutcome) -> None:
    """Print the rules, then what became of the canary."""
    from rich.markup import escape
    from rich.table import Table

    from governed_ml.core.terminal import screen

    record, console = done.record, screen()
    table = Table(box=None, pad_edge=False)
    for name in ("verdict", "rule", "value", "limit", "because"):
        right = name in ("value", "limit")
        table.add_column(name, overflow="fold", justify="right" if right else "left")
    for name, rule in record.rules.items():
        value = "" if rule.value is None else f"{rule.value:.4g}"
        said = f"[{COLOURS[rule.verdict]}]{rule.verdict}[/]"
        table.add_row(said, escape(name), value, f"{rule.limit:g}", escape(rule.reason))
    if table.row_count:
        console.print(table)
    for reason in record.reasons:
        if reason.partition(":")[0] not in record.rules:
            console.print(f"· {escape(reason)}", soft_wrap=True)
    rows = " and ".join(f"{counted(n, 'row')} of the {arm}" for arm, n in record.rows.items())
    line = f"version {done.version} {done.verdict}"
    if done.verdict in ("advanced", "held"):
        line += f" at {record.share} % of the subjects"
    line += f" · {rows} since {record.since}" if rows else ""
    line += f" · event {done.event}" if done.event else " · recorded earlier"
    console.print(line, soft_wrap=True)
