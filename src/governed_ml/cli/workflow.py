"""Commands that the workflow `governance` runs. People can run them, too."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated, Any

import typer

from governed_ml.cli.help import group
from governed_ml.cli.registry import Json, tell
from governed_ml.core.files import root
from governed_ml.core.problem import FOUND, Problem, counted
from governed_ml.github.workflow_run import workflow_output

policy = group("Show how a change alters the policy.")


def fetch(
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="Delete the committed evidence, so that it is measured again."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Fetch the data that the pipeline starts from.

    If DVC's remote is shared, they come from there; otherwise the pipeline starts at its source.

    \b
    Examples:
      uv run governance fetch
      uv run governance fetch --fresh    # measure everything again
    """
    from governed_ml.github.workflow_run.event import from_fork, payload
    from governed_ml.registry.remeasure.fetch import fetch as fetched
    from governed_ml.registry.remeasure.fetch import take_away

    base = root()
    start = fetched(base, fork=from_fork(payload()))
    if fresh and start.mode == "recompute":
        take_away(base, start)
    workflow_output.output("mode", start.mode)
    workflow_output.output("stages", " ".join(start.stages))
    if start.mode == "committed":
        workflow_output.annotate("warning", f"not recomputed: {start.why}", title="pipeline")
    where = f"the pipeline starts at {start.stage}" if start.stage else "not recomputed"
    tell(as_json, f"{where}: {start.why}", **start._asdict())


def rehash(
    as_committed: Annotated[
        bool,
        typer.Option(
            "--as-committed", help="Use the committed evidence, because the pipeline did not run."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Record the digests of data, model and evidence.

    This detects a forged dvc.lock.

    \b
    Examples:
      uv run governance rehash
    """
    from governed_ml.policy.rehash import PATH
    from governed_ml.policy.rehash import rehash as rehashed
    from governed_ml.registry.remeasure import committed_evidence

    base = root()
    made = rehashed(base, recomputed=not as_committed)
    if not made.evidence:
        raise Problem(
            "there is no evidence, so nothing was measured: run `uv run dvc repro`", FOUND
        )
    if not as_committed:
        committed_evidence.require_plain(base)
        same = committed_evidence.require_committed(base)
        claims = f"as committed: {', '.join(same)}" if same else "no evidence was committed"
    else:
        claims = "not recomputed: the committed evidence was used as it is"
    rows = [(path, digest) for path, digest in (made.files | {"model": made.model}).items()]
    workflow_output.summary(
        f"## Measured\n\n{claims}\n\n{workflow_output.table(('file', 'digest'), rows)}"
    )
    line = f"{counted(len(made.files), 'file')} hashed into {PATH.as_posix()}; {claims}"
    tell(as_json, line, **made.model_dump(mode="json"))


def aggregate(as_json: Json = False) -> None:
    """Check that every job in NEEDS succeeded.

    NEEDS holds GitHub's `toJSON(needs)`.

    \b
    Examples:
      NEEDS='{"train": {"result": "success"}}' uv run governance aggregate
    """
    results = _results(os.environ.get("NEEDS", ""))
    bad = {job: result for job, result in results.items() if result != "success"}
    said = "; ".join(f"{job}: {result}" for job, result in bad.items())
    for job, result in bad.items():
        workflow_output.annotate(
            "error",
            f"{job} is {result}, but the decision needs every job to succeed",
            title="decision",
        )
    tell(as_json, said or f"all {len(results)} jobs succeeded", results=results)
    raise typer.Exit(FOUND if bad else 0)


def _results(text: str) -> dict[str, str]:
    try:
        found = {str(job): str(said["result"]) for job, said in json.loads(text).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Problem(
            "the environment variable NEEDS holds no results of jobs: set it to `toJSON(needs)`"
        ) from error
    if not found:
        raise Problem(
            "the environment variable NEEDS names no job, so nothing succeeded: set it to "
            "`toJSON(needs)`"
        )
    return found


@policy.command()
def diff(
    base_ref: Annotated[
        str,
        typer.Option(
            "--base",
            help="A commit to compare with; by default the one that the change is based on.",
        ),
    ] = "",
    pull: Annotated[
        int | None, typer.Option(help="The number of the pull request that has the change.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare policy, engine and workflows with an earlier commit.

    In a workflow it compares the current commit; elsewhere it includes uncommitted changes.

    Exit codes: 0 nothing loosened, or approved by the risk owner; 1 loosened; 2 could not compare.

    \b
    Examples:
      uv run governance policy diff
      uv run governance policy diff --base main
    """
    from governed_ml.core.config.composition import CONF, compose
    from governed_ml.core.repository import git, head, protected, uncommitted
    from governed_ml.github import policy_diff as diffs
    from governed_ml.github.workflow_run.event import base_commit, payload, pull_number

    folder, event = root(), payload()
    if base_ref:
        since: str | None = git(folder, "rev-parse", "--verify", f"{base_ref}^{{commit}}")
    else:
        since = base_commit(folder, event) if event else protected(folder)
    if since is None:
        tell(as_json, "there is no earlier policy to compare with", changes=[], approved_by=None)
        return
    edited = not event and bool(uncommitted(folder))
    old = diffs.before(folder, since)
    new = diffs.here(folder, compose(folder / CONF)) if edited else diffs.at(folder, head(folder))
    changes = diffs.compare(old, new)
    loosened = [one for one in changes if one.kind == "loosened"]
    _show(changes, since, loosened)
    diffs.require_published(folder, old, new)
    number = pull if pull is not None else pull_number(event)
    who = None
    if loosened and number is not None:
        who = diffs.approved_by(folder, number, since, head(folder))
    elif loosened and workflow_output.here():
        who = diffs.approved_push(folder, since, head(folder))
    values: list[dict[str, Any]] = [vars(one) for one in changes]
    tally = f"{len(loosened)} loosened, {len(changes) - len(loosened)} other changes"
    asked = f"; a {diffs.OWNER} must approve" if loosened else ""
    asked = f"; approved by {who}" if who else asked
    what = f"policy since {since[:12]}{', uncommitted changes included' if edited else ''}"
    tell(as_json, f"{what}: {tally}{asked}", changes=values, approved_by=who)
    raise typer.Exit(FOUND if loosened and who is None else 0)


def _show(changes: list[Any], since: str, loosened: list[Any]) -> None:
    from governed_ml.github.workflow_run.verdicts import rule_lines

    rows = [(one.kind, one.rule, one.what) for one in changes]
    text = workflow_output.table(("", "rule", "how it is now"), rows) if rows else "no change\n"
    workflow_output.summary(f"## Policy since {since[:12]}\n\n{text}")
    for kind, rule, what in rows:
        print(f"{kind}: {rule}: {what}", file=sys.stderr)
    lines = rule_lines(root()) if loosened and workflow_output.here() else {}
    for one in loosened[: workflow_output.MOST]:
        file, line = lines.get(one.rule, lines.get("", ("", None)))
        workflow_output.annotate(
            "warning", one.what, file=file, line=line, title=f"loosened: {one.rule}"
        )


def add(app: typer.Typer) -> None:
    """Add these commands to an application."""
    for command in (fetch, rehash, aggregate):
        app.command()(command)
    app.add_typer(policy, name="policy")
