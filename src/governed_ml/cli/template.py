"""`governance template`: whether the template's files are as it has them, and their update."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

template = typer.Typer(help="The template's own files: compare, update, propose an update.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@template.command()
def verify(as_json: Json = False) -> None:
    """Compare with the template: exit 0 the same, 1 a file differs, 2 it could not be fetched."""
    from governed_ml.core.files import root
    from governed_ml.scaffold.template import verify as verified

    known, found, told = verified(root())
    values: dict[str, Any] = {"template": known.template, "commit": known.commit, "declared": told}
    _tell(as_json, found, f"the governed files are those of {_at(known.commit)}", **values)


@template.command()
def update(
    patch: Annotated[Path | None, typer.Option(help="Write what changed to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Take over what changed in the template: exit 1 if something has to be mended by hand."""
    from governed_ml.core.files import root, write_bytes
    from governed_ml.core.repository import patch as patched
    from governed_ml.core.terminal import say
    from governed_ml.github.workflow_output import output, plain, summary
    from governed_ml.scaffold import update as updating

    base = root()
    done, found, told = updating.update(base, say)
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
    values |= {"declared": told}
    line = f"nothing to do: the project is at {_at(done.commit)}"
    if done.files:
        parts = f"{len(done.files)} files changed, {len(done.workflows)} of them workflows"
        line = f"updated to {_at(done.commit)}: {parts}; look at `git diff HEAD`, then commit"
    _tell(as_json, found, line, **values)


@template.command()
def preflight(as_json: Json = False) -> None:
    """Check the environment that keeps the token: exit 0 guarded, 1 not, 2 could not ask."""
    from governed_ml.core.files import root
    from governed_ml.scaffold.propose import ENVIRONMENT, doubts

    found = [f"environment {ENVIRONMENT}: {one}" for one in doubts(root())]
    _tell(as_json, found, f"the environment {ENVIRONMENT} is guarded")


@template.command()
def propose(
    patch: Annotated[Path, typer.Argument(help="What `update --patch` wrote.")],
    as_json: Json = False,
) -> None:
    """Push an update and open its pull request, with TEMPLATE_UPDATE_TOKEN: all or nothing."""
    from governed_ml.core.files import root
    from governed_ml.core.terminal import say
    from governed_ml.github.workflow_output import output, summary
    from governed_ml.scaffold.propose import propose as proposed

    change, number, url = proposed(root(), patch.absolute(), say)
    output("pull", str(number))
    summary(f"### [Pull request {number}]({url})\n\n{change.body()}")
    values: dict[str, Any] = {"pull": number, "url": url, "commit": change.commit}
    _tell(as_json, [], f"pull request {number} has {_at(change.after.commit)}: {url}", **values)


def _at(commit: str) -> str:
    return f"the template at {commit[:12]}"


def _tell(as_json: bool, found: list[str], line: str, **values: Any) -> None:
    """Say what was found, a line each, and exit 1; or that all is well; and what is declared."""
    from governed_ml.github.workflow_output import annotate

    for one in values.get("declared", []):
        print(one, file=sys.stderr)
        annotate("warning", one, file=one.partition(":")[0], title="declared")

    if as_json:
        print(json.dumps(values | {"found": found}, sort_keys=True, ensure_ascii=False))
    else:
        print("\n".join(found or [line]))
    for one in found:
        annotate("error", one, file=one.partition(":")[0], title="not as the template has it")
    raise typer.Exit(1 if found else 0)
