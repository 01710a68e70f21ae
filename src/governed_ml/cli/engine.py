"""`governance update`, `governance engine`, `governance template`: update files and engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from governed_ml.cli.help import group
from governed_ml.core.problem import FOUND, Problem, counted
from governed_ml.core.terminal import print_json

engine = group("Choose where the engine comes from.")
template = group("Propose an update as a pull request.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@engine.callback()
def only_group() -> None:
    """Choose where the engine comes from."""


@engine.command()
def source(
    git: Annotated[str, typer.Option(help="A repository: URL, URL@TAG or URL@COMMIT.")] = "",
    index: Annotated[str, typer.Option(help="The URL of a package index.")] = "",
    wheel: Annotated[Path | None, typer.Option(help="A wheel in this repository.")] = None,
    path: Annotated[
        Path | None, typer.Option(help="A folder; its project cannot register models.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change where the engine is installed from, and lock it.

    It changes pyproject.toml and uv.lock, or neither. Exit codes: 0 locked, 2 nothing was changed.

    \b
    Examples:
      uv run governance engine source --git https://example.org/engine.git@v0.4.0
      uv run governance engine source --index https://example.org/simple
    """
    from governed_ml.core.files import root
    from governed_ml.scaffold import engine_source as sources
    from governed_ml.scaffold import pin

    if sum(map(bool, (git, index, wheel, path))) != 1:
        raise Problem("give one of --git, --index, --wheel and --path")
    base, comment = root(), ""
    if git:
        wanted, comment = sources.by_commit(base, git)
    elif index:
        wanted = {"index": pin.ENGINE}
    elif wheel:
        wanted = sources.by_file(base, wheel, wheel=True)
    else:
        wanted = sources.by_file(base, path or Path(), wheel=False)
    sources.move(base, wanted, index, comment)
    if as_json:
        print(json.dumps(wanted))
        return
    where = index or pin.described(wanted)
    print(f"the engine comes from {where}; commit pyproject.toml and uv.lock")
    if path:
        print(
            "note: a folder can change at any time, so this project can no longer register models"
        )


def update(
    patch: Annotated[Path | None, typer.Option(help="Write what changed into this file.")] = None,
    as_json: Json = False,
) -> None:
    """Update the generated files and the engine.

    Nothing is committed. Exit codes: 0 done, 1 files in conflict, 2 nothing was changed.

    \b
    Examples:
      uv run --group tools governance update
      uv run --group tools governance update --patch ../update.patch
    """
    from governed_ml.core.files import root, write_bytes
    from governed_ml.core.repository import patch as patched
    from governed_ml.core.terminal import say
    from governed_ml.github.workflow_run.workflow_output import output, plain, summary
    from governed_ml.scaffold import update as updating

    base = root()
    done = updating.update(base, say)
    values: dict[str, Any] = {"changed": bool(done.files), "workflows": bool(done.workflows)}
    for name, value in values.items():
        output(name, str(value).lower())
    output("commit", done.commit)
    if done.files:
        lines = [f"- {plain(name)}" for name in done.files]
        summary("\n".join([f"### Updated to {_at(done.commit)}", "", *lines]))
    if done.files and patch:
        write_bytes(patch.absolute(), patched(base))
    values |= {"before": done.before, "commit": done.commit, "files": done.files}
    line = f"nothing to do, because the project is at {_at(done.commit)}"
    if done.files:
        workflows = counted(len(done.workflows), "workflow")
        parts = f"{counted(len(done.files), 'file')} changed ({workflows})"
        line = f"updated to {_at(done.commit)}: {parts}; look at `git diff HEAD`, then commit"
    _tell(as_json, done.conflicts, line, **values)


@template.command()
def preflight(as_json: Json = False) -> None:
    """Check the GitHub environment that stores the token.

    Exit codes: 0 protected, 1 not protected, 2 GitHub did not answer.

    \b
    Examples:
      uv run governance template preflight
    """
    from governed_ml.core.files import root
    from governed_ml.github.template_proposal import ENVIRONMENT, doubts

    found = [f"environment {ENVIRONMENT}: {one}" for one in doubts(root())]
    _tell(as_json, found, f"the environment {ENVIRONMENT} is guarded")


@template.command()
def propose(
    patch: Annotated[Path, typer.Argument(help="What `governance update --patch` wrote.")],
    as_json: Json = False,
) -> None:
    """Push an update and open its pull request.

    It needs TEMPLATE_UPDATE_TOKEN. Exit codes: 0 proposed, 1 refused, 2 failed: then nothing
    was pushed.

    \b
    Examples:
      uv run governance template propose ../update.patch
    """
    from governed_ml.core.files import root
    from governed_ml.core.terminal import say
    from governed_ml.github.template_proposal import propose as proposed
    from governed_ml.github.workflow_run.workflow_output import output, summary

    change, number, url = proposed(root(), patch.absolute(), say)
    output("pull", str(number))
    summary(f"### [Pull request {number}]({url})\n\n{change.body()}")
    values: dict[str, Any] = {"pull": number, "url": url, "commit": change.commit}
    _tell(
        as_json, [], f"pull request {number} updates to {_at(change.after.commit)}: {url}", **values
    )


def _at(commit: str) -> str:
    return f"the template at {commit[:12]}"


def _tell(as_json: bool, found: list[str], line: str, **values: Any) -> None:
    """Print findings, one per line, and exit with 1; without findings, print that all is well."""
    from governed_ml.github.workflow_run.workflow_output import annotate

    if as_json:
        print_json(json.dumps(values | {"found": found}, sort_keys=True, ensure_ascii=False))
    else:
        print("\n".join(found or [line]))
    for one in found:
        annotate("error", one, file=one.partition(":")[0], title="template update")
    raise typer.Exit(FOUND if found else 0)


def add(app: typer.Typer) -> None:
    """Add these commands to an application."""
    app.command()(update)
    app.add_typer(engine, name="engine")
    app.add_typer(template, name="template")
