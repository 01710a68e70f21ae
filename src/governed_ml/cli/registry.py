"""The commands that change the state of a version."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governed_ml.core.files import root
from governed_ml.core.problem import FOUND, Problem
from governed_ml.core.terminal import say, tell
from governed_ml.github.workflow_run import workflow_output

if TYPE_CHECKING:
    from governed_ml.ledger.events import Entry

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Version = Annotated[int | None, typer.Argument(help="A version; by default the challenger.")]


def door() -> tuple[Path, Any]:
    """Change to the project's root, and connect to its registry; return both."""
    from governed_ml.registry.versions import Registry, model_name, require_shared

    base = root()
    os.chdir(base)
    require_shared(base)
    return base, Registry(model_name(base))


def register(as_json: Json = False) -> None:
    """Measure the commit again and make its model a version.

    It measures the evidence again on a copy of the commit, then judges, signs and records it.
    A denied model becomes a version in quarantine.

    Exit codes: 0 allow, 1 deny or refused, 2 could not register.

    \b
    Examples:
      uv run governance register
    """
    from governed_ml.core.installation import trusted

    trusted.require("measuring", pinned=True)  # before a library is imported

    from governed_ml.core.repository import PROTECTED, REMOTE, last_protected, precedes
    from governed_ml.policy.decision_screen import show
    from governed_ml.registry.register import register as registered

    base, registry = door()
    done = registered(base, registry, say)
    number, verdict = done.entry.event.version, done.decision.verdict
    if not as_json:
        show(done.decision)
    state = "challenger, pending review" if verdict == "allow" else "quarantined"
    line = f"version {number} of {registry.name} is {state} (event {done.entry.event.sequence})"
    if verdict == "allow":
        line += f"; next, other people run `uv run governance approve {number}`"
        if not precedes(base, done.entry.event.subject["commit"], last_protected(base)):
            line += f", once its commit is on {PROTECTED} of {REMOTE}"
    tell(as_json, line, version=number, verdict=verdict, event=done.entry.event.sequence)
    raise typer.Exit(0 if verdict == "allow" else FOUND)


def approve(
    version: Annotated[int, typer.Argument(help="The version to approve.")],
    name: Annotated[str, typer.Option("--as", help="Your name in governance/approvers.yaml.")] = "",
    key: Annotated[Path | None, typer.Option(help="Your SSH key, which that file lists.")] = None,
    run: Annotated[
        int | None, typer.Option(help="The id of a workflow run whose approvals are recorded.")
    ] = None,
    pull: Annotated[
        int | None,
        typer.Option(help="The number of a pull request whose reviews are recorded as approvals."),
    ] = None,
    comment: Annotated[str, typer.Option(help="What you looked at; the ledger keeps it.")] = "",
    complete: Annotated[
        bool, typer.Option("--complete", help="Exit with code 1 if an approval is still missing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Approve a version.

    Sign with your SSH key (--as, --key), or take over what people said on GitHub (--run, --pull).

    \b
    Examples:
      uv run governance approve 3 --as ada --key ~/.ssh/id_ed25519
      uv run governance approve 3 --pull 12
    """
    from governed_ml.registry.approval import approve as approving
    from governed_ml.registry.approval.approvals import not_approved

    own = name and key and not run and not pull
    if not own and (name or key or (run is None) == (pull is None)):
        raise Problem("give either --as and --key, or --run, or --pull")
    key = key.expanduser().absolute() if key else None
    base, registry = door()
    source = f"github:pull:{pull}" if run is None else f"github:run:{run}"
    if name and key:
        done = approving.approve(base, registry, version, name, key, comment)
    else:
        done = approving.approve_from_github(base, registry, version, source)
    if done.entry is None:
        line = f"version {version} is approved; the ledger already has the approvals of {source}"
        tell(as_json, line, version=version, missing=[], event=None)
        return
    event = done.entry.event
    said = " and ".join(str(one["approver"]) for one in event.approvals)
    left = f"still to approve: {', '.join(done.missing)}" if done.missing else "approved"
    line = f"version {version}: {said} approved it (event {event.sequence}); {left}"
    tell(as_json, line, version=version, missing=done.missing, event=event.sequence)
    if complete and done.missing:
        raise Problem(not_approved(version, done.missing), FOUND)


def reject(
    version: Annotated[int, typer.Argument(help="The version to reject.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    as_json: Json = False,
) -> None:
    """Reject a version for good.

    \b
    Examples:
      uv run governance reject 3 --reason "It fails for new customers."
    """
    from governed_ml.registry.approval.approve import reject as rejected

    base, registry = door()
    event = rejected(base, registry, version, reason).event
    line = f"version {version} is rejected (event {event.sequence})"
    tell(as_json, line, version=version, event=event.sequence)


def promote(version: Version = None, as_json: Json = False) -> None:
    """Make an approved version the champion.

    It first verifies the release and judges it again under the current policy.

    \b
    Examples:
      uv run governance promote      # the challenger
      uv run governance promote 3
    """
    from governed_ml.core.installation import trusted

    trusted.require("computing", pinned=True)  # before a library is imported

    from governed_ml.registry.promote import promote as promoted

    base, registry = door()
    entry = promoted(base, registry, version, _moved(registry))
    if entry is None:
        workflow_output.output("moved", "true")  # an earlier run of this job moved it
        tell(as_json, f"version {version or ''} is champion already", changed=False)
        return
    line = f"version {entry.event.version} is champion (event {entry.event.sequence})"
    tell(as_json, line, version=entry.event.version, event=entry.event.sequence, changed=True)


def rollback(
    reason: Annotated[str, typer.Option(help="The reason, which the ledger keeps.")],
    to: Annotated[
        int | None,
        typer.Option(
            help="The earlier champion to return to; by default the most recent one allowed."
        ),
    ] = None,
    only_from: Annotated[
        int | None, typer.Option("--from", help="Roll back only if this version is champion.")
    ] = None,
    failed: Annotated[
        str,
        typer.Option(
            help="Only record why the version of --from was not deployed after a rollback."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Make an earlier champion the champion again.

    By default it is the last one that today's policy allows.

    \b
    Examples:
      uv run governance rollback --reason "It rejects too many."
      uv run governance rollback --reason "It rejects too many." --to 2
    """
    from governed_ml.core.installation import trusted

    trusted.require("computing")  # before a library is imported

    from governed_ml.registry.rollback import rollback as rolled_back
    from governed_ml.registry.rollback import undeployed

    base, registry = door()
    if failed:
        undeployed(base, registry, reason, only_from, failed)
    event = rolled_back(base, registry, reason, to, only_from, _moved(registry)).event
    line = (
        f"version {event.version} is champion again, version {event.details['from']} is "
        f"quarantined (event {event.sequence})"
    )
    for why in event.details["skipped"]:
        print(f"passed over: {why}", file=sys.stderr)
    for name, why in event.details["measured_otherwise"].items():
        print(f"note: {name}: {why}", file=sys.stderr)
    tell(as_json, line, version=event.version, event=event.sequence)


def _moved(registry: Any) -> Callable[[Entry], None]:
    """Return a function that tells later steps of the workflow that the champion changed."""

    def moved(entry: Entry) -> None:
        event = entry.event
        workflow_output.output("version", str(event.version))
        workflow_output.output("model", event.subject["model"])
        workflow_output.output("url", registry.page(event.version))
        workflow_output.output("moved", "true")

    return moved


def add(app: typer.Typer) -> None:
    """Add these commands to an application."""
    for command in (register, approve, reject, promote, rollback):
        app.command()(command)
